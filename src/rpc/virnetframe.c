/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetframe.c: where the messages in a stream of bytes begin and end
 *
 * What is passed on is not collected first: of a message only its head is ever
 * kept here. The stream comes from anyone, in pieces of any size.
 */

#include "config.h"

#include <string.h>

#include "virnetframe.h"
#include "virsnaperror.h"

static gboolean
frameHasFDs(const virNetFrame *frame)
{
    return frame->header.type == VIR_NET_CALL_WITH_FDS ||
        frame->header.type == VIR_NET_REPLY_WITH_FDS;
}

static gboolean
frameTakeFDs(virNetFrame *frame, GError **error)
{
    guint32 n;

    memcpy(&n, frame->head + VIR_NET_MESSAGE_PREFIX, sizeof(n));
    n = GUINT32_FROM_BE(n);
    if (n > VIR_NET_FRAME_FDS_MAX) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("a message has %u file descriptors, the limit is %d"), n,
                    VIR_NET_FRAME_FDS_MAX);
        return FALSE;
    }

    frame->n_fds = n;
    frame->payload_len -= sizeof(n);
    return TRUE;
}

/* Once the bytes that are needed are there. */
static gboolean
frameTakeHead(virNetFrame *frame, gboolean *ret_complete, GError **error)
{
    *ret_complete = FALSE;

    if (frame->head_len == VIR_NET_MESSAGE_PREFIX) {
        if (!virNetMessageDecodePrefix(frame->head, &frame->header,
                                       &frame->payload_len, error))
            return FALSE;
        frame->n_fds = 0;
        if (frameHasFDs(frame) && frame->payload_len >= sizeof(guint32))
            return TRUE;
        if (frameHasFDs(frame)) {
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                        _("a message that should have file descriptors is too short to "
                          "tell how many"));
            return FALSE;
        }
    } else if (!frameTakeFDs(frame, error)) {
        return FALSE;
    }

    frame->has_head = TRUE;
    frame->body_left = frame->payload_len;
    frame->fds_left = frame->n_fds;
    *ret_complete = TRUE;
    return TRUE;
}

static gboolean
frameNextHead(virNetFrame *frame, const guint8 **bytes, gsize *len,
              gboolean *ret_complete, GError **error)
{
    *ret_complete = FALSE;
    while (*len > 0 && !*ret_complete) {
        gsize end = frame->head_len < VIR_NET_MESSAGE_PREFIX ?
            VIR_NET_MESSAGE_PREFIX : VIR_NET_FRAME_HEAD_MAX;
        gsize n = MIN(*len, end - frame->head_len);

        memcpy(frame->head + frame->head_len, *bytes, n);
        frame->head_len += n;
        *bytes += n;
        *len -= n;
        if (frame->head_len == end && !frameTakeHead(frame, ret_complete, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
virNetFrameIsBetween(const virNetFrame *frame)
{
    return frame->has_head ? frame->body_left == 0 && frame->fds_left == 0 :
        frame->head_len == 0;
}

gboolean
virNetFrameNext(virNetFrame *frame, const guint8 **bytes, gsize *len,
                virNetFramePart *ret_part, const guint8 **ret_bytes,
                gsize *ret_len, GError **error)
{
    const guint8 *start = *bytes;
    gboolean complete;

    *ret_part = VIR_NET_FRAME_NONE;

    if (frame->has_head && virNetFrameIsBetween(frame)) {
        frame->has_head = FALSE;
        frame->head_len = 0;
    }

    if (*len == 0)
        return TRUE;

    if (!frame->has_head) {
        if (!frameNextHead(frame, bytes, len, &complete, error))
            return FALSE;
        if (complete)
            *ret_part = VIR_NET_FRAME_HEAD;
    } else if (frame->body_left > 0) {
        gsize n = MIN(*len, frame->body_left);

        *ret_part = VIR_NET_FRAME_BODY;
        frame->body_left -= n;
        *bytes += n;
        *len -= n;
    } else {
        *ret_part = VIR_NET_FRAME_FD;
        frame->fds_left--;
        *bytes += 1;
        *len -= 1;
    }

    *ret_bytes = start;
    *ret_len = *bytes - start;
    return TRUE;
}
