/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_overlay.c: the overlays of a plan, as files
 *
 * The files are made here, with exclusive creation and the rights of the images
 * that they replace, and filled by qemu-storage-daemon. An overlay that is to
 * replace one in place is made beside it; the old one gets a second name at the
 * same time, so that a file system which can't do that is found out before
 * anything is stopped, and the switch is a rename() that can be taken back.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_overlay.h"
#include "qemu_storage_daemon.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapfile.h"
#include "virsnaplock.h"
#include "virsnapqcow2.h"

struct _qemuSnapshotOverlays {
    const qemuSnapshotDriver *driver;
    qemuStorageSpare *spare;        /* where one is wanted, but not taken yet */
    qemuStorageDaemon *daemon;

    qemuSnapshotPlan *plan;         /* NULL until there is one */
    qemuStorageOverlay *overlays;   /* one for each disk of the plan */
    gboolean *named;                /* the file has its name */
};

static qemuSnapshotPlanDisk *
planDisk(const qemuSnapshotOverlays *overlays, guint i)
{
    return g_ptr_array_index(overlays->plan->disks, i);
}

qemuSnapshotOverlays *
qemuSnapshotOverlaysNew(const qemuSnapshotDriver *driver)
{
    qemuSnapshotOverlays *overlays = g_new0(qemuSnapshotOverlays, 1);

    overlays->driver = driver;
    return overlays;
}

static void
overlaysSetPlan(qemuSnapshotOverlays *overlays, qemuSnapshotPlan *plan)
{
    overlays->plan = plan;
    overlays->overlays = g_new0(qemuStorageOverlay, plan->disks->len);
    overlays->named = g_new0(gboolean, plan->disks->len);
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = planDisk(overlays, i);

        overlays->overlays[i].disk = disk->target;
        overlays->overlays[i].file = disk->file;
        overlays->overlays[i].chain = disk->chain;
        overlays->overlays[i].exists = disk->reused;
        overlays->overlays[i].fd = -1;
    }
}

void
qemuSnapshotOverlaysFree(qemuSnapshotOverlays *overlays)
{
    if (!overlays)
        return;

    if (overlays->spare)
        qemuStorageSpareDrop(overlays->spare);
    qemuStorageDaemonStop(overlays->daemon);
    for (guint i = 0; overlays->plan && i < overlays->plan->disks->len; i++) {
        if (overlays->overlays[i].fd >= 0)
            close(overlays->overlays[i].fd);
    }
    g_free(overlays->overlays);
    g_free(overlays->named);
    g_free(overlays);
}

/* A file system that has no unnamed files gives it its name before the journal is
 * written. A crash between the two leaves an empty file. */
static int
overlayOpen(qemuSnapshotPlanDisk *disk, gboolean *ret_named, GError **error)
{
    struct stat st;

    *ret_named = TRUE;
    return disk->reused ? virSnapFileOpenImage(disk->file, &st, error) :
        virSnapFileCreate(disk->file, &disk->like, ret_named, error);
}

static gboolean
overlayReserve(qemuSnapshotOverlays *overlays, guint i, GError **error)
{
    qemuSnapshotPlanDisk *disk = planDisk(overlays, i);
    int fd = overlayOpen(disk, &overlays->named[i], error);

    if (fd < 0) {
        g_prefix_error(error, _("disk '%s': "), disk->target);
        return FALSE;
    }

    overlays->overlays[i].fd = fd;
    if (virSnapFileGetDescriptorID(fd, &disk->id) &&
        (!disk->in_place || virSnapFileGetID(disk->overlay, &disk->old_id)))
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("cannot look at the overlay of disk '%s'"), disk->target);
    return FALSE;
}

gboolean
qemuSnapshotOverlaysReserve(qemuSnapshotOverlays *overlays, qemuSnapshotPlan *plan,
                            GError **error)
{
    overlaysSetPlan(overlays, plan);
    for (guint i = 0; i < plan->disks->len; i++) {
        if (!virSnapFault("overlay-open", error) ||
            !overlayReserve(overlays, i, error))
            return FALSE;
    }

    return TRUE;
}

static gboolean
overlaysName(qemuSnapshotOverlays *overlays, GError **error)
{
    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = planDisk(overlays, i);

        if (!virSnapFault("overlay-link", error))
            return FALSE;
        if (!overlays->named[i] &&
            !virSnapFileLink(overlays->overlays[i].fd, disk->file, error)) {
            g_prefix_error(error, _("disk '%s': "), disk->target);
            return FALSE;
        }
        if (disk->in_place && link(disk->overlay, disk->kept) < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("the current overlay of disk '%s' can't be "
                                   "set aside as '%s'"), disk->target, disk->kept);
            return FALSE;
        }
    }

    return virSnapFault("overlay-linked", error);
}

void
qemuSnapshotOverlaysPrepare(qemuSnapshotOverlays *overlays)
{
    overlays->spare = qemuSnapshotDriverStorageSpare(overlays->driver);
    qemuStorageSpareWant(overlays->spare);
}

gboolean
qemuSnapshotOverlaysBegin(qemuSnapshotOverlays *overlays, GError **error)
{
    overlays->daemon = qemuStorageSpareTake(g_steal_pointer(&overlays->spare), error);

    return overlays->daemon && overlaysName(overlays, error) &&
        qemuStorageDaemonBegin(overlays->daemon, overlays->overlays,
                               overlays->plan->disks->len,
                               qemuSnapshotDriverStorageTimeout(overlays->driver),
                               error);
}

gboolean
qemuSnapshotOverlaysCreate(qemuSnapshotOverlays *overlays, GError **error)
{
    return qemuStorageDaemonCreate(overlays->daemon, error) &&
        virSnapFault("storage-daemon-created", error);
}

/* The overlays and the folders' entries for them. All are sent on their way
 * before one is waited for, so that one commit of the file system does for all. */
static gboolean
overlaysSync(qemuSnapshotOverlays *overlays, GError **error)
{
    g_autoptr(GHashTable) folders = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                          g_free, NULL);

    for (guint i = 0; i < overlays->plan->disks->len; i++)
        sync_file_range(overlays->overlays[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);

    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        qemuStorageOverlay *overlay = &overlays->overlays[i];

        if (!virSnapFault("overlay-sync", error))
            return FALSE;
        if (fsync(overlay->fd) < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("overlay '%s' of disk '%s' can't be made "
                                   "durable"), overlay->file, overlay->disk);
            return FALSE;
        }
        if (g_hash_table_add(folders, g_path_get_dirname(overlay->file)) &&
            !virSnapFileSyncFolder(overlay->file, error))
            return FALSE;
    }

    return TRUE;
}

/* libvirt will go by the header when it starts the domain. */
static gboolean
overlayCheckHeader(const qemuStorageOverlay *overlay, GError **error)
{
    const virSnapImage *base = g_ptr_array_index(overlay->chain, 0);
    g_autoptr(virSnapImage) image = virSnapImageRead(overlay->file, "qcow2", error);

    if (!image)
        return FALSE;

    /* one that exists was checked before, and may have been resized or name its
     * backing image in another way */
    if (overlay->exists)
        return TRUE;

    if (g_strcmp0(image->backing, base->file) == 0 &&
        g_strcmp0(image->backing_format, base->format) == 0 &&
        image->size == base->size)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("overlay '%s' of disk '%s' does not stand on '%s'"),
                overlay->file, overlay->disk, base->file);
    return FALSE;
}

gboolean
qemuSnapshotOverlaysVerify(qemuSnapshotOverlays *overlays, GError **error)
{
    /* it opens them while we wait for the disk */
    if (!overlaysSync(overlays, error) ||
        !qemuStorageDaemonVerify(overlays->daemon, error))
        return FALSE;

    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        if (!overlayCheckHeader(&overlays->overlays[i], error))
            return FALSE;
    }

    qemuStorageDaemonKill(overlays->daemon);
    return TRUE;
}

void
qemuSnapshotOverlaysRelease(qemuSnapshotOverlays *overlays)
{
    if (!overlays->daemon)
        return;

    qemuStorageDaemonKill(overlays->daemon);
    qemuStorageDaemonWait(overlays->daemon);
}

gboolean
qemuSnapshotOverlaysSwitch(qemuSnapshotOverlays *overlays, GError **error)
{
    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = planDisk(overlays, i);

        if (!disk->in_place)
            continue;
        if (!virSnapFault("overlay-switch", error))
            return FALSE;
        if (rename(disk->file, disk->overlay) < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("the new overlay of disk '%s' can't take the place "
                                   "of '%s'"), disk->target, disk->overlay);
            return FALSE;
        }
        if (!virSnapFileSyncFolder(disk->overlay, error))
            return FALSE;
    }

    return virSnapFault("overlay-switched", error);
}

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

    if (!virSnapLockInUse(disk->overlay, &in_use, error) ||
        (!in_use && !begun && !virSnapImageIsBlank(disk->overlay, &blank, error)))
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
                  GError **error)
{
    if (!virSnapFault("overlay-switch-back", error) ||
        !checkNobodyUsedNew(disk, begun, error) ||
        !checkNobodyNeedsNew(driver, plan, disk, conn, error))
        return FALSE;
    if (rename(disk->kept, disk->overlay) == 0)
        return virSnapFault("overlay-switched-back", error);

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("the overlay '%s' of disk '%s' can't be put back and is "
                           "kept as '%s'"), disk->overlay, disk->target, disk->kept);
    return FALSE;
}

gboolean
qemuSnapshotOverlaysSwitchBack(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                               virConnectPtr conn, gboolean begun, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (!disk->in_place)
            continue;
        if (virSnapFileIs(disk->overlay, &disk->id) &&
            virSnapFileIs(disk->kept, &disk->old_id) &&
            !overlaySwitchBack(driver, plan, disk, conn, begun, error))
            return FALSE;
        /* also after one that was broken off before it was durable */
        if (!virSnapFileSyncFolder(disk->overlay, error))
            return FALSE;
    }

    return TRUE;
}

/* What is known to be ours, by more than its name. */
static gboolean
overlayIsLeft(const qemuSnapshotPlanDisk *disk, gboolean *ret_left, GError **error)
{
    gboolean exists = FALSE;

    if (!disk->reused && !virSnapFileExists(disk->file, &exists, error))
        return FALSE;

    *ret_left = exists && virSnapFileIs(disk->file, &disk->id);
    return TRUE;
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
overlayUnlink(const qemuSnapshotPlanDisk *disk, GError **error)
{
    gboolean in_use = FALSE;

    if (!virSnapFault("overlay-unlink", error) ||
        !virSnapLockInUse(disk->file, &in_use, error))
        return FALSE;
    if (in_use) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("overlay '%s' can't be removed: a program has it open"),
                    disk->file);
        return FALSE;
    }
    if (unlink(disk->file) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("overlay '%s' can't be removed"), disk->file);
        return FALSE;
    }

    return TRUE;
}

static gboolean
overlayRemove(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
              const qemuSnapshotPlanDisk *disk, const qemuHolders *holders,
              GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    gboolean is_free, postpone;

    if (!overlayIsFree(disk, holders, &is_free, &postpone))
        return FALSE;
    /* of a domain that is gone there is no next revert */
    if (postpone && plan->dom && virDomainGetUUIDString(plan->dom, uuid) == 0)
        return qemuSnapshotDiscardPostpone(driver, uuid, disk->file, &disk->id, error);
    return !is_free || overlayUnlink(disk, error);
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
                           virConnectPtr conn, GError **error)
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
        if (left && !overlayRemove(driver, plan, disk, holders, error))
            return FALSE;
        if (disk->in_place && virSnapFileIs(disk->kept, &disk->old_id) &&
            virSnapFileIs(disk->overlay, &disk->old_id) && unlink(disk->kept) < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("'%s' can't be removed"), disk->kept);
            return FALSE;
        }
    }

    return TRUE;
}

gboolean
qemuSnapshotOverlaysCheck(const qemuSnapshotPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (disk->reused || virSnapFileIs(disk->overlay, &disk->id))
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
        if (!virSnapImageIsBlank(disk->overlay, ret_blank, error))
            return FALSE;
    }

    return TRUE;
}
