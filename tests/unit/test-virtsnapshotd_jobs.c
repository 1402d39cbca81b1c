/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_jobs.c: who goes ahead when
 */

#include "config.h"

#include <string.h>

#include "virtsnapshotd_jobs.h"

static const unsigned char mine[VIR_UUID_BUFLEN] = { 1 };
static const unsigned char other[VIR_UUID_BUFLEN] = { 2 };

typedef struct _fixture fixture;
struct _fixture {
    qemuSnapshotDriver *driver;
    virtsnapshotdJobs *jobs;
    GString *gone;             /* a letter for each that was granted */
};

typedef struct _letter letter;
struct _letter {
    fixture *f;
    char name;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const qemuHoldersFolders folders = { NULL };

    f->driver = qemuSnapshotDriverNew("test:///default", "/nonexistent", 1,
                                      "/nonexistent", &folders, NULL);
    f->jobs = virtsnapshotdJobsNew(f->driver);
    f->gone = g_string_new(NULL);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdJobsFree(f->jobs);
    qemuSnapshotDriverFree(f->driver);
    g_string_free(f->gone, TRUE);
}

static void
granted(gboolean granted, void *opaque)
{
    letter *l = opaque;

    g_assert_true(granted);
    g_string_append_c(l->f->gone, l->name);
}

/* Returns who has gone ahead so far, once all that may has. */
static const char *
gone(fixture *f)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return f->gone->str;
}

#define ADD_JOB(f, uuid, kind, letter_name) \
    letter letter_##letter_name = { f, #letter_name[0] }; \
    virtsnapshotdJobsAdd((f)->jobs, uuid, VIRTSNAPSHOTD_JOB_##kind, granted, \
                         &letter_##letter_name)

static void
testOrder(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    ADD_JOB(f, mine, EXCLUSIVE, a);
    ADD_JOB(f, mine, PATIENT, b);
    ADD_JOB(f, mine, EXCLUSIVE, c);
    ADD_JOB(f, mine, PATIENT, d);
    ADD_JOB(f, other, PATIENT, e);
    g_assert_cmpstr(gone(f), ==, "ae");
    virtsnapshotdJobsRelease(f->jobs, mine);
    g_assert_cmpstr(gone(f), ==, "aebc");
    virtsnapshotdJobsRelease(f->jobs, mine);
    g_assert_cmpstr(gone(f), ==, "aebcd");
}

/* It waits as others do until it is allowed, and then for none of those. */
static void
testAbort(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    ADD_JOB(f, mine, EXCLUSIVE, a);
    ADD_JOB(f, mine, PATIENT, b);
    ADD_JOB(f, mine, ABORT, c);
    g_assert_cmpstr(gone(f), ==, "a");
    virtsnapshotdJobsAllowAbort(f->jobs, mine);
    g_assert_cmpstr(gone(f), ==, "ac");
    ADD_JOB(f, mine, ABORT, d);
    g_assert_cmpstr(gone(f), ==, "acd");
    virtsnapshotdJobsRelease(f->jobs, mine);
    g_assert_cmpstr(gone(f), ==, "acdb");
}

/* What was allowed of one holder is not allowed of the next. */
static void
testAbortOfTheNext(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    ADD_JOB(f, mine, EXCLUSIVE, a);
    virtsnapshotdJobsAllowAbort(f->jobs, mine);
    virtsnapshotdJobsRelease(f->jobs, mine);
    ADD_JOB(f, mine, EXCLUSIVE, b);
    ADD_JOB(f, mine, ABORT, c);
    g_assert_cmpstr(gone(f), ==, "ab");
    virtsnapshotdJobsRelease(f->jobs, mine);
    g_assert_cmpstr(gone(f), ==, "abc");
}

#define ADD(name, func) \
    g_test_add("/virtsnapshotd_jobs/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("order", testOrder);
    ADD("abort", testAbort);
    ADD("abort-of-the-next", testAbortOfTheNext);
    return g_test_run();
}
