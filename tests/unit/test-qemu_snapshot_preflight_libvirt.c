/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_libvirt.c: what libvirt tells, and what it can't
 *
 * Of libvirt's own test driver, which knows networks and storage pools. What it does not
 * know is answered here, in the place of libvirt's functions, as a test wants it.
 */

#include "config.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "qemu_snapshot_preflight_libvirt.h"
#include "virsnapxml.h"

#define A(answer) QEMU_SNAPSHOT_ANSWER_##answer

static virConnectPtr conn;
static int cpu_result;
static const char *capabilities;

int
virConnectCompareHypervisorCPU(virConnectPtr c G_GNUC_UNUSED,
                               const char *emulator G_GNUC_UNUSED,
                               const char *arch, const char *machine, const char *virttype,
                               const char *xml, unsigned int flags G_GNUC_UNUSED)
{
    g_assert_cmpstr(arch, ==, "x86_64");
    g_assert_cmpstr(machine, ==, "pc");
    g_assert_cmpstr(virttype, ==, "kvm");
    g_assert_cmpstr(xml, ==, "<cpu/>");
    return cpu_result;
}

char *
virConnectGetDomainCapabilities(virConnectPtr c G_GNUC_UNUSED,
                                const char *emulator, const char *arch G_GNUC_UNUSED,
                                const char *machine G_GNUC_UNUSED,
                                const char *virttype G_GNUC_UNUSED,
                                unsigned int flags G_GNUC_UNUSED)
{
    g_assert_cmpstr(emulator, ==, "/q");
    return capabilities ? strdup(capabilities) : NULL;
}

static xmlDoc *
domain(void)
{
    return virSnapXMLParse("<domain type='kvm'><os><type arch='x86_64' machine='pc'/></os>"
                           "<devices><emulator>/q</emulator></devices></domain>", "domain",
                           "definition", NULL);
}

static void
testNetworks(void)
{
    virNetworkPtr off = virNetworkDefineXML(conn, "<network><name>off</name></network>");

    g_assert_cmpint(qemuSnapshotLibvirtHasNetwork(conn, "default"), ==, A(THERE));
    g_assert_cmpint(qemuSnapshotLibvirtHasNetwork(conn, "off"), ==, A(UNFIT));
    g_assert_cmpint(qemuSnapshotLibvirtHasNetwork(conn, "no"), ==, A(MISSING));
    virNetworkUndefine(off);
    virNetworkFree(off);
}

static void
testPools(void)
{
    virStoragePoolPtr pool = virStoragePoolLookupByName(conn, "default-pool");
    virStorageVolPtr volume = virStorageVolCreateXML(
        pool, "<volume><name>v</name><capacity>1</capacity></volume>", 0);

    g_assert_nonnull(volume);
    g_assert_cmpint(qemuSnapshotLibvirtHasPool(conn, "default-pool"), ==, A(THERE));
    g_assert_cmpint(qemuSnapshotLibvirtHasPool(conn, "no"), ==, A(MISSING));
    g_assert_cmpint(qemuSnapshotLibvirtHasVolume(conn, "default-pool", "v"), ==, A(THERE));
    g_assert_cmpint(qemuSnapshotLibvirtHasVolume(conn, "default-pool", "no"), ==,
                    A(MISSING));
    /* that is the pool's finding */
    g_assert_cmpint(qemuSnapshotLibvirtHasVolume(conn, "no", "v"), ==, A(UNKNOWN));
    virStoragePoolDestroy(pool);
    g_assert_cmpint(qemuSnapshotLibvirtHasPool(conn, "default-pool"), ==, A(UNFIT));
    g_assert_cmpint(qemuSnapshotLibvirtHasVolume(conn, "default-pool", "v"), ==,
                    A(UNKNOWN));
    virStoragePoolCreate(pool, 0);
    virStorageVolFree(volume);
    virStoragePoolFree(pool);
}

/* A connection without that driver. */
static void
testNotSupported(void)
{
    g_assert_cmpint(qemuSnapshotLibvirtHasFilter(conn, "f"), ==, A(UNKNOWN));
    g_assert_cmpint(qemuSnapshotLibvirtHasSecret(conn, "u", "ceph"), ==, A(UNKNOWN));
    g_assert_cmpint(qemuSnapshotLibvirtHasSecret(conn, "u", "new"), ==, A(UNKNOWN));
    g_assert_cmpint(qemuSnapshotLibvirtHasSecret(
        conn, "c7a5fdbd-edaf-9455-926a-d65c16db1809", NULL), ==, A(UNKNOWN));
}

static void
testCPU(void)
{
    g_autoptr(xmlDoc) doc = domain();

    cpu_result = VIR_CPU_COMPARE_SUPERSET;
    g_assert_cmpint(qemuSnapshotLibvirtHasCPU(conn, doc, "<cpu/>"), ==, A(THERE));
    cpu_result = VIR_CPU_COMPARE_INCOMPATIBLE;
    g_assert_cmpint(qemuSnapshotLibvirtHasCPU(conn, doc, "<cpu/>"), ==, A(MISSING));
    cpu_result = VIR_CPU_COMPARE_ERROR;
    g_assert_cmpint(qemuSnapshotLibvirtHasCPU(conn, doc, "<cpu/>"), ==, A(UNKNOWN));
}

#define TPM(inner) \
    "<domainCapabilities><devices>" inner "</devices></domainCapabilities>"

static void
testTPM(void)
{
    static const struct {
        const char *xml;
        qemuSnapshotAnswer answer;
    } cases[] = {
        { NULL, A(UNKNOWN) }, { "rubbish", A(UNKNOWN) }, { TPM(""), A(UNKNOWN) },
        { TPM("<tpm supported='no'/>"), A(MISSING) },
        { TPM("<tpm supported='yes'><enum name='backendModel'><value>passthrough</value>"
              "</enum></tpm>"), A(MISSING) },
        { TPM("<tpm supported='yes'><enum name='backendModel'><value>passthrough</value>"
              "<value>emulator</value></enum></tpm>"), A(THERE) },
    };
    g_autoptr(xmlDoc) doc = domain();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        capabilities = cases[i].xml;
        g_assert_cmpint(qemuSnapshotLibvirtHasTPMEmulator(conn, doc), ==, cases[i].answer);
    }
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

int
main(int argc, char **argv)
{
    int status;

#define TEST(name, func) g_test_add_func("/qemu_snapshot_preflight_libvirt/" name, func)
    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    conn = virConnectOpen("test:///default");
    g_assert_nonnull(conn);
    TEST("networks", testNetworks);
    TEST("pools", testPools);
    TEST("not-supported", testNotSupported);
    TEST("cpu", testCPU);
    TEST("tpm", testTPM);
    status = g_test_run();
    virConnectClose(conn);
    return status;
}
