/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapwatch.h: watching many descriptors
 */

#pragma once

#include <glib.h>
#include <sys/epoll.h>

typedef struct _virSnapWatcher virSnapWatcher;
typedef struct _virSnapWatch virSnapWatch;

/* Called in the thread that runs the default main context, with the events, EPOLLERR
 * and EPOLLHUP among them, that there are. Any watch may be freed in it. */
typedef void (*virSnapWatchFunc)(guint32 events, void *opaque);

/* Watches are served while the default main context is run. */
virSnapWatcher *virSnapWatcherNew(void);
/* All its watches have been freed. */
void virSnapWatcherFree(virSnapWatcher *watcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapWatcher, virSnapWatcherFree)

/* The descriptor stays the caller's and is open for as long as the watch is there. */
virSnapWatch *virSnapWatchNew(virSnapWatcher *watcher, int fd, virSnapWatchFunc func,
                              void *opaque);
void virSnapWatchFree(virSnapWatch *watch);

/* EPOLLIN, EPOLLOUT, both, or 0: not even the other side's end is told then. */
void virSnapWatchSet(virSnapWatch *watch, guint32 events);
