/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_forward.c: each client's connection to libvirt's daemon
 *
 * A client that says anything but what virtsnapshotd answers itself gets a
 * connection of its own to libvirt's daemon, to the socket of the same kind,
 * read-write or read-only, and both ends as bytes. Authentication, access and limits
 * stay libvirt's; serials are the client's own and are never renumbered.
 *
 * Of what libvirt sends three things are looked at: the reply that opens the
 * connection, upon which libvirt is told who the client is before the client can go
 * on; the reply to that, which is ours; and lifecycle events during a revert.
 *
 * Either side's end is the other's, after what it said last.
 */

#include "config.h"

#include <gio/gio.h>
#include <libvirt/libvirt.h>

#include "remote_error.h"
#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_forward.h"
#include "virtsnapshotd_identity.h"

/* Clients count theirs up from 0. */
#define IDENTITY_SERIAL G_MAXUINT32
/* How often is looked whether a client takes what comes: twice in the time that libvirt
 * gives one to show a sign of life. */
#define PATIENCE_SECONDS 15
/* until a client is connected again for which libvirt had no room */
#define CONNECT_AGAIN_MSECS 100

struct _virtsnapshotdForward {
    virSnapWatcher *watcher;
    const virtsnapshotdBackend *backend;
    virtsnapshotdEvents *events;
    GHashTable *waiting;       /* set of forwardClient: until the daemon is started */
};

typedef struct _forwardClient forwardClient;
struct _forwardClient {
    virtsnapshotdForward *forward;
    virNetServerClient *client;
    virNetChannel *channel;    /* to libvirt; NULL: not connected yet */
    guint64 since;             /* the count of reverts when that was connected */
    guint connect_timer;       /* for the next attempt */
    gboolean started;          /* an attempt has been made to start the daemon */
    GError *error;             /* why it is not connected */
    virNetTaken *opened;       /* the reply that waits until libvirt knows the client */
    GHashTable *replies;       /* serial -> forwardReply */
    guint patience_timer;      /* while there are any */
    gboolean heard;            /* from libvirt, since that last ran */
};

typedef struct _forwardReply forwardReply;
struct _forwardReply {
    void (*replied)(void *opaque);
    void *opaque;
};

virtsnapshotdForward *
virtsnapshotdForwardNew(virSnapWatcher *watcher, const virtsnapshotdBackend *backend,
                        virtsnapshotdEvents *events)
{
    virtsnapshotdForward *forward = g_new0(virtsnapshotdForward, 1);

    forward->watcher = watcher;
    forward->backend = backend;
    forward->events = events;
    forward->waiting = g_hash_table_new(NULL, NULL);
    return forward;
}

void
virtsnapshotdForwardFree(virtsnapshotdForward *forward)
{
    if (!forward)
        return;

    g_hash_table_unref(forward->waiting);
    g_free(forward);
}

/* Each entry of the table calls its function when it goes. */
static void
forwardReplyFree(void *opaque)
{
    forwardReply *reply = opaque;

    reply->replied(reply->opaque);
    g_free(reply);
}

static forwardClient *
forwardClientGet(virtsnapshotdForward *forward, virNetServerClient *client)
{
    forwardClient *fc = virNetServerClientGetData(client);

    if (!fc) {
        fc = g_new0(forwardClient, 1);
        fc->forward = forward;
        fc->client = client;
        fc->replies = g_hash_table_new_full(NULL, NULL, NULL, forwardReplyFree);
        virNetServerClientSetData(client, fc);
    }

    return fc;
}

/* From libvirt to the client */

static virNetChannelVerdict
forwardDecideReply(forwardClient *fc, const virNetMessageHeader *header)
{
    if (header->program != REMOTE_PROGRAM)
        return VIR_NET_CHANNEL_PASS;

    g_hash_table_remove(fc->replies, GUINT_TO_POINTER(header->serial));

    if (fc->opened && header->serial == IDENTITY_SERIAL &&
        header->procedure == REMOTE_PROC_CONNECT_SET_IDENTITY)
        return VIR_NET_CHANNEL_TAKE;

    return !fc->opened && header->procedure == REMOTE_PROC_CONNECT_OPEN &&
        header->status == VIR_NET_OK ? VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_PASS;
}

static virNetChannelVerdict
forwardDecide(const virNetMessageHeader *header, gsize payload_len, void *opaque)
{
    forwardClient *fc = opaque;

    fc->heard = TRUE;
    if (header->type == VIR_NET_REPLY)
        return forwardDecideReply(fc, header);

    return virtsnapshotdEventsWant(fc->forward->events, header, payload_len) ?
        VIR_NET_CHANNEL_TAKE : VIR_NET_CHANNEL_PASS;
}

static void
forwardToClient(forwardClient *fc, virNetTaken *taken)
{
    virNetChannelForward(virNetServerClientGetChannel(fc->client), taken);
}

/* Without knowing the client libvirt takes it for us: no worse than it is with any
 * other daemon in between. */
static void
forwardTellIdentity(forwardClient *fc, virNetTaken *opened)
{
    virNetChannel *channel = virNetServerClientGetChannel(fc->client);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) call =
        virtsnapshotdIdentityEncode(virNetChannelGetFD(channel), IDENTITY_SERIAL, &error);

    if (!call) {
        g_warning("%s", error->message);
        forwardToClient(fc, opened);
        return;
    }

    fc->opened = opened;
    virNetChannelSend(fc->channel, call);
}

static void
forwardIdentityTold(forwardClient *fc, virNetTaken *reply)
{
    if (reply->header.status == VIR_NET_ERROR)
        g_debug("libvirt does not want to know who a client is");

    virNetTakenFree(reply);
    forwardToClient(fc, g_steal_pointer(&fc->opened));
}

static void
forwardTaken(virNetTaken *taken, void *opaque)
{
    forwardClient *fc = opaque;

    if (taken->header.type == VIR_NET_MESSAGE) {
        virtsnapshotdEventsRewrite(fc->forward->events, fc, fc->since, taken);
        forwardToClient(fc, taken);
    } else if (taken->header.procedure == REMOTE_PROC_CONNECT_OPEN) {
        forwardTellIdentity(fc, taken);
    } else {
        forwardIdentityTold(fc, taken);
    }
}

static void
forwardEnded(const char *reason, void *opaque)
{
    forwardClient *fc = opaque;
    virNetServerClient *client = fc->client;

    if (reason)
        g_message("closing a connection to libvirt: %s", reason);
    g_hash_table_remove_all(fc->replies);
    if (virNetChannelFinish(virNetServerClientGetChannel(client)))
        virNetServerClientClose(client);
    else
        virNetChannelClose(fc->channel);
}

static const virNetChannelFuncs forwardFuncs = {
    .decide = forwardDecide,
    .taken = forwardTaken,
    .ended = forwardEnded,
};

/* From the client to libvirt */

static gboolean
forwardConnect(forwardClient *fc)
{
    virtsnapshotdForward *forward = fc->forward;
    int fd;

    g_clear_error(&fc->error);
    fd = virtsnapshotdBackendConnect(forward->backend,
                                     virNetServerClientIsReadonly(fc->client),
                                     &fc->error);
    if (fd < 0)
        return FALSE;

    fc->since = virtsnapshotdEventsCount(forward->events);
    fc->channel = virNetChannelNew(forward->watcher, fd, &forwardFuncs, fc);
    virNetChannelJoin(fc->channel, virNetServerClientGetChannel(fc->client));
    virNetChannelResume(fc->channel);
    return TRUE;
}

/* In a thread of its own. libvirt knows how to start its daemon. */
static void
forwardStart(GTask *task, void *source G_GNUC_UNUSED, void *data,
             GCancellable *cancellable G_GNUC_UNUSED)
{
    virConnectPtr conn = virConnectOpen(data);

    if (conn)
        virConnectClose(conn);
    g_task_return_boolean(task, conn != NULL);
}

static void
forwardStarted(GObject *source G_GNUC_UNUSED, GAsyncResult *result G_GNUC_UNUSED,
               void *opaque)
{
    virtsnapshotdForward *forward = opaque;
    g_autoptr(GList) waiting = g_hash_table_get_keys(forward->waiting);

    g_hash_table_remove_all(forward->waiting);
    for (GList *i = waiting; i; i = i->next) {
        forwardClient *fc = i->data;

        virNetChannelResume(virNetServerClientGetChannel(fc->client));
    }
}

static void
forwardWaitForStart(forwardClient *fc)
{
    virtsnapshotdForward *forward = fc->forward;
    const char *uri = virtsnapshotdBackendGetURI(forward->backend);
    gboolean first = g_hash_table_size(forward->waiting) == 0;

    fc->started = TRUE;
    g_hash_table_add(forward->waiting, fc);
    if (first) {
        g_autoptr(GTask) task = g_task_new(NULL, NULL, forwardStarted, forward);

        g_task_set_task_data(task, g_strdup(uri), g_free);
        g_task_run_in_thread(task, forwardStart);
    }
}

static gboolean
forwardConnectAgain(void *opaque)
{
    forwardClient *fc = opaque;

    fc->connect_timer = 0;
    virNetChannelResume(virNetServerClientGetChannel(fc->client));
    return G_SOURCE_REMOVE;
}

virNetChannelVerdict
virtsnapshotdForwardPrepare(virtsnapshotdForward *forward, virNetServerClient *client)
{
    forwardClient *fc = forwardClientGet(forward, client);

    if (fc->channel || forwardConnect(fc))
        return VIR_NET_CHANNEL_PASS;

    /* libvirt's own clients wait in connect() then, for as long as they like */
    if (virSnapErrorCode(fc->error) == VIR_ERR_RESOURCE_BUSY) {
        fc->connect_timer = g_timeout_add(CONNECT_AGAIN_MSECS, forwardConnectAgain, fc);
        return VIR_NET_CHANNEL_WAIT;
    }

    if (!fc->started && virtsnapshotdBackendIsStarted(forward->backend) &&
        virSnapErrorCode(fc->error) == VIR_ERR_NO_CONNECT) {
        forwardWaitForStart(fc);
        return VIR_NET_CHANNEL_WAIT;
    }

    fc->started = FALSE;
    return VIR_NET_CHANNEL_SKIP;
}

gboolean
virtsnapshotdForwardIsConnected(virNetServerClient *client)
{
    forwardClient *fc = virNetServerClientGetData(client);

    return fc && fc->channel;
}

void
virtsnapshotdForwardRefuse(virNetServerClient *client, virNetTaken *taken)
{
    g_autoptr(virNetTaken) owned G_GNUC_UNUSED = taken;
    forwardClient *fc = virNetServerClientGetData(client);
    g_autoptr(GBytes) reply = NULL;

    if (!virNetMessageIsCall(&taken->header))
        return;

    reply = remoteErrorEncode(&taken->header, VIR_FROM_RPC, fc->error);
    virNetServerClientReply(client, reply);
}

/* libvirt's reply is not read while the client does not take what came before it. It is
 * not for others to wait for that. */
static gboolean
forwardLosePatience(void *opaque)
{
    forwardClient *fc = opaque;
    virNetChannel *channel = virNetServerClientGetChannel(fc->client);

    if (!fc->heard && virNetChannelPending(channel) > 0)
        g_hash_table_remove_all(fc->replies);
    fc->heard = FALSE;

    if (g_hash_table_size(fc->replies) > 0)
        return G_SOURCE_CONTINUE;

    fc->patience_timer = 0;
    return G_SOURCE_REMOVE;
}

static void
forwardExpectReply(forwardClient *fc, guint32 serial, void (*replied)(void *opaque),
                   void *opaque)
{
    forwardReply *reply = g_new0(forwardReply, 1);

    reply->replied = replied;
    reply->opaque = opaque;
    g_hash_table_replace(fc->replies, GUINT_TO_POINTER(serial), reply);
    if (fc->patience_timer == 0)
        fc->patience_timer = g_timeout_add_seconds(PATIENCE_SECONDS, forwardLosePatience,
                                                   fc);
}

void
virtsnapshotdForwardSend(virNetServerClient *client, virNetTaken *taken,
                         void (*replied)(void *opaque), void *opaque)
{
    forwardClient *fc = virNetServerClientGetData(client);

    /* it has gone meanwhile */
    if (!virNetServerClientGetChannel(client)) {
        virNetTakenFree(taken);
        if (replied)
            replied(opaque);
        return;
    }

    if (replied)
        forwardExpectReply(fc, taken->header.serial, replied, opaque);
    virNetChannelForward(fc->channel, taken);
    virNetServerClientDone(client);
}

gboolean
virtsnapshotdForwardEnded(virNetServerClient *client)
{
    forwardClient *fc = virNetServerClientGetData(client);

    return !fc || !fc->channel || virNetChannelFinish(fc->channel);
}

void
virtsnapshotdForwardClosed(virNetServerClient *client)
{
    forwardClient *fc = virNetServerClientGetData(client);

    if (!fc)
        return;

    virNetServerClientSetData(client, NULL);
    g_hash_table_remove(fc->forward->waiting, fc);
    virtsnapshotdEventsForget(fc->forward->events, fc);
    if (fc->channel)
        virNetChannelClose(fc->channel);
    virNetChannelUnref(fc->channel);
    virNetTakenFree(fc->opened);
    g_clear_error(&fc->error);
    g_clear_handle_id(&fc->patience_timer, g_source_remove);
    g_clear_handle_id(&fc->connect_timer, g_source_remove);
    g_hash_table_unref(fc->replies);
    g_free(fc);
}
