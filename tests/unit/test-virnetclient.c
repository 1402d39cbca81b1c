/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetclient.c: one call, and what may come in place of its reply
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virnetclient.h"
#include "virsnaperror.h"

static const virNetMessageHeader call = { 7, 1, 3, VIR_NET_CALL, 42, VIR_NET_OK };

/* What the other side says, all of it at once, before the call is made. */
static GBytes *
callAnswered(const virNetMessageHeader *answers, gsize n, gsize cut,
             virNetMessageHeader *ret_header, GError **error)
{
    int ends[2];
    GBytes *payload;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    for (gsize i = 0; i < n; i++) {
        u_int value = 100 + i;
        g_autoptr(GBytes) message =
            virNetMessageEncode(&answers[i], (xdrproc_t)xdr_u_int, &value, NULL);
        gsize len = g_bytes_get_size(message) - (i + 1 == n ? cut : 0);

        g_assert_cmpint(write(ends[1], g_bytes_get_data(message, NULL), len), ==, len);
    }
    shutdown(ends[1], SHUT_WR);
    payload = virNetClientCall(ends[0], &call, NULL, NULL, ret_header, error);
    close(ends[0]);
    close(ends[1]);
    return payload;
}

static void
testReply(void)
{
    const virNetMessageHeader answers[] = {
        { 7, 1, 9, VIR_NET_MESSAGE, 0, VIR_NET_OK },    /* an event */
        { 7, 1, 3, VIR_NET_REPLY, 41, VIR_NET_OK },     /* of another call */
        { 7, 1, 3, VIR_NET_REPLY, 42, VIR_NET_ERROR },
        { 7, 1, 3, VIR_NET_REPLY, 42, VIR_NET_OK },
    };
    virNetMessageHeader header = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) payload =
        callAnswered(answers, G_N_ELEMENTS(answers), 0, &header, &error);
    u_int value = 0;

    g_assert_no_error(error);
    g_assert_cmpuint(header.status, ==, VIR_NET_ERROR);
    g_assert_true(virNetMessageDecodePayload(g_bytes_get_data(payload, NULL),
                                             g_bytes_get_size(payload),
                                             (xdrproc_t)xdr_u_int, &value, NULL));
    g_assert_cmpuint(value, ==, 102);
}

/* It ends in the midst of any byte of the reply, or before one has come. */
static void
testEnds(void)
{
    const virNetMessageHeader answer = { 7, 1, 3, VIR_NET_REPLY, 42, VIR_NET_OK };
    virNetMessageHeader header = { 0 };

    for (gsize cut = 1; cut <= VIR_NET_MESSAGE_PREFIX + 4; cut++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(callAnswered(&answer, 1, cut, &header, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
        g_assert_nonnull(strstr(error->message, "closed the connection"));
    }
    g_assert_cmpuint(header.serial, ==, 0);
}

static void
testBrokenReply(void)
{
    int ends[2];
    virNetMessageHeader header;
    g_autoptr(GError) error = NULL;
    const guint8 huge[VIR_NET_MESSAGE_PREFIX] = { 0xff, 0xff, 0xff, 0xff };

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_cmpint(write(ends[1], huge, sizeof(huge)), ==, sizeof(huge));
    g_assert_null(virNetClientCall(ends[0], &call, NULL, NULL, &header, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
    close(ends[0]);
    close(ends[1]);
}

/* The other side is gone; the process is not ended by it. */
static void
testSendFails(void)
{
    int ends[2];
    virNetMessageHeader header;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    close(ends[1]);
    g_assert_null(virNetClientCall(ends[0], &call, NULL, NULL, &header, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_SYSTEM_ERROR);
    close(ends[0]);
}

static void
testConnect(void)
{
    g_autofree char *folder = g_dir_make_tmp("client.XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "sock", NULL);
    g_autofree char *too_long = g_strnfill(200, 'x');
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) deaf = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(virNetClientConnect(path, &missing), ==, -1);
    g_assert_error(missing, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT);
    g_assert_nonnull(strstr(missing->message, path));

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(virNetClientConnect(path, &deaf), ==, -1);
    g_assert_error(deaf, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT);

    g_assert_cmpint(listen(listener, 1), ==, 0);
    fd = virNetClientConnect(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    close(fd);

    g_assert_cmpint(virNetClientConnect(too_long, &error), ==, -1);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG);
    close(listener);
    g_remove(path);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virnetclient/reply", testReply);
    g_test_add_func("/virnetclient/ends", testEnds);
    g_test_add_func("/virnetclient/broken-reply", testBrokenReply);
    g_test_add_func("/virnetclient/send-fails", testSendFails);
    g_test_add_func("/virnetclient/connect", testConnect);
    return g_test_run();
}
