/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_upgrade.c: what a newer libvirt needs of reverts made with an older one
 *
 * A libvirt that reverts by itself begins with deleting what its <revertDisks>, or where
 * there is none, the <disks> of the current snapshot names. Before it there was no
 * <revertDisks>: where the current snapshot has children, as after a revert it may, its
 * <disks> are what these stand on. So they are told, once, on what the domain is.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_upgrade.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

/* Overlays of reverts that the domain is on: target -> file; empty where there are none. */
static GHashTable *
readOverlays(virDomainPtr dom, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks =
        qemuSnapshotReadDisks(dom, VIR_DOMAIN_XML_INACTIVE, &doc, error);
    GHashTable *overlays;
    GHashTableIter iter;
    void *target;
    void *file;

    if (!disks)
        return NULL;

    overlays = virDomainDefGetOverlays(doc);
    g_hash_table_iter_init(&iter, overlays);
    while (g_hash_table_iter_next(&iter, &target, &file)) {
        const virDomainDisk *disk = virDomainDisksFind(disks, target);

        if (!disk || g_strcmp0(disk->file, file) != 0)
            g_hash_table_iter_remove(&iter);
    }

    return overlays;
}

static gboolean
upgradeSnapshot(virDomainPtr dom, virDomainSnapshotPtr snap, GError **error)
{
    /* not when there is an error, which this would reset */
    const char *domain = virDomainGetName(dom);
    g_autoptr(virDomainSnapshotInfo) info = qemuSnapshotReadInfo(snap, error);
    g_autoptr(GHashTable) overlays = info ? readOverlays(dom, error) : NULL;
    g_autoptr(virDomainSnapshot) recorded = NULL;
    g_autofree char *xml = NULL;

    if (!info || !overlays)
        return FALSE;
    if (info->revert_disks->len > 0 || g_hash_table_size(overlays) == 0)
        return TRUE;

    xml = virDomainSnapshotInfoFormat(info, VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS,
                                      overlays);
    recorded = virDomainSnapshotCreateXML(dom, xml, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE);
    if (!recorded) {
        virSnapErrorSetLibvirt(error, _("cannot record in snapshot '%s' the overlays "
                                        "that domain '%s' was reverted to"), info->name, domain);
        return FALSE;
    }

    g_message(_("snapshot '%s' names the overlays that domain '%s' was reverted to, as "
                "this libvirt needs it"), info->name, domain);
    return TRUE;
}

typedef struct _upgradeAll upgradeAll;
struct _upgradeAll {
    qemuSnapshotDriver *driver;
    GError *error;          /* the first */
};

/* One that can't be looked at does not keep the others from it. */
static gboolean
upgradeDomain(virDomainPtr dom, void *opaque, GError **error G_GNUC_UNUSED)
{
    upgradeAll *all = opaque;
    g_autoptr(virDomainSnapshot) snap = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (virDomainHasCurrentSnapshot(dom, 0) != 1 || virDomainGetUUID(dom, uuid) < 0)
        return TRUE;

    qemuSnapshotDriverLock(all->driver, uuid);
    snap = virDomainSnapshotCurrent(dom, 0);
    if (snap && virDomainSnapshotNumChildren(snap, 0) > 0)
        upgradeSnapshot(dom, snap, all->error ? NULL : &all->error);
    qemuSnapshotDriverUnlock(all->driver, uuid);
    return TRUE;
}

gboolean
qemuSnapshotUpgrade(qemuSnapshotDriver *driver, GError **error)
{
    virConnectPtr conn = qemuSnapshotDriverOpen(driver, error);
    upgradeAll all = { .driver = driver };
    gboolean ok;

    if (!conn)
        return FALSE;

    ok = !qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS) ||
        qemuSnapshotEachDomain(conn, NULL, upgradeDomain, &all, error);
    virConnectClose(conn);
    if (!all.error)
        return ok;

    g_propagate_error(error, all.error);
    return FALSE;
}
