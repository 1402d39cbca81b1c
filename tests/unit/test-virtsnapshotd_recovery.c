/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_recovery.c: what was broken off is looked for, and the end waits
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "qemu_snapshot_journal.h"
#include "virsnaperror.h"
#include "virtsnapshotd_recovery.h"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *journal;
    qemuSnapshotDriver *driver;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const qemuHoldersFolders folders = { NULL };

    f->folder = g_dir_make_tmp("virtsnapshotd_recovery-XXXXXX", NULL);
    f->journal = g_build_filename(f->folder,
                                  "6695eb01-f6a4-8304-79aa-97f2502e193f.journal", NULL);
    f->driver = qemuSnapshotDriverNew("test:///default", "/nonexistent", 1, f->folder,
                                      &folders, NULL);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotDriverFree(f->driver);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->journal);
    g_free(f->folder);
}

static void
testNothing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virtsnapshotdRecovery) recovery = virtsnapshotdRecoveryNew(f->driver, FALSE);

    g_assert_nonnull(recovery);
}

/* It begins at once, and what is begun is done before it is at its end. */
static void
testDamaged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *aside = g_strconcat(f->journal, ".damaged", NULL);
    virtsnapshotdRecovery *recovery;

    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_assert_true(g_file_set_contents(f->journal, "x", 1, NULL));
    recovery = virtsnapshotdRecoveryNew(f->driver, FALSE);
    while (access(f->journal, F_OK) == 0)
        g_thread_yield();
    virtsnapshotdRecoveryFree(recovery);
    g_assert_cmpint(access(aside, F_OK), ==, 0);
    g_assert_false(qemuSnapshotDriverHasLocks(f->driver));
    g_unlink(aside);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/virtsnapshotd_recovery/nothing", fixture, NULL, setUp, testNothing,
               tearDown);
    g_test_add("/virtsnapshotd_recovery/damaged", fixture, NULL, setUp, testDamaged,
               tearDown);
    return g_test_run();
}
