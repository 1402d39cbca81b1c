/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_definition.c: the documents that libvirt is given for a revert
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_definition.h"
#include "testdomain.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"
#include "virsnapstorage.h"

#define OVERLAY "<metadata><snapshotrevert:overlays xmlns:snapshotrevert='" \
    VIR_DOMAIN_SNAPSHOT_REVERT_NS "' revert='before'>" \
    "<snapshotrevert:overlay disk='vda' file='/i/a.s1'/>" \
    "<snapshotrevert:overlay disk='vdb' file='/i/b.now'/>" \
    "<snapshotrevert:overlay disk='hda' file='/i/now.iso'/>" \
    "</snapshotrevert:overlays></metadata>"
#define CDROM(file) "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>" \
    "<source file='" file "'/><target dev='hda' bus='ide'/><readonly/></disk>"
#define READONLY(file) "<disk type='file' device='disk'>" \
    "<driver name='qemu' type='raw'/><source file='" file "'/>" \
    "<target dev='vdc' bus='virtio'/><readonly/></disk>"

#define NEXT TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1") TEST_DISK("vdb", "/i/b.now") \
                             READONLY("/i/now.raw") CDROM("/i/now.iso"))
#define THEN(root) TEST_DEFINITION_OF(root, "oldname", TEST_UUID, \
                                      TEST_DISK("vda", "/i/a.qcow2") \
                                      TEST_DISK("vdb", "/i/b.qcow2") \
                                      READONLY("/i/then.raw") CDROM("/i/then.iso"))
#define DISKS "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<driver type='qcow2'/><source file='/i/a.s1'/></disk>" \
    "<disk name='vdb' snapshot='no'/></disks>"
#define GENID "e9392370-2917-565e-692b-d057f46512d6"

typedef struct _fixture fixture;
struct _fixture {
    qemuHoldersReader *reader;
    testDomain test;
    qemuSnapshotSource *source;
    qemuSnapshotPlan *plan;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request;
    qemuSnapshotPlanDisk *disk = g_new0(qemuSnapshotPlanDisk, 1);
    g_autoptr(GError) error = NULL;

    testDomainSetUp(&f->test, NEXT);
    testDomainSnapshot(&f->test, "s1", "shutoff", DISKS THEN("domain"));
    request = testDomainRequest(&f->test, "s1", 0);
    f->reader = qemuHoldersReaderNew(NULL, NULL);
    f->source = qemuSnapshotSourceRead(f->test.conn, f->reader, &request, &error);
    g_assert_no_error(error);

    f->plan = qemuSnapshotPlanNewEmpty();
    disk->chain = g_ptr_array_new_with_free_func((GDestroyNotify)virSnapImageFree);
    f->plan->id = g_strdup("this-revert");
    f->plan->domain = g_strdup(TEST_DOMAIN);
    f->plan->snapshot = g_strdup("s1");
    disk->target = g_strdup("vda");
    disk->overlay = g_strdup("/i/a.s1-1");
    g_ptr_array_add(f->plan->disks, disk);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotPlanFree(f->plan);
    qemuSnapshotSourceFree(f->source);
    testDomainTearDown(&f->test);
    qemuHoldersReaderFree(f->reader);
}

static void
make(fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(qemuSnapshotDefinitionMake(f->plan, f->source, &error));
    g_assert_no_error(error);
}

static xmlDoc *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    xmlDoc *doc = virSnapXMLParse(xml, "domain", "definition", &error);

    g_assert_no_error(error);
    return doc;
}

static void
assertFile(xmlDoc *doc, const char *target, const char *file)
{
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, NULL);
    virDomainDisk *disk = virDomainDisksFind(disks, target);

    g_assert_nonnull(disk);
    g_assert_cmpstr(disk->file, ==, file);
}

/* It is the snapshot's, but for what must not be of then. */
static void
testNew(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *name = NULL;
    g_autofree char *uuid = NULL;
    g_autofree char *genid = NULL;
    g_autofree char *revert = NULL;

    make(f);
    doc = parse(f->plan->new_xml);
    name = virDomainDefGetText(doc, "name");
    uuid = virDomainDefGetText(doc, "uuid");
    genid = virDomainDefGetText(doc, "genid");
    revert = virDomainDefGetRevert(doc);

    g_assert_cmpstr(name, ==, TEST_DOMAIN);
    g_assert_cmpstr(uuid, ==, TEST_UUID);
    g_assert_cmpstr(genid, !=, GENID);
    g_assert_cmpstr(revert, ==, "this-revert");
    assertFile(doc, "vda", "/i/a.s1-1");     /* reverted */
    assertFile(doc, "vdb", "/i/b.now");      /* left out: as it is */
    assertFile(doc, "hda", "/i/then.iso");   /* a medium: as it was */
    assertFile(doc, "vdc", "/i/then.raw");   /* and what can't be written to */
    g_assert_null(f->plan->restore_xml);
}

static void
testOld(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *genid = NULL;

    make(f);
    doc = parse(f->plan->old_xml);
    genid = virDomainDefGetText(doc, "genid");
    g_assert_cmpstr(genid, ==, GENID);
    assertFile(doc, "vda", "/i/a.s1");
    assertFile(doc, "hda", "/i/now.iso");
    g_assert_cmpstr(f->plan->old_xml, ==, f->source->next_xml);
}

/* The overlays that a definition lists as ours are those it is on, no older ones. */
static void
testOverlays(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(xmlDoc) before = parse("<domain>" OVERLAY "</domain>");
    g_autoptr(GHashTable) was = virDomainDefGetOverlays(before);
    g_autoptr(GHashTable) is = NULL;
    g_autoptr(xmlDoc) doc = NULL;

    g_assert_cmpuint(g_hash_table_size(was), ==, 3);
    virDomainDefSetOverlays(f->source->next_doc, was, "before");
    make(f);
    doc = parse(f->plan->new_xml);
    is = virDomainDefGetOverlays(doc);
    g_assert_cmpuint(g_hash_table_size(is), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(is, "vda"), ==, "/i/a.s1-1");
    g_assert_cmpstr(g_hash_table_lookup(is, "vdb"), ==, "/i/b.now");
}

/* A guest finds the machine that it left: nothing but its images changes. */
static void
testRestore(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *name = NULL;
    g_autofree char *genid = NULL;
    g_autofree char *revert = NULL;

    f->source->memory_doc = parse(THEN("domain"));
    make(f);
    doc = parse(f->plan->restore_xml);
    name = virDomainDefGetText(doc, "name");
    genid = virDomainDefGetText(doc, "genid");
    revert = virDomainDefGetRevert(doc);

    g_assert_cmpstr(name, ==, "oldname");
    g_assert_cmpstr(genid, ==, GENID);
    g_assert_cmpstr(revert, ==, "this-revert");
    assertFile(doc, "vda", "/i/a.s1-1");
    assertFile(doc, "vdb", "/i/b.now");
    assertFile(doc, "hda", "/i/then.iso");
}

/* Where the snapshot's document names the overlay from now on. */
static void
testSnapshot(fixture *f, const void *opaque)
{
    static const struct {
        gboolean has_children;
        gboolean has_revert_disks;
        const char *disks;           /* the overlay in <disks> */
        const char *revert_disks;
    } cases[] = {
        { FALSE, FALSE, "/i/a.s1-1", NULL },
        { FALSE, TRUE, "/i/a.s1-1", NULL },
        { TRUE, FALSE, "/i/a.s1", NULL },
        { TRUE, TRUE, "/i/a.s1", "/i/a.s1-1" },
    };
    gsize i = GPOINTER_TO_SIZE(opaque);
    g_autoptr(virDomainSnapshotInfo) info = NULL;
    g_autoptr(GError) error = NULL;
    const virDomainSnapshotDisk *disk;

    f->source->tree->has_children = cases[i].has_children;
    f->source->has_revert_disks = cases[i].has_revert_disks;
    make(f);
    info = virDomainSnapshotInfoParse(f->plan->snapshot_xml, &error);
    g_assert_no_error(error);

    g_assert_cmpstr(info->name, ==, "s1");
    disk = g_ptr_array_index(info->disks, 0);
    g_assert_cmpstr(disk->name, ==, "vda");
    g_assert_cmpstr(disk->file, ==, cases[i].disks);
    g_assert_cmpuint(info->revert_disks->len > 0, ==, cases[i].revert_disks != NULL);
    if (cases[i].revert_disks) {
        disk = g_ptr_array_index(info->revert_disks, 0);
        g_assert_cmpstr(disk->file, ==, cases[i].revert_disks);
    }
}

/* A disk that the snapshot left out and the domain no longer has would write to what it was
 * on then, which is what the snapshot of another disk needs. */
static void
testReturn(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    testDomainSnapshot(&f->test, "s2", "shutoff",
                       "<disks><disk name='vda' snapshot='no'/>"
                       "<disk name='vdb' snapshot='external' type='file'>"
                       "<driver type='qcow2'/><source file='/i/b.s2'/></disk></disks>"
                       THEN("domain"));
    testDomainDefine(&f->test, TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1")));
    qemuSnapshotSourceFree(f->source);
    {
        qemuSnapshotRequest request = testDomainRequest(&f->test, "s1", 0);

        f->source = qemuSnapshotSourceRead(f->test.conn, f->reader, &request, &error);
        g_assert_no_error(error);
    }

    g_assert_false(qemuSnapshotDefinitionMake(f->plan, f->source, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "'vdb'"));
    g_assert_nonnull(strstr(error->message, "'s2'"));
}

#define ADD(name, func, i) \
    g_test_add("/qemu_snapshot_definition/" name, fixture, GSIZE_TO_POINTER(i), setUp, \
               func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("new", testNew, 0);
    ADD("old", testOld, 0);
    ADD("overlays", testOverlays, 0);
    ADD("restore", testRestore, 0);
    ADD("snapshot/leaf", testSnapshot, 0);
    ADD("snapshot/leaf-revert-disks", testSnapshot, 1);
    ADD("snapshot/with-children", testSnapshot, 2);
    ADD("snapshot/with-children-revert-disks", testSnapshot, 3);
    ADD("return", testReturn, 0);
    return g_test_run();
}
