/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetmessage.c: libvirt's RPC framing
 *
 * A message is a length in bytes that counts itself, a header of six words and
 * a payload in XDR, all big endian.
 */

#include "config.h"

#include <string.h>

#include "virnetmessage.h"
#include "virsnaperror.h"

/* Most messages are a few hundred bytes. */
#define ENCODE_FIRST_SIZE 4096

static guint32
get32(const guint8 *bytes)
{
    guint32 value;

    memcpy(&value, bytes, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static void
put32(guint8 *bytes, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes, &value, sizeof(value));
}

gboolean
virNetMessageIsCall(const virNetMessageHeader *header)
{
    return header->type == VIR_NET_CALL || header->type == VIR_NET_CALL_WITH_FDS;
}

gboolean
virNetMessageDecodePrefix(const guint8 *bytes, virNetMessageHeader *ret_header,
                          gsize *ret_payload_len, GError **error)
{
    guint32 len = get32(bytes);
    virNetMessageHeader header = {
        .program = get32(bytes + 4),
        .version = get32(bytes + 8),
        .procedure = get32(bytes + 12),
        .type = get32(bytes + 16),
        .serial = get32(bytes + 20),
        .status = get32(bytes + 24),
    };

    if (len < VIR_NET_MESSAGE_PREFIX || len > VIR_NET_MESSAGE_MAX) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("a message of %u bytes is outside the limits of %d to %d"),
                    len, VIR_NET_MESSAGE_PREFIX, VIR_NET_MESSAGE_MAX);
        return FALSE;
    }

    if (header.type > VIR_NET_STREAM_HOLE || header.status > VIR_NET_CONTINUE) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("a message has the unknown type %u or status %u"),
                    header.type, header.status);
        return FALSE;
    }

    *ret_header = header;
    *ret_payload_len = len - VIR_NET_MESSAGE_PREFIX;
    return TRUE;
}

/* XDR writes to a buffer of fixed size and only tells that it was too small. */
static gssize
encodeInto(guint8 *buffer, gsize size, xdrproc_t filter, void *data)
{
    gssize len = -1;
    XDR xdr;

    xdrmem_create(&xdr, (char *)buffer + VIR_NET_MESSAGE_PREFIX,
                  size - VIR_NET_MESSAGE_PREFIX, XDR_ENCODE);
    if (filter(&xdr, data))
        len = VIR_NET_MESSAGE_PREFIX + xdr_getpos(&xdr);
    xdr_destroy(&xdr);

    return len;
}

GBytes *
virNetMessageEncode(const virNetMessageHeader *header, xdrproc_t filter,
                    void *data, GError **error)
{
    g_autofree guint8 *buffer = NULL;
    gssize len = filter ? -1 : VIR_NET_MESSAGE_PREFIX;
    gsize size = filter ? ENCODE_FIRST_SIZE : VIR_NET_MESSAGE_PREFIX;

    buffer = g_malloc(size);
    while (len < 0 && (len = encodeInto(buffer, size, filter, data)) < 0) {
        if (size == VIR_NET_MESSAGE_MAX) {
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                        _("a message would be larger than %d bytes"),
                        VIR_NET_MESSAGE_MAX);
            return NULL;
        }
        size = MIN(size * 4, VIR_NET_MESSAGE_MAX);
        g_free(buffer);
        buffer = g_malloc(size);
    }

    put32(buffer, len);
    put32(buffer + 4, header->program);
    put32(buffer + 8, header->version);
    put32(buffer + 12, header->procedure);
    put32(buffer + 16, header->type);
    put32(buffer + 20, header->serial);
    put32(buffer + 24, header->status);

    return g_bytes_new(buffer, len);
}

static gboolean
messageDecode(const guint8 *payload, gsize len, gboolean whole, xdrproc_t filter,
              void *data, GError **error)
{
    gboolean ok;
    XDR xdr;

    xdrmem_create(&xdr, (char *)payload, len, XDR_DECODE);
    ok = filter(&xdr, data) && (!whole || xdr_getpos(&xdr) == len);
    xdr_destroy(&xdr);

    if (!ok)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("the payload of a message, %zu bytes, can't be decoded"),
                    len);

    return ok;
}

gboolean
virNetMessageDecodePayload(const guint8 *payload, gsize len, xdrproc_t filter,
                           void *data, GError **error)
{
    return messageDecode(payload, len, TRUE, filter, data, error);
}

gboolean
virNetMessageDecodeStart(const guint8 *payload, gsize len, xdrproc_t filter,
                         void *data, GError **error)
{
    return messageDecode(payload, len, FALSE, filter, data, error);
}
