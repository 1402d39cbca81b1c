/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * testdomain.h: a domain with snapshots, of libvirt's own test driver
 *
 * The driver is in libvirt's library, so that each test has a host of its own in its own
 * process. What it knows of images are names alone.
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_request.h"

#define TEST_DOMAIN "vm"
#define TEST_UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"

typedef struct _testDomain testDomain;
struct _testDomain {
    virConnectPtr conn;
    virDomainPtr dom;
    unsigned char uuid[VIR_UUID_BUFLEN];
};

#define TEST_DISK(target, file) \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>" \
    "<source file='" file "'/><target dev='" target "' bus='virtio'/></disk>"

/* of type 'test', so that libvirt takes it */
#define TEST_DEFINITION_OF(root, name, uuid, devices) \
    "<" root " type='test'><name>" name "</name><uuid>" uuid "</uuid>" \
    "<genid>e9392370-2917-565e-692b-d057f46512d6</genid>" \
    "<memory unit='KiB'>1024</memory><vcpu>1</vcpu><os><type>hvm</type></os>" \
    "<devices>" devices "</devices></" root ">"
#define TEST_DEFINITION(devices) \
    TEST_DEFINITION_OF("domain", TEST_DOMAIN, TEST_UUID, devices)

static inline void
testDomainIgnoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static inline void
testDomainDefine(testDomain *test, const char *xml)
{
    g_clear_pointer(&test->dom, virDomainFree);
    test->dom = virDomainDefineXML(test->conn, xml);
    g_assert_nonnull(test->dom);
}

static inline void
testDomainSetUp(testDomain *test, const char *xml)
{
    virSetErrorFunc(NULL, testDomainIgnoreError);
    test->conn = virConnectOpen("test:///default");
    g_assert_nonnull(test->conn);
    testDomainDefine(test, xml);
    g_assert_cmpint(virDomainGetUUID(test->dom, test->uuid), ==, 0);
}

static inline void
testDomainTearDown(testDomain *test)
{
    g_clear_pointer(&test->dom, virDomainFree);
    g_clear_pointer(&test->conn, virConnectClose);
}

/* As one of libvirt's own that was taken before. inner: what its document has beside its
 * name and state, the definition above all. */
static inline void
testDomainSnapshot(testDomain *test, const char *name, const char *state,
                   const char *inner)
{
    g_autofree char *xml =
        g_strdup_printf("<domainsnapshot><name>%s</name><state>%s</state>"
                        "<creationTime>1700000000</creationTime>%s</domainsnapshot>",
                        name, state, inner);
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotCreateXML(test->dom, xml, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE);

    if (!snap)
        g_error("%s: %s", virGetLastErrorMessage(), xml);
}

static inline qemuSnapshotRequest
testDomainRequest(const testDomain *test, const char *snapshot, unsigned int flags)
{
    qemuSnapshotRequest request = {
        .domain = TEST_DOMAIN,
        .uuid = test->uuid,
        .snapshot = snapshot,
        .flags = flags,
    };

    return request;
}
