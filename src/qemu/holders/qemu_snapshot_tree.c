/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_tree.c: which files the snapshots of a domain name
 *
 * libvirt records with each snapshot the definition of that time, whose disks
 * are the images that hold the snapshot's state, and the overlays that were
 * made by taking it. From both together follows which names are taken, and which
 * overlays are libvirt's own making.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_tree.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnapfile.h"

void
qemuSnapshotTreeFree(qemuSnapshotTree *tree)
{
    if (!tree)
        return;

    g_free(tree->domain);
    g_ptr_array_unref(tree->infos);
    g_hash_table_unref(tree->paths);
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
    tree->made = newTable();

    for (guint i = 0; i < infos->len; i++) {
        if (!treeAddSnapshot(tree, g_ptr_array_index(infos, i), target, error))
            return NULL;
    }

    return g_steal_pointer(&tree);
}
