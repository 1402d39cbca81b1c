/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_dispatch.h: from messages to calls and back
 */

#pragma once

#include <glib.h>

#include "qemu_snapshot.h"
#include "virnetserver.h"

typedef struct _virtsnapshotdDispatch virtsnapshotdDispatch;

/* drained is called in the loop's thread each time the last unanswered call
 * has been answered. */
virtsnapshotdDispatch *virtsnapshotdDispatchNew(qemuSnapshotDriver *driver,
                                                guint max_workers,
                                                void (*drained)(void *opaque),
                                                void *opaque);
void virtsnapshotdDispatchFree(virtsnapshotdDispatch *dispatch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdDispatch, virtsnapshotdDispatchFree)

gboolean virtsnapshotdDispatchBusy(const virtsnapshotdDispatch *dispatch);

/* As virNetServerConfig wants them. */
gsize virtsnapshotdDispatchLimit(const virNetMessageHeader *header);
void virtsnapshotdDispatchMessage(virtsnapshotdDispatch *dispatch,
                                  virNetServerClient *client,
                                  const virNetMessageHeader *header,
                                  GBytes *payload);
