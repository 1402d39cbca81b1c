/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetmessage.h: libvirt's RPC framing
 */

#pragma once

#include <glib.h>
#include <rpc/types.h>
#include <rpc/xdr.h>

#define VIR_NET_MESSAGE_LEN_SIZE 4
#define VIR_NET_MESSAGE_HEADER_SIZE 24
/* length word and header */
#define VIR_NET_MESSAGE_PREFIX (VIR_NET_MESSAGE_LEN_SIZE + VIR_NET_MESSAGE_HEADER_SIZE)
/* libvirt's own limit, which is without the length word, and that */
#define VIR_NET_MESSAGE_MAX (VIR_NET_MESSAGE_LEN_SIZE + 32 * 1024 * 1024)

typedef enum {
    VIR_NET_CALL = 0,
    VIR_NET_REPLY = 1,
    VIR_NET_MESSAGE = 2,
    VIR_NET_STREAM = 3,
    VIR_NET_CALL_WITH_FDS = 4,
    VIR_NET_REPLY_WITH_FDS = 5,
    VIR_NET_STREAM_HOLE = 6,
} virNetMessageType;

typedef enum {
    VIR_NET_OK = 0,
    VIR_NET_ERROR = 1,
    VIR_NET_CONTINUE = 2,
} virNetMessageStatus;

typedef struct _virNetMessageHeader virNetMessageHeader;
struct _virNetMessageHeader {
    guint32 program;
    guint32 version;
    guint32 procedure;
    guint32 type;
    guint32 serial;
    guint32 status;
};

/* Whether it is one that is answered by a reply. */
gboolean virNetMessageIsCall(const virNetMessageHeader *header);

/* Reads the length word and header at `bytes`, which are
 * VIR_NET_MESSAGE_PREFIX long. Refuses lengths below that or over
 * VIR_NET_MESSAGE_MAX, and types and statuses that do not exist. */
gboolean virNetMessageDecodePrefix(const guint8 *bytes,
                                   virNetMessageHeader *ret_header,
                                   gsize *ret_payload_len, GError **error);

/* A whole message; the payload is what `filter` encodes of `data`, or nothing
 * where filter is NULL. Refused: a payload over the limit. */
GBytes *virNetMessageEncode(const virNetMessageHeader *header,
                            xdrproc_t filter, void *data, GError **error);

/* Decodes a payload into `data`, which the caller has zeroed and frees with
 * xdr_free() in either case. Bytes left over are refused, too. */
gboolean virNetMessageDecodePayload(const guint8 *payload, gsize len,
                                    xdrproc_t filter, void *data,
                                    GError **error);

/* The same of what a payload begins with, whatever follows. */
gboolean virNetMessageDecodeStart(const guint8 *payload, gsize len, xdrproc_t filter,
                                  void *data, GError **error);
