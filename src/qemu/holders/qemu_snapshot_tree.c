/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_tree.c: which images the snapshots of a domain need
 *
 * libvirt records with each snapshot the definition of that time, whose disks
 * are the images that hold the snapshot's state, and the overlays that were
 * made by taking it. From both together follows what may never be written to or
 * deleted, what may be, and which names are taken.
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_tree.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnapfile.h"

/* Some hundred snapshots may be deleted one after the other, each of them during another
 * listing; but it has an end. */
#define LIST_MAX 100

void
qemuSnapshotTreeFree(qemuSnapshotTree *tree)
{
    if (!tree)
        return;

    g_free(tree->domain);
    g_ptr_array_unref(tree->infos);
    g_hash_table_unref(tree->paths);
    qemuSnapshotImagesFree(tree->states);
    g_hash_table_unref(tree->made);
    g_free(tree);
}

static GHashTable *
newTable(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void
addPath(GHashTable *paths, const char *file, const char *owner)
{
    if (file)
        g_hash_table_insert(paths, virSnapFileResolve(file), g_strdup(owner));
}

static gboolean
treeAddDefinition(qemuSnapshotTree *tree, const virDomainSnapshotInfo *info,
                  gboolean inactive, GError **error)
{
    g_autoptr(GPtrArray) disks = virDomainSnapshotInfoGetDisks(info, inactive, error);

    if (!disks)
        return FALSE;

    qemuSnapshotImagesAddDisks(tree->states, disks, info->name);
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        addPath(tree->paths, disk->file, info->name);
        for (guint j = 0; j < disk->chain->len; j++) {
            virDomainImage *image = g_ptr_array_index(disk->chain, j);

            addPath(tree->paths, image->file, info->name);
        }
    }

    return TRUE;
}

static void
treeAddMade(qemuSnapshotTree *tree, GPtrArray *disks, const char *owner)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainSnapshotDisk *disk = g_ptr_array_index(disks, i);

        if (disk->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL || !disk->file)
            continue;
        addPath(tree->paths, disk->file, owner);
        g_hash_table_insert(tree->made, virSnapFileKey(disk->file), g_strdup(owner));
    }
}

static gboolean
treeAddSnapshot(qemuSnapshotTree *tree, const virDomainSnapshotInfo *info,
                const char *target, GError **error)
{
    if (g_strcmp0(info->parent, target) == 0)
        tree->has_children = TRUE;

    addPath(tree->paths, info->memory_file, info->name);
    treeAddMade(tree, info->disks, info->name);
    treeAddMade(tree, info->revert_disks, info->name);

    return treeAddDefinition(tree, info, FALSE, error) &&
        treeAddDefinition(tree, info, TRUE, error);
}

virDomainSnapshotInfo *
qemuSnapshotReadInfo(virDomainSnapshotPtr snap, GError **error)
{
    /* not when there is an error, which they would reset */
    const char *name = virDomainSnapshotGetName(snap);
    const char *domain = virDomainGetName(virDomainSnapshotGetDomain(snap));
    char *xml = virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    virDomainSnapshotInfo *info;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read snapshot '%s' of domain '%s'"),
                               name, domain);
        return NULL;
    }

    info = virDomainSnapshotInfoParse(xml, error);
    free(xml);
    return info;
}

static GPtrArray *
listInfos(virDomainPtr dom, GError **error)
{
    g_autoptr(GPtrArray) infos =
        g_ptr_array_new_with_free_func((GDestroyNotify)virDomainSnapshotInfoFree);
    const char *name = virDomainGetName(dom);
    virDomainSnapshotPtr *snaps = NULL;
    gboolean ok = TRUE;

    if (virDomainListAllSnapshots(dom, &snaps, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the snapshots of domain '%s'"), name);
        return NULL;
    }

    for (gsize i = 0; snaps[i]; i++) {
        virDomainSnapshotInfo *info = ok ? qemuSnapshotReadInfo(snaps[i], error) : NULL;

        if (info)
            g_ptr_array_add(infos, info);
        ok = info != NULL;
        virDomainSnapshotFree(snaps[i]);
    }
    free(snaps);

    return ok ? g_steal_pointer(&infos) : NULL;
}

/* One that goes between the listing and its reading is no reason to fail, but others may
 * have come. */
GPtrArray *
qemuSnapshotReadInfos(virDomainPtr dom, GError **error)
{
    for (int i = 0; i < LIST_MAX; i++) {
        g_autoptr(GError) cause = NULL;
        GPtrArray *infos = listInfos(dom, &cause);

        if (infos)
            return infos;
        if (virSnapErrorCode(cause) != VIR_ERR_NO_DOMAIN_SNAPSHOT) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("the snapshots of domain '%s' can't be read while they are being "
                  "deleted"), virDomainGetName(dom));
    return NULL;
}

const virDomainSnapshotInfo *
qemuSnapshotFindInfo(GPtrArray *infos, const char *name)
{
    for (guint i = 0; i < infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);

        if (g_strcmp0(info->name, name) == 0)
            return info;
    }

    return NULL;
}

qemuSnapshotTree *
qemuSnapshotTreeRead(virDomainPtr dom, const char *target, GError **error)
{
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(dom, error);
    g_autoptr(qemuSnapshotTree) tree = NULL;

    if (!infos)
        return NULL;

    tree = g_new0(qemuSnapshotTree, 1);
    tree->domain = g_strdup(virDomainGetName(dom));
    tree->infos = g_ptr_array_ref(infos);
    tree->paths = newTable();
    tree->states = qemuSnapshotImagesNew(virDomainGetConnect(dom));
    tree->made = newTable();

    for (guint i = 0; i < infos->len; i++) {
        if (!treeAddSnapshot(tree, g_ptr_array_index(infos, i), target, error))
            return NULL;
    }

    return g_steal_pointer(&tree);
}

GPtrArray *
qemuSnapshotReadDisks(virDomainPtr dom, unsigned int flags, xmlDoc **ret_doc,
                      GError **error)
{
    const char *name = virDomainGetName(dom);
    char *xml = virDomainGetXMLDesc(dom, flags | VIR_DOMAIN_XML_SECURE);
    g_autoptr(xmlDoc) doc = NULL;
    GPtrArray *disks;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read the definition of domain '%s'"),
                               name);
        return NULL;
    }

    doc = virSnapXMLParse(xml, "domain", _("domain definition"), error);
    free(xml);
    if (!doc || !(disks = virDomainDefGetDisks(doc, error)))
        return NULL;

    if (ret_doc)
        *ret_doc = g_steal_pointer(&doc);
    return disks;
}

/* A domain that was undefined or whose snapshots went meanwhile isn't there to
 * be asked; one that still is must be. */
static gboolean
tryDomain(virDomainPtr dom, qemuSnapshotDomainFunc func, void *opaque, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (func(dom, opaque, &cause) || virSnapErrorCode(cause) == VIR_ERR_NO_DOMAIN)
        return TRUE;

    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

gboolean
qemuSnapshotEachDomain(virConnectPtr conn, virDomainPtr except,
                       qemuSnapshotDomainFunc func, void *opaque, GError **error)
{
    virDomainPtr *doms = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    unsigned char other[VIR_UUID_BUFLEN];
    gboolean ok = TRUE;

    if ((except && virDomainGetUUID(except, uuid) < 0) ||
        virConnectListAllDomains(conn, &doms, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the domains"));
        return FALSE;
    }

    for (gsize i = 0; doms[i]; i++) {
        if (ok && virDomainGetUUID(doms[i], other) == 0 &&
            (!except || memcmp(uuid, other, sizeof(uuid)) != 0))
            ok = tryDomain(doms[i], func, opaque, error);
        virDomainFree(doms[i]);
    }
    free(doms);

    return ok;
}

static gboolean
addDomain(virDomainPtr dom, void *opaque, GError **error)
{
    qemuSnapshotImages *images = opaque;
    const char *name = virDomainGetName(dom);
    unsigned int last = virDomainIsActive(dom) == 0 ? 0 : VIR_DOMAIN_XML_INACTIVE;
    g_autoptr(GPtrArray) infos = NULL;

    /* one that is off has the same definition for now and for its next start */
    for (unsigned int flags = 0; flags <= last; flags += VIR_DOMAIN_XML_INACTIVE) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(dom, flags, NULL, error);

        if (!disks)
            return FALSE;
        qemuSnapshotImagesAddDisks(images, disks, name);
    }

    if (!(infos = qemuSnapshotReadInfos(dom, error)))
        return FALSE;
    for (guint i = 0; i < 2 * infos->len; i++) {
        g_autoptr(GPtrArray) disks =
            virDomainSnapshotInfoGetDisks(g_ptr_array_index(infos, i / 2), i % 2, error);

        if (!disks)
            return FALSE;
        qemuSnapshotImagesAddDisks(images, disks, name);
    }

    return TRUE;
}

qemuSnapshotImages *
qemuSnapshotReadDomains(virConnectPtr conn, virDomainPtr except, GError **error)
{
    g_autoptr(qemuSnapshotImages) images = qemuSnapshotImagesNew(conn);

    return qemuSnapshotEachDomain(conn, except, addDomain, images, error) ?
        g_steal_pointer(&images) : NULL;
}
