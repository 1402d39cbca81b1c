/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapwatch.c: watching many descriptors
 *
 * A main context looks at all its sources each time anything happens. With some
 * thousand descriptors, most of them idle, that is what a daemon would spend its
 * time on; so they are in one epoll set, which is a single source to it.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "virsnapwatch.h"

#define BATCH 64
/* Before the main context looks at timers and signals again, which costs more than a
 * turn does. */
#define TURNS 16
/* A call is soon followed by its reply, and that by the next call: wait for a moment.
 * To be woken takes longer than most calls do: in a conversation of two, look first. */
#define SPIN_USECS 50
#define LINGER_MSECS 1

struct _virSnapWatcher {
    int fd;
    GSource *source;
    struct epoll_event batch[BATCH];  /* data.ptr NULL: freed meanwhile */
    int batch_len;
    const virSnapWatch *last[2];      /* whose events came last; compared, not followed */
    gboolean two_speak;               /* the last but one speaks again */
};

struct _virSnapWatch {
    virSnapWatcher *watcher;
    int fd;
    guint32 events;                   /* 0: not in the set */
    virSnapWatchFunc func;
    void *opaque;
};

typedef struct _watchSource watchSource;
struct _watchSource {
    GSource base;
    virSnapWatcher *watcher;
};

/* Returns whether there were events. */
static gboolean
watcherTurn(virSnapWatcher *watcher, int timeout)
{
    watcher->batch_len = epoll_wait(watcher->fd, watcher->batch, BATCH, timeout);
    for (int i = 0; i < watcher->batch_len; i++) {
        virSnapWatch *watch = watcher->batch[i].data.ptr;
        /* an earlier one of this batch may have changed what is wanted */
        guint32 events = watch && watch->events ?
            watcher->batch[i].events & (watch->events | EPOLLERR | EPOLLHUP) : 0;

        if (!events)
            continue;
        watcher->two_speak = watcher->last[1] == watch;
        watcher->last[1] = watcher->last[0];
        watcher->last[0] = watch;
        watch->func(events, watch->opaque);
    }

    return watcher->batch_len > 0;
}

/* With more than two that speak, the processors have other things to do than to look
 * for the next. */
static gboolean
watcherNextTurn(virSnapWatcher *watcher)
{
    gint64 until = watcher->two_speak ? g_get_monotonic_time() + SPIN_USECS : 0;

    while (until && g_get_monotonic_time() < until) {
        if (watcherTurn(watcher, 0))
            return TRUE;
    }

    return watcherTurn(watcher, LINGER_MSECS);
}

static gboolean
watcherDispatch(GSource *source, GSourceFunc func G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED)
{
    virSnapWatcher *watcher = ((watchSource *)source)->watcher;
    gboolean more = watcherTurn(watcher, 0);

    for (int i = 0; i < TURNS && more; i++)
        more = watcherNextTurn(watcher);
    watcher->batch_len = 0;

    return G_SOURCE_CONTINUE;
}

static GSourceFuncs watchFuncs = { .dispatch = watcherDispatch };

virSnapWatcher *
virSnapWatcherNew(void)
{
    virSnapWatcher *watcher = g_new0(virSnapWatcher, 1);

    if ((watcher->fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        g_error("cannot make an epoll set: %s", g_strerror(errno));

    watcher->source = g_source_new(&watchFuncs, sizeof(watchSource));
    ((watchSource *)watcher->source)->watcher = watcher;
    g_source_add_unix_fd(watcher->source, watcher->fd, G_IO_IN);
    g_source_attach(watcher->source, NULL);
    return watcher;
}

void
virSnapWatcherFree(virSnapWatcher *watcher)
{
    if (!watcher)
        return;

    g_source_destroy(watcher->source);
    g_source_unref(watcher->source);
    close(watcher->fd);
    g_free(watcher);
}

virSnapWatch *
virSnapWatchNew(virSnapWatcher *watcher, int fd, virSnapWatchFunc func, void *opaque)
{
    virSnapWatch *watch = g_new0(virSnapWatch, 1);

    watch->watcher = watcher;
    watch->fd = fd;
    watch->func = func;
    watch->opaque = opaque;
    return watch;
}

void
virSnapWatchFree(virSnapWatch *watch)
{
    if (!watch)
        return;

    virSnapWatchSet(watch, 0);
    for (int i = 0; i < watch->watcher->batch_len; i++) {
        if (watch->watcher->batch[i].data.ptr == watch)
            watch->watcher->batch[i].data.ptr = NULL;
    }
    g_free(watch);
}

void
virSnapWatchSet(virSnapWatch *watch, guint32 events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };
    int op = !watch->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

    if (events == watch->events)
        return;

    if (epoll_ctl(watch->watcher->fd, op, watch->fd, &event) < 0)
        g_error("cannot watch a descriptor: %s", g_strerror(errno));
    watch->events = events;
}
