/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetsendqueue.h: what waits to be sent over a socket
 */

#pragma once

#include <glib.h>

/* All zeroes at the start. */
typedef struct _virNetSendQueue virNetSendQueue;
struct _virNetSendQueue {
    GQueue pieces;
    gsize pending;           /* bytes in it */
    gboolean mid_message;    /* a message has been begun and not ended */
    GQueue after;            /* whole messages, that wait for its end */
    gboolean dead;           /* nothing can be sent any more, and is dropped */
};

void virNetSendQueueClear(virNetSendQueue *queue);

/* Sends the bytes, or lets them wait. The descriptor, unless it is -1, goes with the
 * first of them and is closed in any case. */
void virNetSendQueuePut(virNetSendQueue *queue, int sock, const guint8 *bytes,
                        gsize len, int fd);

/* The same between messages alone: after the one that is being sent piece by piece. */
void virNetSendQueuePutMessage(virNetSendQueue *queue, int sock, const guint8 *bytes,
                               gsize len, int fd);

/* Whether what was put last is the middle of a message. */
void virNetSendQueueSetMidMessage(virNetSendQueue *queue, int sock,
                                  gboolean mid_message);

/* Sends what can be sent now. */
void virNetSendQueueFlush(virNetSendQueue *queue, int sock);
