/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_request.c: what a call that was taken is about
 *
 * Arguments come from anyone who may open the read-write socket. They are decoded by
 * rpcgen's code within the bounds that the .x files set, and XML by libxml2 within
 * those of virsnapxml.
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "domain_conf.h"
#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_request.h"

void
virtsnapshotdRequestClear(virtsnapshotdRequest *request)
{
    xdr_free((xdrproc_t)xdr_domain_revert_to_snapshot_xml_args, (char *)&request->args);
    memset(request, 0, sizeof(*request));
}

static gboolean
requestDecodeSnapshot(const guint8 *bytes, gsize len, virtsnapshotdRequest *request,
                      GError **error)
{
    xdrproc_t filter = (xdrproc_t)xdr_remote_domain_snapshot_args;
    remote_domain_snapshot_args args = { 0 };
    gboolean ok = virNetMessageDecodeStart(bytes, len, filter, &args, error);

    if (ok) {
        request->args.snap = args.snap;
        request->args.flags = args.flags;
        memset(&args, 0, sizeof(args));
    }
    xdr_free(filter, (char *)&args);
    return ok;
}

static gboolean
parseUUID(const char *text, char *ret_uuid)
{
    g_autoptr(GString) digits = g_string_new(NULL);

    for (; *text; text++) {
        if (*text != '-' && !g_ascii_isspace(*text))
            g_string_append_c(digits, *text);
    }

    if (digits->len != 2 * VIR_UUID_BUFLEN)
        return FALSE;

    for (gsize i = 0; i < VIR_UUID_BUFLEN; i++) {
        int high = g_ascii_xdigit_value(digits->str[2 * i]);
        int low = g_ascii_xdigit_value(digits->str[2 * i + 1]);

        if (high < 0 || low < 0)
            return FALSE;
        ret_uuid[i] = high << 4 | low;
    }

    return TRUE;
}

static void
requestSetDomain(virtsnapshotdRequest *request)
{
    const domain_revert_to_snapshot_xml_args *args = &request->args;

    request->domain = VIRTSNAPSHOTD_REQUEST_ONE;
    request->snapshot = (qemuSnapshotRequest) {
        .domain = args->snap.dom.name,
        .uuid = (const unsigned char *)args->snap.dom.uuid,
        .snapshot = args->snap.name,
        .xml = args->xml ? *args->xml : NULL,
        .flags = args->flags,
    };
}

/* A document that we can't read, or a UUID in it, libvirt may be able to. */
static gboolean
requestReadXML(const char *xml, virtsnapshotdRequest *request, GError **error)
{
    g_autoptr(xmlDoc) doc = virSnapXMLParse(xml, "domain", _("domain definition"), error);
    g_autofree char *uuid = NULL;

    if (!doc)
        return FALSE;

    if (!(uuid = virDomainDefGetText(doc, "uuid")))
        request->domain = VIRTSNAPSHOTD_REQUEST_NEW;
    else if (parseUUID(uuid, request->args.snap.dom.uuid))
        requestSetDomain(request);
    return TRUE;
}

static gboolean
requestDecodeXML(const guint8 *bytes, gsize len, virtsnapshotdRequest *request,
                 GError **error)
{
    xdrproc_t filter = (xdrproc_t)xdr_remote_nonnull_string;
    remote_nonnull_string xml = NULL;
    gboolean ok = virNetMessageDecodeStart(bytes, len, filter, &xml, error) &&
        requestReadXML(xml, request, error);

    xdr_free(filter, (char *)&xml);
    return ok;
}

static gboolean
requestDecodeJobInfo(const guint8 *bytes, gsize len, virtsnapshotdRequest *request,
                     GError **error)
{
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_job_info_args;
    domain_snapshot_get_job_info_args args = { 0 };
    gboolean ok = virNetMessageDecodePayload(bytes, len, filter, &args, error);

    if (ok) {
        request->args.snap.dom = args.dom;
        request->args.flags = args.flags;
        memset(&args, 0, sizeof(args));
    }
    xdr_free(filter, (char *)&args);
    return ok;
}

static gboolean
requestDecodeArgs(virtsnapshotdCall call, const guint8 *bytes, gsize len,
                  virtsnapshotdRequest *request, GError **error)
{
    domain_revert_to_snapshot_xml_args *args = &request->args;

    switch (call) {
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
    case VIRTSNAPSHOTD_CALL_GET_DESC:
        return virNetMessageDecodePayload(
            bytes, len, (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args, args, error);
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
        return requestDecodeJobInfo(bytes, len, request, error);
    case VIRTSNAPSHOTD_CALL_REVERT:
    case VIRTSNAPSHOTD_CALL_DELETE:
        return requestDecodeSnapshot(bytes, len, request, error);
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
        return virNetMessageDecodeStart(bytes, len,
                                  (xdrproc_t)xdr_remote_nonnull_domain_snapshot,
                                  &args->snap, error);
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_DESTROY:
        return virNetMessageDecodeStart(bytes, len, (xdrproc_t)xdr_remote_nonnull_domain,
                                  &args->snap.dom, error);
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_NEWER:
    case VIRTSNAPSHOTD_CALL_OTHER:
        break;
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR,
                _("it is not known what the arguments of such a call are"));
    return FALSE;
}

gboolean
virtsnapshotdRequestDecode(virtsnapshotdCall call, const virNetTaken *taken,
                           virtsnapshotdRequest *request, GError **error)
{
    const guint8 *bytes = taken->bytes->data + taken->head_len;
    gsize len = taken->bytes->len - taken->head_len;

    if (call == VIRTSNAPSHOTD_CALL_XML)
        return requestDecodeXML(bytes, len, request, error);

    if (!requestDecodeArgs(call, bytes, len, request, error))
        return FALSE;

    requestSetDomain(request);
    return TRUE;
}
