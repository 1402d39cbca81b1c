/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-snapshot_protocol.c: the framing, and the layout of what is in it
 *
 * data/snapshot_protocol.golden pins the bytes of each kind of message, one in a
 * line. It may only gain lines; VIR_TEST_REGENERATE_OUTPUT=1 writes it anew.
 */

#include "config.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "remote_error.h"
#include "snapshot_protocol.h"
#include "virsnaperror.h"

static virNetMessageHeader
makeHeader(void)
{
    virNetMessageHeader header = {
        .program = DOMAIN_SNAPSHOT_PROGRAM,
        .version = DOMAIN_SNAPSHOT_PROTOCOL_VERSION,
        .procedure = DOMAIN_REVERT_TO_SNAPSHOT_XML,
        .type = VIR_NET_CALL,
        .serial = 7,
    };

    return header;
}

static domain_revert_to_snapshot_xml_args
makeArgs(remote_nonnull_string *xml)
{
    domain_revert_to_snapshot_xml_args args = {
        .snap = { .name = (char *)"snap1", .dom = { .name = (char *)"vm", .id = -1 } },
        .xml = xml,
        .flags = 0x10001,
    };

    for (int i = 0; i < SNAPSHOT_UUID_BUFLEN; i++)
        args.snap.dom.uuid[i] = i;
    return args;
}

static void
addLine(GString *text, const char *name, GBytes *message)
{
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    g_string_append_printf(text, "%s: ", name);
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    g_string_append_c(text, '\n');
}

static void
addEncoded(GString *text, const char *name, const virNetMessageHeader *header,
           void *filter, void *data)
{
    g_autoptr(GBytes) message =
        virNetMessageEncode(header, (xdrproc_t)filter, data, NULL);

    addLine(text, name, message);
}

/* One of each type that this wire has. */
static void
addJobInfo(GString *text, virNetMessageHeader *header, const remote_nonnull_domain *dom)
{
    domain_snapshot_get_job_info_args args = { .dom = *dom, .flags = 1 };
    remote_typed_param params[] = {
        { (char *)"ll", { 3, { .l = -2 } } },
        { (char *)"time_elapsed", { 4, { .ul = 0x123456789 } } },
        { (char *)"success", { 6, { .b = 1 } } },
        { (char *)"operation", { 7, { .s = (char *)"revert" } } },
    };
    domain_snapshot_get_job_info_ret ret = {
        .params = { G_N_ELEMENTS(params), params },
    };

    header->procedure = DOMAIN_SNAPSHOT_GET_JOB_INFO;
    header->type = VIR_NET_CALL;
    addEncoded(text, "job-info", header, xdr_domain_snapshot_get_job_info_args, &args);
    header->type = VIR_NET_REPLY;
    addEncoded(text, "job-info-reply", header, xdr_domain_snapshot_get_job_info_ret,
               &ret);
}

static void
testGolden(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data",
                                                  "snapshot_protocol.golden", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    virNetMessageHeader header = makeHeader();
    remote_nonnull_string xml = (char *)"<domainsnapshotrevert/>";
    domain_revert_to_snapshot_xml_args args = makeArgs(&xml);
    domain_snapshot_get_revert_xml_desc_ret ret = { .xml = xml };
    g_autoptr(GError) error = g_error_new(VIR_SNAP_ERROR, VIR_ERR_XML_ERROR, "%s",
                                          "disk 'vda' is named twice");
    g_autoptr(GBytes) failed = remoteErrorEncode(&header, VIR_FROM_DOMAIN_SNAPSHOT, error);
    g_autofree char *expected = NULL;

    addEncoded(text, "revert", &header, xdr_domain_revert_to_snapshot_xml_args, &args);
    args.xml = NULL;
    addEncoded(text, "revert-no-xml", &header, xdr_domain_revert_to_snapshot_xml_args,
               &args);
    addLine(text, "error", failed);
    header.type = VIR_NET_REPLY;
    addEncoded(text, "revert-reply", &header, NULL, NULL);
    header.procedure = DOMAIN_SNAPSHOT_GET_REVERT_XML_DESC;
    addEncoded(text, "desc-reply", &header,
               xdr_domain_snapshot_get_revert_xml_desc_ret, &ret);
    addJobInfo(text, &header, &args.snap.dom);

    if (g_strcmp0(g_getenv("VIR_TEST_REGENERATE_OUTPUT"), "1") == 0)
        g_assert_true(g_file_set_contents(path, text->str, -1, NULL));
    g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
    g_assert_cmpstr(text->str, ==, expected);
}

static void
testPrefix(void)
{
    virNetMessageHeader header = makeHeader();
    g_autoptr(GBytes) message = virNetMessageEncode(&header, NULL, NULL, NULL);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);
    virNetMessageHeader decoded;
    gsize payload = 42;

    g_assert_cmpuint(len, ==, VIR_NET_MESSAGE_PREFIX);
    g_assert_true(virNetMessageDecodePrefix(bytes, &decoded, &payload, NULL));
    g_assert_cmpmem(&decoded, sizeof(decoded), &header, sizeof(header));
    g_assert_cmpuint(payload, ==, 0);
}

static void
testPrefixRefused(void)
{
    const struct {
        gsize offset;
        guint32 value;
    } cases[] = {
        { 0, 0 }, { 0, 27 }, { 0, VIR_NET_MESSAGE_MAX + 1 }, { 0, 0xffffffff },
        { 16, 7 }, { 16, 0xffffffff }, { 24, 3 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint8 bytes[VIR_NET_MESSAGE_PREFIX] = { 0, 0, 0, 28 };
        guint32 value = GUINT32_TO_BE(cases[i].value);
        virNetMessageHeader header;
        gsize payload;
        g_autoptr(GError) error = NULL;

        g_assert_true(virNetMessageDecodePrefix(bytes, &header, &payload, NULL));
        memcpy(bytes + cases[i].offset, &value, sizeof(value));
        g_assert_false(virNetMessageDecodePrefix(bytes, &header, &payload, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
    }
}

static gboolean
decodeArgs(const guint8 *bytes, gsize len, domain_revert_to_snapshot_xml_args *args)
{
    memset(args, 0, sizeof(*args));
    return virNetMessageDecodePayload(bytes, len,
                                      (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                                      args, NULL);
}

static void
freeArgs(domain_revert_to_snapshot_xml_args *args)
{
    xdr_free((xdrproc_t)xdr_domain_revert_to_snapshot_xml_args, (char *)args);
}

static void
testArgs(void)
{
    remote_nonnull_string xml = (char *)"<x/>";
    domain_revert_to_snapshot_xml_args args = makeArgs(&xml);
    domain_revert_to_snapshot_xml_args decoded;
    virNetMessageHeader header = makeHeader();
    g_autoptr(GBytes) message =
        virNetMessageEncode(&header, (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                            &args, NULL);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    bytes += VIR_NET_MESSAGE_PREFIX;
    len -= VIR_NET_MESSAGE_PREFIX;
    g_assert_true(decodeArgs(bytes, len, &decoded));
    g_assert_cmpstr(decoded.snap.name, ==, "snap1");
    g_assert_cmpstr(decoded.snap.dom.name, ==, "vm");
    g_assert_cmpstr(*decoded.xml, ==, "<x/>");
    g_assert_cmphex(decoded.flags, ==, 0x10001);
    freeArgs(&decoded);

    /* each shorter one is refused, and so is what follows */
    for (gsize i = 0; i < len; i++) {
        g_assert_false(decodeArgs(bytes, i, &decoded));
        freeArgs(&decoded);
    }
}

static void
testArgsLeftOver(void)
{
    domain_revert_to_snapshot_xml_args args = makeArgs(NULL);
    domain_revert_to_snapshot_xml_args decoded;
    virNetMessageHeader header = makeHeader();
    g_autoptr(GBytes) message =
        virNetMessageEncode(&header, (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                            &args, NULL);
    gsize len = g_bytes_get_size(message) - VIR_NET_MESSAGE_PREFIX;
    g_autofree guint8 *longer = g_malloc0(len + 4);

    memcpy(longer, (const guint8 *)g_bytes_get_data(message, NULL) +
           VIR_NET_MESSAGE_PREFIX, len);
    g_assert_false(decodeArgs(longer, len + 4, &decoded));
    freeArgs(&decoded);
}

/* A length that promises more than there is, or may be, allocates nothing. */
static void
testArgsHugeString(void)
{
    const guint32 lengths[] = { SNAPSHOT_STRING_MAX + 1, 0x7fffffff, 0xffffffff };

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        domain_revert_to_snapshot_xml_args decoded;
        guint8 bytes[64] = { 0 };
        guint32 value = GUINT32_TO_BE(lengths[i]);

        memcpy(bytes, &value, sizeof(value));
        g_assert_false(decodeArgs(bytes, sizeof(bytes), &decoded));
        freeArgs(&decoded);
    }
}

static void
testLarge(void)
{
    g_autofree char *large = g_strnfill(SNAPSHOT_STRING_MAX, 'x');
    remote_nonnull_string xml = large;
    domain_revert_to_snapshot_xml_args args = makeArgs(&xml);
    virNetMessageHeader header = makeHeader();
    g_autoptr(GBytes) message =
        virNetMessageEncode(&header, (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                            &args, NULL);
    g_autofree char *too_large = g_strnfill(SNAPSHOT_STRING_MAX + 1, 'x');
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(g_bytes_get_size(message), >, SNAPSHOT_STRING_MAX);
    xml = too_large;
    g_assert_null(virNetMessageEncode(&header,
                                      (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                                      &args, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
}

static void
testError(void)
{
    virNetMessageHeader header = makeHeader();
    virNetMessageHeader decoded;
    g_autoptr(GError) error = g_error_new(VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN_SNAPSHOT,
                                          "no '%s' 100%%s", "x");
    g_autoptr(GBytes) message = remoteErrorEncode(&header, VIR_FROM_DOMAIN_SNAPSHOT, error);
    g_autoptr(GBytes) payload = NULL;
    g_autoptr(GError) got = NULL;
    gsize len;

    g_assert_true(virNetMessageDecodePrefix(g_bytes_get_data(message, NULL), &decoded,
                                            &len, NULL));
    g_assert_cmpuint(decoded.type, ==, VIR_NET_REPLY);
    g_assert_cmpuint(decoded.status, ==, VIR_NET_ERROR);
    g_assert_cmpuint(decoded.serial, ==, 7);
    payload = g_bytes_new_from_bytes(message, VIR_NET_MESSAGE_PREFIX, len);
    remoteErrorDecode(payload, &got);
    g_assert_error(got, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN_SNAPSHOT);
    g_assert_cmpstr(got->message, ==, error->message);
}

static void
testErrorGarbage(void)
{
    g_autoptr(GBytes) payload = g_bytes_new_static("garbage", 7);
    g_autoptr(GError) got = NULL;

    remoteErrorDecode(payload, &got);
    g_assert_error(got, VIR_SNAP_ERROR, VIR_ERR_RPC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshot_protocol/golden", testGolden);
    g_test_add_func("/snapshot_protocol/prefix", testPrefix);
    g_test_add_func("/snapshot_protocol/prefix-refused", testPrefixRefused);
    g_test_add_func("/snapshot_protocol/args", testArgs);
    g_test_add_func("/snapshot_protocol/args-left-over", testArgsLeftOver);
    g_test_add_func("/snapshot_protocol/args-huge-string", testArgsHugeString);
    g_test_add_func("/snapshot_protocol/large", testLarge);
    g_test_add_func("/snapshot_protocol/error", testError);
    g_test_add_func("/snapshot_protocol/error-garbage", testErrorGarbage);
    return g_test_run();
}
