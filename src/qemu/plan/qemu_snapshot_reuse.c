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
#include "virsnapfile.h"
#include "virsnaplock.h"
#include "virsnapqcow2.h"

/* The definition that has a disk on the file, or NULL. */
static const char *
findDisk(GPtrArray *disks, const char *key)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autofree char *other = disk->file ? virSnapFileKey(disk->file) : NULL;

        if (g_strcmp0(other, key) == 0)
            return disk->target;
    }

    return NULL;
}

static gboolean
checkNobodyNeedsIt(const qemuSnapshotPlanDisk *disk, const qemuSnapshotSource *source,
                   const char *path, GError **error)
{
    g_autofree char *key = virSnapFileKey(path);
    const char *owner = g_hash_table_lookup(source->tree->states->owners, key);
    g_autoptr(qemuSnapshotImages) others = NULL;
    gboolean in_use = FALSE;

    if (owner) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': snapshot '%s' "
                      "needs it as it is"), path, disk->target, owner);
        return FALSE;
    }

    if ((owner = findDisk(source->now_disks, key)) ||
        (owner = findDisk(source->next_disks, key))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': disk '%s' of the "
                      "domain is on it now"), path, disk->target, owner);
        return FALSE;
    }

    if (!(others = qemuSnapshotReadDomains(virDomainGetConnect(source->dom), source->dom,
                                           error)))
        return FALSE;
    if ((owner = g_hash_table_lookup(others->owners, key))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' can't be the overlay of disk '%s': domain '%s' uses it"),
                    path, disk->target, owner);
        return FALSE;
    }

    if (!virSnapLockInUse(path, &in_use, error))
        return FALSE;
    if (in_use)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("'%s' can't be the overlay of disk '%s': a program has it open"),
                    path, disk->target);
    return !in_use;
}

static gboolean
checkBacking(const qemuSnapshotPlanDisk *disk, const virSnapImage *image,
             GError **error)
{
    const virSnapImage *base = g_ptr_array_index(disk->chain, 0);
    g_autofree char *backing =
        image->backing ? virSnapFileBeside(image->file, image->backing) : NULL;
    g_autofree char *found = backing ? virSnapFileKey(backing) : NULL;

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
qemuSnapshotReuse(qemuSnapshotPlanDisk *disk, const qemuSnapshotSource *source,
                  const char *path, GError **error)
{
    g_autoptr(virSnapImage) image = virSnapImageRead(path, "qcow2", error);

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
