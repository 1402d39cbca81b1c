/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_plan.c: all that a revert will do, as a value
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_plan.h"
#include "virsnapqcow2.h"

static void
addDisk(qemuSnapshotPlan *plan, const char *target, const char *overlay,
        const char *base, const char *format)
{
    qemuSnapshotPlanDisk *disk = g_new0(qemuSnapshotPlanDisk, 1);
    virSnapImage *image = g_new0(virSnapImage, 1);

    image->file = g_strdup(base);
    image->format = g_strdup(format);
    disk->target = g_strdup(target);
    disk->overlay = g_strdup(overlay);
    disk->file = g_strdup_printf("%s.made-beside", overlay);
    disk->chain = g_ptr_array_new_with_free_func((GDestroyNotify)virSnapImageFree);
    g_ptr_array_add(disk->chain, image);
    g_ptr_array_add(plan->disks, disk);
}

static qemuSnapshotPlan *
newPlan(void)
{
    qemuSnapshotPlan *plan = qemuSnapshotPlanNewEmpty();
    qemuSnapshotPlanDiscard *discard = g_new0(qemuSnapshotPlanDiscard, 1);

    addDisk(plan, "vda", "/i/a&.s1-1", "/i/a&.qcow2", "qcow2");
    addDisk(plan, "vdb", "/i/b.s1-1", "/i/b.raw", "raw");
    discard->disk = g_strdup("vda");
    discard->file = g_strdup("/i/a&.s1");
    g_ptr_array_add(plan->discards, discard);
    return plan;
}

static void
testFindDisk(void)
{
    g_autoptr(qemuSnapshotPlan) plan = newPlan();
    g_autoptr(qemuSnapshotPlan) empty = qemuSnapshotPlanNewEmpty();

    g_assert_cmpstr(qemuSnapshotPlanFindDisk(plan, "vdb")->overlay, ==, "/i/b.s1-1");
    g_assert_null(qemuSnapshotPlanFindDisk(plan, "vd"));
    g_assert_null(qemuSnapshotPlanFindDisk(empty, "vda"));
}

static void
testStartXML(void)
{
    g_autoptr(qemuSnapshotPlan) plan = newPlan();

    plan->new_xml = g_strdup("new");
    plan->restore_xml = g_strdup("restore");
    plan->start = QEMU_SNAPSHOT_START_BOOT;
    g_assert_cmpstr(qemuSnapshotPlanStartXML(plan), ==, "new");
    plan->start = QEMU_SNAPSHOT_START_RESTORE;
    g_assert_cmpstr(qemuSnapshotPlanStartXML(plan), ==, "restore");
}

/* What GetRevertXMLDesc returns can be given to the revert, and asks for the same. */
static void
testFormat(void)
{
    g_autoptr(qemuSnapshotPlan) plan = newPlan();
    g_autofree char *xml = qemuSnapshotPlanFormat(plan);
    g_autoptr(GError) error = NULL;
    g_autoptr(virDomainSnapshotRevertDef) def =
        virDomainSnapshotRevertDefParse(xml, NULL, &error);
    virDomainSnapshotRevertDisk *disk;

    g_assert_no_error(error);
    g_assert_cmpuint(def->disks->len, ==, 2);
    disk = g_ptr_array_index(def->disks, 0);
    g_assert_cmpstr(disk->name, ==, "vda");
    g_assert_cmpstr(disk->file, ==, "/i/a&.s1-1");
    disk = g_ptr_array_index(def->disks, 1);
    g_assert_cmpstr(disk->file, ==, "/i/b.s1-1");

    g_assert_nonnull(strstr(xml, "/i/a&amp;.qcow2"));
    g_assert_nonnull(strstr(xml, "<format type='raw'/>") ?
                     strstr(xml, "<format type='raw'/>") :
                     strstr(xml, "<format type=\"raw\"/>"));
    g_assert_nonnull(strstr(strstr(xml, "<discard"), "/i/a&amp;.s1"));
    g_assert_null(strstr(xml, "made-beside"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_plan/find-disk", testFindDisk);
    g_test_add_func("/qemu_snapshot_plan/start-xml", testStartXML);
    g_test_add_func("/qemu_snapshot_plan/format", testFormat);
    return g_test_run();
}
