/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_name.c: generated names of overlays
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "qemu_snapshot_name.h"
#include "virsnaperror.h"
#include "virsnapstorage.h"

static void
check(GHashTable *taken, const char *base, const char *snapshot, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = qemuSnapshotNameGenerate(base, snapshot, taken, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(name, ==, expected);
}

static GHashTable *
newSet(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void
testStem(void)
{
    g_autoptr(GHashTable) taken = newSet();

    check(taken, "/no/disk.qcow2", "snap1", "/no/disk.snap1-1");
    check(taken, "/no/disk.snap1", "snap2", "/no/disk.snap2-1");
    check(taken, "/no/disk.snap1-1", "snap2", "/no/disk.snap2-1");
    check(taken, "/no/a.b.qcow2", "s", "/no/a.b.s-1");
    check(taken, "/no/disk", "s", "/no/disk.s-1");
    check(taken, "/no.d/disk", "s", "/no.d/disk.s-1");
    check(taken, "/no/.hidden", "s", "/no/.hidden.s-1");
    check(taken, "/no/disk.", "s", "/no/disk.s-1");
    check(taken, "/no/disk.qcow2", "a b%s", "/no/disk.a b%s-1");
}

static void
testSmallestFree(void)
{
    g_autoptr(GHashTable) taken = newSet();

    g_hash_table_add(taken, g_strdup("/no/disk.s-1"));
    g_hash_table_add(taken, g_strdup("/no/disk.s-3"));
    check(taken, "/no/disk.qcow2", "s", "/no/disk.s-2");
    g_hash_table_add(taken, g_strdup("/no/disk.s-2"));
    check(taken, "/no/disk.raw", "s", "/no/disk.s-4");
}

static void
testFiles(void)
{
    g_autoptr(GHashTable) taken = newSet();
    g_autofree char *folder = g_dir_make_tmp("name-XXXXXX", NULL);
    g_autofree char *base = g_build_filename(folder, "disk.qcow2", NULL);
    g_autofree char *one = g_build_filename(folder, "disk.s-1", NULL);
    g_autofree char *two = g_build_filename(folder, "disk.s-2", NULL);
    g_autofree char *three = g_build_filename(folder, "disk.s-3", NULL);

    g_assert_true(g_file_set_contents(one, "", 0, NULL));
    g_assert_cmpint(symlink("nowhere", two), ==, 0);
    check(taken, base, "s", three);
    g_remove(one);
    check(taken, base, "s", one);
    g_remove(two);
    g_rmdir(folder);
}

static void
testImpossible(void)
{
    g_autoptr(GHashTable) taken = newSet();
    g_autofree char *long_name = g_strnfill(250, 'x');
    const char *snapshots[] = { "a/b", "../x", long_name };

    for (gsize i = 0; i < G_N_ELEMENTS(snapshots); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(qemuSnapshotNameGenerate("/no/disk.qcow2", snapshots[i], taken,
                                               &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "/no/disk.qcow2"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    g_test_add_func("/qemu_snapshot_name/stem", testStem);
    g_test_add_func("/qemu_snapshot_name/smallest-free", testSmallestFree);
    g_test_add_func("/qemu_snapshot_name/files", testFiles);
    g_test_add_func("/qemu_snapshot_name/impossible", testImpossible);
    return g_test_run();
}
