/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_metadata.c: what libvirt forgets, and does not rewrite
 *
 * When libvirt up to some version after 9.0 deletes the metadata of a snapshot alone, it
 * rewrites the snapshots taken after it as if the overlay had been merged: a definition
 * that names the overlay as a disk's image names the image below from then on. But nothing
 * was merged, so that such a snapshot shows another's state when it is gone back to.
 *
 * It finds them by the name of the overlay in the snapshot that goes. So that one is
 * recorded anew before, with names that no definition has. Whatever happens between that
 * and the deletion, the others stay right.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_metadata.h"
#include "qemu_snapshot_read.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnaplibvirt.h"

/* overlays: target -> a name that no disk has, of each that is named as an image */
static void
addOverlays(GPtrArray *disks, const virDomainSnapshotInfo *gone, GHashTable *overlays)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);

        for (guint j = 0; j < gone->disks->len; j++) {
            const virDomainSnapshotDisk *entry = g_ptr_array_index(gone->disks, j);

            if (g_strcmp0(entry->name, disk->target) != 0 || !entry->file ||
                g_strcmp0(entry->file, disk->file) != 0)
                continue;
            g_hash_table_insert(overlays, g_strdup(disk->target),
                                g_strdup_printf("%s.forgotten", entry->file));
        }
    }
}

static gboolean
findOverlays(GPtrArray *infos, const virDomainSnapshotInfo *gone, GHashTable *overlays,
             GError **error)
{
    for (guint i = 0; i < 2 * infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i / 2);
        g_autoptr(GPtrArray) disks = virDomainSnapshotInfoGetDisks(info, i % 2, error);

        if (!disks)
            return FALSE;
        if (info != gone)
            addOverlays(disks, gone, overlays);
    }

    return TRUE;
}

static gboolean
recordAnew(virDomainPtr dom, const virDomainSnapshotInfo *gone, GHashTable *overlays,
           GError **error)
{
    g_autofree char *xml =
        virDomainSnapshotInfoFormat(gone, VIR_DOMAIN_SNAPSHOT_OVERLAYS_DISKS, overlays);
    g_autoptr(virDomainSnapshot) old = virDomainSnapshotLookupByName(dom, gone->name, 0);
    gboolean current = old && virDomainSnapshotIsCurrent(old, 0) == 1;
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotCreateXML(dom, xml, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
                                   (current ? VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT : 0));

    if (snap)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot delete the metadata of snapshot '%s' alone: "
                                    "libvirt would rewrite the snapshots taken after it, "
                                    "and can't be kept from that; delete these first"),
                           gone->name);
    return FALSE;
}

gboolean
qemuSnapshotMetadataDetach(virDomainPtr dom, GPtrArray *infos, const char *snapshot,
                           GError **error)
{
    const virDomainSnapshotInfo *gone = qemuSnapshotFindInfo(infos, snapshot);
    g_autoptr(GHashTable) overlays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                           g_free);

    if (!gone || qemuSnapshotLibvirtHas(virDomainGetConnect(dom),
                                        QEMU_SNAPSHOT_LIBVIRT_KEEPS_DEFINITIONS))
        return TRUE;

    return findOverlays(infos, gone, overlays, error) &&
        (g_hash_table_size(overlays) == 0 || recordAnew(dom, gone, overlays, error));
}
