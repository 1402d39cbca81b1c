/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetclient.c: one call over a connection of its own
 *
 * A caller's own libvirt connection can't be shared: libvirt has no public way
 * to send a message of another program over it. A revert is rare and long
 * enough that a connection for each costs nothing one could measure.
 */

#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virnetclient.h"
#include "virsnaperror.h"

int
virNetClientConnect(const char *path, GError **error)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the socket path '%s' is too long"), path);
        return -1;
    }

    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot create a socket"));
        return -1;
    }

    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        int saved = errno;

        virSnapErrorSetErrno(error,
                             saved == ENOENT || saved == ECONNREFUSED ?
                             VIR_ERR_NO_CONNECT : VIR_ERR_SYSTEM_ERROR, saved,
                             _("cannot connect to virtsnapshotd at '%s'"), path);
        close(fd);
        return -1;
    }

    return fd;
}

static gboolean
sendAll(int fd, const guint8 *bytes, gsize len, GError **error)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                                 _("cannot send to virtsnapshotd"));
            return FALSE;
        }
        bytes += n;
        len -= n;
    }

    return TRUE;
}

static gboolean
recvAll(int fd, guint8 *bytes, gsize len, GError **error)
{
    while (len > 0) {
        ssize_t n = recv(fd, bytes, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0) {
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC,
                        _("virtsnapshotd closed the connection before it "
                          "answered; see its log for the reason"));
            return FALSE;
        }
        if (n < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                                 _("cannot receive from virtsnapshotd"));
            return FALSE;
        }
        bytes += n;
        len -= n;
    }

    return TRUE;
}

static GBytes *
recvMessage(int fd, virNetMessageHeader *ret_header, GError **error)
{
    guint8 prefix[VIR_NET_MESSAGE_PREFIX];
    g_autofree guint8 *payload = NULL;
    gsize len;

    if (!recvAll(fd, prefix, sizeof(prefix), error) ||
        !virNetMessageDecodePrefix(prefix, ret_header, &len, error))
        return NULL;

    payload = g_malloc(len);
    if (!recvAll(fd, payload, len, error))
        return NULL;

    return g_bytes_new_take(g_steal_pointer(&payload), len);
}

GBytes *
virNetClientCall(int fd, const virNetMessageHeader *header, xdrproc_t filter,
                 void *args, virNetMessageHeader *ret_header, GError **error)
{
    g_autoptr(GBytes) call = virNetMessageEncode(header, filter, args, error);

    if (!call || !sendAll(fd, g_bytes_get_data(call, NULL),
                          g_bytes_get_size(call), error))
        return NULL;

    for (;;) {
        virNetMessageHeader reply;
        g_autoptr(GBytes) payload = recvMessage(fd, &reply, error);

        if (!payload)
            return NULL;

        if (reply.type == VIR_NET_REPLY && reply.serial == header->serial) {
            *ret_header = reply;
            return g_steal_pointer(&payload);
        }
    }
}
