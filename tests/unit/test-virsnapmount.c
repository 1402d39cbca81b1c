/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapmount.c: which mount a path lies on
 */

#include "config.h"

#include "virsnapmount.h"

static const char mountinfo[] =
    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "21 20 0:5 / /dev rw - devtmpfs udev rw\n"
    "30 20 0:40 / /mnt rw - nfs4 server:/a rw\n"
    "31 30 0:41 / /mnt/with\\040blank rw - nfs4 server:/b rw\n"
    "32 20 0:42 / /twice rw - nfs4 server:/c rw\n"
    "33 32 0:43 / /twice rw - nfs4 server:/d rw\n"
    "34 20 0:44 / /back\\134slash\n"
    "35 20\n";

static const struct {
    const char *path;
    const char *point;
    const char *id;
} cases[] = {
    { "/", "/", "20" },
    { "/images/a.qcow2", "/", "20" },
    { "/mnt", "/mnt", "30" },
    { "/mnt/", "/mnt", "30" },
    { "/mnt/a.qcow2", "/mnt", "30" },
    { "/mnt2/a.qcow2", "/", "20" },
    { "/mnt/../images/a.qcow2", "/", "20" },
    { "/mnt/with blank/a.qcow2", "/mnt/with blank", "31" },
    { "/mnt/with", "/mnt", "30" },
    { "/twice/a.qcow2", "/twice", "33" },
    { "/back\\slash/a", "/back\\slash", "34" },
};

static void
testFind(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(virSnapMount) mount = { 0 };

        g_test_message("%s", cases[i].path);
        g_assert_true(virSnapMountFindIn(mountinfo, cases[i].path, &mount));
        g_assert_cmpstr(mount.point, ==, cases[i].point);
        g_assert_cmpstr(mount.id, ==, cases[i].id);
    }
}

static void
testNone(void)
{
    g_auto(virSnapMount) mount = { 0 };

    g_assert_false(virSnapMountFindIn("", "/images", &mount));
    g_assert_false(virSnapMountFindIn("20 1 8:1 / /mnt\n", "/images", &mount));
    g_assert_null(mount.point);
}

static void
testOwn(void)
{
    g_auto(virSnapMount) mount = { 0 };

    g_assert_true(virSnapMountFind("/proc/self/maps", &mount));
    g_assert_cmpstr(mount.point, ==, "/proc");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mount/find", testFind);
    g_test_add_func("/mount/none", testNone);
    g_test_add_func("/mount/own", testOwn);
    return g_test_run();
}
