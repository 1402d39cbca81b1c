/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_job.c: what is known of operations
 */

#include "config.h"

#include <libvirt/libvirt.h>

#include "qemu_snapshot_job.h"
#include "virsnaperror.h"

static const unsigned char mine[VIR_UUID_BUFLEN] = { 1 };
static const unsigned char other[VIR_UUID_BUFLEN] = { 2 };

static qemuSnapshotJob *
begin(qemuSnapshotJobs *jobs, const unsigned char *uuid)
{
    return qemuSnapshotJobBegin(jobs, QEMU_SNAPSHOT_JOB_REVERT, uuid, "vm", "snap1");
}

static void
warn(qemuSnapshotJob *job, const char *text)
{
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, text);
    qemuSnapshotJobWarn(job, "%s", text);
    g_test_assert_expected_messages();
}

static void
testRunning(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    qemuSnapshotJob *job = begin(jobs, mine);
    g_autoptr(qemuSnapshotJobInfo) first = qemuSnapshotJobsGet(jobs, mine, FALSE);
    g_autoptr(qemuSnapshotJobInfo) later = NULL;

    g_assert_cmpstr(first->domain, ==, "vm");
    g_assert_cmpstr(first->snapshot, ==, "snap1");
    g_assert_null(first->step);
    g_assert_false(first->completed);
    g_assert_null(qemuSnapshotJobsGet(jobs, other, FALSE));
    g_assert_null(qemuSnapshotJobsGet(jobs, mine, TRUE));

    qemuSnapshotJobSetStep(job, "create");
    qemuSnapshotJobSetProgress(job, 1, 2, QEMU_SNAPSHOT_JOB_DISKS);
    later = qemuSnapshotJobsGet(jobs, mine, FALSE);
    g_assert_cmpstr(later->step, ==, "create");
    g_assert_cmpuint(later->done, ==, 1);
    g_assert_cmpuint(later->total, ==, 2);
    g_assert_cmpint(later->unit, ==, QEMU_SNAPSHOT_JOB_DISKS);
    qemuSnapshotJobEnd(job, NULL);
}

static void
testCompleted(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    g_autoptr(GError) error = g_error_new(VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED, "no");
    g_autoptr(qemuSnapshotJobInfo) failed = NULL;
    g_autoptr(qemuSnapshotJobInfo) last = NULL;
    qemuSnapshotJob *job = begin(jobs, mine);

    warn(job, "kept");
    qemuSnapshotJobEnd(job, error);
    failed = qemuSnapshotJobsGet(jobs, mine, TRUE);
    g_assert_true(failed->completed);
    g_assert_cmpstr(failed->error, ==, "no");
    g_assert_cmpuint(failed->warnings->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(failed->warnings, 0), ==, "kept");
    g_assert_null(qemuSnapshotJobsGet(jobs, mine, FALSE));

    /* the last one is what counts, and while there is a next it is told of, too */
    job = begin(jobs, mine);
    qemuSnapshotJobInfoFree(qemuSnapshotJobsGet(jobs, mine, TRUE));
    qemuSnapshotJobEnd(job, NULL);
    last = qemuSnapshotJobsGet(jobs, mine, TRUE);
    g_assert_null(last->error);
    g_assert_cmpuint(last->warnings->len, ==, 0);
}

static void
testWithoutJob(void)
{
    warn(NULL, "in the log");
}

static void
testWarningsBound(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    g_autoptr(qemuSnapshotJobInfo) info = NULL;
    qemuSnapshotJob *job = begin(jobs, mine);

    for (int i = 0; i < 150; i++)
        warn(job, "kept");
    info = qemuSnapshotJobsGet(jobs, mine, FALSE);
    g_assert_cmpuint(info->warnings->len, ==, 100);
    g_assert_cmpstr(g_ptr_array_index(info->warnings, 98), ==, "kept");
    g_assert_nonnull(strstr(g_ptr_array_index(info->warnings, 99), "log"));
    qemuSnapshotJobEnd(job, NULL);
}

static gboolean
isKnown(qemuSnapshotJobs *jobs, guint8 first, guint8 second)
{
    const unsigned char uuid[VIR_UUID_BUFLEN] = { first, second };
    g_autoptr(qemuSnapshotJobInfo) info = qemuSnapshotJobsGet(jobs, uuid, TRUE);

    return info != NULL;
}

/* The oldest is forgotten, and one that was renewed is not it. */
static void
testCompletedBound(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();

    for (int i = 0; i <= 256; i++) {
        const unsigned char uuid[VIR_UUID_BUFLEN] = { i % 256, i / 256 };

        if (i == 256)
            qemuSnapshotJobEnd(begin(jobs, (const unsigned char[VIR_UUID_BUFLEN]) { 0 }),
                               NULL);
        qemuSnapshotJobEnd(begin(jobs, uuid), NULL);
    }

    g_assert_true(isKnown(jobs, 0, 0));
    g_assert_false(isKnown(jobs, 1, 0));
    g_assert_true(isKnown(jobs, 2, 0));
    g_assert_true(isKnown(jobs, 0, 1));
}

static void *
askOften(void *opaque)
{
    for (int i = 0; i < 10000; i++)
        qemuSnapshotJobInfoFree(qemuSnapshotJobsGet(opaque, mine, i % 2));
    return NULL;
}

static void
testThreads(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    GThread *thread = g_thread_new("ask", askOften, jobs);

    for (int i = 0; i < 1000; i++) {
        qemuSnapshotJob *job = begin(jobs, mine);

        qemuSnapshotJobSetStep(job, "create");
        qemuSnapshotJobSetProgress(job, i, 1000, QEMU_SNAPSHOT_JOB_BYTES);
        qemuSnapshotJobEnd(job, NULL);
    }
    g_thread_join(thread);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_job/running", testRunning);
    g_test_add_func("/qemu_snapshot_job/completed", testCompleted);
    g_test_add_func("/qemu_snapshot_job/without-job", testWithoutJob);
    g_test_add_func("/qemu_snapshot_job/warnings-bound", testWarningsBound);
    g_test_add_func("/qemu_snapshot_job/completed-bound", testCompletedBound);
    g_test_add_func("/qemu_snapshot_job/threads", testThreads);
    return g_test_run();
}
