/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_recovery.c: when reverts that were broken off are taken up
 */

#include "config.h"

#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_upgrade.h"
#include "virsnaphandover.h"
#include "virtsnapshotd_recovery.h"

/* Seconds. A look at an empty folder costs nothing; what can't be done is not tried,
 * and logged, all the time. */
#define WAIT_FIRST 2
#define WAIT_MAX 30

struct _virtsnapshotdRecovery {
    qemuSnapshotDriver *driver;
    gboolean upgrade;           /* has not been done yet */
    gboolean postponed;         /* what earlier ones left has not been looked at yet */
    GThread *thread;
    GMutex lock;
    GCond wake;
    gboolean stopping;
};

/* How much is left to be done. */
static guint
recoveryTry(virtsnapshotdRecovery *recovery)
{
    guint left = qemuSnapshotRecoverAll(recovery->driver);
    g_autoptr(GError) error = NULL;

    if (left == 0 && recovery->upgrade) {
        recovery->upgrade = !qemuSnapshotUpgrade(recovery->driver, &error);
        if (error)
            g_debug("not all domains could be looked at: %s", error->message);
    }

    if (recovery->postponed) {
        recovery->postponed = FALSE;
        qemuSnapshotDiscardAllPostponed(recovery->driver);
    }

    return left + recovery->upgrade;
}

static void *
recoveryRun(void *opaque)
{
    virtsnapshotdRecovery *recovery = opaque;
    gint64 wait = WAIT_FIRST;

    virSnapMutexLock(&recovery->lock);
    while (!recovery->stopping) {
        gint64 until;

        virSnapMutexUnlock(&recovery->lock);
        wait = recoveryTry(recovery) == 0 ? WAIT_FIRST : MIN(wait * 2, WAIT_MAX);
        virSnapMutexLock(&recovery->lock);

        until = g_get_monotonic_time() + wait * G_TIME_SPAN_SECOND;
        while (!recovery->stopping &&
               virSnapCondWait(&recovery->wake, &recovery->lock, until))
            continue;
    }
    virSnapMutexUnlock(&recovery->lock);

    return NULL;
}

virtsnapshotdRecovery *
virtsnapshotdRecoveryNew(qemuSnapshotDriver *driver, gboolean upgrade)
{
    virtsnapshotdRecovery *recovery = g_new0(virtsnapshotdRecovery, 1);

    recovery->driver = driver;
    recovery->upgrade = upgrade;
    recovery->postponed = TRUE;
    g_mutex_init(&recovery->lock);
    g_cond_init(&recovery->wake);
    recovery->thread = g_thread_new("recovery", recoveryRun, recovery);
    return recovery;
}

void
virtsnapshotdRecoveryFree(virtsnapshotdRecovery *recovery)
{
    if (!recovery)
        return;

    virSnapMutexLock(&recovery->lock);
    recovery->stopping = TRUE;
    g_cond_signal(&recovery->wake);
    virSnapMutexUnlock(&recovery->lock);

    g_thread_join(recovery->thread);
    g_cond_clear(&recovery->wake);
    g_mutex_clear(&recovery->lock);
    g_free(recovery);
}
