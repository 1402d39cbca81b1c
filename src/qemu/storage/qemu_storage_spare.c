/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_spare.c: storage daemons that are started before they are needed
 *
 * The start of a storage daemon takes longer than to make and open an overlay. So it
 * goes on while the revert is planned, and after a revert one is started for the next:
 * who reverts often does not wait for it at all. One that has opened an image is
 * never used again.
 *
 * All of them are started by one thread, which lives as long as they do: a
 * process that is to end with us ends with the thread that started it.
 */

#include "config.h"

#include "qemu_storage_spare.h"
#include "virsnaphandover.h"

typedef struct _spareStarted spareStarted;
struct _spareStarted {
    qemuStorageDaemon *daemon;   /* NULL: it could not be started */
    GError *error;
};

struct _qemuStorageSpare {
    char *binary;
    gint64 keep_time;            /* microseconds */
    GThread *thread;             /* NULL until one is wanted */

    GMutex lock;                 /* never held for long */
    GCond changed;
    gboolean quit;
    guint wanted;                /* and neither taken nor dropped yet */
    GQueue started;              /* of spareStarted: those that nobody took yet */
    gint64 keep_until;           /* one more than are wanted; 0: none */
};

static void
startedFree(void *opaque)
{
    spareStarted *started = opaque;

    qemuStorageDaemonStop(started->daemon);
    g_clear_error(&started->error);
    g_free(started);
}

qemuStorageSpare *
qemuStorageSpareNew(const char *binary, unsigned int keep_seconds)
{
    qemuStorageSpare *spare = g_new0(qemuStorageSpare, 1);

    spare->binary = g_strdup(binary);
    spare->keep_time = keep_seconds * G_USEC_PER_SEC;
    g_mutex_init(&spare->lock);
    g_cond_init(&spare->changed);
    g_queue_init(&spare->started);
    return spare;
}

void
qemuStorageSpareFree(qemuStorageSpare *spare)
{
    if (!spare)
        return;

    virSnapMutexLock(&spare->lock);
    spare->quit = TRUE;
    g_cond_broadcast(&spare->changed);
    virSnapMutexUnlock(&spare->lock);
    if (spare->thread)
        g_thread_join(spare->thread);

    g_queue_clear_full(&spare->started, startedFree);
    g_cond_clear(&spare->changed);
    g_mutex_clear(&spare->lock);
    g_free(spare->binary);
    g_free(spare);
}

/* What the thread does, with the lock held */

static guint
spareTarget(const qemuStorageSpare *spare)
{
    return MAX(spare->wanted, spare->keep_until ? 1 : 0);
}

static void
spareStart(qemuStorageSpare *spare)
{
    spareStarted *started = g_new0(spareStarted, 1);
    gboolean is_wanted = spare->started.length < spare->wanted;

    virSnapMutexUnlock(&spare->lock);
    started->daemon = qemuStorageDaemonStart(spare->binary, &started->error);
    virSnapMutexLock(&spare->lock);

    /* who wants one only now learns it by a start of its own */
    if (!started->daemon && !is_wanted) {
        spare->keep_until = 0;
        startedFree(started);
        return;
    }

    g_queue_push_tail(&spare->started, started);
    g_cond_broadcast(&spare->changed);
}

static void *
spareRun(void *opaque)
{
    qemuStorageSpare *spare = opaque;
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&spare->lock);

    while (!spare->quit) {
        if (spare->keep_until && spare->keep_until <= g_get_monotonic_time())
            spare->keep_until = 0;

        if (spare->started.length < spareTarget(spare))
            spareStart(spare);
        else if (spare->started.length > spareTarget(spare))
            startedFree(g_queue_pop_head(&spare->started));
        else
            virSnapCondWait(&spare->changed, &spare->lock, spare->keep_until);
    }

    return NULL;
}

/* One that was kept may have been killed since, and a start may have failed of which
 * nobody wanted to know any more. The thread makes up for what is lacking. */
static void
spareForgetUnfit(qemuStorageSpare *spare)
{
    GList *next;

    for (GList *link = spare->started.head; link; link = next) {
        spareStarted *started = link->data;

        next = link->next;
        if (started->daemon && !qemuStorageDaemonHasEnded(started->daemon))
            continue;
        startedFree(started);
        g_queue_delete_link(&spare->started, link);
    }
}

void
qemuStorageSpareWant(qemuStorageSpare *spare)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&spare->lock);

    spareForgetUnfit(spare);
    spare->wanted++;
    if (!spare->thread)
        spare->thread = g_thread_new("storage", spareRun, spare);
    g_cond_broadcast(&spare->changed);
}

void
qemuStorageSpareDrop(qemuStorageSpare *spare)
{
    virSnapMutexLock(&spare->lock);
    spare->wanted--;
    virSnapMutexUnlock(&spare->lock);

    qemuStorageSpareKeep(spare);
}

qemuStorageDaemon *
qemuStorageSpareTake(qemuStorageSpare *spare, GError **error)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&spare->lock);
    qemuStorageDaemon *daemon;
    spareStarted *started;

    while (!(started = g_queue_pop_head(&spare->started)))
        virSnapCondWait(&spare->changed, &spare->lock, 0);

    /* the next one waits until this one has had the processor */
    spare->wanted--;
    spare->keep_until = 0;

    daemon = g_steal_pointer(&started->daemon);
    if (!daemon)
        g_propagate_error(error, g_steal_pointer(&started->error));
    startedFree(started);
    return daemon;
}

void
qemuStorageSpareKeep(qemuStorageSpare *spare)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&spare->lock);

    spare->keep_until = g_get_monotonic_time() + spare->keep_time;
    g_cond_broadcast(&spare->changed);
}
