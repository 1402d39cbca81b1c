/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetframe.h: where the messages in a stream of bytes begin and end
 */

#pragma once

#include <glib.h>

#include "virnetmessage.h"

/* prefix, and the number of descriptors where the type has one */
#define VIR_NET_FRAME_HEAD_MAX (VIR_NET_MESSAGE_PREFIX + 4)
/* libvirt's own limit */
#define VIR_NET_FRAME_FDS_MAX 32

typedef enum {
    VIR_NET_FRAME_NONE,    /* the bytes are used up */
    VIR_NET_FRAME_HEAD,    /* all that precedes the payload is known */
    VIR_NET_FRAME_BODY,    /* some bytes of payload */
    VIR_NET_FRAME_FD,      /* the byte that carries a descriptor */
} virNetFramePart;

/* All zeroes at the start. */
typedef struct _virNetFrame virNetFrame;
struct _virNetFrame {
    /* of the message that the last part belongs to, from its head on */
    virNetMessageHeader header;
    guint8 head[VIR_NET_FRAME_HEAD_MAX];
    gsize head_len;
    gsize payload_len;     /* without the number of descriptors */
    guint n_fds;

    gsize body_left;
    guint fds_left;
    gboolean has_head;
};

/* Takes the next part off the bytes; *ret_part and *ret_len tell where it is, of a
 * head only what was not in earlier bytes. FALSE: the framing is broken, and nothing
 * more can be known of the stream. */
gboolean virNetFrameNext(virNetFrame *frame, const guint8 **bytes, gsize *len,
                         virNetFramePart *ret_part, const guint8 **ret_bytes,
                         gsize *ret_len, GError **error);

/* Whether a message has just ended, or none has begun. */
gboolean virNetFrameIsBetween(const virNetFrame *frame);
