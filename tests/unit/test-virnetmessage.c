/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetmessage.c: messages as large as they may be, and larger
 */

#include "config.h"

#include <string.h>

#include "virnetmessage.h"
#include "virsnaperror.h"

/* what an opaque of a multiple of four bytes takes beside them */
#define OPAQUE_HEAD 4
#define LARGEST (VIR_NET_MESSAGE_MAX - VIR_NET_MESSAGE_PREFIX - OPAQUE_HEAD)

typedef struct _blob blob;
struct _blob {
    char *bytes;
    u_int len;
};

static bool_t
xdrBlob(XDR *xdr, blob *data)
{
    return xdr_bytes(xdr, &data->bytes, &data->len, G_MAXUINT32);
}

static GBytes *
encode(gsize len, GError **error)
{
    virNetMessageHeader header = { 1, 2, 3, VIR_NET_REPLY, 5, VIR_NET_ERROR };
    g_autofree char *bytes = g_strnfill(len, 'x');
    blob data = { bytes, len };

    return virNetMessageEncode(&header, (xdrproc_t)xdrBlob, &data, error);
}

static void
testHeader(void)
{
    virNetMessageHeader header = { 1, 2, 3, VIR_NET_REPLY, 5, VIR_NET_ERROR };
    const guint8 expected[VIR_NET_MESSAGE_PREFIX] = {
        0, 0, 0, 28, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
        0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1,
    };
    g_autoptr(GBytes) message = virNetMessageEncode(&header, NULL, NULL, NULL);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    g_assert_cmpmem(bytes, len, expected, sizeof(expected));
}

static void
checkRoundTrip(gsize len)
{
    g_autoptr(GBytes) message = encode(len, NULL);
    virNetMessageHeader header;
    blob data = { NULL, 0 };
    gsize payload = 0;
    gsize size;
    const guint8 *bytes = g_bytes_get_data(message, &size);

    g_assert_true(virNetMessageDecodePrefix(bytes, &header, &payload, NULL));
    g_assert_cmpuint(payload, ==, size - VIR_NET_MESSAGE_PREFIX);
    g_assert_cmpuint(header.program, ==, 1);
    g_assert_cmpuint(header.status, ==, VIR_NET_ERROR);
    g_assert_true(virNetMessageDecodePayload(bytes + VIR_NET_MESSAGE_PREFIX, payload,
                                             (xdrproc_t)xdrBlob, &data, NULL));
    g_assert_cmpuint(data.len, ==, len);
    g_assert_true(len == 0 || (data.bytes[0] == 'x' && data.bytes[len - 1] == 'x'));
    xdr_free((xdrproc_t)xdrBlob, (char *)&data);
}

/* around the sizes at which the buffer grows */
static void
testSizes(void)
{
    const gsize sizes[] = {
        0, 1, 4060, 4064, 4068, 16352, 16356, 100001, LARGEST - 4, LARGEST,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        checkRoundTrip(sizes[i]);
}

static void
testTooLarge(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(encode(LARGEST + 1, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
}

/* libvirt's limit does not count the length word, which counts itself. */
static void
testLimit(void)
{
    const guint32 limit = 4 + 32 * 1024 * 1024;
    guint32 words[VIR_NET_MESSAGE_PREFIX / 4] = { GUINT32_TO_BE(limit) };
    virNetMessageHeader header;
    gsize payload = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(virNetMessageDecodePrefix((guint8 *)words, &header, &payload, NULL));
    g_assert_cmpuint(payload, ==, limit - VIR_NET_MESSAGE_PREFIX);
    words[0] = GUINT32_TO_BE(limit + 1);
    g_assert_false(virNetMessageDecodePrefix((guint8 *)words, &header, &payload, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virnetmessage/header", testHeader);
    g_test_add_func("/virnetmessage/sizes", testSizes);
    g_test_add_func("/virnetmessage/too-large", testTooLarge);
    g_test_add_func("/virnetmessage/limit", testLimit);
    return g_test_run();
}
