/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_overlay_back.c: what became of overlays, and taking them back
 *
 * A revert that fails, and one that is recovered, by another process and maybe after a
 * restart of the host, find the files in whatever state they were left. Which of them are
 * ours is told by their identities, which the plan has, and never by their names alone;
 * and before one is taken away it is looked who has come to need it.
 */

#include "config.h"

#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_overlay_back.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

typedef struct _overlayOwn overlayOwn;
struct _overlayOwn {
    const char *uuid;
};

/* The domain's own definition means the old one by the same path; whether a program has the
 * new one open is looked at apart. */
static gboolean
ignoreOwn(const qemuHolder *holder, qemuHolderPlace place G_GNUC_UNUSED,
          const void *opaque)
{
    const overlayOwn *own = opaque;

    switch (holder->kind) {
    case QEMU_HOLDER_RUNNING:
    case QEMU_HOLDER_DEFINED:
    case QEMU_HOLDER_SAVED:
        return own->uuid && g_strcmp0(holder->uuid, own->uuid) == 0;
    case QEMU_HOLDER_PROGRAM:
        return TRUE;
    case QEMU_HOLDER_SNAPSHOT:
    case QEMU_HOLDER_IMAGE:
        return FALSE;
    }

    return FALSE;
}

static void
setNeeded(const qemuSnapshotPlanDisk *disk, const qemuHolder *holder, const char *uuid,
          const char *who, GError **error)
{
    if (holder->kind == QEMU_HOLDER_SNAPSHOT && g_strcmp0(holder->uuid, uuid) == 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': snapshot '%s' needs the overlay that took its place"),
                    disk->overlay, disk->target, disk->kept, holder->snapshot);
    else if (holder->domain)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': domain '%s' needs the overlay that took its place"),
                    disk->overlay, disk->target, disk->kept, holder->domain);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': the overlay that took its place is needed by %s"),
                    disk->overlay, disk->target, disk->kept, who);
}

/* Who needs what is there now. */
static gboolean
checkNobodyNeedsNew(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                    const qemuSnapshotPlanDisk *disk, virConnectPtr conn, GError **error)
{
    const char *const asked[] = { disk->overlay, NULL };
    g_autoptr(qemuHolders) holders =
        qemuHoldersRead(qemuSnapshotDriverHolders(driver), conn, asked, error);
    char uuid[VIR_UUID_STRING_BUFLEN];
    overlayOwn own = { NULL };
    qemuHoldersQuestion question = {
        .path = disk->overlay, .purpose = QEMU_HOLDERS_JUST_LEFT, .ignore = ignoreOwn,
        .opaque = &own,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;

    if (!holders)
        return FALSE;
    if (plan->dom && virDomainGetUUIDString(plan->dom, uuid) == 0)
        question.uuid = own.uuid = uuid;

    switch (qemuHoldersAsk(holders, &question, &who, &holder)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        setNeeded(disk, holder, own.uuid, who, error);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': the overlay that took its place may be needed, since %s"),
                    disk->overlay, disk->target, disk->kept, who);
        return FALSE;
    }

    return FALSE;
}

/* By its path someone may have started the domain on the new one. */
static gboolean
checkNobodyUsedNew(const qemuSnapshotPlanDisk *disk, gboolean begun, GError **error)
{
    gboolean in_use = FALSE;
    gboolean blank = TRUE;

    if (!virSnapStorageIsInUse(disk->overlay, &in_use, error) ||
        (!in_use && !begun && !virSnapStorageIsBlank(disk->overlay, &blank, error)))
        return FALSE;

    if (in_use)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': a program has the overlay open that took its place"),
                    disk->overlay, disk->target, disk->kept);
    else if (!blank)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' can't be put back and is kept as "
                      "'%s': something was written to the overlay that took its place"),
                    disk->overlay, disk->target, disk->kept);
    return !in_use && blank;
}

static gboolean
overlaySwitchBack(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                  const qemuSnapshotPlanDisk *disk, virConnectPtr conn, gboolean begun,
                  virSnapStorageHold *hold, GError **error)
{
    int fault;

    if (!virSnapFault("overlay-switch-back", error) ||
        !checkNobodyUsedNew(disk, begun, error) ||
        !checkNobodyNeedsNew(driver, plan, disk, conn, error) ||
        !virSnapStorageRename(hold, disk->kept, disk->overlay, &fault, error))
        return FALSE;
    if (fault == 0)
        return virSnapFault("overlay-switched-back", error);

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                         _("the overlay '%s' of disk '%s' can't be put back and is "
                           "kept as '%s'"), disk->overlay, disk->target, disk->kept);
    return FALSE;
}

gboolean
qemuSnapshotOverlaysSwitchBack(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                               virConnectPtr conn, gboolean begun,
                               virSnapStorageHold *hold, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean switched, kept;

        if (!disk->in_place)
            continue;
        if (!virSnapStorageIs(disk->overlay, &disk->id, &switched, error) ||
            !virSnapStorageIs(disk->kept, &disk->old_id, &kept, error) ||
            (switched && kept &&
             !overlaySwitchBack(driver, plan, disk, conn, begun, hold, error)))
            return FALSE;
        /* also after one that was broken off before it was durable */
        if (!virSnapStorageSyncFolder(hold, disk->overlay, error))
            return FALSE;
    }

    return TRUE;
}

/* What is known to be ours, by more than its name. */
static gboolean
overlayIsLeft(const qemuSnapshotPlanDisk *disk, gboolean *ret_left, GError **error)
{
    gboolean exists = FALSE;

    *ret_left = FALSE;
    if (!disk->reused && !virSnapStorageExists(disk->file, &exists, error))
        return FALSE;

    return !exists || virSnapStorageIs(disk->file, &disk->id, ret_left, error);
}

/* Whether it may be removed: what somebody needs is kept, and so is, until it can be told,
 * what somebody may need. holders are NULL where nobody can know of it yet. */
static gboolean
overlayIsFree(const qemuSnapshotPlanDisk *disk, const qemuHolders *holders,
              gboolean *ret_free, gboolean *ret_postpone)
{
    overlayOwn nobody = { NULL };
    qemuHoldersQuestion question = {
        .path = disk->file, .purpose = QEMU_HOLDERS_JUST_LEFT, .ignore = ignoreOwn,
        .opaque = &nobody,
    };
    g_autofree char *who = NULL;

    *ret_free = *ret_postpone = FALSE;
    switch (holders ? qemuHoldersAsk(holders, &question, &who, NULL) :
            QEMU_HOLDERS_NOBODY) {
    case QEMU_HOLDERS_NOBODY:
        *ret_free = TRUE;
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        g_warning(_("overlay '%s' is kept: it is needed by %s"), disk->file, who);
        return TRUE;
    case QEMU_HOLDERS_UNKNOWN:
        g_warning(_("overlay '%s' is kept: %s; it is looked at again by the next revert or "
                    "deletion"), disk->file, who);
        *ret_postpone = TRUE;
        return TRUE;
    }

    return FALSE;
}

static gboolean
overlayUnlink(const qemuSnapshotPlanDisk *disk, virSnapStorageHold *hold, GError **error)
{
    gboolean in_use = FALSE;
    int fault;

    if (!virSnapFault("overlay-unlink", error) ||
        !virSnapStorageIsInUse(disk->file, &in_use, error))
        return FALSE;
    if (in_use) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("overlay '%s' can't be removed: a program has it open"),
                    disk->file);
        return FALSE;
    }
    if (!virSnapStorageUnlink(hold, disk->file, &fault, error))
        return FALSE;
    if (fault) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                             _("overlay '%s' can't be removed"), disk->file);
        return FALSE;
    }

    return TRUE;
}

/* In place: the second name of the old one, which has its first again. */
static gboolean
overlayRemoveKept(const qemuSnapshotPlanDisk *disk, virSnapStorageHold *hold,
                  GError **error)
{
    gboolean kept, back;
    int fault = 0;

    if (!disk->in_place)
        return TRUE;
    if (!virSnapStorageIs(disk->kept, &disk->old_id, &kept, error) ||
        !virSnapStorageIs(disk->overlay, &disk->old_id, &back, error) ||
        (kept && back && !virSnapStorageUnlink(hold, disk->kept, &fault, error)))
        return FALSE;
    if (fault == 0)
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                         _("'%s' can't be removed"), disk->kept);
    return FALSE;
}

static gboolean
overlayRemove(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
              const qemuSnapshotPlanDisk *disk, const qemuHolders *holders,
              virSnapStorageHold *hold, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    gboolean is_free, postpone;

    if (!overlayIsFree(disk, holders, &is_free, &postpone))
        return FALSE;
    /* of a domain that is gone there is no next revert */
    if (postpone && plan->dom && virDomainGetUUIDString(plan->dom, uuid) == 0)
        return qemuSnapshotDiscardPostpone(driver, uuid, disk->file, &disk->id, error);
    return !is_free || overlayUnlink(disk, hold, error);
}

static qemuHolders *
readHolders(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan, virConnectPtr conn,
            GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new();

    for (guint i = 0; i < plan->disks->len; i++)
        g_ptr_array_add(files,
                        ((qemuSnapshotPlanDisk *)g_ptr_array_index(plan->disks, i))->file);
    g_ptr_array_add(files, NULL);

    return qemuHoldersRead(qemuSnapshotDriverHolders(driver), conn,
                           (const char *const *)files->pdata, error);
}

gboolean
qemuSnapshotOverlaysRemove(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                           virConnectPtr conn, virSnapStorageHold *hold,
                           GError **error)
{
    g_autoptr(qemuHolders) holders = NULL;

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean left = FALSE;

        if (!overlayIsLeft(disk, &left, error))
            return FALSE;
        if (left && conn && !holders &&
            !(holders = readHolders(driver, plan, conn, error)))
            return FALSE;
        if ((left && !overlayRemove(driver, plan, disk, holders, hold, error)) ||
            !overlayRemoveKept(disk, hold, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotOverlaysCheck(const qemuSnapshotPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean there = disk->reused;

        if (!there && !virSnapStorageIs(disk->overlay, &disk->id, &there, error))
            return FALSE;
        if (there)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("overlay '%s' of disk '%s', which was made for domain '%s', is "
                      "gone"), disk->overlay, disk->target, plan->domain);
        return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotOverlaysAreBlank(const qemuSnapshotPlan *plan, gboolean *ret_blank,
                             GError **error)
{
    *ret_blank = TRUE;
    for (guint i = 0; *ret_blank && i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (disk->reused && plan->start != QEMU_SNAPSHOT_START_RESTORE)
            continue;
        if (!virSnapStorageIsBlank(disk->overlay, ret_blank, error))
            return FALSE;
    }

    return TRUE;
}
