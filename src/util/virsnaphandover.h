/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnaphandover.h: what goes from one thread to another, for ThreadSanitizer
 *
 * GLib's queues and locks, being built without it, order nothing in its eyes. So each
 * place at which something changes hands by them says so; without it this is nothing.
 */

#pragma once

#include <glib.h>

#if defined(__SANITIZE_THREAD__)
# define VIR_SNAP_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define VIR_SNAP_TSAN 1
# endif
#endif

#ifdef VIR_SNAP_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
# define virSnapHandOver(address) __tsan_release(address)
# define virSnapTakeOver(address) __tsan_acquire(address)
#else
# define virSnapHandOver(address) ((void)(address))
# define virSnapTakeOver(address) ((void)(address))
#endif

static inline void
virSnapMutexLock(GMutex *mutex)
{
    g_mutex_lock(mutex);
    virSnapTakeOver(mutex);
}

static inline void
virSnapMutexUnlock(GMutex *mutex)
{
    virSnapHandOver(mutex);
    g_mutex_unlock(mutex);
}

/* FALSE where `until`, of g_get_monotonic_time(), has come; 0: never. */
static inline gboolean
virSnapCondWait(GCond *cond, GMutex *mutex, gint64 until)
{
    gboolean signalled = TRUE;

    virSnapHandOver(mutex);
    if (until)
        signalled = g_cond_wait_until(cond, mutex, until);
    else
        g_cond_wait(cond, mutex);
    virSnapTakeOver(mutex);
    return signalled;
}

/* As GMutexLocker. */
typedef GMutex virSnapLocker;

static inline virSnapLocker *
virSnapLockerNew(GMutex *mutex)
{
    virSnapMutexLock(mutex);
    return mutex;
}

static inline void
virSnapLockerFree(virSnapLocker *locker)
{
    virSnapMutexUnlock(locker);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapLocker, virSnapLockerFree)
