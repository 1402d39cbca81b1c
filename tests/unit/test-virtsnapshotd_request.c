/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_request.c: what calls are about, or that it can't be told
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_request.h"

#define UUID_TEXT "00010203-0405-0607-0809-0a0b0c0d0e0f"

static virNetTaken *
take(xdrproc_t filter, void *args)
{
    const virNetMessageHeader header = { .type = VIR_NET_CALL };
    virNetTaken *taken = g_new0(virNetTaken, 1);
    g_autoptr(GBytes) message = virNetMessageEncode(&header, filter, args, NULL);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    taken->bytes = g_byte_array_new();
    taken->head_len = VIR_NET_MESSAGE_PREFIX;
    g_byte_array_append(taken->bytes, bytes, len);
    return taken;
}

static remote_nonnull_domain_snapshot
makeSnapshot(void)
{
    remote_nonnull_domain_snapshot snap = {
        .name = (char *)"snap1", .dom = { .name = (char *)"vm", .id = -1 },
    };

    for (int i = 0; i < SNAPSHOT_UUID_BUFLEN; i++)
        snap.dom.uuid[i] = i;
    return snap;
}

/* Decodes it, and each that is cut off, which must not be. */
static void
check(virtsnapshotdCall call, virNetTaken *taken, const char *snapshot, unsigned int flags)
{
    const unsigned char expected[VIR_UUID_BUFLEN] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    };
    virtsnapshotdRequest request = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_true(virtsnapshotdRequestDecode(call, taken, &request, &error));
    g_assert_no_error(error);
    g_assert_cmpint(request.domain, ==, VIRTSNAPSHOTD_REQUEST_ONE);
    g_assert_cmpmem(request.snapshot.uuid, VIR_UUID_BUFLEN, expected, VIR_UUID_BUFLEN);
    g_assert_cmpstr(request.snapshot.domain, ==, "vm");
    g_assert_cmpstr(request.snapshot.snapshot, ==, snapshot);
    g_assert_cmphex(request.snapshot.flags, ==, flags);
    virtsnapshotdRequestClear(&request);

    while (taken->bytes->len > taken->head_len) {
        g_autoptr(GError) cut = NULL;

        g_byte_array_set_size(taken->bytes, taken->bytes->len - 1);
        g_assert_false(virtsnapshotdRequestDecode(call, taken, &request, &cut));
        g_assert_error(cut, VIR_SNAP_ERROR, VIR_ERR_RPC);
        g_assert_cmpint(request.domain, ==, VIRTSNAPSHOTD_REQUEST_ANY);
        virtsnapshotdRequestClear(&request);
    }
}

static void
testOne(void)
{
    remote_nonnull_domain_snapshot snap = makeSnapshot();
    domain_revert_to_snapshot_xml_args xml = { .snap = snap, .flags = 2 };
    remote_domain_snapshot_args args = { .snap = snap, .flags = 3 };
    domain_snapshot_get_job_info_args info = { .dom = snap.dom, .flags = 1 };
    const struct {
        virtsnapshotdCall call;
        xdrproc_t filter;
        void *args;
        const char *snapshot;
        unsigned int flags;
    } cases[] = {
        { VIRTSNAPSHOTD_CALL_REVERT_XML,
          (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args, &xml, "snap1", 2 },
        { VIRTSNAPSHOTD_CALL_GET_DESC,
          (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args, &xml, "snap1", 2 },
        { VIRTSNAPSHOTD_CALL_REVERT, (xdrproc_t)xdr_remote_domain_snapshot_args, &args,
          "snap1", 3 },
        { VIRTSNAPSHOTD_CALL_DELETE, (xdrproc_t)xdr_remote_domain_snapshot_args, &args,
          "snap1", 3 },
        { VIRTSNAPSHOTD_CALL_GET_JOB_INFO,
          (xdrproc_t)xdr_domain_snapshot_get_job_info_args, &info, NULL, 1 },
        { VIRTSNAPSHOTD_CALL_SNAPSHOT, (xdrproc_t)xdr_remote_nonnull_domain_snapshot,
          &snap, "snap1", 0 },
        { VIRTSNAPSHOTD_CALL_DOMAIN, (xdrproc_t)xdr_remote_nonnull_domain, &snap.dom,
          NULL, 0 },
        { VIRTSNAPSHOTD_CALL_DESTROY, (xdrproc_t)xdr_remote_nonnull_domain, &snap.dom,
          NULL, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(virNetTaken) taken = take(cases[i].filter, cases[i].args);

        check(cases[i].call, taken, cases[i].snapshot, cases[i].flags);
    }
}

static void
testXML(void)
{
    const struct {
        const char *xml;
        gboolean ok;
        virtsnapshotdRequestDomain domain;
    } cases[] = {
        { "<domain><uuid>" UUID_TEXT "</uuid></domain>", TRUE, VIRTSNAPSHOTD_REQUEST_ONE },
        { "<domain><uuid> 000102030405060708090A0B0C0D0E0F\n</uuid></domain>", TRUE,
          VIRTSNAPSHOTD_REQUEST_ONE },
        { "<domain><name>vm</name></domain>", TRUE, VIRTSNAPSHOTD_REQUEST_NEW },
        /* what libvirt makes of these is not known */
        { "<domain><uuid>1</uuid></domain>", TRUE, VIRTSNAPSHOTD_REQUEST_ANY },
        { "<domain>", FALSE, VIRTSNAPSHOTD_REQUEST_ANY },
        { "<network/>", FALSE, VIRTSNAPSHOTD_REQUEST_ANY },
        { "<!DOCTYPE domain [<!ENTITY u \"" UUID_TEXT "\">]>"
          "<domain><uuid>&u;</uuid></domain>", FALSE, VIRTSNAPSHOTD_REQUEST_ANY },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        remote_nonnull_string xml = (char *)cases[i].xml;
        g_autoptr(virNetTaken) taken = take((xdrproc_t)xdr_remote_nonnull_string, &xml);
        virtsnapshotdRequest request = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(virtsnapshotdRequestDecode(VIRTSNAPSHOTD_CALL_XML, taken, &request,
                                                   &error), ==, cases[i].ok);
        g_assert_true(cases[i].ok == !error);
        g_assert_cmpint(request.domain, ==, cases[i].domain);
        g_assert_true((request.snapshot.uuid != NULL) ==
                      (cases[i].domain == VIRTSNAPSHOTD_REQUEST_ONE));
        virtsnapshotdRequestClear(&request);
    }
}

/* Nothing is known of their arguments. */
static void
testUnknown(void)
{
    const virtsnapshotdCall calls[] = {
        VIRTSNAPSHOTD_CALL_OTHER, VIRTSNAPSHOTD_CALL_NEWER,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        remote_nonnull_domain_snapshot snap = makeSnapshot();
        g_autoptr(virNetTaken) taken =
            take((xdrproc_t)xdr_remote_nonnull_domain, &snap.dom);
        virtsnapshotdRequest request = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_false(virtsnapshotdRequestDecode(calls[i], taken, &request, &error));
        g_assert_nonnull(error);
        g_assert_cmpint(request.domain, ==, VIRTSNAPSHOTD_REQUEST_ANY);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_request/one", testOne);
    g_test_add_func("/virtsnapshotd_request/xml", testXML);
    g_test_add_func("/virtsnapshotd_request/unknown", testUnknown);
    return g_test_run();
}
