/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_events.h: what clients that watch a domain see of a revert
 */

#pragma once

#include "virnetchannel.h"

typedef struct _virtsnapshotdEvents virtsnapshotdEvents;

virtsnapshotdEvents *virtsnapshotdEventsNew(void);
void virtsnapshotdEventsFree(virtsnapshotdEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdEvents, virtsnapshotdEventsFree)

/* A revert of the domain begins, and has ended; caused has a bit for each
 * virDomainEventType that it caused. */
void virtsnapshotdEventsBegin(virtsnapshotdEvents *events, const unsigned char *uuid);
void virtsnapshotdEventsEnd(virtsnapshotdEvents *events, const unsigned char *uuid,
                            unsigned int caused);

/* Whether a message from libvirt may have to be rewritten. */
gboolean virtsnapshotdEventsWant(const virtsnapshotdEvents *events,
                                 const virNetMessageHeader *header, gsize payload_len);

/* How many reverts have ended: those that a client which connects now is told nothing
 * of. */
guint64 virtsnapshotdEventsCount(const virtsnapshotdEvents *events);

/* Does so where a revert caused what it reports. `client` stands for the one that it
 * goes to, `since` is the count when that one connected. */
void virtsnapshotdEventsRewrite(virtsnapshotdEvents *events, const void *client,
                                guint64 since, virNetTaken *taken);

/* That client has gone. */
void virtsnapshotdEventsForget(virtsnapshotdEvents *events, const void *client);
