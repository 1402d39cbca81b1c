/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetchannel.c: bytes, descriptors and messages in between
 *
 * Two channels are joined; the test is at both far ends, client and backend.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virnetchannel.h"
#include "virsnaperror.h"

/* programs that stand for what decide is to say */
#define PASS 1
#define TAKE 2
#define SKIP 3
#define WAIT 4

typedef struct _fixture fixture;
struct _fixture {
    virSnapWatcher *watcher;
    virNetChannel *near;       /* to the client */
    virNetChannel *far;        /* to the backend */
    int client;
    int backend;
    GPtrArray *taken;          /* of virNetTaken, from the client */
    gboolean wait;             /* what WAIT still means */
    char *ended;               /* the reason, or "" */
    gboolean far_ended;
};

static virNetChannelVerdict
decide(const virNetMessageHeader *header, gsize payload_len G_GNUC_UNUSED, void *opaque)
{
    fixture *f = opaque;

    switch (header->program) {
    case TAKE:
        return VIR_NET_CHANNEL_TAKE;
    case SKIP:
        return VIR_NET_CHANNEL_SKIP;
    case WAIT:
        return f->wait ? VIR_NET_CHANNEL_WAIT : VIR_NET_CHANNEL_PASS;
    }

    return VIR_NET_CHANNEL_PASS;
}

static void
take(virNetTaken *taken, void *opaque)
{
    g_ptr_array_add(((fixture *)opaque)->taken, taken);
}

static void
nearEnded(const char *reason, void *opaque)
{
    fixture *f = opaque;

    g_assert_null(f->ended);
    f->ended = g_strdup(reason ? reason : "");
    virNetChannelClose(f->near);
}

static void
farEnded(const char *reason G_GNUC_UNUSED, void *opaque)
{
    fixture *f = opaque;

    f->far_ended = TRUE;
    virNetChannelClose(f->far);
}

static const virNetChannelFuncs near_funcs = {
    .decide = decide, .taken = take, .ended = nearEnded,
};
static const virNetChannelFuncs far_funcs = {
    .decide = decide, .taken = take, .ended = farEnded,
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int near[2];
    int far[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, near), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, far), ==, 0);
    f->client = near[1];
    f->backend = far[1];
    f->taken = g_ptr_array_new_with_free_func((GDestroyNotify)virNetTakenFree);
    f->watcher = virSnapWatcherNew();
    f->near = virNetChannelNew(f->watcher, near[0], &near_funcs, f);
    f->far = virNetChannelNew(f->watcher, far[0], &far_funcs, f);
    virNetChannelJoin(f->near, f->far);
    virNetChannelResume(f->near);
    virNetChannelResume(f->far);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virNetChannelClose(f->near);
    virNetChannelClose(f->far);
    virNetChannelUnref(f->near);
    virNetChannelUnref(f->far);
    virSnapWatcherFree(f->watcher);
    g_ptr_array_unref(f->taken);
    g_free(f->ended);
    if (f->client >= 0)
        close(f->client);
    if (f->backend >= 0)
        close(f->backend);
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* A message whose payload counts up from `first`. */
static GByteArray *
message(guint32 program, gsize payload, guint n_fds, guint8 first)
{
    GByteArray *bytes = g_byte_array_new();
    guint32 words[8] = {
        GUINT32_TO_BE((guint32)(VIR_NET_MESSAGE_PREFIX + (n_fds ? 4 : 0) + payload)),
        GUINT32_TO_BE(program), GUINT32_TO_BE(1), GUINT32_TO_BE(1),
        GUINT32_TO_BE(n_fds ? VIR_NET_CALL_WITH_FDS : VIR_NET_CALL),
        0, 0, GUINT32_TO_BE(n_fds),
    };

    g_byte_array_append(bytes, (guint8 *)words, n_fds ? 32 : 28);
    for (gsize i = 0; i < payload; i++) {
        guint8 byte = first + i;

        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

static void
put(int fd, const GByteArray *bytes)
{
    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
}

static void
putDescriptors(int sock, const int *fds, guint n)
{
    char control[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
    struct iovec iov = { .iov_base = (void *)"", .iov_len = 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = CMSG_SPACE(sizeof(int) * n),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
    g_assert_cmpint(sendmsg(sock, &msg, 0), ==, 1);
}

/* Reads all there is, and notes at which byte which file came. */
static GByteArray *
get(int sock, GArray *inodes)
{
    GByteArray *bytes = g_byte_array_new();

    for (;;) {
        char control[CMSG_SPACE(sizeof(int))];
        guint8 buffer[4096];
        struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
        struct msghdr msg = {
            .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = control, .msg_controllen = sizeof(control),
        };
        struct cmsghdr *cmsg;
        ssize_t n;

        turn();
        if ((n = recvmsg(sock, &msg, 0)) <= 0)
            return bytes;
        g_byte_array_append(bytes, buffer, n);
        if ((cmsg = CMSG_FIRSTHDR(&msg))) {
            struct stat st;
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
            g_assert_cmpint(fstat(fd, &st), ==, 0);
            g_array_append_val(inodes, st.st_ino);
            close(fd);
        }
    }
}

static void
assertSame(const GByteArray *got, const GByteArray *expected)
{
    g_assert_cmpmem(got->data, got->len, expected->data, expected->len);
}

static void
testAnyPieces(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GByteArray) got = g_byte_array_new();
    gsize at = 0;

    for (int i = 0; i < 200; i++) {
        g_autoptr(GByteArray) one = message(PASS, g_test_rand_int_range(0, 300), 0, i);

        g_byte_array_append(all, one->data, one->len);
    }

    while (at < all->len) {
        gsize n = MIN(all->len - at, (gsize)g_test_rand_int_range(1, 700));
        g_autoptr(GByteArray) more = NULL;

        g_assert_cmpint(write(f->client, all->data + at, n), ==, n);
        at += n;
        more = get(f->backend, NULL);
        g_byte_array_append(got, more->data, more->len);
    }
    assertSame(got, all);
}

static int
newFile(ino_t *ret_inode)
{
    g_autofree char *name = NULL;
    int fd = g_file_open_tmp(NULL, &name, NULL);
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    unlink(name);
    *ret_inode = st.st_ino;
    return fd;
}

/* Each comes with its byte, also where all is sent before anything is read. */
static void
testDescriptors(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GArray) sent = g_array_new(FALSE, FALSE, sizeof(ino_t));
    g_autoptr(GArray) inodes = g_array_new(FALSE, FALSE, sizeof(ino_t));
    g_autoptr(GByteArray) got = NULL;

    for (int i = 0; i < 12; i++) {
        guint n_fds = i % 4;
        g_autoptr(GByteArray) one = message(PASS, i * 7, n_fds, i);

        put(f->client, one);
        g_byte_array_append(all, one->data, one->len);
        for (guint j = 0; j < n_fds; j++) {
            ino_t inode;
            int fd = newFile(&inode);

            putDescriptors(f->client, &fd, 1);
            g_byte_array_append(all, (const guint8 *)"", 1);
            g_array_append_val(sent, inode);
            close(fd);
        }
    }

    got = get(f->backend, inodes);
    assertSame(got, all);
    g_assert_cmpmem(inodes->data, inodes->len * sizeof(ino_t), sent->data,
                    sent->len * sizeof(ino_t));
}

static void
testDescriptorsTaken(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(TAKE, 5, 1, 0);
    g_autoptr(GArray) inodes = g_array_new(FALSE, FALSE, sizeof(ino_t));
    g_autoptr(GByteArray) got = NULL;
    virNetTaken *taken;
    ino_t inode;
    int fd = newFile(&inode);

    put(f->client, one);
    putDescriptors(f->client, &fd, 1);
    close(fd);
    turn();
    g_assert_cmpuint(f->taken->len, ==, 1);
    taken = g_ptr_array_steal_index(f->taken, 0);
    g_assert_cmpuint(taken->fds->len, ==, 1);
    g_assert_cmpuint(taken->bytes->len - taken->head_len, ==, 5);
    virNetChannelForward(f->far, taken);
    got = get(f->backend, inodes);
    g_byte_array_append(one, (const guint8 *)"", 1);
    assertSame(got, one);
    g_assert_cmpuint(g_array_index(inodes, ino_t, 0), ==, inode);
}

static void
checkEnded(fixture *f, const char *fragment)
{
    turn();
    g_assert_nonnull(f->ended);
    g_assert_nonnull(strstr(f->ended, fragment));
}

static void
testDescriptorOutOfPlace(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 10, 0, 0);
    ino_t inode;
    int fd = newFile(&inode);

    put(f->client, one);
    putDescriptors(f->client, &fd, 1);
    close(fd);
    checkEnded(f, "descriptor");
}

static void
testDescriptorMissing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 10, 2, 0);

    put(f->client, one);
    g_assert_cmpint(write(f->client, "xy", 2), ==, 2);
    checkEnded(f, "lacks");
}

static void
testDescriptorsAtOnce(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 10, 8, 0);
    int fds[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

    put(f->client, one);
    putDescriptors(f->client, fds, 8);
    checkEnded(f, "too many");
}

static void
testTooManyDescriptors(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 10, 33, 0);

    put(f->client, one);
    checkEnded(f, "33");
}

/* Messages of others come between those that are passed, never within one. */
static void
testSendBetween(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) passed = message(PASS, 100, 0, 0);
    g_autoptr(GByteArray) own = message(PASS, 3, 0, 50);
    g_autoptr(GBytes) own_bytes = g_bytes_new(own->data, own->len);
    g_autoptr(GByteArray) got = NULL;
    g_autoptr(GByteArray) expected = g_byte_array_new();

    g_assert_cmpint(write(f->backend, passed->data, 60), ==, 60);
    turn();
    virNetChannelSend(f->near, own_bytes);
    g_assert_cmpint(write(f->backend, passed->data + 60, passed->len - 60), ==,
                    passed->len - 60);
    put(f->backend, passed);
    got = get(f->client, NULL);
    g_byte_array_append(expected, passed->data, passed->len);
    g_byte_array_append(expected, own->data, own->len);
    g_byte_array_append(expected, passed->data, passed->len);
    assertSame(got, expected);
}

/* What is there of one that has not been decided about is not in between yet. */
static void
checkSentAtOnce(fixture *f)
{
    g_autoptr(GByteArray) own = message(PASS, 3, 0, 50);
    g_autoptr(GBytes) own_bytes = g_bytes_new(own->data, own->len);
    g_autoptr(GByteArray) got = NULL;

    virNetChannelSend(f->far, own_bytes);
    got = get(f->backend, NULL);
    assertSame(got, own);
}

static void
testSendWhileWaiting(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) passed = message(PASS, 100, 0, 0);
    g_autoptr(GByteArray) waiting = message(WAIT, 10, 0, 0);
    g_autoptr(GByteArray) before = NULL;
    g_autoptr(GByteArray) after = NULL;

    f->wait = TRUE;
    put(f->client, passed);
    put(f->client, waiting);
    before = get(f->backend, NULL);
    assertSame(before, passed);
    checkSentAtOnce(f);
    f->wait = FALSE;
    virNetChannelResume(f->near);
    after = get(f->backend, NULL);
    assertSame(after, waiting);
}

static void
testSendAfterHalfHead(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) passed = message(PASS, 100, 0, 0);
    g_autoptr(GByteArray) before = NULL;
    g_autoptr(GByteArray) after = NULL;

    put(f->client, passed);
    g_assert_cmpint(write(f->client, passed->data, 10), ==, 10);
    before = get(f->backend, NULL);
    assertSame(before, passed);
    checkSentAtOnce(f);
    g_assert_cmpint(write(f->client, passed->data + 10, passed->len - 10), ==,
                    passed->len - 10);
    after = get(f->backend, NULL);
    assertSame(after, passed);
}

static void
testSkip(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) skipped = message(SKIP, 3000, 0, 0);
    g_autoptr(GByteArray) passed = message(PASS, 9, 0, 1);
    g_autoptr(GByteArray) got = NULL;
    virNetTaken *taken;

    put(f->client, skipped);
    put(f->client, passed);
    got = get(f->backend, NULL);
    assertSame(got, passed);
    taken = g_ptr_array_index(f->taken, 0);
    g_assert_true(taken->skipped);
    g_assert_cmpuint(taken->bytes->len, ==, VIR_NET_MESSAGE_PREFIX);
}

/* What is behind a message that waits does so, too. */
static void
testWait(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) waiting = message(WAIT, 10, 0, 0);
    g_autoptr(GByteArray) passed = message(PASS, 9, 0, 1);
    g_autoptr(GByteArray) before = NULL;
    g_autoptr(GByteArray) after = NULL;

    f->wait = TRUE;
    put(f->client, waiting);
    put(f->client, passed);
    before = get(f->backend, NULL);
    g_assert_cmpuint(before->len, ==, 0);
    virNetChannelResume(f->near);
    g_assert_cmpuint(virNetChannelPending(f->far), ==, 0);
    f->wait = FALSE;
    virNetChannelResume(f->near);
    after = get(f->backend, NULL);
    g_byte_array_append(waiting, passed->data, passed->len);
    assertSame(after, waiting);
}

/* A backend that does not read stops the client, at a cost that is bounded. */
static void
testBackpressure(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 50000, 0, 0);
    g_autoptr(GByteArray) got = NULL;
    gsize sent = 0;
    ssize_t n;

    do {
        n = write(f->client, one->data + sent % one->len, one->len - sent % one->len);
        turn();
        sent += MAX(n, 0);
        g_assert_cmpuint(sent, <, 10 * 1024 * 1024);
    } while (n > 0);

    g_assert_cmpuint(virNetChannelPending(f->far), >, 0);
    g_assert_cmpuint(virNetChannelPending(f->far), <=, 256 * 1024);
    got = get(f->backend, NULL);
    g_assert_cmpuint(got->len, ==, sent);
    g_assert_cmpuint(virNetChannelPending(f->far), ==, 0);
}

/* The last words of one side reach the other. */
static void
testFinish(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree guint8 *much = g_malloc0(1 << 20);
    g_autoptr(GBytes) bytes = g_bytes_new(much, 1 << 20);
    g_autoptr(GByteArray) got = NULL;

    virNetChannelSend(f->far, bytes);
    g_assert_false(virNetChannelFinish(f->far));
    got = get(f->backend, NULL);
    g_assert_cmpuint(got->len, ==, 1 << 20);
    turn();
    g_assert_true(f->far_ended);
}

static void
testEnd(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GByteArray) one = message(PASS, 9, 0, 1);
    g_autoptr(GByteArray) got = NULL;

    put(f->client, one);
    close(f->client);
    f->client = -1;
    got = get(f->backend, NULL);
    assertSame(got, one);
    g_assert_cmpstr(f->ended, ==, "");
}

static void
testBadFraming(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(write(f->client, "GET / HTTP/1.1\r\nHost: nowhere\r\n", 31), ==, 31);
    checkEnded(f, "bytes");
}

#define ADD(name, func) \
    g_test_add("/virnetchannel/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("any-pieces", testAnyPieces);
    ADD("descriptors", testDescriptors);
    ADD("descriptors-taken", testDescriptorsTaken);
    ADD("descriptor-out-of-place", testDescriptorOutOfPlace);
    ADD("descriptor-missing", testDescriptorMissing);
    ADD("descriptors-at-once", testDescriptorsAtOnce);
    ADD("too-many-descriptors", testTooManyDescriptors);
    ADD("send-between", testSendBetween);
    ADD("send-while-waiting", testSendWhileWaiting);
    ADD("send-after-half-head", testSendAfterHalfHead);
    ADD("skip", testSkip);
    ADD("wait", testWait);
    ADD("backpressure", testBackpressure);
    ADD("finish", testFinish);
    ADD("end", testEnd);
    ADD("bad-framing", testBadFraming);
    return g_test_run();
}
