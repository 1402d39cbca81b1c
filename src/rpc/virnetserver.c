/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetserver.c: sockets, clients and their messages, in one event loop
 *
 * All sockets are served by the thread that runs the default main context.
 * Nothing in it blocks: what takes time is handed to other threads by those who
 * take the messages, and comes back to this one to be answered.
 *
 * What a client sends is not trusted. Its memory use is bounded by the channel for
 * what is passed on, by the verdicts on its messages, by max_client_calls for those
 * that were taken, and by max_clients for all together: a client at its bound, or
 * one that does not read what it was sent, has to wait. A message that breaks the
 * framing closes that connection alone.
 */

#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "virnetserver.h"
#include "virsnaperror.h"

/* as libvirt's max_queued_clients */
#define LISTEN_BACKLOG 1000
/* Until a client is tried again for which there was no descriptor or memory. */
#define ACCEPT_AGAIN_MSECS 500

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetServerClient, virNetServerClientUnref)

struct _virNetServer {
    virNetServerConfig config;
    virSnapWatcher *watcher;
    GPtrArray *listeners;     /* of virNetServerListener */
    GHashTable *clients;      /* set of virNetServerClient, each a reference */
    guint idle_timer;
    guint accept_timer;
    gboolean stopped;
};

typedef struct _virNetServerListener virNetServerListener;
struct _virNetServerListener {
    virNetServer *server;
    int fd;
    gboolean readonly;
    virSnapWatch *watch;
};

struct _virNetServerClient {
    grefcount refs;
    gboolean readonly;

    virNetServer *server;     /* NULL: closed */
    virNetChannel *channel;
    guint calls;              /* taken and not done yet */
    gboolean waits;           /* its next message does, for that */
    void *data;
};

virNetServerClient *
virNetServerClientRef(virNetServerClient *client)
{
    g_ref_count_inc(&client->refs);
    return client;
}

void
virNetServerClientUnref(virNetServerClient *client)
{
    if (g_ref_count_dec(&client->refs)) {
        virNetChannelUnref(client->channel);
        g_free(client);
    }
}

gboolean
virNetServerClientIsReadonly(const virNetServerClient *client)
{
    return client->readonly;
}

static gboolean
serverIsIdle(void *opaque)
{
    virNetServer *server = opaque;

    server->config.idle(server->config.opaque);
    if (!server->stopped)
        return G_SOURCE_CONTINUE;

    server->idle_timer = 0;
    return G_SOURCE_REMOVE;
}

static void
serverUpdateIdle(virNetServer *server)
{
    gboolean idle = g_hash_table_size(server->clients) == 0 && !server->stopped;

    if (server->config.idle_timeout == 0)
        return;

    if (idle && server->idle_timer == 0) {
        server->idle_timer = g_timeout_add_seconds(server->config.idle_timeout,
                                                   serverIsIdle, server);
    } else if (!idle && server->idle_timer != 0) {
        g_source_remove(server->idle_timer);
        server->idle_timer = 0;
    }
}

/* A server that is full looks for new clients when one has gone. */
static void
serverUpdateListeners(virNetServer *server)
{
    gboolean accepts = server->accept_timer == 0 &&
        g_hash_table_size(server->clients) < server->config.max_clients;

    for (guint i = 0; i < server->listeners->len; i++) {
        virNetServerListener *listener = g_ptr_array_index(server->listeners, i);

        virSnapWatchSet(listener->watch, accepts ? EPOLLIN : 0);
    }
}

virNetChannel *
virNetServerClientGetChannel(virNetServerClient *client)
{
    return client->server ? client->channel : NULL;
}

void
virNetServerClientSetData(virNetServerClient *client, void *data)
{
    client->data = data;
}

void *
virNetServerClientGetData(virNetServerClient *client)
{
    return client->data;
}

void
virNetServerClientClose(virNetServerClient *client)
{
    virNetServer *server = client->server;

    if (!server)
        return;

    server->config.closed(client, server->config.opaque);
    client->server = NULL;
    virNetChannelClose(client->channel);
    g_hash_table_remove(server->clients, client); /* may free it */
    serverUpdateIdle(server);
    serverUpdateListeners(server);
}

static virNetChannelVerdict
clientDecide(const virNetMessageHeader *header, gsize payload_len, void *opaque)
{
    virNetServerClient *client = opaque;
    virNetServer *server = client->server;
    virNetChannelVerdict verdict;

    if (server->stopped)
        return VIR_NET_CHANNEL_WAIT;

    verdict = server->config.decide(client, header, payload_len, server->config.opaque);
    if (verdict == VIR_NET_CHANNEL_PASS || verdict == VIR_NET_CHANNEL_WAIT ||
        !virNetMessageIsCall(header))
        return verdict;

    client->waits = client->calls >= server->config.max_client_calls ||
        virNetChannelPending(client->channel) > 0;
    if (client->waits)
        return VIR_NET_CHANNEL_WAIT;

    client->calls++;
    return verdict;
}

static void
clientGoOn(void *opaque)
{
    virNetServerClient *client = opaque;

    if (!client->waits || !client->server || client->server->stopped)
        return;

    client->waits = FALSE;
    virNetChannelResume(client->channel);
}

static void
clientTaken(virNetTaken *taken, void *opaque)
{
    virNetServerClient *client = opaque;

    client->server->config.taken(client, taken, client->server->config.opaque);
}

static void
clientEnded(const char *reason, void *opaque)
{
    g_autoptr(virNetServerClient) client = virNetServerClientRef(opaque);

    if (reason)
        g_message("closing a client's connection: %s", reason);
    if (client->server->config.ended(client, client->server->config.opaque))
        virNetServerClientClose(client);
}

static const virNetChannelFuncs clientFuncs = {
    .decide = clientDecide,
    .taken = clientTaken,
    .ended = clientEnded,
    .drained = clientGoOn,
};

void
virNetServerClientDone(virNetServerClient *client)
{
    client->calls--;
    clientGoOn(client);
}

void
virNetServerClientReply(virNetServerClient *client, GBytes *message)
{
    if (!client->server)
        return;

    virNetChannelSend(client->channel, message);
    virNetServerClientDone(client);
}

static gboolean
acceptAgain(void *opaque)
{
    virNetServer *server = opaque;

    server->accept_timer = 0;
    serverUpdateListeners(server);
    return G_SOURCE_REMOVE;
}

static void
listenerFail(virNetServer *server, int saved_errno)
{
    if (saved_errno == EAGAIN || saved_errno == EINTR || saved_errno == ECONNABORTED)
        return;

    g_warning("cannot accept a client: %s", g_strerror(saved_errno));
    server->accept_timer = g_timeout_add(ACCEPT_AGAIN_MSECS, acceptAgain, server);
    serverUpdateListeners(server);
}

static void
listenerIn(guint32 events G_GNUC_UNUSED, void *opaque)
{
    virNetServerListener *listener = opaque;
    virNetServer *server = listener->server;
    virNetServerClient *client;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        listenerFail(server, errno);
        return;
    }

    client = g_new0(virNetServerClient, 1);
    g_ref_count_init(&client->refs);
    client->server = server;
    client->channel = virNetChannelNew(server->watcher, fd, &clientFuncs, client);
    client->readonly = listener->readonly;
    g_hash_table_add(server->clients, client);
    serverUpdateIdle(server);
    serverUpdateListeners(server);
    virNetChannelResume(client->channel);
}

static void
listenerFree(void *opaque)
{
    virNetServerListener *listener = opaque;

    virSnapWatchFree(listener->watch);
    close(listener->fd);
    g_free(listener);
}

virNetServer *
virNetServerNew(virSnapWatcher *watcher, const virNetServerConfig *config)
{
    virNetServer *server = g_new0(virNetServer, 1);

    server->watcher = watcher;
    server->config = *config;
    server->listeners = g_ptr_array_new_with_free_func(listenerFree);
    server->clients =
        g_hash_table_new_full(NULL, NULL,
                              (GDestroyNotify)virNetServerClientUnref, NULL);
    serverUpdateIdle(server);
    return server;
}

void
virNetServerFree(virNetServer *server)
{
    GHashTableIter iter;
    void *client;

    if (!server)
        return;

    virNetServerStop(server);
    for (g_hash_table_iter_init(&iter, server->clients);
         g_hash_table_iter_next(&iter, &client, NULL);
         g_hash_table_iter_init(&iter, server->clients))
        virNetServerClientClose(client);

    g_hash_table_unref(server->clients);
    g_ptr_array_unref(server->listeners);
    g_free(server);
}

void
virNetServerAddListener(virNetServer *server, int fd, gboolean readonly)
{
    virNetServerListener *listener = g_new0(virNetServerListener, 1);

    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    listener->server = server;
    listener->fd = fd;
    listener->readonly = readonly;
    listener->watch = virSnapWatchNew(server->watcher, fd, listenerIn, listener);
    g_ptr_array_add(server->listeners, listener);
    serverUpdateListeners(server);
}

/* bind() obeys the umask, so that the socket is born with its mode; changing it
 * later would leave a moment in which it is too open. */
static int
bindWithMode(int fd, const struct sockaddr_un *addr, mode_t mode)
{
    mode_t old = umask(0777 & ~mode);
    int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

    umask(old);
    return rc;
}

gboolean
virNetServerListen(virNetServer *server, const char *path, mode_t mode,
                   gid_t gid, gboolean readonly, GError **error)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = -1;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the socket path '%s' is too long"), path);
        return FALSE;
    }

    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
        (unlink(path) < 0 && errno != ENOENT) ||
        bindWithMode(fd, &addr, mode) < 0 ||
        (gid != (gid_t)-1 && chown(path, -1, gid) < 0) ||
        listen(fd, LISTEN_BACKLOG) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot listen at '%s'"), path);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }

    virNetServerAddListener(server, fd, readonly);
    return TRUE;
}

void
virNetServerStop(virNetServer *server)
{
    server->stopped = TRUE;
    serverUpdateIdle(server);
    g_clear_handle_id(&server->accept_timer, g_source_remove);
    g_ptr_array_set_size(server->listeners, 0);
}
