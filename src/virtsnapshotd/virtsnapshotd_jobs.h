/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_jobs.h: who may change which domain, and who waits for it
 */

#pragma once

#include "qemu_snapshot_driver.h"

typedef struct _virtsnapshotdJobs virtsnapshotdJobs;

typedef enum {
    /* has the driver's lock of the domain until virtsnapshotdJobsRelease() */
    VIRTSNAPSHOTD_JOB_EXCLUSIVE,
    /* goes ahead once nobody has it, but does not wait for ever */
    VIRTSNAPSHOTD_JOB_PATIENT,
    /* the same, and at once where whoever has it can be aborted */
    VIRTSNAPSHOTD_JOB_ABORT,
} virtsnapshotdJobKind;

/* In the loop's thread, where all of these are used; granted: FALSE where it has
 * waited too long. */
typedef void (*virtsnapshotdJobFunc)(gboolean granted, void *opaque);

virtsnapshotdJobs *virtsnapshotdJobsNew(qemuSnapshotDriver *driver);
/* What waits is forgotten. */
void virtsnapshotdJobsFree(virtsnapshotdJobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdJobs, virtsnapshotdJobsFree)

/* Queues behind those that wait for the same domain; func may be called at once. */
void virtsnapshotdJobsAdd(virtsnapshotdJobs *jobs, const unsigned char *uuid,
                          virtsnapshotdJobKind kind, virtsnapshotdJobFunc func,
                          void *opaque);

/* Whoever has the domain can be aborted until the release. */
void virtsnapshotdJobsAllowAbort(virtsnapshotdJobs *jobs, const unsigned char *uuid);
void virtsnapshotdJobsRelease(virtsnapshotdJobs *jobs, const unsigned char *uuid);
