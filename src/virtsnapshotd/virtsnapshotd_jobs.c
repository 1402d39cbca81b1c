/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_jobs.c: who may change which domain, and who waits for it
 *
 * A revert has its domain for itself, and so has a deletion of a snapshot. Others
 * that want to change the domain queue here, in the order of their coming, and not
 * in a worker: many reverts of one domain leave the workers to those of others. Once
 * a deletion is libvirt's it can be aborted, as without us in between.
 */

#include "config.h"

#include <string.h>

#include "virtsnapshotd_jobs.h"

/* as long as libvirt waits for the job of a domain */
#define PATIENCE_SECONDS 30

struct _virtsnapshotdJobs {
    qemuSnapshotDriver *driver;
    GQueue waiting;              /* of virtsnapshotdJob, of all domains */
    GHashTable *abortable;       /* set of GBytes: UUIDs of domains that someone has */
};

typedef struct _virtsnapshotdJob virtsnapshotdJob;
struct _virtsnapshotdJob {
    virtsnapshotdJobs *jobs;
    unsigned char uuid[VIR_UUID_BUFLEN];
    virtsnapshotdJobKind kind;
    virtsnapshotdJobFunc func;
    void *opaque;
    guint timer;
};

static void
jobFree(virtsnapshotdJob *job)
{
    g_queue_remove(&job->jobs->waiting, job);
    g_clear_handle_id(&job->timer, g_source_remove);
    g_free(job);
}

static void
jobFinish(virtsnapshotdJob *job, gboolean granted)
{
    virtsnapshotdJobFunc func = job->func;
    void *opaque = job->opaque;

    jobFree(job);
    func(granted, opaque);
}

static gboolean
jobIsImpatient(void *opaque)
{
    virtsnapshotdJob *job = opaque;

    job->timer = 0;
    jobFinish(job, FALSE);
    return G_SOURCE_REMOVE;
}

/* Whether another job for the same domain came before. */
static gboolean
jobIsBehind(const virtsnapshotdJob *job, const GList *link)
{
    for (GList *i = job->jobs->waiting.head; i != link; i = i->next) {
        const virtsnapshotdJob *other = i->data;

        if (memcmp(other->uuid, job->uuid, sizeof(job->uuid)) == 0)
            return TRUE;
    }

    return FALSE;
}

static gboolean
jobMayAbort(const virtsnapshotdJob *job)
{
    g_autoptr(GBytes) uuid = g_bytes_new(job->uuid, sizeof(job->uuid));

    return job->kind == VIRTSNAPSHOTD_JOB_ABORT &&
        g_hash_table_contains(job->jobs->abortable, uuid);
}

static gboolean
jobMayGo(const virtsnapshotdJob *job, const GList *link)
{
    qemuSnapshotDriver *driver = job->jobs->driver;

    if (jobMayAbort(job))
        return TRUE;
    if (jobIsBehind(job, link))
        return FALSE;
    if (job->kind == VIRTSNAPSHOTD_JOB_EXCLUSIVE)
        return qemuSnapshotDriverTryLock(driver, job->uuid);

    return !qemuSnapshotDriverIsLocked(driver, job->uuid);
}

/* A job that goes may add others: begin anew after each. */
static gboolean
jobsGoOne(virtsnapshotdJobs *jobs)
{
    for (GList *link = jobs->waiting.head; link; link = link->next) {
        virtsnapshotdJob *job = link->data;

        if (!jobMayGo(job, link))
            continue;
        jobFinish(job, TRUE);
        return TRUE;
    }

    return FALSE;
}

static gboolean
jobsGo(void *opaque)
{
    virtsnapshotdJobs *jobs = opaque;

    while (jobsGoOne(jobs))
        continue;
    return G_SOURCE_REMOVE;
}

/* In any thread. */
static void
jobsUnlocked(void *opaque)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, jobsGo, opaque, NULL);
}

virtsnapshotdJobs *
virtsnapshotdJobsNew(qemuSnapshotDriver *driver)
{
    virtsnapshotdJobs *jobs = g_new0(virtsnapshotdJobs, 1);

    jobs->driver = driver;
    g_queue_init(&jobs->waiting);
    jobs->abortable = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
                                            (GDestroyNotify)g_bytes_unref, NULL);
    qemuSnapshotDriverOnUnlock(driver, jobsUnlocked, jobs);
    return jobs;
}

void
virtsnapshotdJobsFree(virtsnapshotdJobs *jobs)
{
    if (!jobs)
        return;

    while (!g_queue_is_empty(&jobs->waiting))
        jobFree(g_queue_peek_head(&jobs->waiting));
    while (g_source_remove_by_user_data(jobs))
        continue;
    g_hash_table_unref(jobs->abortable);
    g_free(jobs);
}

void
virtsnapshotdJobsAdd(virtsnapshotdJobs *jobs, const unsigned char *uuid,
                     virtsnapshotdJobKind kind, virtsnapshotdJobFunc func, void *opaque)
{
    virtsnapshotdJob *job = g_new0(virtsnapshotdJob, 1);

    job->jobs = jobs;
    memcpy(job->uuid, uuid, sizeof(job->uuid));
    job->kind = kind;
    job->func = func;
    job->opaque = opaque;
    g_queue_push_tail(&jobs->waiting, job);

    if (jobMayGo(job, jobs->waiting.tail))
        jobFinish(job, TRUE);
    else if (kind != VIRTSNAPSHOTD_JOB_EXCLUSIVE)
        job->timer = g_timeout_add_seconds(PATIENCE_SECONDS, jobIsImpatient, job);
}

void
virtsnapshotdJobsAllowAbort(virtsnapshotdJobs *jobs, const unsigned char *uuid)
{
    g_hash_table_add(jobs->abortable, g_bytes_new(uuid, VIR_UUID_BUFLEN));
    jobsUnlocked(jobs);
}

void
virtsnapshotdJobsRelease(virtsnapshotdJobs *jobs, const unsigned char *uuid)
{
    g_autoptr(GBytes) key = g_bytes_new(uuid, VIR_UUID_BUFLEN);

    g_hash_table_remove(jobs->abortable, key);
    qemuSnapshotDriverUnlock(jobs->driver, uuid);
}
