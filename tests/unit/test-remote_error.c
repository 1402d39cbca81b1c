/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-remote_error.c: errors on the wire
 */

#include "config.h"

#include "remote_error.h"
#include "snapshot_protocol.h"
#include "virsnaperror.h"

static const virNetMessageHeader call = { 7, 1, 3, VIR_NET_CALL, 42, VIR_NET_OK };

static const guint8 *
payloadOf(GBytes *message, virNetMessageHeader *ret_header, gsize *ret_len)
{
    const guint8 *bytes = g_bytes_get_data(message, NULL);

    g_assert_true(virNetMessageDecodePrefix(bytes, ret_header, ret_len, NULL));
    g_assert_cmpuint(*ret_len + VIR_NET_MESSAGE_PREFIX, ==, g_bytes_get_size(message));
    return bytes + VIR_NET_MESSAGE_PREFIX;
}

/* It answers that call, and libvirt's own clients can read it: they print str1 as a
 * format with str2. */
static void
testEncode(void)
{
    g_autoptr(GError) error =
        g_error_new_literal(VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN, "no 100% 'vm'");
    g_autoptr(GBytes) message = remoteErrorEncode(&call, VIR_FROM_QEMU, error);
    virNetMessageHeader header;
    remote_error wire = { 0 };
    gsize len;
    const guint8 *payload = payloadOf(message, &header, &len);

    g_assert_cmpuint(header.program, ==, 7);
    g_assert_cmpuint(header.procedure, ==, 3);
    g_assert_cmpuint(header.serial, ==, 42);
    g_assert_cmpuint(header.type, ==, VIR_NET_REPLY);
    g_assert_cmpuint(header.status, ==, VIR_NET_ERROR);

    g_assert_true(virNetMessageDecodePayload(payload, len, (xdrproc_t)xdr_remote_error,
                                             &wire, NULL));
    g_assert_cmpint(wire.code, ==, VIR_ERR_NO_DOMAIN);
    g_assert_cmpint(wire.domain, ==, VIR_FROM_QEMU);
    g_assert_cmpint(wire.level, ==, VIR_ERR_ERROR);
    g_assert_cmpstr(*wire.message, ==, "no 100% 'vm'");
    g_assert_cmpstr(*wire.str1, ==, "%s");
    g_assert_cmpstr(*wire.str2, ==, "no 100% 'vm'");
    g_assert_null(wire.dom);
    xdr_free((xdrproc_t)xdr_remote_error, (char *)&wire);
}

static void
testRoundTrip(void)
{
    g_autoptr(GError) error =
        g_error_new_literal(VIR_SNAP_ERROR, VIR_ERR_RESOURCE_BUSY, "besch\303\244ftigt");
    g_autoptr(GError) back = NULL;
    g_autoptr(GBytes) message = remoteErrorEncode(&call, VIR_FROM_QEMU, error);
    g_autoptr(GBytes) payload =
        g_bytes_new_from_bytes(message, VIR_NET_MESSAGE_PREFIX,
                               g_bytes_get_size(message) - VIR_NET_MESSAGE_PREFIX);

    remoteErrorDecode(payload, &back);
    g_assert_error(back, VIR_SNAP_ERROR, VIR_ERR_RESOURCE_BUSY);
    g_assert_cmpstr(back->message, ==, error->message);
}

/* What comes from the other side may be anything; an error it is in any case. */
static void
testDecodeOdd(void)
{
    remote_error silent = { .code = VIR_ERR_NO_DOMAIN };
    g_autoptr(GBytes) message =
        virNetMessageEncode(&call, (xdrproc_t)xdr_remote_error, &silent, NULL);
    g_autoptr(GBytes) payload =
        g_bytes_new_from_bytes(message, VIR_NET_MESSAGE_PREFIX,
                               g_bytes_get_size(message) - VIR_NET_MESSAGE_PREFIX);
    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(payload, 0, 6);
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) error_cut = NULL;
    g_autoptr(GError) error_none = NULL;

    remoteErrorDecode(payload, &error);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    g_assert_true(*error->message);
    remoteErrorDecode(cut, &error_cut);
    g_assert_error(error_cut, VIR_SNAP_ERROR, VIR_ERR_RPC);
    remoteErrorDecode(none, &error_none);
    g_assert_error(error_none, VIR_SNAP_ERROR, VIR_ERR_RPC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote_error/encode", testEncode);
    g_test_add_func("/remote_error/round-trip", testRoundTrip);
    g_test_add_func("/remote_error/decode-odd", testDecodeOdd);
    return g_test_run();
}
