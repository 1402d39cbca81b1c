/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_witness.c: whether what a snapshot stands on is told by all alike
 *
 * Which image holds a snapshot's state of a disk is said by its definition, and as long as
 * there is the overlay that was made by taking it, or by going back to it, by the header of
 * that: it stands on just this image. A chain that the domain is on is read from the same
 * headers. libvirt up to 9.8 rewrites the definitions of a snapshot's descendants when its
 * metadata alone is deleted, so that they name an image that was never theirs; images were
 * also seen to be merged by hand. Where the two disagree it isn't known which is right.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_witness.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

/* Whether one of the files, which the overlay's header may mean, is the image. */
static gboolean
isAmong(GStrv files, const char *image, gboolean *ret_is, GError **error)
{
    g_autofree char *key = virSnapStorageKey(image, error);
    g_auto(GStrv) keys = key ?
        virSnapStorageKeys((const char *const *)files, error) : NULL;

    if (!keys)
        return FALSE;

    *ret_is = g_strv_contains((const char *const *)keys, key);
    return TRUE;
}

static gboolean
checkOverlay(const virDomainSnapshotInfo *info, const char *target, const char *image,
             const char *overlay, virErrorNumber code, GError **error)
{
    g_autofree char *backing = NULL;
    g_auto(GStrv) files = NULL;
    g_autoptr(GError) cause = NULL;
    gboolean means = TRUE;

    /* an overlay that is gone says nothing, nor does one that all below was copied into */
    if (!virSnapStorageReadBacking(overlay, &backing, &files, &cause) ||
        (backing && !isAmong(files, image, &means, &cause))) {
        g_set_error(error, VIR_SNAP_ERROR, code,
                    _("it can't be told what overlay '%s' of disk '%s' in snapshot '%s' "
                      "stands on: %s"), overlay, target, info->name, cause->message);
        return FALSE;
    }

    if (means)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, code,
                _("the definition in snapshot '%s' says that disk '%s' was on '%s', but the "
                  "snapshot's overlay '%s' stands on '%s'; redefine the snapshot with the "
                  "image that is right (virsh snapshot-create --redefine)"), info->name,
                target, image, overlay, backing);
    return FALSE;
}

static gboolean
checkDisks(const virDomainSnapshotInfo *info, GPtrArray *disks, GPtrArray *overlays,
           virErrorNumber code, GError **error)
{
    for (guint i = 0; i < overlays->len; i++) {
        const virDomainSnapshotDisk *entry = g_ptr_array_index(overlays, i);
        const virDomainDisk *disk = virDomainDisksFind(disks, entry->name);
        const char *overlay = entry->file ? entry->file : entry->dev;
        const char *image = !disk ? NULL : disk->file ? disk->file : disk->dev;

        if (entry->location == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL && overlay && image &&
            !checkOverlay(info, disk->target, image, overlay, code, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotWitnessCheck(const virDomainSnapshotInfo *info, virErrorNumber code,
                         GError **error)
{
    for (int inactive = 0; inactive < 2; inactive++) {
        g_autoptr(GPtrArray) disks = virDomainSnapshotInfoGetDisks(info, inactive, error);

        if (!disks || !checkDisks(info, disks, info->disks, code, error) ||
            !checkDisks(info, disks, info->revert_disks, code, error))
            return FALSE;
    }

    return TRUE;
}
