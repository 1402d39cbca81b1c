/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_identity.c: who is at the other end of a socket
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_identity.h"

static const remote_typed_param *
find(const remote_connect_set_identity_args *args, const char *field, int type)
{
    for (guint i = 0; i < args->params.params_len; i++) {
        const remote_typed_param *param = &args->params.params_val[i];

        if (g_str_equal(param->field, field)) {
            g_assert_cmpint(param->value.type, ==, type);
            return param;
        }
    }

    return NULL;
}

/* It is this process itself. */
static void
testSelf(void)
{
    int fds[2];
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) call = NULL;
    remote_connect_set_identity_args args = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_remote_connect_set_identity_args;
    const remote_typed_param *param;
    virNetMessageHeader header;
    const guint8 *bytes;
    gsize len;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    call = virtsnapshotdIdentityEncode(fds[0], 77, &error);
    g_assert_no_error(error);
    bytes = g_bytes_get_data(call, NULL);
    g_assert_true(virNetMessageDecodePrefix(bytes, &header, &len, NULL));
    g_assert_cmpuint(header.procedure, ==, 419);
    g_assert_cmpuint(header.serial, ==, 77);
    g_assert_true(virNetMessageDecodePayload(bytes + VIR_NET_MESSAGE_PREFIX, len, filter,
                                             &args, NULL));

    param = find(&args, VIR_CONNECT_IDENTITY_UNIX_USER_ID, VIR_TYPED_PARAM_ULLONG);
    g_assert_cmpuint(param->value.remote_typed_param_value_u.ul, ==, getuid());
    param = find(&args, VIR_CONNECT_IDENTITY_UNIX_GROUP_ID, VIR_TYPED_PARAM_ULLONG);
    g_assert_cmpuint(param->value.remote_typed_param_value_u.ul, ==, getgid());
    param = find(&args, VIR_CONNECT_IDENTITY_PROCESS_ID, VIR_TYPED_PARAM_LLONG);
    g_assert_cmpint(param->value.remote_typed_param_value_u.l, ==, getpid());
    param = find(&args, VIR_CONNECT_IDENTITY_PROCESS_TIME, VIR_TYPED_PARAM_ULLONG);
    g_assert_cmpuint(param->value.remote_typed_param_value_u.ul, >, 0);
    xdr_free(filter, (char *)&args);
    close(fds[0]);
    close(fds[1]);
}

static void
testNoSocket(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(virtsnapshotdIdentityEncode(-1, 0, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_SYSTEM_ERROR);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_identity/self", testSelf);
    g_test_add_func("/virtsnapshotd_identity/no-socket", testNoSocket);
    return g_test_run();
}
