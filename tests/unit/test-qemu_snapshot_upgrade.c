/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_upgrade.c: which snapshots are completed for a newer libvirt
 */

#include "config.h"

#include <dlfcn.h>
#include <string.h>

#include "domain_conf.h"
#include "qemu_snapshot_upgrade.h"
#include "snapshot_conf.h"
#include "testdomain.h"

#define CHILD "<parent><name>s1</name></parent>"
#define INNER "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<driver type='qcow2'/><source file='/i/a.s1'/></disk></disks>" \
    TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2"))

static unsigned long version;     /* of libvirt */
static char *redefined;           /* the last document that it was given */

int
virConnectGetLibVersion(virConnectPtr conn G_GNUC_UNUSED, unsigned long *ret_version)
{
    *ret_version = version;
    return 0;
}

virDomainSnapshotPtr
virDomainSnapshotCreateXML(virDomainPtr dom, const char *xml, unsigned int flags)
{
    virDomainSnapshotPtr (*real)(virDomainPtr dom, const char *xml, unsigned int flags) =
        (virDomainSnapshotPtr (*)(virDomainPtr, const char *, unsigned int))
        dlsym(RTLD_NEXT, __func__);

    g_free(redefined);
    redefined = g_strdup(xml);
    return real(dom, xml, flags);
}

static void
defineOn(testDomain *test, const char *overlay, const char *file)
{
    g_autofree char *next =
        g_strdup_printf(TEST_DEFINITION(TEST_DISK("vda", "%s")), file);
    g_autoptr(xmlDoc) doc = virSnapXMLParse(next, "domain", "test", NULL);
    g_autoptr(GHashTable) overlays = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *xml = NULL;

    if (overlay)
        g_hash_table_insert(overlays, (char *)"vda", (char *)overlay);
    virDomainDefSetOverlays(doc, overlays, "id");
    xml = virSnapXMLFormat(doc, NULL);
    testDomainDefine(test, xml);
}

static void
makeCurrent(testDomain *test, const char *name)
{
    g_autofree char *xml = g_strdup_printf("<domainsnapshot><name>%s</name>"
                                           "<state>shutoff</state><creationTime>1"
                                           "</creationTime>%s</domainsnapshot>", name,
                                           INNER);
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotCreateXML(test->dom, xml, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
                                   VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT);

    g_assert_nonnull(snap);
}

static void
testUpgrade(void)
{
    static const struct {
        unsigned long version;
        gboolean current;
        gboolean child;
        const char *overlay;     /* of a revert, in the definition; NULL: none */
        const char *file;        /* that the disk is on */
        gboolean expected;
    } cases[] = {
        { 9009000, TRUE, TRUE, "/i/a.s1-1", "/i/a.s1-1", TRUE },
        { 9000000, TRUE, TRUE, "/i/a.s1-1", "/i/a.s1-1", FALSE },   /* knows no such */
        { 9009000, FALSE, TRUE, "/i/a.s1-1", "/i/a.s1-1", FALSE },
        { 9009000, TRUE, FALSE, "/i/a.s1-1", "/i/a.s1-1", FALSE },  /* a leaf: in <disks> */
        { 9009000, TRUE, TRUE, NULL, "/i/a.s1-1", FALSE },          /* no revert of ours */
        { 9009000, TRUE, TRUE, "/i/a.s1-1", "/i/a.s3", FALSE },     /* it went on since */
    };
    const qemuHoldersFolders folders = { NULL };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        testDomain test = { 0 };
        g_autoptr(qemuSnapshotDriver) driver = NULL;
        g_autoptr(virDomainSnapshotInfo) info = NULL;
        g_autoptr(GError) error = NULL;

        version = cases[i].version;
        testDomainSetUp(&test, TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2")));
        defineOn(&test, cases[i].overlay, cases[i].file);
        if (cases[i].current)
            makeCurrent(&test, "s1");
        else
            testDomainSnapshot(&test, "s1", "shutoff", INNER);
        if (cases[i].child)
            testDomainSnapshot(&test, "s2", "shutoff", CHILD INNER);
        g_clear_pointer(&redefined, g_free);

        driver = qemuSnapshotDriverNew("test:///default", "/no/qsd", 1, "/state", &folders,
                                       NULL);
        g_assert_true(qemuSnapshotUpgrade(driver, &error));
        g_assert_no_error(error);
        g_assert_cmpint(redefined != NULL, ==, cases[i].expected);
        if (cases[i].expected) {
            info = virDomainSnapshotInfoParse(redefined, &error);
            g_assert_no_error(error);
            g_assert_cmpstr(info->name, ==, "s1");
            g_assert_cmpuint(info->revert_disks->len, ==, 1);
            g_assert_nonnull(strstr(redefined, "/i/a.s1-1"));
        }
        g_assert_cmpint(virDomainUndefineFlags(test.dom,
                                               VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA),
                        ==, 0);
        testDomainTearDown(&test);
    }
    g_clear_pointer(&redefined, g_free);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_upgrade/upgrade", testUpgrade);
    return g_test_run();
}
