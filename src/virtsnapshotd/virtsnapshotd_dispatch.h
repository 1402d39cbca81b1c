/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_dispatch.h: from messages to calls and back
 */

#pragma once

#include <glib.h>

#include "qemu_snapshot.h"
#include "virtsnapshotd_forward.h"

typedef struct _virtsnapshotdDispatch virtsnapshotdDispatch;

typedef struct _virtsnapshotdDispatchConfig virtsnapshotdDispatchConfig;
struct _virtsnapshotdDispatchConfig {
    qemuSnapshotDriver *driver;
    virtsnapshotdForward *forward;
    virtsnapshotdEvents *events;
    guint max_workers;
    /* external snapshots are libvirt's to revert to, where it can */
    gboolean revert_by_libvirt;
    /* called in the loop's thread each time the last unanswered call has been answered */
    void (*drained)(void *opaque);
    void *opaque;
};

virtsnapshotdDispatch *
virtsnapshotdDispatchNew(const virtsnapshotdDispatchConfig *config);
void virtsnapshotdDispatchFree(virtsnapshotdDispatch *dispatch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdDispatch, virtsnapshotdDispatchFree)

gboolean virtsnapshotdDispatchBusy(const virtsnapshotdDispatch *dispatch);

/* As virNetServerConfig wants them. */
virNetChannelVerdict virtsnapshotdDispatchDecide(virtsnapshotdDispatch *dispatch,
                                                 virNetServerClient *client,
                                                 const virNetMessageHeader *header,
                                                 gsize payload_len);
void virtsnapshotdDispatchTaken(virtsnapshotdDispatch *dispatch,
                                virNetServerClient *client, virNetTaken *taken);
