/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_job.c: what virtsnapshotd does with each domain, and what it did last
 *
 * Whoever has a domain reverted gets an answer when all is over, and of a revert that
 * went well only that. What was kept, and why, and how far one is that takes long, is
 * told to those who ask here.
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "qemu_snapshot_job.h"
#include "virsnaperror.h"
#include "virsnaphandover.h"

/* More domains than that are not looked at one after the other by anyone. */
#define COMPLETED_MAX 256
/* One for each image that is kept, of more disks than a domain can have snapshots of;
 * what is said beyond that is in the log. */
#define WARNINGS_MAX 100

struct _qemuSnapshotJobs {
    GMutex lock;              /* of all that is below, and of each job */
    GHashTable *running;      /* GBytes, a UUID -> qemuSnapshotJob, not owned */
    GHashTable *completed;    /* GBytes, a UUID -> qemuSnapshotJobInfo */
    GQueue order;             /* of GBytes, the keys of that, oldest first */
};

struct _qemuSnapshotJob {
    qemuSnapshotJobs *jobs;
    GBytes *uuid;
    gint64 begun;
    qemuSnapshotJobInfo *info;
};

static qemuSnapshotJobInfo *
infoNew(qemuSnapshotJobOperation operation, const char *domain, const char *snapshot)
{
    qemuSnapshotJobInfo *info = g_new0(qemuSnapshotJobInfo, 1);

    info->operation = operation;
    info->domain = g_strdup(domain);
    info->snapshot = g_strdup(snapshot);
    info->warnings = g_ptr_array_new_with_free_func(g_free);
    return info;
}

void
qemuSnapshotJobInfoFree(qemuSnapshotJobInfo *info)
{
    if (!info)
        return;

    g_free(info->domain);
    g_free(info->snapshot);
    g_free(info->error);
    g_ptr_array_unref(info->warnings);
    g_free(info);
}

static qemuSnapshotJobInfo *
infoCopy(const qemuSnapshotJobInfo *info)
{
    qemuSnapshotJobInfo *copy = infoNew(info->operation, info->domain, info->snapshot);

    copy->step = info->step;
    copy->elapsed = info->elapsed;
    copy->done = info->done;
    copy->total = info->total;
    copy->unit = info->unit;
    copy->completed = info->completed;
    copy->error = g_strdup(info->error);
    for (guint i = 0; i < info->warnings->len; i++)
        g_ptr_array_add(copy->warnings,
                        g_strdup(g_ptr_array_index(info->warnings, i)));
    return copy;
}

qemuSnapshotJobs *
qemuSnapshotJobsNew(void)
{
    qemuSnapshotJobs *jobs = g_new0(qemuSnapshotJobs, 1);

    g_mutex_init(&jobs->lock);
    g_queue_init(&jobs->order);
    jobs->running = g_hash_table_new(g_bytes_hash, g_bytes_equal);
    jobs->completed =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                              (GDestroyNotify)qemuSnapshotJobInfoFree);
    return jobs;
}

void
qemuSnapshotJobsFree(qemuSnapshotJobs *jobs)
{
    if (!jobs)
        return;

    g_hash_table_unref(jobs->running);
    g_queue_clear(&jobs->order);
    g_hash_table_unref(jobs->completed);
    g_mutex_clear(&jobs->lock);
    g_free(jobs);
}

static guint64
jobElapsed(const qemuSnapshotJob *job)
{
    return (g_get_monotonic_time() - job->begun) / G_TIME_SPAN_MILLISECOND;
}

qemuSnapshotJobInfo *
qemuSnapshotJobsGet(qemuSnapshotJobs *jobs, const unsigned char *uuid, gboolean completed)
{
    g_autoptr(GBytes) key = g_bytes_new(uuid, VIR_UUID_BUFLEN);
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&jobs->lock);
    const qemuSnapshotJobInfo *info;
    qemuSnapshotJob *job;

    if (completed) {
        info = g_hash_table_lookup(jobs->completed, key);
        return info ? infoCopy(info) : NULL;
    }

    if (!(job = g_hash_table_lookup(jobs->running, key)))
        return NULL;
    job->info->elapsed = jobElapsed(job);
    return infoCopy(job->info);
}

qemuSnapshotJob *
qemuSnapshotJobBegin(qemuSnapshotJobs *jobs, qemuSnapshotJobOperation operation,
                     const unsigned char *uuid, const char *domain, const char *snapshot)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&jobs->lock);
    qemuSnapshotJob *job = g_new0(qemuSnapshotJob, 1);

    job->jobs = jobs;
    job->uuid = g_bytes_new(uuid, VIR_UUID_BUFLEN);
    job->begun = g_get_monotonic_time();
    job->info = infoNew(operation, domain, snapshot);
    g_hash_table_insert(jobs->running, job->uuid, job);
    return job;
}

void
qemuSnapshotJobSetStep(qemuSnapshotJob *job, const char *step)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&job->jobs->lock);

    job->info->step = step;
}

void
qemuSnapshotJobSetProgress(qemuSnapshotJob *job, guint64 done, guint64 total,
                           qemuSnapshotJobUnit unit)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&job->jobs->lock);

    job->info->done = done;
    job->info->total = total;
    job->info->unit = unit;
}

void
qemuSnapshotJobWarn(qemuSnapshotJob *job, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_warning("%s", text);

    if (!job)
        return;

    virSnapMutexLock(&job->jobs->lock);
    if (job->info->warnings->len == WARNINGS_MAX - 1) {
        g_free(text);
        text = g_strdup(_("there are more warnings in the log of virtsnapshotd"));
    }
    if (job->info->warnings->len < WARNINGS_MAX)
        g_ptr_array_add(job->info->warnings, g_steal_pointer(&text));
    virSnapMutexUnlock(&job->jobs->lock);
}

/* With the lock held. */
static void
jobsRemember(qemuSnapshotJobs *jobs, GBytes *uuid, qemuSnapshotJobInfo *info)
{
    GList *link = g_queue_find_custom(&jobs->order, uuid, g_bytes_compare);
    gpointer key = g_bytes_ref(uuid);

    if (link)
        g_queue_delete_link(&jobs->order, link);
    else if (g_queue_get_length(&jobs->order) == COMPLETED_MAX)
        g_hash_table_remove(jobs->completed, g_queue_pop_head(&jobs->order));

    g_hash_table_replace(jobs->completed, key, info);
    g_queue_push_tail(&jobs->order, key);
}

void
qemuSnapshotJobEnd(qemuSnapshotJob *job, const GError *error)
{
    qemuSnapshotJobs *jobs = job->jobs;

    virSnapMutexLock(&jobs->lock);
    job->info->elapsed = jobElapsed(job);
    job->info->completed = TRUE;
    job->info->error = error ? g_strdup(error->message) : NULL;
    g_hash_table_remove(jobs->running, job->uuid);
    jobsRemember(jobs, job->uuid, job->info);
    virSnapMutexUnlock(&jobs->lock);

    g_bytes_unref(job->uuid);
    g_free(job);
}
