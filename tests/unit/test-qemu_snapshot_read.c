/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_read.c: snapshots that go while they are read
 *
 * Of libvirt's own test driver, which is in its library. A snapshot that is about to be
 * read is deleted first, as by someone else.
 */

#include "config.h"

#include <dlfcn.h>
#include <string.h>

#include "qemu_snapshot_read.h"
#include "virsnaperror.h"
#include "virsnaplibvirt.h"

typedef struct _fixture fixture;
struct _fixture {
    virConnectPtr conn;
    virDomainPtr dom;
};

static int left_to_delete;

static void
take(virDomainPtr dom, const char *name)
{
    g_autofree char *xml =
        g_strdup_printf("<domainsnapshot><name>%s</name></domainsnapshot>", name);
    g_autoptr(virDomainSnapshot) snap = virDomainSnapshotCreateXML(dom, xml, 0);

    g_assert_nonnull(snap);
}

/* In the place of libvirt's function. What it deletes comes back under another name, so
 * that there is always another one. */
char *
virDomainSnapshotGetXMLDesc(virDomainSnapshotPtr snap, unsigned int flags)
{
    char *(*real)(virDomainSnapshotPtr snap, unsigned int flags) =
        (char *(*)(virDomainSnapshotPtr, unsigned int))dlsym(RTLD_NEXT, __func__);

    if (left_to_delete > 0) {
        g_autofree char *name = g_strdup_printf("new%d", --left_to_delete);

        take(virDomainSnapshotGetDomain(snap), name);
        g_assert_cmpint(virDomainSnapshotDelete(snap, 0), ==, 0);
    }

    return real(snap, flags);
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->conn = virConnectOpen("test:///default");
    g_assert_nonnull(f->conn);
    f->dom = virDomainLookupByName(f->conn, "test");
    g_assert_nonnull(f->dom);
    take(f->dom, "one");
    take(f->dom, "two");
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    left_to_delete = 0;
    virDomainFree(f->dom);
    virConnectClose(f->conn);
}

static void
testAll(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(f->dom, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(infos->len, ==, 2);
    g_assert_nonnull(qemuSnapshotFindInfo(infos, "one"));
    g_assert_nonnull(qemuSnapshotFindInfo(infos, "two"));
}

/* It is not missed, and what came meanwhile isn't either. */
static void
testOneGoes(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) infos = NULL;

    left_to_delete = 2;
    infos = qemuSnapshotReadInfos(f->dom, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(infos->len, ==, 2);
    g_assert_nonnull(qemuSnapshotFindInfo(infos, "new0"));
}

static void
testAllGo(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    left_to_delete = 1000;
    g_assert_null(qemuSnapshotReadInfos(f->dom, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "'test'"));
    g_assert_cmpint(left_to_delete, >, 0);
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_read/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    ADD("all", testAll);
    ADD("one-goes", testOneGoes);
    ADD("all-go", testAllGo);
    return g_test_run();
}
