/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetserver.c: what clients may send, and what they cost
 *
 * Clients are plain sockets in this thread, which turns the main loop meanwhile.
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virnetclient.h"
#include "virnetserver.h"
#include "virsnaperror.h"

#define LIMIT 64

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *path;
    virSnapWatcher *watcher;
    virNetServer *server;
    GPtrArray *held;       /* of virNetServerClient, unanswered, where hold */
    gboolean hold;
    guint handled;
    guint closed;
    gssize last_payload;   /* -1: it was over the limit */
    guint idle;
};

static virNetChannelVerdict
decide(virNetServerClient *client G_GNUC_UNUSED,
       const virNetMessageHeader *header G_GNUC_UNUSED, gsize payload_len,
       void *opaque G_GNUC_UNUSED)
{
    return payload_len > LIMIT ? VIR_NET_CHANNEL_SKIP : VIR_NET_CHANNEL_TAKE;
}

static gboolean
ended(virNetServerClient *client G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED)
{
    return TRUE;
}

static void
closed(virNetServerClient *client G_GNUC_UNUSED, void *opaque)
{
    ((fixture *)opaque)->closed++;
}

static void
answer(virNetServerClient *client)
{
    virNetMessageHeader header = { .type = VIR_NET_REPLY, .serial = 9 };
    g_autoptr(GBytes) reply = virNetMessageEncode(&header, NULL, NULL, NULL);

    virNetServerClientReply(client, reply);
}

static void
take(virNetServerClient *client, virNetTaken *taken, void *opaque)
{
    fixture *f = opaque;

    f->handled++;
    f->last_payload = taken->skipped ? -1 : (gssize)(taken->bytes->len - taken->head_len);
    virNetTakenFree(taken);
    if (f->hold)
        g_ptr_array_add(f->held, virNetServerClientRef(client));
    else
        answer(client);
}

static void
becameIdle(void *opaque)
{
    ((fixture *)opaque)->idle++;
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virNetServerConfig config = {
        .max_clients = 3, .max_client_calls = 2, .idle_timeout = 1,
        .decide = decide, .taken = take, .ended = ended, .closed = closed,
        .idle = becameIdle, .opaque = f,
    };
    g_autoptr(GError) error = NULL;

    f->folder = g_dir_make_tmp("virnetserver-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "sock", NULL);
    f->held = g_ptr_array_new_with_free_func((GDestroyNotify)virNetServerClientUnref);
    f->watcher = virSnapWatcherNew();
    f->server = virNetServerNew(f->watcher, &config);
    g_assert_true(virNetServerListen(f->server, f->path, 0640, -1, FALSE, &error));
    g_assert_no_error(error);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virNetServerFree(f->server);
    g_ptr_array_unref(f->held);
    virSnapWatcherFree(f->watcher);
    g_remove(f->path);
    g_rmdir(f->folder);
    g_free(f->path);
    g_free(f->folder);
}

static int
connectTo(fixture *f)
{
    int fd = virNetClientConnect(f->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    return fd;
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static GBytes *
call(gsize payload)
{
    virNetMessageHeader header = { .type = VIR_NET_CALL, .serial = 9 };
    g_autoptr(GBytes) head = virNetMessageEncode(&header, NULL, NULL, NULL);
    guint32 len = GUINT32_TO_BE(VIR_NET_MESSAGE_PREFIX + payload);
    g_autofree guint8 *bytes = g_malloc0(VIR_NET_MESSAGE_PREFIX + payload);

    memcpy(bytes, g_bytes_get_data(head, NULL), VIR_NET_MESSAGE_PREFIX);
    memcpy(bytes, &len, sizeof(len));
    return g_bytes_new(bytes, VIR_NET_MESSAGE_PREFIX + payload);
}

static void
put(int fd, GBytes *bytes, gsize from, gsize to)
{
    const guint8 *data = g_bytes_get_data(bytes, NULL);

    g_assert_cmpint(write(fd, data + from, to - from), ==, to - from);
}

static void
putCall(int fd, gsize payload)
{
    g_autoptr(GBytes) bytes = call(payload);

    put(fd, bytes, 0, g_bytes_get_size(bytes));
}

/* How many whole replies have come; -1 where the server hung up. */
static int
countReplies(int fd)
{
    char bytes[VIR_NET_MESSAGE_PREFIX * 10];
    ssize_t n;

    turn();
    n = read(fd, bytes, sizeof(bytes));
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return -1;
    return n < 0 ? 0 : n / VIR_NET_MESSAGE_PREFIX;
}

static void
testBytes(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GBytes) bytes = call(5);
    int fd = connectTo(f);

    for (gsize i = 0; i < g_bytes_get_size(bytes); i++) {
        g_assert_cmpint(countReplies(fd), ==, 0);
        put(fd, bytes, i, i + 1);
    }
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpint(f->last_payload, ==, 5);
    close(fd);
}

static void
testTwoAtOnce(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    putCall(fd, 3);
    putCall(fd, 0);
    g_assert_cmpint(countReplies(fd), ==, 2);
    g_assert_cmpuint(f->handled, ==, 2);
    close(fd);
}

static void
testOverLimit(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    putCall(fd, LIMIT);
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpint(f->last_payload, ==, LIMIT);
    putCall(fd, LIMIT + 1);
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpint(f->last_payload, ==, -1);
    putCall(fd, 100000);
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpint(f->last_payload, ==, -1);
    putCall(fd, 4);
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpint(f->last_payload, ==, 4);
    close(fd);
}

static void
testBadFraming(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int bad = connectTo(f);
    int good = connectTo(f);

    g_assert_cmpint(write(bad, "GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n", 33), ==, 33);
    g_assert_cmpint(countReplies(bad), ==, -1);
    putCall(good, 0);
    g_assert_cmpint(countReplies(good), ==, 1);
    close(bad);
    close(good);
}

/* One too many waits until another goes. */
static void
testMaxClients(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fds[4];

    for (int i = 0; i < 4; i++) {
        fds[i] = connectTo(f);
        turn();
    }
    putCall(fds[3], 0);
    g_assert_cmpint(countReplies(fds[3]), ==, 0);
    putCall(fds[0], 0);
    g_assert_cmpint(countReplies(fds[0]), ==, 1);
    close(fds[0]);
    turn();
    g_assert_cmpuint(f->closed, ==, 1);
    g_assert_cmpint(countReplies(fds[3]), ==, 1);
    for (int i = 1; i < 4; i++)
        close(fds[i]);
}

static void
testMaxCalls(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    f->hold = TRUE;
    for (int i = 0; i < 4; i++)
        putCall(fd, 0);
    turn();
    g_assert_cmpuint(f->handled, ==, 2);
    answer(g_ptr_array_index(f->held, 0));
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpuint(f->handled, ==, 3);
    close(fd);
}

static void
testReplyToNobody(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    f->hold = TRUE;
    putCall(fd, 0);
    turn();
    g_assert_cmpuint(f->held->len, ==, 1);
    close(fd);
    turn();
    answer(g_ptr_array_index(f->held, 0));
    turn();
}

static void
testStop(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    f->hold = TRUE;
    putCall(fd, 0);
    turn();
    virNetServerStop(f->server);
    putCall(fd, 0);
    g_assert_cmpint(virNetClientConnect(f->path, NULL), <, 0);
    answer(g_ptr_array_index(f->held, 0));
    g_assert_cmpint(countReplies(fd), ==, 1);
    g_assert_cmpuint(f->handled, ==, 1);
    close(fd);
}

static void
testIdle(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = connectTo(f);

    turn();
    g_assert_cmpuint(f->idle, ==, 0);
    close(fd);
    while (f->idle == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->idle, ==, 1);
}

static void
testSocket(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    struct stat st;
    g_autoptr(GError) error = NULL;
    g_autofree char *too_long = g_strnfill(200, 'x');

    g_assert_cmpint(stat(f->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0640);
    /* one that a killed daemon has left is replaced */
    g_assert_true(virNetServerListen(f->server, f->path, 0600, -1, TRUE, NULL));
    g_assert_cmpint(stat(f->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
    g_assert_false(virNetServerListen(f->server, too_long, 0600, -1, FALSE, &error));
    g_assert_nonnull(strstr(error->message, "too long"));
}

#define ADD(name, func) \
    g_test_add("/virnetserver/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("bytes", testBytes);
    ADD("two-at-once", testTwoAtOnce);
    ADD("over-limit", testOverLimit);
    ADD("bad-framing", testBadFraming);
    ADD("max-clients", testMaxClients);
    ADD("max-calls", testMaxCalls);
    ADD("reply-to-nobody", testReplyToNobody);
    ADD("stop", testStop);
    ADD("idle", testIdle);
    ADD("socket", testSocket);
    return g_test_run();
}
