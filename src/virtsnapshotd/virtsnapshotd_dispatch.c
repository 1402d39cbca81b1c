/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_dispatch.c: from messages to calls and back
 *
 * Passed on is all but this: the calls of DOMAIN_SNAPSHOT_PROGRAM, which are
 * answered here; libvirt's own revert and its deletion of a snapshot, which are
 * answered here where need be; and calls that change a domain, while a revert of any
 * is under way, as they may have to wait. On the read-only socket all of libvirt's
 * calls are passed on, for libvirt to refuse.
 *
 * A revert that was taken is carried out whether or not its client still waits. All
 * runs in the loop's thread but what a worker does: the work itself.
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_internal.h"
#include "remote_error.h"
#include "virsnaperror.h"
#include "virsnaphandover.h"
#include "virtsnapshotd_dispatch.h"
#include "virtsnapshotd_turns.h"
#include "virtsnapshotd_request.h"

/* the document at its largest and the two names; XDR adds a few bytes each */
#define PAYLOAD_MAX (SNAPSHOT_STRING_MAX + 64 * 1024)

struct _virtsnapshotdDispatch {
    virtsnapshotdDispatchConfig config;
    virtsnapshotdTurns *turns;
    GThreadPool *workers;
    guint calls;              /* not answered yet */
};

typedef struct _dispatchCall dispatchCall;
struct _dispatchCall {
    virtsnapshotdDispatch *dispatch;
    virNetServerClient *client;
    virNetTaken *taken;
    virtsnapshotdCall kind;
    virtsnapshotdRequest request;
    gboolean exclusive;       /* it has its domain to itself */

    /* what came of it: neither reply nor error means that it is libvirt's */
    GBytes *reply;
    GError *error;
    int error_domain;
    unsigned int events;      /* that it caused */
};

static void
dispatchCallFree(dispatchCall *call)
{
    virtsnapshotdDispatch *dispatch = call->dispatch;

    virNetServerClientUnref(call->client);
    virNetTakenFree(call->taken);
    virtsnapshotdRequestClear(&call->request);
    g_clear_pointer(&call->reply, g_bytes_unref);
    g_clear_error(&call->error);
    g_free(call);

    if (--dispatch->calls == 0)
        dispatch->config.drained(dispatch->config.opaque);
}

static gboolean
callIsRevert(const dispatchCall *call)
{
    return call->kind == VIRTSNAPSHOTD_CALL_REVERT_XML ||
        call->kind == VIRTSNAPSHOTD_CALL_REVERT;
}

static gboolean
callIsExclusive(const dispatchCall *call)
{
    return callIsRevert(call) || call->kind == VIRTSNAPSHOTD_CALL_DELETE;
}

/* The end of a call */

static void
callRelease(dispatchCall *call)
{
    virtsnapshotdDispatch *dispatch = call->dispatch;
    const unsigned char *uuid = call->request.snapshot.uuid;

    if (!call->exclusive)
        return;
    call->exclusive = FALSE;

    if (callIsRevert(call))
        virtsnapshotdEventsEnd(dispatch->config.events, uuid, call->events);
    virtsnapshotdTurnsRelease(dispatch->turns, uuid);
}

static void
callReplied(void *opaque)
{
    callRelease(opaque);
    dispatchCallFree(opaque);
}

/* libvirt's deletion or revert has the domain to itself until it is over, or aborted:
 * what was looked up before may not change in between. */
static void
callForward(dispatchCall *call)
{
    virtsnapshotdTurns *turns = call->dispatch->turns;
    virNetTaken *taken = g_steal_pointer(&call->taken);

    if (call->exclusive) {
        virtsnapshotdTurnsAllowAbort(turns, call->request.snapshot.uuid);
        virtsnapshotdForwardSend(call->client, taken, callReplied, call);
        return;
    }

    virtsnapshotdForwardSend(call->client, taken, NULL, NULL);
    dispatchCallFree(call);
}

static void
callFinish(dispatchCall *call)
{
    gboolean reverted = call->exclusive && callIsRevert(call);

    if (call->error)
        call->reply = remoteErrorEncode(&call->taken->header, call->error_domain,
                                        call->error);
    if (!call->reply) {
        callForward(call);
        return;
    }

    callRelease(call);
    virNetServerClientReply(call->client, call->reply);
    if (reverted)
        qemuSnapshotRevertPrepare(call->dispatch->config.driver);
    dispatchCallFree(call);
}

/* In a worker */

static GBytes *
callEncodeReply(const dispatchCall *call, xdrproc_t filter, void *ret, GError **error)
{
    virNetMessageHeader header = call->taken->header;

    header.type = VIR_NET_REPLY;
    header.status = VIR_NET_OK;
    return virNetMessageEncode(&header, filter, ret, error);
}

static void
workRevert(dispatchCall *call)
{
    qemuSnapshotDriver *driver = call->dispatch->config.driver;

    if (qemuSnapshotRevert(driver, &call->request.snapshot, &call->events, &call->error))
        call->reply = callEncodeReply(call, NULL, NULL, &call->error);
}

/* An internal snapshot has no overlays that a document or a flag of ours could be about:
 * asked for without, it is gone back to by libvirt. */
static void
workOwnRevert(dispatchCall *call)
{
    qemuSnapshotDriver *driver = call->dispatch->config.driver;
    const qemuSnapshotRequest *request = &call->request.snapshot;
    gboolean plain = !request->xml && !(request->flags & QEMU_SNAPSHOT_OWN_FLAGS);
    qemuSnapshotKind kind = QEMU_SNAPSHOT_KIND_EXTERNAL;

    if (plain && !qemuSnapshotFindKind(driver, request, &kind, &call->error))
        return;

    switch (kind) {
    case QEMU_SNAPSHOT_KIND_INTERNAL:
        if (qemuSnapshotInternalRevert(driver, request, &call->error))
            call->reply = callEncodeReply(call, NULL, NULL, &call->error);
        break;
    case QEMU_SNAPSHOT_KIND_ABSENT:
    case QEMU_SNAPSHOT_KIND_EXTERNAL:
        workRevert(call);
    }
}

/* What isn't there is libvirt's to answer, and so is an internal one that nothing else
 * depends on. What can't be told is nobody's: libvirt would revert without our checks. */
static void
workLibvirtRevert(dispatchCall *call)
{
    const virtsnapshotdDispatchConfig *config = &call->dispatch->config;
    qemuSnapshotKind kind;

    if (!qemuSnapshotFindKind(config->driver, &call->request.snapshot, &kind,
                              &call->error))
        return;

    switch (kind) {
    case QEMU_SNAPSHOT_KIND_ABSENT:
        break;
    case QEMU_SNAPSHOT_KIND_INTERNAL:
        qemuSnapshotInternalCheck(config->driver, &call->request.snapshot, &call->error);
        break;
    case QEMU_SNAPSHOT_KIND_EXTERNAL:
        if (!config->revert_by_libvirt ||
            !qemuSnapshotDriverCanRevertExternal(config->driver))
            workRevert(call);
    }
}

static void
workDelete(dispatchCall *call)
{
    qemuSnapshotMayDelete(call->dispatch->config.driver, &call->request.snapshot,
                            &call->error);
}

static void
workGetDesc(dispatchCall *call)
{
    domain_snapshot_get_revert_xml_desc_ret ret = {
        .xml = qemuSnapshotGetRevertDesc(call->dispatch->config.driver,
                                         &call->request.snapshot, &call->error),
    };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_ret;

    if (ret.xml)
        call->reply = callEncodeReply(call, filter, &ret, &call->error);
    g_free(ret.xml);
}

static gboolean
workDone(void *opaque)
{
    virSnapTakeOver(opaque);
    callFinish(opaque);
    return G_SOURCE_REMOVE;
}

static void
work(void *data, void *opaque G_GNUC_UNUSED)
{
    dispatchCall *call = data;

    virSnapTakeOver(call);
    switch (call->kind) {
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
        workOwnRevert(call);
        break;
    case VIRTSNAPSHOTD_CALL_REVERT:
        workLibvirtRevert(call);
        break;
    case VIRTSNAPSHOTD_CALL_DELETE:
        workDelete(call);
        break;
    default:
        workGetDesc(call);
    }

    virSnapHandOver(call);
    g_main_context_invoke(NULL, workDone, call);
}

/* The begin of a call */

static void
callWork(dispatchCall *call)
{
    virSnapHandOver(call);
    g_thread_pool_push(call->dispatch->workers, call, NULL);
}

static void
callGranted(gboolean granted G_GNUC_UNUSED, void *opaque)
{
    dispatchCall *call = opaque;
    virtsnapshotdDispatch *dispatch = call->dispatch;

    call->exclusive = TRUE;
    if (callIsRevert(call))
        virtsnapshotdEventsBegin(dispatch->config.events, call->request.snapshot.uuid);
    callWork(call);
}

static void
callPatient(gboolean granted, void *opaque)
{
    dispatchCall *call = opaque;

    /* as libvirt's own, so that programs know it */
    if (!granted) {
        call->error_domain = VIR_FROM_QEMU;
        g_set_error(&call->error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    _("Timed out during operation: cannot acquire state change lock "
                      "(held by monitor=%s)"), "virtsnapshotd");
    }
    callFinish(call);
}

static void
callWait(dispatchCall *call)
{
    const unsigned char *uuid = call->request.snapshot.uuid;
    virtsnapshotdTurnKind kind = call->kind == VIRTSNAPSHOTD_CALL_ABORT ?
        VIRTSNAPSHOTD_TURN_ABORT : VIRTSNAPSHOTD_TURN_PATIENT;

    if (uuid)
        virtsnapshotdTurnsAdd(call->dispatch->turns, uuid, kind, callPatient, call);
    else
        callFinish(call);
}

static gboolean
isOwn(const virNetMessageHeader *header)
{
    return header->program == DOMAIN_SNAPSHOT_PROGRAM;
}

/* Whether it was small enough to be collected: one that must not go past us unseen. */
static gboolean
callFits(const dispatchCall *call, GError **error)
{
    if (!call->taken->skipped)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                _("the arguments of the call are larger than %d bytes"), PAYLOAD_MAX);
    return FALSE;
}

/* What keeps a call of ours from being carried out. */
static gboolean
callCheck(const dispatchCall *call, GError **error)
{
    const virNetMessageHeader *header = &call->taken->header;

    if (header->version != DOMAIN_SNAPSHOT_PROTOCOL_VERSION)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("Cannot find program %u version %u"),
                    header->program, header->version);
    else if (call->kind == VIRTSNAPSHOTD_CALL_OTHER)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                    _("unknown procedure: %u"), header->procedure);
    else if (callIsRevert(call) && virNetServerClientIsReadonly(call->client))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_DENIED,
                    _("a snapshot can't be reverted to over the read-only socket"));
    else
        return callFits(call, error);

    return FALSE;
}

/* A document may name any file, and these are looked into with the rights of root. */
static gboolean
callCheckDocument(const dispatchCall *call, GError **error)
{
    if (!call->request.snapshot.xml || !virNetServerClientIsReadonly(call->client))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_DENIED,
                _("a revert with a document can't be described over the read-only "
                  "socket"));
    return FALSE;
}

static void
callBegin(dispatchCall *call)
{
    gboolean own = isOwn(&call->taken->header);

    if (own ? !callCheck(call, &call->error) : !callFits(call, &call->error)) {
        callFinish(call);
        return;
    }

    /* libvirt has its own words for arguments of its own that can't be decoded */
    if (!virtsnapshotdRequestDecode(call->kind, call->taken, &call->request,
                                    own ? &call->error : NULL)) {
        if (!own)
            call->kind = VIRTSNAPSHOTD_CALL_OTHER;
        callFinish(call);
        return;
    }

    if (own && !callCheckDocument(call, &call->error)) {
        callFinish(call);
        return;
    }

    if (callIsExclusive(call))
        virtsnapshotdTurnsAdd(call->dispatch->turns, call->request.snapshot.uuid,
                             VIRTSNAPSHOTD_TURN_EXCLUSIVE, callGranted, call);
    else if (own)
        callWork(call);
    else
        callWait(call);
}

virtsnapshotdDispatch *
virtsnapshotdDispatchNew(const virtsnapshotdDispatchConfig *config)
{
    virtsnapshotdDispatch *dispatch = g_new0(virtsnapshotdDispatch, 1);

    dispatch->config = *config;
    dispatch->turns = virtsnapshotdTurnsNew(config->driver);
    dispatch->workers = g_thread_pool_new(work, dispatch, config->max_workers, FALSE,
                                          NULL);
    return dispatch;
}

void
virtsnapshotdDispatchFree(virtsnapshotdDispatch *dispatch)
{
    if (!dispatch)
        return;

    g_thread_pool_free(dispatch->workers, FALSE, TRUE);
    virtsnapshotdTurnsFree(dispatch->turns);
    g_free(dispatch);
}

gboolean
virtsnapshotdDispatchBusy(const virtsnapshotdDispatch *dispatch)
{
    return dispatch->calls > 0;
}

virNetChannelVerdict
virtsnapshotdDispatchDecide(virtsnapshotdDispatch *dispatch, virNetServerClient *client,
                            const virNetMessageHeader *header, gsize payload_len)
{
    virNetChannelVerdict verdict;

    if (isOwn(header))
        return payload_len <= PAYLOAD_MAX ? VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_SKIP;

    verdict = virtsnapshotdForwardPrepare(dispatch->config.forward, client);
    if (verdict != VIR_NET_CHANNEL_PASS || virNetServerClientIsReadonly(client))
        return verdict;

    /* libvirt takes no notice of what is behind the arguments, however much it is: what
     * is large is made so by hand, and may not get past the check of a deletion. A call
     * that changes a domain in some other way does no more harm than one that is made at
     * libvirt's own socket. */
    switch (virtsnapshotdCallFind(header)) {
    case VIRTSNAPSHOTD_CALL_REVERT:
    case VIRTSNAPSHOTD_CALL_DELETE:
        return payload_len <= PAYLOAD_MAX ? VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_SKIP;
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_ABORT:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
        return payload_len <= PAYLOAD_MAX &&
            qemuSnapshotDriverHasLocks(dispatch->config.driver) ?
            VIR_NET_CHANNEL_TAKE : verdict;
    default:
        return verdict;
    }
}

void
virtsnapshotdDispatchTaken(virtsnapshotdDispatch *dispatch, virNetServerClient *client,
                           virNetTaken *taken)
{
    dispatchCall *call;

    if (!isOwn(&taken->header) && !virtsnapshotdForwardIsConnected(client)) {
        virtsnapshotdForwardRefuse(client, taken);
        return;
    }

    /* Events and streams need no answer, and none of our procedures has any. */
    if (!virNetMessageIsCall(&taken->header)) {
        virNetTakenFree(taken);
        return;
    }

    call = g_new0(dispatchCall, 1);
    call->dispatch = dispatch;
    call->client = virNetServerClientRef(client);
    call->taken = taken;
    call->kind = virtsnapshotdCallFind(&taken->header);
    call->error_domain = VIR_FROM_DOMAIN_SNAPSHOT;
    dispatch->calls++;
    callBegin(call);
}
