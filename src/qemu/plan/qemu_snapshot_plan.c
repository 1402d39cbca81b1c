/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_plan.c: all that a revert will do, as a value
 */

#include "config.h"

#include "qemu_snapshot_plan.h"
#include "virsnapqcow2.h"

static void
planDiskFree(void *data)
{
    qemuSnapshotPlanDisk *disk = data;

    g_free(disk->target);
    if (disk->chain)
        g_ptr_array_unref(disk->chain);
    g_free(disk->overlay);
    g_free(disk->file);
    g_free(disk->kept);
    g_free(disk);
}

void
qemuSnapshotPlanFree(qemuSnapshotPlan *plan)
{
    if (!plan)
        return;

    if (plan->dom)
        virDomainFree(plan->dom);
    qemuSnapshotGuardFree(plan->guard);
    g_free(plan->id);
    g_free(plan->snapshot);
    g_free(plan->domain);
    g_free(plan->memory_file);
    g_free(plan->restore_xml);
    g_ptr_array_unref(plan->disks);
    g_ptr_array_unref(plan->discards);
    g_ptr_array_unref(plan->warnings);
    g_free(plan->old_xml);
    g_free(plan->new_xml);
    g_free(plan->snapshot_xml);
    g_free(plan);
}

static void
planDiscardFree(void *data)
{
    qemuSnapshotPlanDiscard *discard = data;

    g_free(discard->disk);
    g_free(discard->file);
    g_free(discard);
}

qemuSnapshotPlan *
qemuSnapshotPlanNewEmpty(void)
{
    qemuSnapshotPlan *plan = g_new0(qemuSnapshotPlan, 1);

    plan->disks = g_ptr_array_new_with_free_func(planDiskFree);
    plan->discards = g_ptr_array_new_with_free_func(planDiscardFree);
    plan->warnings = g_ptr_array_new_with_free_func(g_free);
    return plan;
}

qemuSnapshotPlanDisk *
qemuSnapshotPlanFindDisk(const qemuSnapshotPlan *plan, const char *target)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (g_str_equal(disk->target, target))
            return disk;
    }

    return NULL;
}

const char *
qemuSnapshotPlanStartXML(const qemuSnapshotPlan *plan)
{
    return plan->start == QEMU_SNAPSHOT_START_RESTORE ? plan->restore_xml :
        plan->new_xml;
}

char *
qemuSnapshotPlanFormat(const qemuSnapshotPlan *plan)
{
    g_autoptr(virDomainSnapshotRevertDef) def = virDomainSnapshotRevertDefNew();

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        const virSnapImage *base = g_ptr_array_index(disk->chain, 0);

        virDomainSnapshotRevertDefAddDisk(def, disk->target, disk->overlay,
                                          base->file, base->format);
    }

    for (guint i = 0; i < plan->discards->len; i++) {
        qemuSnapshotPlanDiscard *discard =
            g_ptr_array_index(plan->discards, i);

        virDomainSnapshotRevertDefAddDiscard(def, discard->disk, discard->file);
    }

    for (guint i = 0; i < plan->warnings->len; i++)
        virDomainSnapshotRevertDefAddWarning(def, g_ptr_array_index(plan->warnings, i));

    return virDomainSnapshotRevertDefFormat(def);
}
