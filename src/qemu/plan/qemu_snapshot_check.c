/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_check.c: is this the time, and the host, for a revert?
 *
 * What would fail, or be regretted, when the domain has been stopped already is
 * looked for beforehand.
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_check.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_memory.h"
#include "qemu_snapshot_witness.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

gboolean
qemuSnapshotCheckBusy(const qemuSnapshotSource *source, GError **error)
{
    virDomainJobInfo job;
    virDomainBlockJobInfo block;

    if (!source->active)
        return TRUE;

    if (virDomainGetJobInfo(source->dom, &job) == 0 &&
        (job.type == VIR_DOMAIN_JOB_BOUNDED || job.type == VIR_DOMAIN_JOB_UNBOUNDED)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("domain '%s' is being saved, migrated or backed up; wait for "
                      "the end of that job or abort it"), source->name);
        return FALSE;
    }

    for (guint i = 0; i < source->now_disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(source->now_disks, i);

        if ((!disk->file && !disk->dev) ||
            virDomainGetBlockJobInfo(source->dom, disk->target, &block, 0) != 1)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_BLOCK_COPY_ACTIVE,
                    _("disk '%s' of domain '%s' has an active block job; wait for its "
                      "end or abort it"), disk->target, source->name);
        return FALSE;
    }

    return TRUE;
}

/* Whether the file is one of those that hold the snapshot's state of the disk. */
static gboolean
holdsState(const qemuSnapshotPlanDisk *disk, const char *file, gboolean *ret_holds,
           GError **error)
{
    g_autofree char *key = virSnapStorageKey(file, error);

    *ret_holds = FALSE;
    for (guint i = 0; key && i < disk->chain->len && !*ret_holds; i++) {
        const virSnapImage *image = g_ptr_array_index(disk->chain, i);

        *ret_holds = g_str_equal(key, image->key);
    }

    return key != NULL;
}

static gboolean
checkDirect(const qemuSnapshotPlan *plan, GPtrArray *definition, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        virDomainDisk *at = virDomainDisksFind(definition, disk->target);
        gboolean holds = FALSE;

        if (at && at->file && !holdsState(disk, at->file, &holds, error))
            return FALSE;
        if (!holds)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("disk '%s' of domain '%s' is directly on '%s', which holds the "
                      "state of snapshot '%s'; that state has probably been changed"),
                    disk->target, plan->domain, at->file, plan->snapshot);
        return FALSE;
    }

    return TRUE;
}

/* The memory knows what an overlay had in it when it was taken: nothing. */
static gboolean
checkReused(const qemuSnapshotPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean blank = TRUE;

        if (!disk->reused)
            continue;
        if (!virSnapStorageIsBlank(disk->overlay, &blank, error))
            return FALSE;
        if (blank)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("overlay '%s' of disk '%s' has data in it; the disk would not be "
                      "as the guest's memory, restored from '%s', remembers it"), disk->overlay,
                    disk->target, plan->memory_file);
        return FALSE;
    }

    return TRUE;
}

/* A longer one may have come about while the domain was running. */
static gboolean
checkChains(const qemuSnapshotPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (disk->chain->len < QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAIN)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("disk '%s' of domain '%s' would be on a chain of %u images; this "
                      "libvirt can't start a domain on more than %d"), disk->target,
                    plan->domain, disk->chain->len + 1, QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAIN);
        return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotCheckRisks(const qemuSnapshotPlan *plan,
                       const qemuSnapshotSource *source, GError **error)
{
    if (source->managed_save) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("domain '%s' has a managed save, which would be lost"),
                    plan->domain);
        return FALSE;
    }

    if (!qemuSnapshotWitnessCheck(source->info, VIR_ERR_SNAPSHOT_REVERT_RISKY, error))
        return FALSE;

    if (plan->start == QEMU_SNAPSHOT_START_RESTORE &&
        (!qemuSnapshotMemoryCheckDisks(source, error) || !checkReused(plan, error)))
        return FALSE;

    if (plan->start != QEMU_SNAPSHOT_START_NONE && source->has_short_chains &&
        !checkChains(plan, error))
        return FALSE;

    return checkDirect(plan, source->now_disks, error) &&
        checkDirect(plan, source->next_disks, error);
}

/* Other errors than these may be the converter's own: it does not know all that a
 * start does. */
static gboolean
isConfigError(const virError *error)
{
    return error && (error->code == VIR_ERR_CONFIG_UNSUPPORTED ||
                     error->code == VIR_ERR_XML_ERROR ||
                     error->code == VIR_ERR_XML_DETAIL);
}

static gboolean
checkXML(const qemuSnapshotPlan *plan, const char *xml, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(plan->dom);
    char *argv = virConnectDomainXMLToNative(conn, "qemu-argv", xml, 0);

    if (argv || !isConfigError(virGetLastError())) {
        free(argv);
        return TRUE;
    }

    if (plan->start == QEMU_SNAPSHOT_START_NONE)
        virSnapErrorSetLibvirt(error, _("domain '%s' can't be defined on this host as "
                                        "it was in snapshot '%s'"), plan->domain,
                               plan->snapshot);
    else
        virSnapErrorSetLibvirt(error, _("domain '%s' can't be started on this host as "
                                        "it was in snapshot '%s'"), plan->domain,
                               plan->snapshot);
    return FALSE;
}

/* Whatever a domain is started with, it is defined first. Of one that need not be stopped
 * for that the definition itself tells early enough. */
gboolean
qemuSnapshotCheckConfig(const qemuSnapshotPlan *plan, GError **error)
{
    if ((plan->active || plan->start == QEMU_SNAPSHOT_START_BOOT) &&
        !checkXML(plan, plan->new_xml, error))
        return FALSE;

    return plan->start != QEMU_SNAPSHOT_START_RESTORE ||
        checkXML(plan, plan->restore_xml, error);
}
