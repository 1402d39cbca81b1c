/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_job.h: what virtsnapshotd does with each domain, and what it did last
 */

#pragma once

#include <glib.h>

typedef enum {
    QEMU_SNAPSHOT_JOB_REVERT,
    QEMU_SNAPSHOT_JOB_DELETE,
} qemuSnapshotJobOperation;

typedef enum {
    QEMU_SNAPSHOT_JOB_BYTES,
    QEMU_SNAPSHOT_JOB_DISKS,
} qemuSnapshotJobUnit;

/* What is known of one operation. */
typedef struct _qemuSnapshotJobInfo qemuSnapshotJobInfo;
struct _qemuSnapshotJobInfo {
    qemuSnapshotJobOperation operation;
    char *domain;
    char *snapshot;
    const char *step;       /* that it is at, or was when it ended; NULL before the first */
    guint64 elapsed;        /* milliseconds, until its end */
    guint64 done;
    guint64 total;          /* 0: not known */
    qemuSnapshotJobUnit unit;
    gboolean completed;
    char *error;            /* why it failed; NULL: it did not, or is not over */
    GPtrArray *warnings;    /* of char * */
};

void qemuSnapshotJobInfoFree(qemuSnapshotJobInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotJobInfo, qemuSnapshotJobInfoFree)

/* All that is known of all domains. Safe in all threads. */
typedef struct _qemuSnapshotJobs qemuSnapshotJobs;

qemuSnapshotJobs *qemuSnapshotJobsNew(void);
void qemuSnapshotJobsFree(qemuSnapshotJobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotJobs, qemuSnapshotJobsFree)

/* A copy of what is being done with the domain or, where completed is TRUE, of what was
 * done last. NULL: nothing is, or nothing that is remembered. */
qemuSnapshotJobInfo *qemuSnapshotJobsGet(qemuSnapshotJobs *jobs,
                                         const unsigned char *uuid, gboolean completed);

typedef struct _qemuSnapshotJob qemuSnapshotJob;

/* The caller holds the driver's lock of the domain until the end. */
qemuSnapshotJob *qemuSnapshotJobBegin(qemuSnapshotJobs *jobs,
                                      qemuSnapshotJobOperation operation,
                                      const unsigned char *uuid, const char *domain,
                                      const char *snapshot);

/* step is a constant, which is not copied. */
void qemuSnapshotJobSetStep(qemuSnapshotJob *job, const char *step);
void qemuSnapshotJobSetProgress(qemuSnapshotJob *job, guint64 done, guint64 total,
                                qemuSnapshotJobUnit unit);

/* Logs it, and keeps it for whoever asks. Job NULL, as in a recovery, which nobody asks
 * about: the log alone. */
void qemuSnapshotJobWarn(qemuSnapshotJob *job, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* error NULL: it went well. Frees the job. */
void qemuSnapshotJobEnd(qemuSnapshotJob *job, const GError *error);
