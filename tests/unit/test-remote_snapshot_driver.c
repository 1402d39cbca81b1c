/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-remote_snapshot_driver.c: which daemon a connection belongs to
 */

#include "config.h"

#include <string.h>

#include "remote_snapshot_driver.h"
#include "virsnaperror.h"

/* in the place of libvirt's function: the test driver's own is always the same */
static const char *uri;

char *
virConnectGetURI(virConnectPtr conn)
{
    g_assert_nonnull(conn);
    return g_strdup(uri);
}

static const struct {
    const char *uri;
    int code;
    const char *message;
} cases[] = {
    { "test:///default", VIR_ERR_NO_SUPPORT, "'test:///default'" },
    { "lxc:///system", VIR_ERR_NO_SUPPORT, "'lxc:///system'" },
    { "qemux:///system", VIR_ERR_NO_SUPPORT, "'qemux:///system'" },
    { "qemu+tls://host/system", VIR_ERR_OPERATION_UNSUPPORTED, "only ssh is" },
    { "qemu://host/system", VIR_ERR_OPERATION_UNSUPPORTED, "only ssh is" },
    { "qemu+ssh:///system", VIR_ERR_OPERATION_UNSUPPORTED, "only ssh is" },
    { "qemu:///embed?root=/x", VIR_ERR_OPERATION_UNSUPPORTED, "neither to the system" },
    { "qemu://[/system", VIR_ERR_INVALID_ARG, "can't be parsed" },
    { "qemu+unix:///system?socket=/nonexistent/a", VIR_ERR_NO_CONNECT,
      "'/nonexistent/a'" },
    /* also of another kind, where it is told by its socket */
    { "qemu+unix:///embed?socket=/nonexistent/a%20b", VIR_ERR_NO_CONNECT,
      "'/nonexistent/a b'" },
    { "qemu+ssh://-host/system", VIR_ERR_INVALID_ARG, "'-host'" },
};

static virDomainSnapshotPtr
newSnapshot(void)
{
    virConnectPtr conn = virConnectOpen("test:///default");
    virDomainPtr dom = virDomainLookupByName(conn, "test");
    virDomainSnapshotPtr snap =
        virDomainSnapshotCreateXML(dom, "<domainsnapshot><name>s</name></domainsnapshot>",
                                   0);

    g_assert_nonnull(snap);
    virDomainFree(dom);
    virConnectClose(conn);
    return snap;
}

static void
testURI(const void *opaque)
{
    gsize i = GPOINTER_TO_SIZE(opaque);
    virDomainSnapshotPtr snap = newSnapshot();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) other = NULL;

    uri = cases[i].uri;
    g_assert_false(remoteDomainRevertToSnapshotXML(snap, NULL, 0, &error));
    g_assert_error(error, VIR_SNAP_ERROR, cases[i].code);
    if (!strstr(error->message, cases[i].message))
        g_error("%s: %s", uri, error->message);

    g_assert_null(remoteDomainSnapshotGetRevertXMLDesc(snap, NULL, 0, &other));
    g_assert_cmpstr(other->message, ==, error->message);
    virDomainSnapshotDelete(snap, 0);
    virDomainSnapshotFree(snap);
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/remote_snapshot_driver/%zu", i);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), testURI);
    }
    return g_test_run();
}
