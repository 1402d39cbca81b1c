/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetchannel.h: one end of a connection over which libvirt's messages go
 */

#pragma once

#include <glib.h>

#include "virnetframe.h"
#include "virsnapwatch.h"

typedef struct _virNetChannel virNetChannel;

typedef enum {
    VIR_NET_CHANNEL_PASS,  /* goes to the peer as it comes */
    VIR_NET_CHANNEL_TAKE,  /* is collected for `taken` */
    VIR_NET_CHANNEL_SKIP,  /* is not; `taken` gets its head alone */
    VIR_NET_CHANNEL_WAIT,  /* is asked about again after virNetChannelResume() */
} virNetChannelVerdict;

/* A message that was collected. */
typedef struct _virNetTaken virNetTaken;
struct _virNetTaken {
    virNetMessageHeader header;
    GByteArray *bytes;     /* all of it; only the head of one that was skipped */
    gsize head_len;        /* where in it the payload begins */
    gboolean skipped;
    GArray *fds;           /* of int, closed with it; NULL where it has none */
};

void virNetTakenFree(virNetTaken *taken);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetTaken, virNetTakenFree)

/* All are called in the thread that runs the default main context. */
typedef struct _virNetChannelFuncs virNetChannelFuncs;
struct _virNetChannelFuncs {
    /* What becomes of the message that begins. The payload's length is what the
     * sender says. */
    virNetChannelVerdict (*decide)(const virNetMessageHeader *header,
                                   gsize payload_len, void *opaque);
    /* The message belongs to the function. */
    void (*taken)(virNetTaken *taken, void *opaque);
    /* The other side has ended, or broke the framing, which is the reason then. */
    void (*ended)(const char *reason, void *opaque);
    /* All that waited to be sent has been; may be NULL. */
    void (*drained)(void *opaque);
};

/* Takes over the descriptor, which does not block. Nothing is read before the first
 * virNetChannelResume(). */
virNetChannel *virNetChannelNew(virSnapWatcher *watcher, int fd,
                                const virNetChannelFuncs *funcs, void *opaque);
virNetChannel *virNetChannelRef(virNetChannel *channel);
void virNetChannelUnref(virNetChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetChannel, virNetChannelUnref)

/* What either passes goes to the other; neither is read from while the other has
 * something left to send. Until one of the two is closed. */
void virNetChannelJoin(virNetChannel *channel, virNetChannel *peer);

/* Goes on reading, with the message that had to wait first. */
void virNetChannelResume(virNetChannel *channel);

/* Sends a whole message, between those that are passed. */
void virNetChannelSend(virNetChannel *channel, GBytes *message);

/* The same of one that was taken elsewhere, with its descriptors. */
void virNetChannelForward(virNetChannel *channel, virNetTaken *taken);

/* Reads nothing more. Returns TRUE where nothing is left to be sent; else `ended` is
 * called when that is so. */
gboolean virNetChannelFinish(virNetChannel *channel);

/* The descriptor, to ask who is at its other end; -1 once it is closed. */
int virNetChannelGetFD(const virNetChannel *channel);

/* What waits to be sent, in bytes. */
gsize virNetChannelPending(const virNetChannel *channel);

/* At once; what waits is dropped, and no function is called from here on. The caller's
 * reference stays. */
void virNetChannelClose(virNetChannel *channel);
