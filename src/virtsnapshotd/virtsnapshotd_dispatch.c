/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_dispatch.c: from messages to calls and back
 *
 * Passed on is all but this: the calls of DOMAIN_SNAPSHOT_PROGRAM, which are
 * answered here; libvirt's own revert and its deletion of a snapshot, which are
 * answered here where need be; and calls that change a domain, or may, while a revert of
 * any is under way, as they may have to wait. On the read-only socket all of libvirt's
 * calls are passed on, for libvirt to refuse.
 *
 * What becomes of a call is decided in so many words. One that nobody has decided about
 * is refused, as passing it on could cost data.
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
#include "virtsnapshotd_jobinfo.h"
#include "virtsnapshotd_request.h"
#include "virtsnapshotd_turns.h"

/* the document at its largest and the two names; XDR adds a few bytes each */
#define PAYLOAD_MAX (SNAPSHOT_STRING_MAX + 64 * 1024)

struct _virtsnapshotdDispatch {
    virtsnapshotdDispatchConfig config;
    virtsnapshotdTurns *turns;
    GThreadPool *workers;
    guint calls;              /* not answered yet */
};

typedef enum {
    DISPATCH_UNDECIDED = 0,
    DISPATCH_ANSWER,
    DISPATCH_REFUSE,
    DISPATCH_PASS_ON,         /* it is libvirt's */
} dispatchOutcome;

typedef struct _dispatchCall dispatchCall;
struct _dispatchCall {
    virtsnapshotdDispatch *dispatch;
    virNetServerClient *client;
    virNetTaken *taken;
    virtsnapshotdCall kind;
    virtsnapshotdRequest request;
    gboolean exclusive;       /* it has its domain to itself */

    dispatchOutcome outcome;
    GBytes *reply;            /* where that is ANSWER */
    GError *error;            /* where it is REFUSE */
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

/* libvirt's deletion or revert has the domain to itself until it is over: what was looked
 * up before may not change in between. */
static void
callForward(dispatchCall *call)
{
    virNetTaken *taken = g_steal_pointer(&call->taken);

    if (call->exclusive) {
        virtsnapshotdForwardSend(call->client, taken, callReplied, call);
        return;
    }

    virtsnapshotdForwardSend(call->client, taken, NULL, NULL);
    dispatchCallFree(call);
}

static void
callReply(dispatchCall *call)
{
    gboolean reverted = call->exclusive && callIsRevert(call);

    callRelease(call);
    virNetServerClientReply(call->client, call->reply);
    if (reverted)
        qemuSnapshotRevertPrepare(call->dispatch->config.driver);
    dispatchCallFree(call);
}

static void
callRefuse(dispatchCall *call)
{
    if (!call->error)
        g_set_error(&call->error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("the call was not made: nothing has decided whether it may be"));
    call->reply = remoteErrorEncode(&call->taken->header, call->error_domain,
                                    call->error);
    callReply(call);
}

static void
callFinish(dispatchCall *call)
{
    switch (call->outcome) {
    case DISPATCH_ANSWER:
        callReply(call);
        break;
    case DISPATCH_PASS_ON:
        callForward(call);
        break;
    case DISPATCH_REFUSE:
    case DISPATCH_UNDECIDED:
        callRefuse(call);
        break;
    }
}

static void
callEnd(dispatchCall *call, dispatchOutcome outcome)
{
    call->outcome = outcome;
    callFinish(call);
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

/* Where there is no reply there is an error. */
static dispatchOutcome
workAnswer(dispatchCall *call, GBytes *reply)
{
    call->reply = reply;
    return reply ? DISPATCH_ANSWER : DISPATCH_REFUSE;
}

static dispatchOutcome
workRevert(dispatchCall *call)
{
    qemuSnapshotDriver *driver = call->dispatch->config.driver;

    if (!qemuSnapshotRevert(driver, &call->request.snapshot, &call->events, &call->error))
        return DISPATCH_REFUSE;

    return workAnswer(call, callEncodeReply(call, NULL, NULL, &call->error));
}

/* An internal snapshot has no overlays that a document or a flag of ours could be about:
 * asked for without, it is gone back to by libvirt. */
static dispatchOutcome
workOwnRevert(dispatchCall *call)
{
    qemuSnapshotDriver *driver = call->dispatch->config.driver;
    const qemuSnapshotRequest *request = &call->request.snapshot;
    gboolean plain = !request->xml && !(request->flags & QEMU_SNAPSHOT_OWN_FLAGS);
    qemuSnapshotKind kind = QEMU_SNAPSHOT_KIND_EXTERNAL;

    if (plain && !qemuSnapshotFindKind(driver, request, &kind, &call->error))
        return DISPATCH_REFUSE;

    switch (kind) {
    case QEMU_SNAPSHOT_KIND_INTERNAL:
        if (!qemuSnapshotInternalRevert(driver, request, &call->error))
            return DISPATCH_REFUSE;
        return workAnswer(call, callEncodeReply(call, NULL, NULL, &call->error));
    case QEMU_SNAPSHOT_KIND_ABSENT:
    case QEMU_SNAPSHOT_KIND_EXTERNAL:
        return workRevert(call);
    }

    return DISPATCH_UNDECIDED;
}

/* What isn't there is libvirt's to answer, and so is an internal one that nothing else
 * depends on. What can't be told is nobody's: libvirt would revert without our checks. */
static dispatchOutcome
workLibvirtRevert(dispatchCall *call)
{
    const virtsnapshotdDispatchConfig *config = &call->dispatch->config;
    qemuSnapshotKind kind;

    if (!qemuSnapshotFindKind(config->driver, &call->request.snapshot, &kind,
                              &call->error))
        return DISPATCH_REFUSE;

    switch (kind) {
    case QEMU_SNAPSHOT_KIND_ABSENT:
        return DISPATCH_PASS_ON;
    case QEMU_SNAPSHOT_KIND_INTERNAL:
        return qemuSnapshotInternalCheck(config->driver, &call->request.snapshot,
                                         &call->error) ? DISPATCH_PASS_ON :
            DISPATCH_REFUSE;
    case QEMU_SNAPSHOT_KIND_EXTERNAL:
        return config->revert_by_libvirt &&
            qemuSnapshotDriverCanRevertExternal(config->driver) ? DISPATCH_PASS_ON :
            workRevert(call);
    }

    return DISPATCH_UNDECIDED;
}

static dispatchOutcome
workDelete(dispatchCall *call)
{
    return qemuSnapshotMayDelete(call->dispatch->config.driver, &call->request.snapshot,
                                 &call->error) ? DISPATCH_PASS_ON : DISPATCH_REFUSE;
}

static dispatchOutcome
workGetDesc(dispatchCall *call)
{
    domain_snapshot_get_revert_xml_desc_ret ret = {
        .xml = qemuSnapshotGetRevertDesc(call->dispatch->config.driver,
                                         &call->request.snapshot, &call->error),
    };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_ret;
    GBytes *reply =
        ret.xml ? callEncodeReply(call, filter, &ret, &call->error) : NULL;

    g_free(ret.xml);
    return workAnswer(call, reply);
}

static dispatchOutcome
workOutcome(dispatchCall *call)
{
    switch (call->kind) {
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
        return workOwnRevert(call);
    case VIRTSNAPSHOTD_CALL_REVERT:
        return workLibvirtRevert(call);
    case VIRTSNAPSHOTD_CALL_DELETE:
        return workDelete(call);
    case VIRTSNAPSHOTD_CALL_GET_DESC:
        return workGetDesc(call);
    case VIRTSNAPSHOTD_CALL_OTHER:
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_DESTROY:
    case VIRTSNAPSHOTD_CALL_NEWER:
        /* no work for a worker */
        break;
    }

    return DISPATCH_UNDECIDED;
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
    call->outcome = workOutcome(call);
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

    if (granted) {
        callEnd(call, DISPATCH_PASS_ON);
        return;
    }

    /* as libvirt's own, so that programs know it */
    call->error_domain = VIR_FROM_QEMU;
    g_set_error(&call->error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("Timed out during operation: cannot acquire state change lock "
                  "(held by monitor=%s)"), "virtsnapshotd");
    callEnd(call, DISPATCH_REFUSE);
}

static void
callWait(dispatchCall *call)
{
    virtsnapshotdTurns *turns = call->dispatch->turns;

    switch (call->request.domain) {
    case VIRTSNAPSHOTD_REQUEST_ONE:
        virtsnapshotdTurnsAdd(turns, call->request.snapshot.uuid,
                              VIRTSNAPSHOTD_TURN_PATIENT, callPatient, call);
        break;
    case VIRTSNAPSHOTD_REQUEST_ANY:
        virtsnapshotdTurnsAdd(turns, NULL, VIRTSNAPSHOTD_TURN_ANY, callPatient, call);
        break;
    case VIRTSNAPSHOTD_REQUEST_NEW:
        callEnd(call, DISPATCH_PASS_ON);
        break;
    }
}

/* A destroy never waits. What it does to the domain, even in the middle of a revert, is
 * what someone wants. */
static void
callDestroy(dispatchCall *call)
{
    if (call->request.domain == VIRTSNAPSHOTD_REQUEST_ONE)
        qemuSnapshotDriverNoteDestroy(call->dispatch->config.driver,
                                      call->request.snapshot.uuid);
    callEnd(call, DISPATCH_PASS_ON);
}

/* At once, and not by a worker: all of them may be at what is asked about. */
static void
callJobInfo(dispatchCall *call)
{
    qemuSnapshotJobs *jobs = qemuSnapshotDriverJobs(call->dispatch->config.driver);

    call->reply = virtsnapshotdJobInfoReply(jobs, &call->taken->header,
                                            call->request.snapshot.uuid,
                                            call->request.snapshot.flags, &call->error);
    callEnd(call, call->reply ? DISPATCH_ANSWER : DISPATCH_REFUSE);
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

/* What guards data is not to be passed on unseen, and what is ours is not libvirt's. Of
 * the others it can't be told which domain they change; libvirt refuses those that are
 * faulty. */
static gboolean
callDecode(dispatchCall *call, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (virtsnapshotdRequestDecode(call->kind, call->taken, &call->request, &cause))
        return TRUE;

    switch (call->kind) {
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_DESTROY:
    case VIRTSNAPSHOTD_CALL_NEWER:
        call->request.domain = VIRTSNAPSHOTD_REQUEST_ANY;
        return TRUE;
    case VIRTSNAPSHOTD_CALL_OTHER:
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
    case VIRTSNAPSHOTD_CALL_GET_DESC:
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
    case VIRTSNAPSHOTD_CALL_REVERT:
    case VIRTSNAPSHOTD_CALL_DELETE:
        break;
    }

    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static void
callGo(dispatchCall *call)
{
    switch (call->kind) {
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
    case VIRTSNAPSHOTD_CALL_REVERT:
    case VIRTSNAPSHOTD_CALL_DELETE:
        virtsnapshotdTurnsAdd(call->dispatch->turns, call->request.snapshot.uuid,
                              VIRTSNAPSHOTD_TURN_EXCLUSIVE, callGranted, call);
        break;
    case VIRTSNAPSHOTD_CALL_GET_DESC:
        callWork(call);
        break;
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
        callJobInfo(call);
        break;
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_NEWER:
        callWait(call);
        break;
    case VIRTSNAPSHOTD_CALL_DESTROY:
        callDestroy(call);
        break;
    case VIRTSNAPSHOTD_CALL_OTHER:
        /* it was to be passed on, and not to be taken */
        callEnd(call, DISPATCH_UNDECIDED);
        break;
    }
}

/* A change of the domain's images that has not returned may still come about: until it
 * has, nothing else is done with the domain, but that it is ended. */
static gboolean
callCheckWaits(const dispatchCall *call, GError **error)
{
    g_autofree char *reason = NULL;

    switch (call->kind) {
    case VIRTSNAPSHOTD_CALL_OTHER:
    case VIRTSNAPSHOTD_CALL_GET_DESC:
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
    case VIRTSNAPSHOTD_CALL_DESTROY:
        return TRUE;
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
    case VIRTSNAPSHOTD_CALL_REVERT:
    case VIRTSNAPSHOTD_CALL_DELETE:
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_NEWER:
        break;
    }

    if (call->request.domain == VIRTSNAPSHOTD_REQUEST_ONE)
        reason = qemuSnapshotDriverGetWaits(call->dispatch->config.driver,
                                            call->request.snapshot.uuid);
    if (!reason)
        return TRUE;

    g_set_error_literal(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT, reason);
    return FALSE;
}

static void
callBegin(dispatchCall *call)
{
    gboolean own = isOwn(&call->taken->header);
    gboolean ok = own ? callCheck(call, &call->error) : callFits(call, &call->error);

    ok = ok && callDecode(call, &call->error) &&
        (!own || callCheckDocument(call, &call->error)) &&
        callCheckWaits(call, &call->error);
    if (ok)
        callGo(call);
    else
        callEnd(call, DISPATCH_REFUSE);
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
    case VIRTSNAPSHOTD_CALL_REVERT_XML:
    case VIRTSNAPSHOTD_CALL_GET_DESC:
    case VIRTSNAPSHOTD_CALL_GET_JOB_INFO:
        return payload_len <= PAYLOAD_MAX ? VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_SKIP;
    case VIRTSNAPSHOTD_CALL_DOMAIN:
    case VIRTSNAPSHOTD_CALL_SNAPSHOT:
    case VIRTSNAPSHOTD_CALL_XML:
    case VIRTSNAPSHOTD_CALL_DESTROY:
    case VIRTSNAPSHOTD_CALL_NEWER:
        return payload_len <= PAYLOAD_MAX &&
            qemuSnapshotDriverHasLocks(dispatch->config.driver) ?
            VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_PASS;
    case VIRTSNAPSHOTD_CALL_OTHER:
        return VIR_NET_CHANNEL_PASS;
    }

    return VIR_NET_CHANNEL_SKIP;
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
