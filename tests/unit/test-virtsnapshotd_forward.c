/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_forward.c: clients and a libvirt that is played here
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote_protocol.h"
#include "virnetclient.h"
#include "virsnaperror.h"
#include "virtsnapshotd_forward.h"

/* more than a socket holds that is made small */
#define MUCH (64 * 1024)

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *path;                /* of the front */
    char *backend_path;
    virSnapWatcher *watcher;
    virtsnapshotdBackend *backend;
    virtsnapshotdEvents *events;
    virtsnapshotdForward *forward;
    virNetServer *server;
    virNetServerClient *last;  /* that said something */
    int listener;              /* libvirt's */
    int client;
    guint refused;
    guint replied;
};

static virNetChannelVerdict
decide(virNetServerClient *client, const virNetMessageHeader *header,
       gsize payload_len G_GNUC_UNUSED,
       void *opaque)
{
    fixture *f = opaque;
    virNetChannelVerdict verdict = virtsnapshotdForwardPrepare(f->forward, client);

    f->last = client;
    return verdict == VIR_NET_CHANNEL_PASS &&
        header->procedure == REMOTE_PROC_DOMAIN_SNAPSHOT_DELETE ?
        VIR_NET_CHANNEL_TAKE : verdict;
}

static void
replied(void *opaque)
{
    ((fixture *)opaque)->replied++;
}

static void
take(virNetServerClient *client, virNetTaken *taken, void *opaque)
{
    fixture *f = opaque;

    if (taken->skipped) {
        f->refused++;
        virtsnapshotdForwardRefuse(client, taken);
    } else {
        virtsnapshotdForwardSend(client, taken, replied, f);
    }
}

static gboolean
ended(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    return virtsnapshotdForwardEnded(client);
}

static void
closed(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdForwardClosed(client);
}

static int
listenAt(const char *path, int backlog)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(fd, backlog), ==, 0);
    return fd;
}

static int
connectTo(const char *path)
{
    int fd = virNetClientConnect(path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    return fd;
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdConfig config = { 0 };
    virNetServerConfig server = {
        .max_clients = 10, .max_client_calls = 5, .decide = decide, .taken = take,
        .ended = ended, .closed = closed, .opaque = f,
    };

    f->folder = g_dir_make_tmp("virtsnapshotd_forward-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "front", NULL);
    f->backend_path = g_build_filename(f->folder, "libvirt", NULL);
    config.backend_socket = f->backend_path;
    f->watcher = virSnapWatcherNew();
    f->backend = virtsnapshotdBackendNew(&config, f->folder, TRUE);
    f->events = virtsnapshotdEventsNew();
    f->forward = virtsnapshotdForwardNew(f->watcher, f->backend, f->events);
    f->server = virNetServerNew(f->watcher, &server);
    g_assert_true(virNetServerListen(f->server, f->path, 0600, -1, FALSE, NULL));
    f->listener = listenAt(f->backend_path, 0);
    f->client = connectTo(f->path);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virNetServerFree(f->server);
    virtsnapshotdForwardFree(f->forward);
    virtsnapshotdEventsFree(f->events);
    virtsnapshotdBackendFree(f->backend);
    virSnapWatcherFree(f->watcher);
    close(f->listener);
    if (f->client >= 0)
        close(f->client);
    g_remove(f->path);
    g_remove(f->backend_path);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->path);
    g_free(f->backend_path);
    g_free(f->folder);
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* A message with a payload of zeroes. */
static void
put(int fd, guint32 procedure, virNetMessageType type, guint32 serial, gsize payload)
{
    virNetMessageHeader header = {
        .program = REMOTE_PROGRAM, .version = REMOTE_PROTOCOL_VERSION,
        .procedure = procedure, .type = type, .serial = serial,
    };
    g_autoptr(GBytes) head = virNetMessageEncode(&header, NULL, NULL, NULL);
    guint32 len = GUINT32_TO_BE(VIR_NET_MESSAGE_PREFIX + payload);
    g_autofree guint8 *bytes = g_malloc0(VIR_NET_MESSAGE_PREFIX + payload);

    memcpy(bytes, g_bytes_get_data(head, NULL), VIR_NET_MESSAGE_PREFIX);
    memcpy(bytes, &len, sizeof(len));
    g_assert_cmpint(write(fd, bytes, VIR_NET_MESSAGE_PREFIX + payload), ==,
                    VIR_NET_MESSAGE_PREFIX + payload);
}

static void
putDeletion(fixture *f)
{
    put(f->client, REMOTE_PROC_DOMAIN_SNAPSHOT_DELETE, VIR_NET_CALL, 7, 12);
    turn();
}

/* libvirt's end of the connection that a client has come to have. */
static int
acceptOne(fixture *f)
{
    int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int
waitForOne(fixture *f)
{
    int fd;

    while ((fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK)) < 0 && f->refused == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->refused, ==, 0);
    turn();
    return fd;
}

static guint32
readProcedure(int fd)
{
    guint32 words[VIR_NET_MESSAGE_PREFIX / 4];

    g_assert_cmpint(read(fd, words, sizeof(words)), ==, sizeof(words));
    return GUINT32_FROM_BE(words[3]);
}

static void
testReply(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int libvirt;

    putDeletion(f);
    libvirt = acceptOne(f);
    g_assert_cmpuint(f->replied, ==, 0);
    put(libvirt, REMOTE_PROC_DOMAIN_SNAPSHOT_DELETE, VIR_NET_REPLY, 6, 0);
    turn();
    g_assert_cmpuint(f->replied, ==, 0);
    put(libvirt, REMOTE_PROC_DOMAIN_SNAPSHOT_DELETE, VIR_NET_REPLY, 7, 0);
    turn();
    g_assert_cmpuint(f->replied, ==, 1);
    close(libvirt);
}

static void
testClientGone(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    putDeletion(f);
    close(f->client);
    f->client = -1;
    turn();
    g_assert_cmpuint(f->replied, ==, 1);
}

static void
testLibvirtGone(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    putDeletion(f);
    close(acceptOne(f));
    turn();
    g_assert_cmpuint(f->replied, ==, 1);
}

/* Also where the client, which does not read, is still there. */
static void
testLibvirtGoneWithClientUnread(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int libvirt, fd, size = 1;
    virNetChannel *channel;

    putDeletion(f);
    libvirt = acceptOne(f);
    channel = virNetServerClientGetChannel(f->last);
    fd = virNetChannelGetFD(channel);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), ==, 0);
    put(libvirt, 1, VIR_NET_MESSAGE, 0, MUCH);
    /* what ends the connection comes with that */
    put(libvirt, 1, VIR_NET_STREAM_HOLE + 1, 0, 0);
    turn();
    g_assert_cmpuint(virNetChannelPending(channel), >, 0);
    g_assert_cmpint(virNetChannelGetFD(channel), ==, fd);
    g_assert_cmpuint(f->replied, ==, 1);
    close(libvirt);
}

/* A connection that nobody accepts takes all the room that there is. */
static void
testNoRoom(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int second = connectTo(f->path);
    int libvirt;

    put(f->client, 1, VIR_NET_CALL, 1, 0);
    turn();
    put(second, 2, VIR_NET_CALL, 2, 0);
    turn();
    libvirt = acceptOne(f);
    g_assert_cmpuint(readProcedure(libvirt), ==, 1);
    close(libvirt);
    libvirt = waitForOne(f);
    g_assert_cmpuint(readProcedure(libvirt), ==, 2);
    close(libvirt);
    close(second);
}

static void
testGoneWhileThereIsNoRoom(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int second = connectTo(f->path);
    int third = connectTo(f->path);
    int libvirt;

    put(f->client, 1, VIR_NET_CALL, 1, 0);
    turn();
    put(second, 2, VIR_NET_CALL, 2, 0);
    turn();
    virNetServerClientClose(f->last);
    put(third, 3, VIR_NET_CALL, 3, 0);
    turn();
    close(acceptOne(f));
    libvirt = waitForOne(f);
    g_assert_cmpuint(readProcedure(libvirt), ==, 3);
    close(libvirt);
    close(second);
    close(third);
}

#define ADD(name, func) \
    g_test_add("/virtsnapshotd_forward/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("reply", testReply);
    ADD("client-gone", testClientGone);
    ADD("libvirt-gone", testLibvirtGone);
    ADD("libvirt-gone-with-client-unread", testLibvirtGoneWithClientUnread);
    ADD("no-room", testNoRoom);
    ADD("gone-while-there-is-no-room", testGoneWhileThereIsNoRoom);
    return g_test_run();
}
