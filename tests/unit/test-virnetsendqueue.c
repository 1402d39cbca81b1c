/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetsendqueue.c: sockets that take nothing, now or ever
 */

#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virnetsendqueue.h"

#define LARGE (4 * 1024 * 1024)

/* Returns what recv() does. */
static ssize_t
receive(int sock)
{
    char byte;

    return recv(sock, &byte, 1, MSG_DONTWAIT);
}

static void
testFull(void)
{
    g_autofree guint8 *bytes = g_malloc0(LARGE);
    g_autofree guint8 *got = g_malloc(LARGE);
    virNetSendQueue queue = { 0 };
    gsize received = 0;
    int socks[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), ==, 0);
    virNetSendQueuePut(&queue, socks[0], bytes, LARGE, -1);
    g_assert_cmpuint(queue.pending, >, 0);
    while (received < LARGE) {
        ssize_t n = recv(socks[1], got, LARGE, 0);

        g_assert_cmpint(n, >, 0);
        received += n;
        virNetSendQueueFlush(&queue, socks[0]);
    }
    g_assert_cmpuint(queue.pending, ==, 0);
    g_assert_false(queue.dead);
    close(socks[0]);
    close(socks[1]);
}

/* Its last words can still be read. */
static void
testGone(void)
{
    virNetSendQueue queue = { 0 };
    int socks[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), ==, 0);
    g_assert_cmpint(send(socks[1], "x", 1, 0), ==, 1);
    close(socks[1]);
    virNetSendQueuePut(&queue, socks[0], (const guint8 *)"y", 1, -1);
    g_assert_true(queue.dead);
    g_assert_cmpint(receive(socks[0]), ==, 1);
    close(socks[0]);
}

/* This kind of socket has no room for so much, and never will: as where the kernel has
 * no memory, or no descriptors, the other side is there and knows of nothing. */
static void
testFailed(void)
{
    g_autofree guint8 *bytes = g_malloc0(LARGE);
    virNetSendQueue queue = { 0 };
    int socks[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), ==, 0);
    virNetSendQueuePut(&queue, socks[0], bytes, LARGE, -1);
    g_assert_true(queue.dead);
    g_assert_cmpuint(queue.pending, ==, 0);
    g_assert_cmpint(receive(socks[0]), ==, 0);
    g_assert_cmpint(receive(socks[1]), ==, 0);
    close(socks[0]);
    close(socks[1]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virnetsendqueue/full", testFull);
    g_test_add_func("/virnetsendqueue/gone", testGone);
    g_test_add_func("/virnetsendqueue/failed", testFailed);
    return g_test_run();
}
