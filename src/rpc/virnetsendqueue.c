/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetsendqueue.c: what waits to be sent over a socket
 *
 * Nothing is copied here as long as the socket takes what it is given. An end of
 * the other side is not reported but left to be found by reading: it may have said
 * something last. Any other failure is made an end, of both sides: a message that
 * lacks a piece is worth nothing.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virnetsendqueue.h"

typedef struct _sendPiece sendPiece;
struct _sendPiece {
    guint8 *bytes;
    gsize len;
    gsize done;
    int fd;            /* goes with the first byte; -1: none */
};

static sendPiece *
pieceNew(const guint8 *bytes, gsize len, int fd)
{
    sendPiece *piece = g_new0(sendPiece, 1);

    piece->bytes = g_memdup2(bytes, len);
    piece->len = len;
    piece->fd = fd;
    return piece;
}

static void
pieceFree(void *opaque)
{
    sendPiece *piece = opaque;

    if (piece->fd >= 0)
        close(piece->fd);
    g_free(piece->bytes);
    g_free(piece);
}

void
virNetSendQueueClear(virNetSendQueue *queue)
{
    g_queue_clear_full(&queue->pieces, pieceFree);
    g_queue_clear_full(&queue->after, pieceFree);
    queue->pending = 0;
}

static void
attachDescriptor(struct msghdr *msg, char *control, gsize len, int fd)
{
    struct cmsghdr *cmsg;

    msg->msg_control = control;
    msg->msg_controllen = len;
    cmsg = CMSG_FIRSTHDR(msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
}

static void
queueFail(virNetSendQueue *queue, int sock, int saved_errno)
{
    if (saved_errno != EPIPE && saved_errno != ECONNRESET)
        shutdown(sock, SHUT_RDWR);
    queue->dead = TRUE;
    virNetSendQueueClear(queue);
}

/* Returns how much went out at once, which may be nothing. */
static gsize
trySend(virNetSendQueue *queue, int sock, const guint8 *bytes, gsize len, int fd)
{
    struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    ssize_t n;

    if (fd >= 0)
        attachDescriptor(&msg, control, sizeof(control), fd);

    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);

    if (n >= 0)
        return n;

    if (errno != EAGAIN)
        queueFail(queue, sock, errno);
    return 0;
}

static void
closeIfAny(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
virNetSendQueuePut(virNetSendQueue *queue, int sock, const guint8 *bytes, gsize len,
                   int fd)
{
    gsize done = 0;

    if (!queue->dead && queue->pending == 0)
        done = trySend(queue, sock, bytes, len, fd);
    if (done > 0 || queue->dead)
        closeIfAny(&fd);
    if (done == len || queue->dead)
        return;

    queue->pending += len - done;
    g_queue_push_tail(&queue->pieces, pieceNew(bytes + done, len - done, fd));
}

void
virNetSendQueuePutMessage(virNetSendQueue *queue, int sock, const guint8 *bytes,
                          gsize len, int fd)
{
    if (queue->mid_message && !queue->dead)
        g_queue_push_tail(&queue->after, pieceNew(bytes, len, fd));
    else
        virNetSendQueuePut(queue, sock, bytes, len, fd);
}

void
virNetSendQueueSetMidMessage(virNetSendQueue *queue, int sock, gboolean mid_message)
{
    sendPiece *piece;

    queue->mid_message = mid_message;
    while (!mid_message && (piece = g_queue_pop_head(&queue->after))) {
        virNetSendQueuePut(queue, sock, piece->bytes, piece->len, piece->fd);
        piece->fd = -1;
        pieceFree(piece);
    }
}

void
virNetSendQueueFlush(virNetSendQueue *queue, int sock)
{
    while (queue->pending > 0) {
        sendPiece *piece = g_queue_peek_head(&queue->pieces);
        gsize n = trySend(queue, sock, piece->bytes + piece->done,
                          piece->len - piece->done, piece->fd);

        if (n == 0)
            return;
        closeIfAny(&piece->fd);
        piece->done += n;
        queue->pending -= n;
        if (piece->done == piece->len)
            pieceFree(g_queue_pop_head(&queue->pieces));
    }
}
