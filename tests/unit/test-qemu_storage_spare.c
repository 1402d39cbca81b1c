/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_storage_spare.c: which daemons are started, used and ended when
 */

#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "qemu_storage_spare.h"
#include "virsnaperror.h"

/* longer than any test takes */
#define LONG 1000

/* It notes its process id and does nothing. */
#define SCRIPT "#!/bin/sh\necho $$ >>$0.log\nexec sleep 100\n"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *script;
    char *log;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("qemu_storage_spare-XXXXXX", NULL);
    f->script = g_build_filename(f->folder, "script", NULL);
    f->log = g_strconcat(f->script, ".log", NULL);
    g_assert_true(g_file_set_contents(f->script, SCRIPT, -1, NULL));
    g_assert_cmpint(chmod(f->script, 0700), ==, 0);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_remove(f->log);
    g_remove(f->script);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->log);
    g_free(f->script);
    g_free(f->folder);
}

/* The process ids of all that were started so far, and an empty string. */
static char **
started(const fixture *f)
{
    char *text = NULL;
    char **ids;

    if (!g_file_get_contents(f->log, &text, NULL, NULL))
        text = g_strdup("");
    ids = g_strsplit(text, "\n", -1);
    g_free(text);
    return ids;
}

/* Waits until there have been n of them, and returns the last. */
static GPid
waitStarted(const fixture *f, guint n)
{
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    for (;;) {
        g_auto(GStrv) ids = started(f);

        if (g_strv_length(ids) == n + 1)
            return atoi(ids[n - 1]);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static guint
countStarted(const fixture *f)
{
    g_auto(GStrv) ids = started(f);

    return g_strv_length(ids) > 0 ? g_strv_length(ids) - 1 : 0;
}

static void
waitEnded(GPid pid)
{
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (kill(pid, 0) == 0) {
        /* buries it */
        g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static qemuStorageDaemon *
wantAndTake(qemuStorageSpare *spare)
{
    g_autoptr(GError) error = NULL;
    qemuStorageDaemon *daemon;

    qemuStorageSpareWant(spare);
    daemon = qemuStorageSpareTake(spare, &error);
    g_assert_no_error(error);
    g_assert_false(qemuStorageDaemonHasEnded(daemon));
    return daemon;
}

/* None is started before one is wanted, and none after, unless one is to be kept. It
 * can be used as long as what started it is there. */
static void
testTake(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) daemon = NULL;

    qemuStorageSpareKeep(spare);
    daemon = wantAndTake(spare);
    waitStarted(f, 1);
    g_assert_false(qemuStorageDaemonHasEnded(daemon));
    qemuStorageSpareFree(spare);
    g_assert_cmpuint(countStarted(f), ==, 1);
    qemuStorageDaemonWait(daemon);
    g_assert_true(qemuStorageDaemonHasEnded(daemon));
}

/* As many as are wanted at the same time, each of them once. */
static void
testTwo(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) one = NULL;
    g_autoptr(qemuStorageDaemon) two = NULL;

    qemuStorageSpareWant(spare);
    one = wantAndTake(spare);
    two = qemuStorageSpareTake(spare, NULL);
    g_assert_nonnull(two);
    g_assert_true(one != two);
    waitStarted(f, 2);
    qemuStorageSpareFree(spare);
}

static void
testKeep(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) one G_GNUC_UNUSED = wantAndTake(spare);
    g_autoptr(qemuStorageDaemon) two = NULL;

    waitStarted(f, 1);
    qemuStorageSpareKeep(spare);
    waitStarted(f, 2);
    two = wantAndTake(spare);
    qemuStorageSpareFree(spare);
    g_assert_cmpuint(countStarted(f), ==, 2);
}

/* One that was not needed after all serves the next. */
static void
testDrop(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) daemon = NULL;

    qemuStorageSpareWant(spare);
    qemuStorageSpareDrop(spare);
    waitStarted(f, 1);
    daemon = wantAndTake(spare);
    qemuStorageSpareFree(spare);
    g_assert_cmpuint(countStarted(f), ==, 1);
}

static void
testKilled(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) daemon = NULL;
    siginfo_t info;
    GPid pid;

    qemuStorageSpareWant(spare);
    qemuStorageSpareDrop(spare);
    pid = waitStarted(f, 1);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), ==, 0);

    daemon = wantAndTake(spare);
    waitStarted(f, 2);
    qemuStorageSpareFree(spare);
}

static void
testExpire(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, 1);

    qemuStorageSpareWant(spare);
    qemuStorageSpareDrop(spare);
    waitEnded(waitStarted(f, 1));
    qemuStorageSpareFree(spare);
    g_assert_cmpuint(countStarted(f), ==, 1);
}

static void
testFree(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    GPid pid;

    qemuStorageSpareWant(spare);
    qemuStorageSpareDrop(spare);
    pid = waitStarted(f, 1);
    qemuStorageSpareFree(spare);
    waitEnded(pid);
}

/* Whoever wants one is told why there is none, each time, and it may come to be. */
static void
testFailure(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);
    g_autoptr(qemuStorageDaemon) daemon = NULL;

    g_assert_cmpint(chmod(f->script, 0600), ==, 0);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        qemuStorageSpareWant(spare);
        g_assert_null(qemuStorageSpareTake(spare, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
        g_assert_nonnull(strstr(error->message, f->script));
        qemuStorageSpareKeep(spare);
    }

    g_assert_cmpint(chmod(f->script, 0700), ==, 0);
    daemon = wantAndTake(spare);
    waitStarted(f, 1);
    qemuStorageSpareFree(spare);
}

/* A start that nobody wanted, and that is still failing when one is wanted, is not the one
 * that was wanted. It has failed by then or has not: so it is tried often. */
static void
testFailureBefore(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuStorageSpare *spare = qemuStorageSpareNew(f->script, LONG);

    for (guint i = 1; i <= 200; i++) {
        g_autoptr(qemuStorageDaemon) daemon G_GNUC_UNUSED = wantAndTake(spare);

        waitStarted(f, i);
        g_assert_cmpint(chmod(f->script, 0600), ==, 0);
        qemuStorageSpareKeep(spare);
        g_usleep(g_random_int_range(0, 500));
        g_assert_cmpint(chmod(f->script, 0700), ==, 0);
    }
    qemuStorageSpareFree(spare);
}

#define ADD(name, func) \
    g_test_add("/qemu_storage_spare/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("take", testTake);
    ADD("two", testTwo);
    ADD("keep", testKeep);
    ADD("drop", testDrop);
    ADD("killed", testKilled);
    ADD("expire", testExpire);
    ADD("free", testFree);
    ADD("failure", testFailure);
    ADD("failure-before", testFailureBefore);
    return g_test_run();
}
