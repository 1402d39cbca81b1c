/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_planner.c: decides beforehand all that a revert will do
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
#include <unistd.h>

#include "libvirt-domain-snapshot.h"
#include "qemu_snapshot_apparmor.h"
#include "qemu_snapshot_check.h"
#include "qemu_snapshot_definition.h"
#include "qemu_snapshot_leave.h"
#include "qemu_snapshot_memory.h"
#include "qemu_snapshot_place.h"
#include "qemu_snapshot_planner.h"
#include "qemu_snapshot_preflight.h"
#include "qemu_snapshot_source.h"
#include "virsnaperror.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

#define FLAGS_SUPPORTED (VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_FORCE | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT | \
                         VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT)
#define FLAGS_START (VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING | \
                     VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)

static gboolean
plannerCheckFlags(unsigned int flags, GError **error)
{
    unsigned int unknown = flags & ~FLAGS_SUPPORTED;

    if (unknown)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) in the call"), unknown);
    else if ((flags & FLAGS_START) == FLAGS_START)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the flags for ending up running and for ending up paused are "
                      "mutually exclusive"));
    else
        return TRUE;

    return FALSE;
}

/* Whom an image of the chain keeps out, the overlay keeps out too: libvirt gives its own
 * overlays 0644 whatever they stand on. */
static gboolean
plannerNarrowMode(qemuSnapshotPlanDisk *disk, GError **error)
{
    mode_t mode = virSnapFileNarrowMode(disk->like.st_mode, S_IRWXU | S_IRWXG | S_IRWXO);
    struct stat st;

    for (guint i = 0; i < disk->chain->len; i++) {
        const virSnapImage *image = g_ptr_array_index(disk->chain, i);
        int fault;

        if (!virSnapStorageStat(image->file, &st, &fault, error))
            return FALSE;
        if (!fault)
            mode = virSnapFileNarrowMode(mode, st.st_mode);
    }

    disk->like.st_mode = mode;
    return TRUE;
}

/* Owner and group for the overlay: those of the image that the disk is on, or, where
 * that is gone, of the one that holds the snapshot's state. */
static gboolean
plannerStatReplaced(qemuSnapshotPlanDisk *disk, const qemuSnapshotSource *source,
                 GError **error)
{
    virDomainDisk *now = virDomainDisksFind(source->now_disks, disk->target);
    const virSnapImage *base = g_ptr_array_index(disk->chain, 0);
    int fault = ENOENT;

    if (now && now->file && !virSnapStorageStat(now->file, &disk->like, &fault, error))
        return FALSE;
    if (fault && !virSnapStorageStat(base->file, &disk->like, &fault, error))
        return FALSE;
    if (!fault)
        return plannerNarrowMode(disk, error);

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                         _("cannot look at image '%s'"), base->file);
    return FALSE;
}

/* What the definition says of the chain, as virSnapImageReadChain() takes it. */
static GPtrArray *
plannerKnownChain(const virDomainDisk *then)
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

/* Other kinds of storage than a file of its own. FALSE where it is such a kind. */
static gboolean
plannerCheckKind(const qemuSnapshotPlan *plan, const virDomainDisk *then, GError **error)
{
    if (then->encrypted)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' was encrypted in snapshot '%s'; reverting encrypted "
                      "disks is not supported yet"), then->target, plan->snapshot);
    else if (then->sliced)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' was a part of its file in snapshot '%s'; reverting such "
                      "disks is not supported yet"), then->target, plan->snapshot);
    else if (!g_str_equal(then->type, "file"))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' was of type '%s' in snapshot '%s'; reverting disks of "
                      "other types than 'file' is not supported yet"), then->target,
                    then->type, plan->snapshot);
    else if (!then->file || !g_path_is_absolute(then->file))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the definition in snapshot '%s' lacks the absolute path of the "
                      "image of disk '%s'"), plan->snapshot, then->target);
    else
        return TRUE;

    return FALSE;
}

static void
plannerSetChainError(const qemuSnapshotPlan *plan, const virDomainDisk *then,
                     const GError *cause, GError **error)
{
    int fault;

    if (virSnapStorageAccess(then->file, F_OK, &fault, NULL) && fault == ENOENT)
        g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                    _("disk '%s' can't be reverted to snapshot '%s': %s; where the image "
                      "was moved, enter its new path by 'virsh snapshot-edit'"),
                    then->target, plan->snapshot, cause->message);
    else
        g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                    _("disk '%s' can't be reverted to snapshot '%s': %s"),
                    then->target, plan->snapshot, cause->message);
}

static gboolean
plannerAddDisk(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
            const virDomainDisk *then, GError **error)
{
    g_autoptr(GPtrArray) known = plannerKnownChain(then);
    g_autoptr(GError) cause = NULL;
    qemuSnapshotPlanDisk *disk;

    if (!plannerCheckKind(plan, then, error))
        return FALSE;

    disk = g_new0(qemuSnapshotPlanDisk, 1);
    disk->target = g_strdup(then->target);
    g_ptr_array_add(plan->disks, disk);

    disk->chain = virSnapImageReadChain(virSnapStorageReadImage, then->file,
                                        then->format ? then->format : "raw",
                                        known, then->chain_ends, &cause);
    if (!disk->chain) {
        plannerSetChainError(plan, then, cause, error);
        return FALSE;
    }

    return plannerStatReplaced(disk, source, error);
}

/* A disk that was plugged into the running domain alone comes back with its memory
 * or not at all. */
static gboolean
plannerWantsDisk(const qemuSnapshotSource *source, const virDomainDisk *disk)
{
    return source->memory_doc ||
        virDomainDisksFind(source->then_disks, disk->target);
}

static gboolean
plannerAddDisks(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
             GError **error)
{
    for (guint i = 0; i < source->state_disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(source->state_disks, i);

        switch (virDomainSnapshotInfoGetLocation(source->info, disk->target, disk->file)) {
        case VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL:
            if (plannerWantsDisk(source, disk) &&
                !plannerAddDisk(plan, source, disk, error))
                return FALSE;
            break;
        case VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL:
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("disk '%s' has an internal snapshot in snapshot '%s', which "
                          "can't be reverted to on a new overlay"),
                        disk->target, plan->snapshot);
            return FALSE;
        case VIR_DOMAIN_SNAPSHOT_LOCATION_NONE:
        case VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL:
            break;
        }
    }

    if (plan->disks->len > 0 || source->memory_doc)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("no disk has an external snapshot in snapshot '%s'"),
                plan->snapshot);
    return FALSE;
}

/* Without a flag the domain ends in the state in which the snapshot found it. */
static gboolean
plannerDecideState(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
                unsigned int flags, GError **error)
{
    plan->dom = source->dom;
    virDomainRef(plan->dom);
    plan->domain = g_strdup(source->name);
    plan->active = source->active;
    plan->paused = source->paused;
    plan->transient = source->transient;
    plan->drop_save = source->managed_save;
    plan->memory_file = g_strdup(source->memory_doc ? source->info->memory_file : NULL);
    plan->reset_nvram = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM) != 0;
    plan->start_paused = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED) != 0;

    if (source->memory_doc) {
        plan->start = QEMU_SNAPSHOT_START_RESTORE;
        if (!(flags & FLAGS_START))
            plan->start_paused = g_str_equal(source->info->state, "paused");
    } else if (flags & FLAGS_START) {
        plan->start = QEMU_SNAPSHOT_START_BOOT;
    }

    /* it would cease to exist, and its snapshots with it */
    if (plan->transient && plan->start == QEMU_SNAPSHOT_START_NONE) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the transient domain '%s' would cease to exist when reverted to "
                      "snapshot '%s', in which it is off; have it running or paused "
                      "afterwards"), plan->domain, plan->snapshot);
        return FALSE;
    }

    return TRUE;
}

/* What the memory file says of the domain belongs to what the plan is made from. */
static gboolean
plannerReadMemory(qemuSnapshotSource *source, unsigned int flags, GError **error)
{
    gboolean force = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) != 0;

    if (source->info->memory != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
        return TRUE;

    source->memory_doc = qemuSnapshotMemoryRead(source, force, error);
    return source->memory_doc != NULL;
}

static gboolean
plannerDecide(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
           const virDomainSnapshotRevertDef *def, unsigned int flags,
           GError **error)
{
    gboolean keep = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT) != 0;
    gboolean force = (flags & VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) != 0;

    if (!plannerDecideState(plan, source, flags, error) ||
        !plannerAddDisks(plan, source, error) ||
        !qemuSnapshotPlace(plan, source, def, flags, error) ||
        !qemuSnapshotCheckBusy(source, error))
        return FALSE;
    if (!force && !qemuSnapshotCheckRisks(plan, source, error))
        return FALSE;
    if (!keep && !qemuSnapshotLeavePlan(plan, source, error))
        return FALSE;

    plan->guard = qemuSnapshotGuardNew(source);
    return qemuSnapshotDefinitionMake(plan, source, error) &&
        qemuSnapshotPreflight(plan, source, force, error) &&
        (force || qemuSnapshotAppArmorCheck(plan, source, error));
}

qemuSnapshotPlan *
qemuSnapshotPlannerMake(qemuSnapshotDriver *driver,
                        const qemuSnapshotRequest *request, gboolean foretell,
                        GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNewEmpty();
    g_autoptr(qemuSnapshotSource) source = NULL;
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    gboolean validate = (request->flags & VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE) != 0;
    virConnectPtr conn;

    plan->id = g_uuid_string_random();
    plan->snapshot = g_strdup(request->snapshot);

    if (!plannerCheckFlags(request->flags, error))
        return NULL;

    if (request->xml &&
        !(def = virDomainSnapshotRevertDefParse(request->xml, validate ?
                    qemuSnapshotDriverSchema(driver) : NULL, error)))
        return NULL;

    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return NULL;
    source = qemuSnapshotSourceRead(conn, qemuSnapshotDriverHolders(driver), request,
                                    error);
    virConnectClose(conn);

    if (!source || !plannerReadMemory(source, request->flags, error) ||
        !plannerDecide(plan, source, def, request->flags, error) ||
        (foretell && !qemuSnapshotLeaveForetell(plan, source, error)))
        return NULL;

    return g_steal_pointer(&plan);
}
