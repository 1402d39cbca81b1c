/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_dispatch.c: from messages to calls and back
 *
 * Messages come from anyone who can open the socket. Their arguments are
 * decoded by rpcgen's code within the bounds that the .x file sets, a payload
 * over the limit isn't even read, and a call that changes anything is refused
 * on the read-only socket. A call that was taken is carried out whether or not
 * its client still waits.
 */

#include "config.h"

#include "remote_error.h"
#include "snapshot_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_dispatch.h"

/* the document at its largest and the two names; XDR adds a few bytes each */
#define PAYLOAD_MAX (SNAPSHOT_STRING_MAX + 64 * 1024)

struct _virtsnapshotdDispatch {
    qemuSnapshotDriver *driver;
    GThreadPool *workers;
    guint calls;              /* not answered yet; the loop's thread only */
    void (*drained)(void *opaque);
    void *opaque;
};

typedef struct _dispatchCall dispatchCall;
struct _dispatchCall {
    virtsnapshotdDispatch *dispatch;
    virNetServerClient *client;
    virNetMessageHeader header;
    GBytes *payload;
};

typedef GBytes *(*dispatchFunc)(const dispatchCall *call, GError **error);

static void
dispatchCallFree(dispatchCall *call)
{
    virNetServerClientUnref(call->client);
    g_bytes_unref(call->payload);
    g_free(call);
}

static void
dispatchMakeRequest(const remote_nonnull_domain_snapshot *snap,
                    const remote_string xml, unsigned int flags,
                    qemuSnapshotRequest *request)
{
    request->domain = snap->dom.name;
    request->uuid = (const unsigned char *)snap->dom.uuid;
    request->snapshot = snap->name;
    request->xml = xml ? *xml : NULL;
    request->flags = flags;
}

static GBytes *
dispatchReply(const dispatchCall *call, xdrproc_t filter, void *ret,
              GError **error)
{
    virNetMessageHeader header = call->header;

    header.type = VIR_NET_REPLY;
    header.status = VIR_NET_OK;
    return virNetMessageEncode(&header, filter, ret, error);
}

static GBytes *
dispatchRevert(const dispatchCall *call, GError **error)
{
    domain_revert_to_snapshot_xml_args args = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args;
    qemuSnapshotRequest request;
    GBytes *reply = NULL;
    gsize len;
    const guint8 *bytes = g_bytes_get_data(call->payload, &len);

    if (virNetServerClientIsReadonly(call->client)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_DENIED,
                    _("a snapshot can't be reverted to over the read-only "
                      "socket"));
        return NULL;
    }

    if (virNetMessageDecodePayload(bytes, len, filter, &args, error)) {
        dispatchMakeRequest(&args.snap, args.xml, args.flags, &request);
        if (qemuSnapshotRevert(call->dispatch->driver, &request, error))
            reply = dispatchReply(call, NULL, NULL, error);
    }

    xdr_free(filter, (char *)&args);
    return reply;
}

static GBytes *
dispatchGetDesc(const dispatchCall *call, GError **error)
{
    domain_snapshot_get_revert_xml_desc_args args = { 0 };
    domain_snapshot_get_revert_xml_desc_ret ret = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_args;
    qemuSnapshotRequest request;
    GBytes *reply = NULL;
    gsize len;
    const guint8 *bytes = g_bytes_get_data(call->payload, &len);

    if (virNetMessageDecodePayload(bytes, len, filter, &args, error)) {
        dispatchMakeRequest(&args.snap, args.xml, args.flags, &request);
        ret.xml = qemuSnapshotGetRevertDesc(call->dispatch->driver, &request,
                                            error);
    }

    if (ret.xml)
        reply = dispatchReply(call,
                              (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_ret,
                              &ret, error);

    g_free(ret.xml);
    xdr_free(filter, (char *)&args);
    return reply;
}

static dispatchFunc
dispatchFind(guint32 procedure)
{
    switch (procedure) {
    case DOMAIN_REVERT_TO_SNAPSHOT_XML:
        return dispatchRevert;
    case DOMAIN_SNAPSHOT_GET_REVERT_XML_DESC:
        return dispatchGetDesc;
    }

    return NULL;
}

static gboolean
dispatchDone(void *opaque)
{
    virtsnapshotdDispatch *dispatch = opaque;

    if (--dispatch->calls == 0)
        dispatch->drained(dispatch->opaque);
    return G_SOURCE_REMOVE;
}

static void
dispatchWork(void *data, void *opaque)
{
    dispatchCall *call = data;
    virtsnapshotdDispatch *dispatch = opaque;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) reply = NULL;

    reply = dispatchFind(call->header.procedure)(call, &error);
    if (!reply)
        reply = remoteErrorEncode(&call->header, error);

    virNetServerClientReply(call->client, reply);
    dispatchCallFree(call);
    g_main_context_invoke(NULL, dispatchDone, dispatch);
}

virtsnapshotdDispatch *
virtsnapshotdDispatchNew(qemuSnapshotDriver *driver, guint max_workers,
                         void (*drained)(void *opaque), void *opaque)
{
    virtsnapshotdDispatch *dispatch = g_new0(virtsnapshotdDispatch, 1);

    dispatch->driver = driver;
    dispatch->drained = drained;
    dispatch->opaque = opaque;
    dispatch->workers = g_thread_pool_new(dispatchWork, dispatch, max_workers,
                                          FALSE, NULL);
    return dispatch;
}

void
virtsnapshotdDispatchFree(virtsnapshotdDispatch *dispatch)
{
    if (!dispatch)
        return;

    g_thread_pool_free(dispatch->workers, FALSE, TRUE);
    g_free(dispatch);
}

gboolean
virtsnapshotdDispatchBusy(const virtsnapshotdDispatch *dispatch)
{
    return dispatch->calls > 0;
}

gsize
virtsnapshotdDispatchLimit(const virNetMessageHeader *header)
{
    return header->program == DOMAIN_SNAPSHOT_PROGRAM ? PAYLOAD_MAX : 0;
}

/* What keeps a call from being carried out, or TRUE. */
static gboolean
dispatchCheck(const virNetMessageHeader *header, GBytes *payload, GError **error)
{
    if (header->program != DOMAIN_SNAPSHOT_PROGRAM ||
        header->version != DOMAIN_SNAPSHOT_PROTOCOL_VERSION)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("Cannot find program %u version %u"),
                    header->program, header->version);
    else if (!dispatchFind(header->procedure))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("unknown procedure: %u"), header->procedure);
    else if (!payload)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("the arguments of the call are larger than %d bytes"),
                    PAYLOAD_MAX);
    else
        return TRUE;

    return FALSE;
}

void
virtsnapshotdDispatchMessage(virtsnapshotdDispatch *dispatch,
                             virNetServerClient *client,
                             const virNetMessageHeader *header, GBytes *payload)
{
    g_autoptr(GBytes) owned = payload;
    g_autoptr(GError) error = NULL;
    dispatchCall *call;

    /* Events and streams need no answer, and none of our procedures has any. */
    if (header->type != VIR_NET_CALL && header->type != VIR_NET_CALL_WITH_FDS)
        return;

    if (!dispatchCheck(header, payload, &error)) {
        g_autoptr(GBytes) reply = remoteErrorEncode(header, error);

        virNetServerClientReply(client, reply);
        return;
    }

    call = g_new0(dispatchCall, 1);
    call->dispatch = dispatch;
    call->client = virNetServerClientRef(client);
    call->header = *header;
    call->payload = g_steal_pointer(&owned);
    dispatch->calls++;
    g_thread_pool_push(dispatch->workers, call, NULL);
}
