/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_relay.c: the daemon's socket as standard input and output
 *
 * What ssh runs on the host that a client is not on. It has the rights of the user
 * who logged in, and knows nothing of what it copies.
 */

#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote_session.h"
#include "virnetclient.h"
#include "virsnaperror.h"
#include "virtsnapshotd_relay.h"

#define BUFFER_SIZE 65536

typedef struct _relayWay relayWay;
struct _relayWay {
    int from;             /* -1: has ended */
    int to;               /* -1: has ended, or takes no more */
    gsize len;
    gsize done;
    char bytes[BUFFER_SIZE];
};

static gboolean
mayGoOn(ssize_t n)
{
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void
wayRead(relayWay *way)
{
    ssize_t n = read(way->from, way->bytes, sizeof(way->bytes));

    if (!mayGoOn(n))
        way->from = -1;
    way->len = MAX(n, 0);
    way->done = 0;
}

static void
wayWrite(relayWay *way)
{
    ssize_t n = write(way->to, way->bytes + way->done, way->len - way->done);

    if (!mayGoOn(n))
        way->from = way->to = -1;
    way->done += MAX(n, 0);
}

/* What has come is passed on before the end is. */
static void
wayEnd(relayWay *way)
{
    if (way->from >= 0 || way->to < 0 || way->done < way->len)
        return;

    if (shutdown(way->to, SHUT_WR) < 0 && errno == ENOTSOCK)
        close(way->to);
    way->to = -1;
}

static void
wayPrepare(const relayWay *way, struct pollfd *fd)
{
    gboolean full = way->done < way->len;

    fd->fd = full ? way->to : way->from;
    fd->events = full ? POLLOUT : POLLIN;
    fd->revents = 0;
}

static void
wayGo(relayWay *way, const struct pollfd *fd)
{
    if (fd->fd >= 0 && fd->revents && way->done < way->len)
        wayWrite(way);
    else if (fd->fd >= 0 && fd->revents)
        wayRead(way);
    wayEnd(way);
}

/* The daemon's end is the end of all; that of the input is not: its answers follow. */
static gboolean
relayRun(relayWay *in, relayWay *out, GError **error)
{
    while (out->to >= 0) {
        struct pollfd fds[2];

        wayPrepare(in, &fds[0]);
        wayPrepare(out, &fds[1]);
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                                 _("cannot wait for virtsnapshotd"));
            return FALSE;
        }
        wayGo(in, &fds[0]);
        wayGo(out, &fds[1]);
    }

    return TRUE;
}

gboolean
virtsnapshotdRelay(const char *where, GError **error)
{
    int sock = g_str_equal(where, "session") ? remoteSessionConnect(error) :
        virNetClientConnect(where, error);
    g_autofree relayWay *in = g_new0(relayWay, 1);
    g_autofree relayWay *out = g_new0(relayWay, 1);
    gboolean ok;

    if (sock < 0)
        return FALSE;

    in->from = STDIN_FILENO;
    out->to = STDOUT_FILENO;
    in->to = out->from = sock;
    g_unix_set_fd_nonblocking(STDIN_FILENO, TRUE, NULL);
    g_unix_set_fd_nonblocking(STDOUT_FILENO, TRUE, NULL);
    g_unix_set_fd_nonblocking(sock, TRUE, NULL);
    ok = relayRun(in, out, error);
    close(sock);
    return ok;
}
