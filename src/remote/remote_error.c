/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_error.c: errors on the wire
 */

#include "config.h"

#include "remote_error.h"
#include "snapshot_protocol.h"
#include "virsnaperror.h"

GBytes *
remoteErrorEncode(const virNetMessageHeader *header, int domain, const GError *error)
{
    virNetMessageHeader reply = *header;
    remote_nonnull_string message = error->message;
    remote_nonnull_string text = (char *)"%s";
    remote_error wire = {
        .code = virSnapErrorCode(error),
        .domain = domain,
        .message = &message,
        .level = VIR_ERR_ERROR,
        .str1 = &text,
        .str2 = &message,
    };

    reply.type = VIR_NET_REPLY;
    reply.status = VIR_NET_ERROR;

    return virNetMessageEncode(&reply, (xdrproc_t)xdr_remote_error, &wire, NULL);
}

void
remoteErrorDecode(GBytes *payload, GError **error)
{
    remote_error wire = { 0 };
    gsize len;
    const guint8 *bytes = g_bytes_get_data(payload, &len);

    if (virNetMessageDecodePayload(bytes, len, (xdrproc_t)xdr_remote_error,
                                   &wire, error))
        g_set_error_literal(error, VIR_SNAP_ERROR, wire.code,
                            wire.message ? *wire.message : _("unknown error"));

    xdr_free((xdrproc_t)xdr_remote_error, (char *)&wire);
}
