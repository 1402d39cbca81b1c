/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapchildwire.c: messages between the daemon and a child of it
 *
 * A message is a head, with the descriptors that belong to it, and a GVariant. Both ends
 * are one program, so that nothing need be said of byte order; but what one end says may
 * have been read from an image, so that sizes have a bound.
 */

#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virsnapchildwire.h"

/* a chain of 200 images with the longest names that there are is below a megabyte */
#define MESSAGE_MAX (16 * 1024 * 1024)
#define PART_LEN (64 * 1024)

typedef struct _wireHead wireHead;
struct _wireHead {
    guint32 len;
    guint32 n_fds;
};

struct _virSnapChildWire {
    int fd;
    GByteArray *bytes;           /* received; used up to `used` */
    gsize used;
    virSnapDescriptors received;
};

void
virSnapDescriptorsClose(virSnapDescriptors *descriptors)
{
    for (guint i = 0; i < descriptors->n; i++)
        close(descriptors->fds[i]);
    descriptors->n = 0;
}

virSnapChildWire *
virSnapChildWireNew(int fd)
{
    virSnapChildWire *wire = g_new0(virSnapChildWire, 1);

    wire->fd = fd;
    wire->bytes = g_byte_array_new();
    return wire;
}

void
virSnapChildWireFree(virSnapChildWire *wire)
{
    if (!wire)
        return;

    virSnapDescriptorsClose(&wire->received);
    g_byte_array_unref(wire->bytes);
    close(wire->fd);
    g_free(wire);
}

static virSnapChildWireResult
wireWait(virSnapChildWire *wire, short events, gint64 deadline)
{
    struct pollfd pfd = { .fd = wire->fd, .events = events };

    for (;;) {
        gint64 left = deadline ? deadline - g_get_monotonic_time() : 0;
        int rc;

        if (deadline && left <= 0)
            return VIR_SNAP_CHILD_WIRE_LATE;
        rc = poll(&pfd, 1, deadline ? (int)MIN((left + 999) / 1000, G_MAXINT) : -1);
        if (rc > 0)
            return VIR_SNAP_CHILD_WIRE_DONE;
        if (rc < 0 && errno != EINTR)
            return VIR_SNAP_CHILD_WIRE_GONE;
    }
}

typedef union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * VIR_SNAP_DESCRIPTORS_MAX)];
} wireControl;

static void
wireAttach(struct msghdr *message, wireControl *control,
           const virSnapDescriptors *descriptors)
{
    gsize len = descriptors->n * sizeof(int);
    struct cmsghdr *head;

    memset(control, 0, sizeof(*control));
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(len);
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), descriptors->fds, len);
}

static virSnapChildWireResult
wireSendAll(virSnapChildWire *wire, struct iovec *parts, gsize n_parts,
            const virSnapDescriptors *descriptors, gint64 deadline)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = n_parts };
    wireControl control;

    if (descriptors && descriptors->n > 0)
        wireAttach(&message, &control, descriptors);

    while (message.msg_iovlen > 0) {
        ssize_t n = sendmsg(wire->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        virSnapChildWireResult result;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if ((result = wireWait(wire, POLLOUT, deadline)))
                return result;
            continue;
        }
        if (n < 0)
            return VIR_SNAP_CHILD_WIRE_GONE;

        message.msg_control = NULL;
        message.msg_controllen = 0;
        while (message.msg_iovlen > 0 && (gsize)n >= message.msg_iov->iov_len) {
            n -= message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
            message.msg_iov->iov_len -= n;
        }
    }

    return VIR_SNAP_CHILD_WIRE_DONE;
}

virSnapChildWireResult
virSnapChildWireSend(virSnapChildWire *wire, GVariant *message,
                     const virSnapDescriptors *descriptors, gint64 deadline)
{
    wireHead head = { g_variant_get_size(message), descriptors ? descriptors->n : 0 };
    struct iovec parts[] = {
        { &head, sizeof(head) },
        { (void *)g_variant_get_data(message), head.len },
    };

    if (g_variant_get_size(message) > MESSAGE_MAX)
        return VIR_SNAP_CHILD_WIRE_GONE;
    return wireSendAll(wire, parts, G_N_ELEMENTS(parts), descriptors, deadline);
}

static gboolean
wireTakeDescriptors(virSnapChildWire *wire, struct msghdr *message)
{
    virSnapDescriptors *received = &wire->received;
    gboolean ok = !(message->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
         head = CMSG_NXTHDR(message, head)) {
        const int *fds = (const int *)CMSG_DATA(head);
        gsize n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize i = 0; i < n; i++) {
            if (received->n < VIR_SNAP_DESCRIPTORS_MAX) {
                received->fds[received->n++] = fds[i];
            } else {
                close(fds[i]);
                ok = FALSE;
            }
        }
    }

    return ok;
}

/* Appends what has arrived, waiting for something to. */
static virSnapChildWireResult
wireFill(virSnapChildWire *wire, gint64 deadline)
{
    guint old = wire->bytes->len;
    wireControl control;
    struct iovec part;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t n;

    g_byte_array_set_size(wire->bytes, old + PART_LEN);
    part.iov_base = wire->bytes->data + old;
    part.iov_len = PART_LEN;
    n = recvmsg(wire->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    g_byte_array_set_size(wire->bytes, old + MAX(n, 0));

    if (n > 0)
        return wireTakeDescriptors(wire, &message) ? VIR_SNAP_CHILD_WIRE_DONE :
            VIR_SNAP_CHILD_WIRE_GONE;
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        return VIR_SNAP_CHILD_WIRE_GONE;

    return wireWait(wire, POLLIN, deadline);
}

static virSnapChildWireResult
wireNeed(virSnapChildWire *wire, gsize len, gint64 deadline)
{
    virSnapChildWireResult result;

    while (wire->bytes->len - wire->used < len) {
        if (wire->used > 0) {
            g_byte_array_remove_range(wire->bytes, 0, wire->used);
            wire->used = 0;
        }
        if ((result = wireFill(wire, deadline)))
            return result;
    }

    return VIR_SNAP_CHILD_WIRE_DONE;
}

static void
wireTake(virSnapChildWire *wire, const wireHead *head, const GVariantType *type,
         GVariant **ret_message, virSnapDescriptors *ret_descriptors)
{
    void *data = g_memdup2(wire->bytes->data + wire->used + sizeof(*head), head->len);
    virSnapDescriptors *received = &wire->received;

    *ret_message = g_variant_ref_sink(g_variant_new_from_data(type, data, head->len,
                                                              FALSE, g_free, data));
    wire->used += sizeof(*head) + head->len;
    memcpy(ret_descriptors->fds, received->fds, head->n_fds * sizeof(int));
    ret_descriptors->n = head->n_fds;
    received->n -= head->n_fds;
    memmove(received->fds, received->fds + head->n_fds, received->n * sizeof(int));
}

virSnapChildWireResult
virSnapChildWireReceive(virSnapChildWire *wire, const GVariantType *type,
                        GVariant **ret_message, virSnapDescriptors *ret_descriptors,
                        gint64 deadline)
{
    virSnapChildWireResult result = wireNeed(wire, sizeof(wireHead), deadline);
    wireHead head;

    if (result)
        return result;

    memcpy(&head, wire->bytes->data + wire->used, sizeof(head));
    if (head.len > MESSAGE_MAX || head.n_fds > wire->received.n)
        return VIR_SNAP_CHILD_WIRE_GONE;
    if ((result = wireNeed(wire, sizeof(head) + head.len, deadline)))
        return result;

    wireTake(wire, &head, type, ret_message, ret_descriptors);
    return VIR_SNAP_CHILD_WIRE_DONE;
}

gboolean
virSnapChildWireIsQuiet(virSnapChildWire *wire)
{
    char byte;

    return wire->used == wire->bytes->len &&
        recv(wire->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

gboolean
virSnapChildWireIsClosed(virSnapChildWire *wire)
{
    char bytes[4096];
    ssize_t n;

    shutdown(wire->fd, SHUT_WR);
    virSnapDescriptorsClose(&wire->received);
    /* read, so that it can say what it has to say, and end */
    while ((n = recv(wire->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        continue;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}
