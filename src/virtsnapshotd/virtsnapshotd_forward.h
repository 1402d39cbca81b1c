/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_forward.h: each client's connection to libvirt's daemon
 */

#pragma once

#include "virnetserver.h"
#include "virtsnapshotd_backend.h"
#include "virtsnapshotd_events.h"

typedef struct _virtsnapshotdForward virtsnapshotdForward;

virtsnapshotdForward *virtsnapshotdForwardNew(virSnapWatcher *watcher,
                                              const virtsnapshotdBackend *backend,
                                              virtsnapshotdEvents *events);
void virtsnapshotdForwardFree(virtsnapshotdForward *forward);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdForward, virtsnapshotdForwardFree)

/* Connects the client where it is not connected yet: PASS then, WAIT while libvirt's
 * daemon is being started or has no room for it, and SKIP where there is no connection
 * to be had. */
virNetChannelVerdict virtsnapshotdForwardPrepare(virtsnapshotdForward *forward,
                                                 virNetServerClient *client);

gboolean virtsnapshotdForwardIsConnected(virNetServerClient *client);

/* Answers a message that was skipped because it is not. */
void virtsnapshotdForwardRefuse(virNetServerClient *client, virNetTaken *taken);

/* Sends a call that was taken on to libvirt. Where `replied` is not NULL it is called
 * when the reply comes, or never can any more, or the client does not take what comes. */
void virtsnapshotdForwardSend(virNetServerClient *client, virNetTaken *taken,
                              void (*replied)(void *opaque), void *opaque);

/* As virNetServerConfig wants them. */
gboolean virtsnapshotdForwardEnded(virNetServerClient *client);
void virtsnapshotdForwardClosed(virNetServerClient *client);
