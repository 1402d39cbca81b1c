/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetchannel.c: one end of a connection over which libvirt's messages go
 *
 * A channel reads messages and asks of each, when its head is there, what becomes
 * of it. What is passed on is sent to the peer from the buffer that it was read
 * into; so the peer sees the same bytes in the same order, with the same
 * descriptors at the same places, and messages of others only in between.
 *
 * Nothing the other side sends is trusted. What it can make us keep is bounded: one
 * buffer that the peer does not take at once, after which no more is read, and the
 * messages that `decide` takes. Descriptors where none belong end the connection.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virnetchannel.h"
#include "virnetsendqueue.h"
#include "virsnaperror.h"

/* What is read at a time: as much as a socket holds by default */
#define READ_MAX (256 * 1024)
/* libvirt sends one at a time; more than fit are a breach of that */
#define FDS_AT_A_TIME 4

struct _virNetChannel {
    grefcount refs;
    int fd;                    /* -1: closed */
    virSnapWatch *watch;
    const virNetChannelFuncs *funcs;
    void *opaque;
    virNetChannel *peer;       /* no reference: until one of the two is closed */

    /* in */
    virNetFrame frame;
    virNetChannelVerdict verdict;
    gboolean suspended;
    gboolean undecided;        /* the head is there, and the verdict was to wait */
    GBytes *stash;             /* read, and behind that head */
    virNetTaken *taken;
    GArray *fds;               /* that have come and not been reached yet */

    virNetSendQueue out;
    gboolean finishing;        /* only sends what is left */
};

static void channelUpdate(virNetChannel *channel);

static void
closeFDs(GArray *fds)
{
    for (guint i = 0; fds && i < fds->len; i++)
        close(g_array_index(fds, int, i));
    if (fds)
        g_array_unref(fds);
}

void
virNetTakenFree(virNetTaken *taken)
{
    if (!taken)
        return;

    g_byte_array_unref(taken->bytes);
    closeFDs(taken->fds);
    g_free(taken);
}

virNetChannel *
virNetChannelRef(virNetChannel *channel)
{
    g_ref_count_inc(&channel->refs);
    return channel;
}

void
virNetChannelUnref(virNetChannel *channel)
{
    if (!channel || !g_ref_count_dec(&channel->refs))
        return;

    virNetTakenFree(channel->taken);
    closeFDs(channel->fds);
    virNetSendQueueClear(&channel->out);
    g_clear_pointer(&channel->stash, g_bytes_unref);
    g_free(channel);
}

void
virNetChannelSend(virNetChannel *channel, GBytes *message)
{
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    if (channel->fd < 0)
        return;

    virNetSendQueuePutMessage(&channel->out, channel->fd, bytes, len, -1);
    channelUpdate(channel);
}

void
virNetChannelForward(virNetChannel *channel, virNetTaken *taken)
{
    g_autoptr(virNetTaken) owned G_GNUC_UNUSED = taken;

    if (channel->fd < 0)
        return;

    virNetSendQueuePutMessage(&channel->out, channel->fd, taken->bytes->data,
                              taken->bytes->len, -1);
    for (guint i = 0; taken->fds && i < taken->fds->len; i++)
        virNetSendQueuePutMessage(&channel->out, channel->fd, (const guint8 *)"", 1,
                                  g_array_index(taken->fds, int, i));
    if (taken->fds)
        g_array_set_size(taken->fds, 0);
    channelUpdate(channel);
}

int
virNetChannelGetFD(const virNetChannel *channel)
{
    return channel->fd;
}

gsize
virNetChannelPending(const virNetChannel *channel)
{
    return channel->out.pending;
}

/* Receiving */

/* What of a buffer is to be passed on and has not been yet. */
typedef struct _channelRun channelRun;
struct _channelRun {
    const guint8 *bytes;
    gsize len;
};

/* Nothing of a message goes to the peer before its head is complete and decided about;
 * until then the verdict is still that on the last one. */
static gboolean
channelIsMidMessage(const virNetChannel *channel)
{
    return channel->frame.has_head && !channel->undecided &&
        channel->verdict == VIR_NET_CHANNEL_PASS &&
        !virNetFrameIsBetween(&channel->frame);
}

static void
channelFlush(virNetChannel *channel, channelRun *run)
{
    virNetChannel *peer = channel->peer;
    gboolean mid_message = channelIsMidMessage(channel);

    if (peer && run->len > 0)
        virNetSendQueuePut(&peer->out, peer->fd, run->bytes, run->len, -1);
    if (peer)
        virNetSendQueueSetMidMessage(&peer->out, peer->fd, mid_message);
    run->len = 0;
}

static void
channelExtend(channelRun *run, const guint8 *bytes, gsize len)
{
    if (run->len == 0)
        run->bytes = bytes;
    run->len += len;
}

static void
channelEnd(virNetChannel *channel, const char *reason)
{
    channel->suspended = TRUE;
    if (channel->fd >= 0)
        channel->funcs->ended(reason, channel->opaque);
}

static void
channelBeginTaken(virNetChannel *channel)
{
    virNetTaken *taken = g_new0(virNetTaken, 1);

    taken->header = channel->frame.header;
    taken->head_len = channel->frame.head_len;
    taken->skipped = channel->verdict == VIR_NET_CHANNEL_SKIP;
    taken->bytes = g_byte_array_new();
    g_byte_array_append(taken->bytes, channel->frame.head, channel->frame.head_len);
    channel->taken = taken;
}

/* FALSE: not now. len is how much of the head is at `bytes`. */
static gboolean
channelTakeHead(virNetChannel *channel, const guint8 *bytes, gsize len, channelRun *run)
{
    const virNetFrame *frame = &channel->frame;
    virNetChannelVerdict verdict =
        channel->funcs->decide(&frame->header, frame->payload_len, channel->opaque);

    if (verdict == VIR_NET_CHANNEL_WAIT)
        return FALSE;

    channel->verdict = verdict;
    if (verdict != VIR_NET_CHANNEL_PASS) {
        channelFlush(channel, run);
        channelBeginTaken(channel);
    } else if (len == frame->head_len) {
        channelExtend(run, bytes, len);
    } else {
        channelRun head = { .bytes = frame->head, .len = frame->head_len };

        channelFlush(channel, &head);
    }
    return TRUE;
}

static void
channelTakeBody(virNetChannel *channel, const guint8 *bytes, gsize len, channelRun *run)
{
    if (channel->verdict == VIR_NET_CHANNEL_PASS)
        channelExtend(run, bytes, len);
    else if (channel->verdict == VIR_NET_CHANNEL_TAKE)
        g_byte_array_append(channel->taken->bytes, bytes, len);
}

static gboolean
channelTakeFD(virNetChannel *channel, const guint8 *bytes, channelRun *run)
{
    int fd;

    if (!channel->fds || channel->fds->len == 0)
        return FALSE;

    fd = g_array_index(channel->fds, int, 0);
    g_array_remove_index(channel->fds, 0);

    if (channel->verdict == VIR_NET_CHANNEL_PASS) {
        channelFlush(channel, run);
        if (channel->peer)
            virNetSendQueuePut(&channel->peer->out, channel->peer->fd, bytes, 1, fd);
        else
            close(fd);
        channelFlush(channel, run);
        return TRUE;
    }

    if (!channel->taken->fds)
        channel->taken->fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_append_val(channel->taken->fds, fd);
    return TRUE;
}

static void
channelFinishMessage(virNetChannel *channel, channelRun *run)
{
    virNetTaken *taken = g_steal_pointer(&channel->taken);

    if (taken)
        channel->funcs->taken(taken, channel->opaque);
    else if (channel->peer && !g_queue_is_empty(&channel->peer->out.after))
        channelFlush(channel, run);
}

/* The head's verdict was to wait: so does what is behind it. */
static void
channelStash(virNetChannel *channel, const guint8 *bytes, gsize len)
{
    channel->undecided = TRUE;
    channel->suspended = TRUE;
    channel->stash = g_bytes_new(bytes, len);
}

/* Returns the reason why the connection has to end, or NULL. */
static char *
channelProcess(virNetChannel *channel, const guint8 *bytes, gsize len, channelRun *run)
{
    virNetFramePart part = channel->undecided ? VIR_NET_FRAME_HEAD : VIR_NET_FRAME_NONE;
    const guint8 *part_bytes = bytes;
    gsize part_len = 0;
    g_autoptr(GError) error = NULL;

    channel->undecided = FALSE;
    while (channel->fd >= 0) {
        if (part == VIR_NET_FRAME_NONE &&
            !virNetFrameNext(&channel->frame, &bytes, &len, &part, &part_bytes,
                             &part_len, &error))
            return g_strdup(error->message);

        if (part == VIR_NET_FRAME_NONE)
            return NULL;

        if (part == VIR_NET_FRAME_HEAD &&
            !channelTakeHead(channel, part_bytes, part_len, run)) {
            channelStash(channel, bytes, len);
            return NULL;
        }
        if (part == VIR_NET_FRAME_BODY)
            channelTakeBody(channel, part_bytes, part_len, run);
        if (part == VIR_NET_FRAME_FD && !channelTakeFD(channel, part_bytes, run))
            return g_strdup(_("a message lacks a file descriptor that it announced"));
        if (virNetFrameIsBetween(&channel->frame))
            channelFinishMessage(channel, run);
        part = VIR_NET_FRAME_NONE;
    }

    return NULL;
}

static void
channelProcessAll(virNetChannel *channel, const guint8 *bytes, gsize len)
{
    channelRun run = { 0 };
    g_autofree char *reason = channelProcess(channel, bytes, len, &run);

    channelFlush(channel, &run);

    if (!reason && channel->fds && channel->fds->len > 0 && !channel->undecided)
        reason = g_strdup(_("a file descriptor came with no message"));
    if (reason)
        channelEnd(channel, reason);
    if (channel->peer)
        channelUpdate(channel->peer);
}

static gboolean
channelTakeControl(virNetChannel *channel, struct msghdr *msg)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        gsize n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        if (!channel->fds)
            channel->fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_vals(channel->fds, CMSG_DATA(cmsg), n);
    }

    return !(msg->msg_flags & MSG_CTRUNC);
}

static void
channelReceive(virNetChannel *channel)
{
    guint8 buffer[READ_MAX];
    char control[CMSG_SPACE(sizeof(int) * FDS_AT_A_TIME)];
    struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        channelEnd(channel, NULL);
    else if (!channelTakeControl(channel, &msg))
        channelEnd(channel, _("too many file descriptors came at a time"));
    else
        channelProcessAll(channel, buffer, n);
}

/* Both */

static void
channelEvents(guint32 events, void *opaque)
{
    g_autoptr(virNetChannel) channel = virNetChannelRef(opaque);

    if (channel->out.pending > 0) {
        virNetSendQueueFlush(&channel->out, channel->fd);
        if (channel->peer)
            channelUpdate(channel->peer);
        if (channel->out.pending == 0 && channel->funcs->drained)
            channel->funcs->drained(channel->opaque);
    }

    if (!channel->suspended && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        channelReceive(channel);

    channelUpdate(channel);
    if (channel->finishing && channel->out.pending == 0)
        channelEnd(channel, NULL);
}

/* Watches the descriptor for just what can be done now. */
static void
channelUpdate(virNetChannel *channel)
{
    gboolean in = !channel->suspended &&
        !(channel->peer && channel->peer->out.pending > 0);
    gboolean out = channel->out.pending > 0;

    if (channel->fd >= 0)
        virSnapWatchSet(channel->watch, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0));
}

virNetChannel *
virNetChannelNew(virSnapWatcher *watcher, int fd, const virNetChannelFuncs *funcs,
                 void *opaque)
{
    virNetChannel *channel = g_new0(virNetChannel, 1);

    g_ref_count_init(&channel->refs);
    channel->fd = fd;
    channel->funcs = funcs;
    channel->opaque = opaque;
    channel->suspended = TRUE;
    channel->watch = virSnapWatchNew(watcher, fd, channelEvents, channel);
    return channel;
}

void
virNetChannelJoin(virNetChannel *channel, virNetChannel *peer)
{
    channel->peer = peer;
    peer->peer = channel;
}

void
virNetChannelResume(virNetChannel *channel)
{
    g_autoptr(virNetChannel) held G_GNUC_UNUSED = virNetChannelRef(channel);
    g_autoptr(GBytes) stash = g_steal_pointer(&channel->stash);

    if (!channel->suspended || channel->finishing || channel->fd < 0)
        return;

    channel->suspended = FALSE;
    if (stash) {
        gsize len;
        const guint8 *bytes = g_bytes_get_data(stash, &len);

        channelProcessAll(channel, bytes, len);
    }
    channelUpdate(channel);
}

gboolean
virNetChannelFinish(virNetChannel *channel)
{
    channel->suspended = TRUE;
    channel->finishing = TRUE;
    channelUpdate(channel);
    return channel->fd < 0 || channel->out.pending == 0;
}

void
virNetChannelClose(virNetChannel *channel)
{
    if (channel->fd < 0)
        return;

    g_clear_pointer(&channel->watch, virSnapWatchFree);
    close(channel->fd);
    channel->fd = -1;
    channel->suspended = TRUE;
    channel->out.dead = TRUE;
    virNetSendQueueClear(&channel->out);
    if (channel->peer)
        channel->peer->peer = NULL;
    channel->peer = NULL;
}
