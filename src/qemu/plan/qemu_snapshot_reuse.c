/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_reuse.c: overlays that the caller has made
 *
 * The domain will write to them, so each must stand on just the image that holds the
 * snapshot's state, nothing may stand on it, and nobody else may have it.
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_reuse.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

/* The disk of a definition that is on the file, or NULL. */
static gboolean
findDisk(GPtrArray *disks, const char *key, const char **ret_target, GError **error)
{
    for (guint i = 0; i < disks->len && !*ret_target; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autofree char *other =
            disk->file ? virSnapStorageKey(disk->file, error) : NULL;

        if (disk->file && !other)
            return FALSE;
        if (g_strcmp0(other, key) == 0)
            *ret_target = disk->target;
    }

    return TRUE;
}

static void
setTaken(const qemuHolder *holder, const char *uuid, const char *target, const char *path,
         GError **error)
{
    switch (holder->kind) {
    case QEMU_HOLDER_SNAPSHOT:
        if (g_strcmp0(holder->uuid, uuid) == 0) {
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("'%s' can't be the overlay of disk '%s': snapshot '%s' "
                          "needs it as it is"), path, target, holder->snapshot);
            return;
        }
        G_GNUC_FALLTHROUGH;
    case QEMU_HOLDER_RUNNING:
    case QEMU_HOLDER_DEFINED:
    case QEMU_HOLDER_SAVED:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': domain '%s' uses it"),
                    path, target, holder->domain);
        return;
    case QEMU_HOLDER_IMAGE:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': image '%s' stands on it"),
                    path, target, qemuHolderPath(holder));
        return;
    case QEMU_HOLDER_PROGRAM:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("'%s' can't be the overlay of disk '%s': a program has it open"),
                    path, target);
        return;
    }
}

gboolean
qemuSnapshotReuseCheckFree(const qemuHolders *holders, const char *uuid,
                           const char *target, const char *path, GError **error)
{
    qemuHoldersQuestion question = {
        .path = path, .purpose = QEMU_HOLDERS_TAKE, .uuid = uuid,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;

    switch (qemuHoldersAsk(holders, &question, &who, &holder)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        setTaken(holder, uuid, target, path, error);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': it may be needed as it is, "
                      "since %s"), path, target, who);
        return FALSE;
    }

    return FALSE;
}

static gboolean
checkNobodyNeedsIt(const qemuSnapshotPlanDisk *disk, qemuSnapshotSource *source,
                   const char *path, GError **error)
{
    g_autofree char *key = virSnapStorageKey(path, error);
    const qemuHolders *holders;
    const char *owner = NULL;

    if (!key)
        return FALSE;

    if (!findDisk(source->now_disks, key, &owner, error) ||
        !findDisk(source->next_disks, key, &owner, error))
        return FALSE;
    if (owner) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': disk '%s' of the "
                      "domain is on it now"), path, disk->target, owner);
        return FALSE;
    }

    return (holders = qemuSnapshotSourceHolders(source, error)) &&
        qemuSnapshotReuseCheckFree(holders, source->uuid, disk->target, path, error);
}

static gboolean
checkBacking(const qemuSnapshotPlanDisk *disk, const virSnapImage *image,
             GError **error)
{
    const virSnapImage *base = g_ptr_array_index(disk->chain, 0);
    const char *backing = image->backing_file ? image->backing_file : image->backing;
    g_autofree char *found = image->backing_file ?
        virSnapStorageKey(image->backing_file, error) : NULL;

    if (image->backing_file && !found)
        return FALSE;

    if (g_strcmp0(found, base->key) != 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': its backing image is "
                      "'%s' and should be '%s'"), image->file, disk->target,
                    backing ? backing : "", base->file);
    else if (g_strcmp0(image->backing_format, base->format) != 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': the format of its "
                      "backing image is '%s' and should be '%s'"), image->file,
                    disk->target, image->backing_format ? image->backing_format : "",
                    base->format);
    else if (image->data_file)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': it keeps its data in "
                      "another file, '%s'"), image->file, disk->target,
                    image->data_file);
    else
        return TRUE;

    return FALSE;
}

gboolean
qemuSnapshotReuse(qemuSnapshotPlanDisk *disk, qemuSnapshotSource *source,
                  const char *path, GError **error)
{
    g_autoptr(virSnapImage) image = virSnapStorageReadImage(path, "qcow2", error);

    if (!image) {
        g_prefix_error(error, _("'%s' can't be the overlay of disk '%s': "), path,
                       disk->target);
        return FALSE;
    }

    if (!checkBacking(disk, image, error) ||
        !checkNobodyNeedsIt(disk, source, path, error))
        return FALSE;

    disk->reused = TRUE;
    disk->overlay = g_strdup(path);
    disk->file = g_strdup(path);
    return TRUE;
}
