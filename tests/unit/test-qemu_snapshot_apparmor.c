/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_apparmor.c: what AppArmor's helper may read, and grants
 */

#include "config.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "qemu_snapshot_apparmor.h"

static void
testReadable(void)
{
    static const struct {
        const char *path;
        gboolean readable;
    } cases[] = {
        { "/var/lib/libvirt/images/sys.s1-1", TRUE },
        { "/var/lib/libvirt/images/a/b/sys.s1-1", TRUE },
        { "/home/me/vms/sys.s1-1", TRUE },
        { "/root/sys.s1-1", TRUE },
        { "/srv/vms/sys.s1-1", TRUE },
        { "/mnt/x", TRUE },
        { "/data/vms/sys.s1-1", FALSE },
        { "/srvx/sys.s1-1", FALSE },
        { "/var/lib/libvirt/imagesx/sys.s1-1", FALSE },
        { "/data/vms/sys.qcow2", TRUE },
        { "/data/vms/sys.img", TRUE },
        { "/data/vms/sys.img.s1-1", FALSE },
        { "/data/vms/img", FALSE },
        { "/data/vms/disk", TRUE },
        { "/data/vms/disk.s1-1", TRUE },
        { "/data/vms/mydisk.s1-1", FALSE },
        { "/data/disk.d/sys.s1-1", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].path);
        g_assert_cmpint(qemuSnapshotAppArmorCanRead(cases[i].path), ==, cases[i].readable);
    }
}

static void
testGrantable(void)
{
    static const struct {
        const char *path;
        gboolean grantable;
    } cases[] = {
        { "/data/vms/sys.s1-1", TRUE },
        { "/data/vms/a \"b\".s1-1", FALSE },
        { "/etc/vms/sys.s1-1", FALSE },
        { "/usr/share/vms/sys.s1-1", FALSE },
        { "/usr/libx/sys.s1-1", FALSE },
        { "/library/sys.s1-1", FALSE },
        { "/usr/local/vms/sys.s1-1", TRUE },
        { "/boot/sys.s1-1", FALSE },
        { "/binx/sys.s1-1", TRUE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].path);
        g_assert_cmpint(qemuSnapshotAppArmorCanGrant(cases[i].path), ==,
                        cases[i].grantable);
    }
}

#define MODEL(name) \
    "<capabilities><host><secmodel><model>" name "</model></secmodel></host></capabilities>"

static void
testActive(void)
{
    static const struct {
        const char *enabled;
        const char *capabilities;
        gboolean active;
    } cases[] = {
        { "Y\n", MODEL("apparmor"), TRUE },
        { "N\n", MODEL("apparmor"), FALSE },
        { "", MODEL("apparmor"), FALSE },
        { NULL, MODEL("apparmor"), FALSE },
        { "Y\n", MODEL("dac"), FALSE },
        { "Y\n", "<capabilities/>", FALSE },
        { "Y\n", "not XML", FALSE },
    };
    g_autofree char *file = NULL;

    close(g_file_open_tmp("enabled.XXXXXX", &file, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].enabled)
            g_assert_true(g_file_set_contents(file, cases[i].enabled, -1, NULL));
        else
            g_remove(file);
        g_assert_cmpint(qemuSnapshotAppArmorIsActive(file, cases[i].capabilities), ==,
                        cases[i].active);
    }
    g_remove(file);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_apparmor/readable", testReadable);
    g_test_add_func("/qemu_snapshot_apparmor/grantable", testGrantable);
    g_test_add_func("/qemu_snapshot_apparmor/active", testActive);
    return g_test_run();
}
