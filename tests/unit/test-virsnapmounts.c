/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapmounts.c: which mount a path leads into
 */

#include "config.h"

#include "virsnapmounts.h"

static const char text[] =
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "22 21 0:20 / /srv/images rw - nfs4 server:/export rw\n"
    "23 22 0:21 / /srv/images/fast rw master:1 shared:2 - xfs /dev/sdb1 rw\n"
    "24 21 0:22 / /with\\040blank rw - fuse.sshfs user@host: rw\n"
    "damaged line\n"
    "25 21 0:23 / /srv/images/twice rw - ext4 /dev/sdc1 rw\n"
    "26 25 0:24 / /srv/images/twice rw - cifs //server/share rw\n";

static const struct {
    const char *path;
    const char *source;
    const char *id;
    gboolean shared;
} rows[] = {
    { "/", "/dev/sda1", "21", FALSE },
    { "/srv/a.qcow2", "/dev/sda1", "21", FALSE },
    { "/srv/images", "server:/export", "22", TRUE },
    { "/srv/images/a.qcow2", "server:/export", "22", TRUE },
    { "/srv/images2/a.qcow2", "/dev/sda1", "21", FALSE },
    { "/srv/images/fast/a.qcow2", "/dev/sdb1", "23", FALSE },
    { "/srv/images/faster", "server:/export", "22", TRUE },
    { "/with blank/a", "user@host:", "24", TRUE },
    { "/srv/images/twice/a", "//server/share", "26", TRUE },
};

static void
testFind(void)
{
    g_autoptr(virSnapMounts) mounts = virSnapMountsParse(text);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const virSnapMount *mount = virSnapMountsFind(mounts, rows[i].path);

        g_assert_nonnull(mount);
        g_assert_cmpstr(mount->source, ==, rows[i].source);
        g_assert_cmpstr(mount->id, ==, rows[i].id);
        g_assert_cmpint(mount->shared, ==, rows[i].shared);
    }
}

static void
testNone(void)
{
    g_autoptr(virSnapMounts) mounts = virSnapMountsParse("");

    g_assert_null(virSnapMountsFind(mounts, "/srv/a"));
}

static void
testOwn(void)
{
    g_autoptr(virSnapMounts) mounts = virSnapMountsRead();

    g_assert_nonnull(virSnapMountsFind(mounts, "/"));
    g_assert_cmpstr(virSnapMountsFind(mounts, "/proc/self")->type, ==, "proc");
}

static void
testInside(void)
{
    g_assert_true(virSnapMountsIsInside("/a/b", "/a"));
    g_assert_true(virSnapMountsIsInside("/a/b", "/a/"));
    g_assert_true(virSnapMountsIsInside("/a", "/a"));
    g_assert_true(virSnapMountsIsInside("/a", "/"));
    g_assert_false(virSnapMountsIsInside("/ab", "/a"));
    g_assert_false(virSnapMountsIsInside("/a", "/a/b"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virsnapmounts/find", testFind);
    g_test_add_func("/virsnapmounts/none", testNone);
    g_test_add_func("/virsnapmounts/own", testOwn);
    g_test_add_func("/virsnapmounts/inside", testInside);
    return g_test_run();
}
