/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_plan.c: all that a revert will do, decided beforehand
 *
 * Whatever can be refused is refused here, where nothing has been touched. The
 * rules for disks:
 *
 *   external in the snapshot      a new overlay over its image at that time
 *   snapshot='no' or 'manual'     not reverted: stays on its present image
 *   readonly, cdrom, floppy       as the snapshot's definition has it
 *   internal in the snapshot      refused
 */

#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "libvirt-domain-snapshot.h"
#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_place.h"
#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"
#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapqcow2.h"

#define FLAGS_SUPPORTED (VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_FORCE | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT)
#define FLAGS_LATER (VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM | \
                     VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT)
#define FLAGS_START (VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING | \
                     VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)

static void
planDiskFree(void *data)
{
    qemuSnapshotPlanDisk *disk = data;

    g_free(disk->target);
    g_clear_pointer(&disk->chain, g_ptr_array_unref);
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
    g_ptr_array_unref(plan->disks);
    g_ptr_array_unref(plan->discards);
    g_free(plan->old_xml);
    g_free(plan->new_xml);
    g_free(plan->snapshot_xml);
    g_free(plan);
}

static gboolean
planCheckFlags(unsigned int flags, GError **error)
{
    unsigned int unknown = flags & ~(FLAGS_SUPPORTED | FLAGS_LATER);

    if (unknown)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) in the call"), unknown);
    else if ((flags & FLAGS_START) == FLAGS_START)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the flags to end running and to end paused are mutually "
                      "exclusive"));
    else if (flags & VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("resetting NVRAM in a revert is not supported yet"));
    else if (flags & VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("reusing overlays that exist is not supported yet"));
    else
        return TRUE;

    return FALSE;
}

/* Whether the file is one of those that hold the snapshot's state of the disk. */
static gboolean
planHoldsState(const qemuSnapshotPlanDisk *disk, const char *file)
{
    g_autofree char *key = virSnapFileKey(file);

    for (guint i = 0; i < disk->chain->len; i++) {
        const virSnapImage *image = g_ptr_array_index(disk->chain, i);
        g_autofree char *other = virSnapFileKey(image->file);

        if (g_str_equal(key, other))
            return TRUE;
    }

    return FALSE;
}

static gboolean
planCheckDirect(const qemuSnapshotPlan *plan, GPtrArray *definition,
                GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        virDomainDisk *at = virDomainDisksFind(definition, disk->target);

        if (!at || !at->file || !planHoldsState(disk, at->file))
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("disk '%s' of domain '%s' is directly on '%s', which holds "
                      "the state of snapshot '%s' and may have been changed"),
                    disk->target, plan->domain, at->file, plan->snapshot);
        return FALSE;
    }

    return TRUE;
}

/* What the caller must know to want. */
static gboolean
planCheckRisks(const qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
               GError **error)
{
    if (source->managed_save) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("domain '%s' has a managed save, which would be lost"),
                    plan->domain);
        return FALSE;
    }

    return planCheckDirect(plan, source->now_disks, error) &&
        planCheckDirect(plan, source->next_disks, error);
}

/* Owner, group and mode for the overlay: those of the image that the disk is on,
 * or, where that is gone, of the one that holds the snapshot's state. */
static gboolean
planStatReplaced(qemuSnapshotPlanDisk *disk, const qemuSnapshotSource *source,
                 GError **error)
{
    virDomainDisk *now = virDomainDisksFind(source->now_disks, disk->target);
    const virSnapImage *base = g_ptr_array_index(disk->chain, 0);

    if (now && now->file && stat(now->file, &disk->like) == 0)
        return TRUE;
    if (stat(base->file, &disk->like) == 0)
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("cannot stat image '%s'"), base->file);
    return FALSE;
}

/* What the definition says of the chain, as virSnapImageReadChain() takes it. */
static GPtrArray *
planKnownChain(const virDomainDisk *then)
{
    GPtrArray *known =
        g_ptr_array_new_with_free_func((GDestroyNotify)virSnapImageFree);

    for (guint i = 0; i < then->chain->len; i++) {
        virDomainImage *from = g_ptr_array_index(then->chain, i);
        virSnapImage *image = g_new0(virSnapImage, 1);

        image->file = g_strdup(from->file);
        image->format = g_strdup(from->format);
        g_ptr_array_add(known, image);
    }

    return known;
}

static gboolean
planAddDisk(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
            const virDomainDisk *then, GError **error)
{
    g_autoptr(GPtrArray) known = planKnownChain(then);
    g_autoptr(GError) cause = NULL;
    qemuSnapshotPlanDisk *disk;

    if (!then->file || !g_path_is_absolute(then->file) || then->data_file ||
        then->encrypted || then->sliced) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' was not on a plain, unencrypted file in snapshot "
                      "'%s'; reverting it is not supported yet"),
                    then->target, plan->snapshot);
        return FALSE;
    }

    disk = g_new0(qemuSnapshotPlanDisk, 1);
    disk->target = g_strdup(then->target);
    g_ptr_array_add(plan->disks, disk);

    disk->chain = virSnapImageReadChain(then->file,
                                        then->format ? then->format : "raw",
                                        known, then->chain_ends, &cause);
    if (!disk->chain) {
        g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                    _("disk '%s' can't be reverted to snapshot '%s': %s"),
                    then->target, plan->snapshot, cause->message);
        return FALSE;
    }

    return planStatReplaced(disk, source, error);
}

static gboolean
planAddDisks(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
             GError **error)
{
    for (guint i = 0; i < source->then_disks->len; i++) {
        virDomainDisk *then = g_ptr_array_index(source->then_disks, i);

        switch (qemuSnapshotSourceLocation(source, then)) {
        case VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL:
            if (!planAddDisk(plan, source, then, error))
                return FALSE;
            break;
        case VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL:
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("disk '%s' has an internal snapshot in snapshot '%s', "
                          "which can't be reverted to new overlays"),
                        then->target, plan->snapshot);
            return FALSE;
        case VIR_DOMAIN_SNAPSHOT_LOCATION_NONE:
        case VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL:
            break;
        }
    }

    if (plan->disks->len > 0)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("no disk has an external snapshot in snapshot '%s'"),
                plan->snapshot);
    return FALSE;
}

/* A disk that the snapshot left out stays on its present image, with its
 * present settings; media that can't have changed are the snapshot's. */
static gboolean
keepsPresent(const qemuSnapshotSource *source, const virDomainDisk *then)
{
    if (then->readonly || !(g_str_equal(then->device, "disk") ||
                            g_str_equal(then->device, "lun")))
        return FALSE;

    return qemuSnapshotSourceLocation(source, then) !=
        VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL;
}

/* target -> file: the overlays that reverts made and the new definition is on. */
static GHashTable *
planRecordOverlays(const qemuSnapshotPlan *plan, const qemuSnapshotSource *source)
{
    g_autoptr(GHashTable) before = virDomainDefGetOverlays(source->next_doc);
    GHashTable *overlays = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                 g_free, g_free);

    for (guint i = 0; i < source->then_disks->len; i++) {
        virDomainDisk *then = g_ptr_array_index(source->then_disks, i);
        const char *file = g_hash_table_lookup(before, then->target);

        if (file && keepsPresent(source, then))
            g_hash_table_insert(overlays, g_strdup(then->target), g_strdup(file));
    }

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        g_hash_table_insert(overlays, g_strdup(disk->target),
                            g_strdup(disk->overlay));
    }

    return overlays;
}

static void
planMakeDefinition(qemuSnapshotPlan *plan, qemuSnapshotSource *source)
{
    g_autoptr(GHashTable) overlays = planRecordOverlays(plan, source);

    for (guint i = 0; i < source->then_disks->len; i++) {
        virDomainDisk *then = g_ptr_array_index(source->then_disks, i);

        if (keepsPresent(source, then))
            virDomainDefCopyDisk(source->then_doc, source->next_doc, then->target);
    }

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        virDomainDefSetDiskFile(source->then_doc, disk->target, disk->overlay);
    }

    virDomainDefSetName(source->then_doc, plan->domain);
    virDomainDefRenewGenID(source->then_doc);
    virDomainDefSetOverlays(source->then_doc, overlays);
    plan->new_xml = virSnapXMLFormat(source->then_doc, NULL);
    plan->old_xml = g_strdup(source->next_xml);
}

/* A target without children names the live overlays from now on, so that
 * libvirt's own deletion of it finds them. */
static void
planMakeSnapshot(qemuSnapshotPlan *plan, const qemuSnapshotSource *source)
{
    g_autoptr(GHashTable) overlays = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        g_hash_table_insert(overlays, disk->target, disk->overlay);
    }

    plan->snapshot_xml =
        virDomainSnapshotInfoFormat(source->info,
                                    source->tree->has_children ? NULL : overlays);
}

static gboolean
planDecide(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
           const virDomainSnapshotRevertDef *def, unsigned int flags,
           GError **error)
{
    gboolean keep = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT) != 0;
    gboolean force = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) != 0;

    plan->active = source->active;
    plan->paused = source->paused;
    plan->start = (flags & FLAGS_START) != 0;
    plan->start_paused = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED) != 0;
    plan->drop_save = source->managed_save;
    plan->dom = source->dom;
    virDomainRef(plan->dom);

    if (!planAddDisks(plan, source, error) ||
        !qemuSnapshotPlace(plan, source, def, keep, error))
        return FALSE;
    if (!force && !planCheckRisks(plan, source, error))
        return FALSE;
    if (!keep)
        qemuSnapshotDiscardPlan(plan, source);

    planMakeDefinition(plan, source);
    planMakeSnapshot(plan, source);
    return TRUE;
}

qemuSnapshotPlan *
qemuSnapshotPlanNew(qemuSnapshotDriver *driver,
                    const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = g_new0(qemuSnapshotPlan, 1);
    g_autoptr(qemuSnapshotSource) source = NULL;
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    gboolean validate = (request->flags & VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE) != 0;
    virConnectPtr conn;

    plan->domain = request->domain;
    plan->snapshot = request->snapshot;
    plan->disks = g_ptr_array_new_with_free_func(planDiskFree);
    plan->discards = g_ptr_array_new();

    if (!planCheckFlags(request->flags, error))
        return NULL;

    if (request->xml &&
        !(def = virDomainSnapshotRevertDefParse(request->xml, validate ?
                    qemuSnapshotDriverSchema(driver) : NULL, error)))
        return NULL;

    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return NULL;
    source = qemuSnapshotSourceRead(conn, request, error);
    virConnectClose(conn);

    if (!source || !planDecide(plan, source, def, request->flags, error))
        return NULL;

    return g_steal_pointer(&plan);
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
        virDomainSnapshotRevertDiscard *discard =
            g_ptr_array_index(plan->discards, i);

        virDomainSnapshotRevertDefAddDiscard(def, discard->disk, discard->file);
    }

    return virDomainSnapshotRevertDefFormat(def);
}
