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
#include "virsnapfile.h"
#include "virsnapimagename.h"
#include "virsnapqcow2.h"

/* Whether the name in the overlay's header may mean the image. */
static gboolean
means(const char *overlay, const char *backing, const char *image)
{
    g_autofree char *key = virSnapFileKey(image);
    g_autoptr(GPtrArray) files = virSnapImageNameFiles(overlay, backing);

    for (guint i = 0; i < files->len; i++) {
        g_autofree char *other = virSnapFileKey(files->pdata[i]);

        if (g_str_equal(other, key))
            return TRUE;
    }

    return FALSE;
}

static gboolean
checkOverlay(const virDomainSnapshotInfo *info, const char *target, const char *image,
             const char *overlay, virErrorNumber code, GError **error)
{
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GError) cause = NULL;

    if (!virSnapImageReadBelow(overlay, "qcow2", &below, &cause)) {
        g_set_error(error, VIR_SNAP_ERROR, code,
                    _("it can't be told what overlay '%s' of disk '%s' in snapshot '%s' "
                      "stands on: %s"), overlay, target, info->name, cause->message);
        return FALSE;
    }

    /* one that is gone says nothing, nor does one that all below was copied into */
    if (!below.backing || means(overlay, below.backing, image))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, code,
                _("the definition in snapshot '%s' says that disk '%s' was on '%s', but the "
                  "snapshot's overlay '%s' stands on '%s'; redefine the snapshot with the "
                  "image that is right (virsh snapshot-create --redefine)"), info->name,
                target, image, overlay, below.backing);
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
