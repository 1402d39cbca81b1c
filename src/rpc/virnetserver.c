/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetserver.c: sockets, clients and their messages, in one event loop
 *
 * All sockets are served by the thread that runs the default main context.
 * Nothing in it blocks: what takes time is handed to other threads by the
 * handler, and they answer through virNetServerClientReply().
 *
 * What a client sends is not trusted. Its memory use is bounded by the limit
 * function for one message, by max_client_calls for what waits for an answer,
 * and by max_clients for all together: a client at its bound is not read from
 * until answers have gone out. A message that breaks the framing closes that
 * connection alone.
 */

#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "virnetserver.h"
#include "virsnaperror.h"

#define LISTEN_BACKLOG 128
/* What is read at a time of a payload that nobody wants. */
#define SKIP_CHUNK 65536

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetServerClient, virNetServerClientUnref)

struct _virNetServer {
    virNetServerConfig config;
    GPtrArray *listeners;     /* of virNetServerListener */
    GHashTable *clients;      /* set of virNetServerClient, each a reference */
    guint idle_timer;
    gboolean stopped;
};

typedef struct _virNetServerListener virNetServerListener;
struct _virNetServerListener {
    virNetServer *server;
    int fd;
    gboolean readonly;
    guint source;
};

struct _virNetServerClient {
    gatomicrefcount refs;
    gboolean readonly;

    /* the loop's thread only */
    virNetServer *server;     /* NULL: closed */
    int fd;
    guint in_source;
    guint out_source;
    guint calls;              /* taken and not answered yet */
    guint8 prefix[VIR_NET_MESSAGE_PREFIX];
    gsize got;                /* of prefix and payload */
    virNetMessageHeader header;
    gsize payload_len;
    gboolean skip;
    guint8 *payload;
    GQueue out;               /* of GBytes */
    gsize out_done;           /* of the first */
};

static void clientUpdate(virNetServerClient *client);

virNetServerClient *
virNetServerClientRef(virNetServerClient *client)
{
    g_atomic_ref_count_inc(&client->refs);
    return client;
}

void
virNetServerClientUnref(virNetServerClient *client)
{
    if (g_atomic_ref_count_dec(&client->refs)) {
        g_free(client->payload);
        g_queue_clear_full(&client->out, (GDestroyNotify)g_bytes_unref);
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

static void
clientClose(virNetServerClient *client)
{
    virNetServer *server = client->server;

    if (!server)
        return;

    client->server = NULL;
    if (client->in_source)
        g_source_remove(client->in_source);
    if (client->out_source)
        g_source_remove(client->out_source);
    client->in_source = client->out_source = 0;
    close(client->fd);
    g_hash_table_remove(server->clients, client); /* may free it */
    serverUpdateIdle(server);
}

static void
clientFail(virNetServerClient *client, const char *reason)
{
    g_message("closing a client's connection: %s", reason);
    clientClose(client);
}

/* One whole message is there. */
static void
clientTake(virNetServerClient *client)
{
    virNetServer *server = client->server;
    virNetMessageHeader header = client->header;
    GBytes *payload = NULL;

    if (!client->skip)
        payload = g_bytes_new_take(g_steal_pointer(&client->payload),
                                   client->payload_len);
    client->got = 0;
    client->skip = FALSE;

    /* Only calls are answered, so only they count. */
    if (header.type == VIR_NET_CALL || header.type == VIR_NET_CALL_WITH_FDS)
        client->calls++;

    server->config.handle(client, &header, payload, server->config.opaque);
}

static gboolean
clientTakePrefix(virNetServerClient *client)
{
    virNetServer *server = client->server;
    g_autoptr(GError) error = NULL;

    if (!virNetMessageDecodePrefix(client->prefix, &client->header,
                                   &client->payload_len, &error)) {
        clientFail(client, error->message);
        return FALSE;
    }

    client->skip = client->payload_len > server->config.limit(&client->header);
    if (!client->skip)
        client->payload = g_malloc(client->payload_len);

    return TRUE;
}

/* Reads what the current part of the message still lacks, at most. Returns what
 * read() would. */
static ssize_t
clientReadPart(virNetServerClient *client)
{
    guint8 scratch[SKIP_CHUNK];
    gsize done;

    if (client->got < VIR_NET_MESSAGE_PREFIX)
        return read(client->fd, client->prefix + client->got,
                    VIR_NET_MESSAGE_PREFIX - client->got);

    done = client->got - VIR_NET_MESSAGE_PREFIX;
    if (client->skip)
        return read(client->fd, scratch,
                    MIN(sizeof(scratch), client->payload_len - done));

    return read(client->fd, client->payload + done, client->payload_len - done);
}

/* Returns TRUE while there may be more to read at once. */
static gboolean
clientRead(virNetServerClient *client)
{
    ssize_t n = clientReadPart(client);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) {
        clientClose(client);
        return FALSE;
    }

    client->got += n;
    if (client->got == VIR_NET_MESSAGE_PREFIX && !clientTakePrefix(client))
        return FALSE;
    if (client->got == VIR_NET_MESSAGE_PREFIX + client->payload_len &&
        client->got >= VIR_NET_MESSAGE_PREFIX) {
        clientTake(client);
        return FALSE; /* one message a turn, for the other clients' sake */
    }

    return TRUE;
}

static gboolean
clientIn(int fd, GIOCondition condition, void *opaque)
{
    g_autoptr(virNetServerClient) client = virNetServerClientRef(opaque);

    while (client->server && clientRead(client))
        ;
    clientUpdate(client);
    return G_SOURCE_CONTINUE;
}

static gboolean
clientOut(int fd, GIOCondition condition, void *opaque)
{
    g_autoptr(virNetServerClient) client = virNetServerClientRef(opaque);
    GBytes *first = g_queue_peek_head(&client->out);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(first, &len);
    ssize_t n = send(client->fd, bytes + client->out_done,
                     len - client->out_done, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n < 0) {
        clientClose(client);
        return G_SOURCE_CONTINUE;
    }

    client->out_done += n;
    if (client->out_done == len) {
        g_bytes_unref(g_queue_pop_head(&client->out));
        client->out_done = 0;
        client->calls--;
    }
    clientUpdate(client);
    return G_SOURCE_CONTINUE;
}

/* Watches the socket for just what can be done now. */
static void
clientUpdate(virNetServerClient *client)
{
    gboolean in;
    gboolean out;

    if (!client->server)
        return;

    in = !client->server->stopped &&
        client->calls < client->server->config.max_client_calls;
    out = !g_queue_is_empty(&client->out);

    if (in && !client->in_source)
        client->in_source = g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP,
                                          clientIn, client);
    if (!in && client->in_source)
        g_source_remove(client->in_source);
    if (!in)
        client->in_source = 0;

    if (out && !client->out_source)
        client->out_source = g_unix_fd_add(client->fd, G_IO_OUT, clientOut,
                                           client);
    if (!out && client->out_source)
        g_source_remove(client->out_source);
    if (!out)
        client->out_source = 0;
}

typedef struct _clientReply clientReply;
struct _clientReply {
    virNetServerClient *client;
    GBytes *message;
};

static gboolean
clientQueueReply(void *opaque)
{
    clientReply *reply = opaque;

    if (reply->client->server) {
        g_queue_push_tail(&reply->client->out, g_bytes_ref(reply->message));
        clientUpdate(reply->client);
    }

    return G_SOURCE_REMOVE;
}

static void
clientReplyFree(void *opaque)
{
    clientReply *reply = opaque;

    virNetServerClientUnref(reply->client);
    g_bytes_unref(reply->message);
    g_free(reply);
}

void
virNetServerClientReply(virNetServerClient *client, GBytes *message)
{
    clientReply *reply = g_new0(clientReply, 1);

    reply->client = virNetServerClientRef(client);
    reply->message = g_bytes_ref(message);
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, clientQueueReply,
                               reply, clientReplyFree);
}

static gboolean
listenerIn(int fd, GIOCondition condition, void *opaque)
{
    virNetServerListener *listener = opaque;
    virNetServer *server = listener->server;
    virNetServerClient *client;
    int client_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (client_fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            g_warning("cannot accept a client: %s", g_strerror(errno));
        return G_SOURCE_CONTINUE;
    }

    if (g_hash_table_size(server->clients) >= server->config.max_clients) {
        g_warning("refusing a client: there are %u already",
                  server->config.max_clients);
        close(client_fd);
        return G_SOURCE_CONTINUE;
    }

    client = g_new0(virNetServerClient, 1);
    g_atomic_ref_count_init(&client->refs);
    client->server = server;
    client->fd = client_fd;
    client->readonly = listener->readonly;
    g_hash_table_add(server->clients, client);
    serverUpdateIdle(server);
    clientUpdate(client);

    return G_SOURCE_CONTINUE;
}

static void
listenerFree(void *opaque)
{
    virNetServerListener *listener = opaque;

    g_source_remove(listener->source);
    close(listener->fd);
    g_free(listener);
}

virNetServer *
virNetServerNew(const virNetServerConfig *config)
{
    virNetServer *server = g_new0(virNetServer, 1);

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
        clientClose(client);

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
    listener->source = g_unix_fd_add(fd, G_IO_IN, listenerIn, listener);
    g_ptr_array_add(server->listeners, listener);
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
    GHashTableIter iter;
    void *client;

    server->stopped = TRUE;
    serverUpdateIdle(server);
    g_ptr_array_set_size(server->listeners, 0);

    g_hash_table_iter_init(&iter, server->clients);
    while (g_hash_table_iter_next(&iter, &client, NULL))
        clientUpdate(client);
}
