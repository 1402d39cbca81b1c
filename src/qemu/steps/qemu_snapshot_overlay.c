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
#include <unistd.h>

#include "qemu_snapshot_overlay.h"
#include "qemu_storage_daemon.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

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
    gboolean regular;
    int fd;

    if (!disk->reused)
        return virSnapStorageCreate(NULL, disk->file, &disk->like, ret_named, &disk->id,
                                    error);

    *ret_named = TRUE;
    if ((fd = virSnapStorageOpenImage(disk->file, error)) < 0 ||
        virSnapStorageGetID(disk->file, &disk->id, &regular, error))
        return fd;

    close(fd);
    return -1;
}

static gboolean
overlayReserve(qemuSnapshotOverlays *overlays, guint i, GError **error)
{
    qemuSnapshotPlanDisk *disk = planDisk(overlays, i);
    int fd = overlayOpen(disk, &overlays->named[i], error);
    gboolean regular;

    if (fd < 0) {
        g_prefix_error(error, _("disk '%s': "), disk->target);
        return FALSE;
    }

    overlays->overlays[i].fd = fd;
    return !disk->in_place ||
        virSnapStorageGetID(disk->overlay, &disk->old_id, &regular, error);
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
overlaysName(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold, GError **error)
{
    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = planDisk(overlays, i);
        int fault = 0;

        if (!virSnapFault("overlay-link", error))
            return FALSE;
        if (!overlays->named[i] &&
            !virSnapStorageName(hold, overlays->overlays[i].fd, disk->file, error)) {
            g_prefix_error(error, _("disk '%s': "), disk->target);
            return FALSE;
        }
        if (disk->in_place &&
            !virSnapStorageLink(hold, disk->overlay, disk->kept, &fault, error))
            return FALSE;
        if (fault) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
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
qemuSnapshotOverlaysTakeDaemon(qemuSnapshotOverlays *overlays, GError **error)
{
    overlays->daemon = qemuStorageSpareTake(g_steal_pointer(&overlays->spare), error);
    return overlays->daemon != NULL;
}

gboolean
qemuSnapshotOverlaysBegin(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold,
                          GError **error)
{
    return overlaysName(overlays, hold, error) &&
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

/* As many as are asked of a child at a time, from the one of number `first`. */
static gboolean
overlaysSyncFiles(qemuSnapshotOverlays *overlays, guint first, virSnapStorageHold *hold,
                  GError **error)
{
    guint n = MIN(overlays->plan->disks->len - first, VIR_SNAP_STORAGE_SYNC_MAX);
    virSnapDescriptors files = { .n = n };
    const qemuStorageOverlay *overlay = &overlays->overlays[first];
    guint number;
    int fault;

    for (guint i = 0; i < n; i++) {
        if (!virSnapFault("overlay-sync", error))
            return FALSE;
        files.fds[i] = overlay[i].fd;
    }

    if (!virSnapStorageSync(hold, &files, overlay->file, &number, &fault, error))
        return FALSE;
    if (fault)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                             _("overlay '%s' of disk '%s' can't be made durable"),
                             overlay[number].file, overlay[number].disk);
    return !fault;
}

/* The overlays and the folders' entries for them. One commit of a file system does for
 * many. */
static gboolean
overlaysSync(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold, GError **error)
{
    g_autoptr(GHashTable) folders = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                          g_free, NULL);
    guint n = overlays->plan->disks->len;

    for (guint i = 0; i < n; i += VIR_SNAP_STORAGE_SYNC_MAX) {
        if (!overlaysSyncFiles(overlays, i, hold, error))
            return FALSE;
    }

    for (guint i = 0; i < n; i++) {
        const qemuStorageOverlay *overlay = &overlays->overlays[i];

        if (g_hash_table_add(folders, g_path_get_dirname(overlay->file)) &&
            !virSnapStorageSyncFolder(hold, overlay->file, error))
            return FALSE;
    }

    return TRUE;
}

/* libvirt will go by the header when it starts the domain. */
static gboolean
overlayCheckHeader(const qemuStorageOverlay *overlay, GError **error)
{
    const virSnapImage *base = g_ptr_array_index(overlay->chain, 0);
    g_autoptr(virSnapImage) image =
        virSnapStorageReadImage(overlay->file, "qcow2", error);

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
qemuSnapshotOverlaysVerify(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold,
                           GError **error)
{
    /* it opens them while we wait for the disk */
    if (!overlaysSync(overlays, hold, error) ||
        !qemuStorageDaemonVerify(overlays->daemon, error))
        return FALSE;

    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        if (!overlayCheckHeader(&overlays->overlays[i], error))
            return FALSE;
    }

    qemuStorageDaemonKill(overlays->daemon);
    return TRUE;
}

gboolean
qemuSnapshotOverlaysRelease(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold,
                            GError **error)
{
    if (!overlays->daemon || qemuStorageDaemonWait(overlays->daemon))
        return TRUE;

    if (hold)
        hold->pending = TRUE;
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("qemu-storage-daemon (process %d), which made the overlays, waits for "
                  "storage and can't be ended"),
                (int)qemuStorageDaemonGetPid(overlays->daemon));
    return FALSE;
}

pid_t
qemuSnapshotOverlaysGetPid(const qemuSnapshotOverlays *overlays)
{
    return overlays->daemon ? qemuStorageDaemonGetPid(overlays->daemon) : 0;
}

gboolean
qemuSnapshotOverlaysSwitch(qemuSnapshotOverlays *overlays, virSnapStorageHold *hold,
                           GError **error)
{
    for (guint i = 0; i < overlays->plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = planDisk(overlays, i);
        int fault;

        if (!disk->in_place)
            continue;
        if (!virSnapFault("overlay-switch", error) ||
            !virSnapStorageRename(hold, disk->file, disk->overlay, &fault, error))
            return FALSE;
        if (fault) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                                 _("the new overlay of disk '%s' can't take the place "
                                   "of '%s'"), disk->target, disk->overlay);
            return FALSE;
        }
        if (!virSnapStorageSyncFolder(hold, disk->overlay, error))
            return FALSE;
    }

    return virSnapFault("overlay-switched", error);
}
