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
#include "virsnapstoragefile.h"

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

/* Paths, and for each of them who names it. */
typedef struct _treeNames treeNames;
struct _treeNames {
    GPtrArray *paths;
    GPtrArray *owners;
};

static void
namesClear(treeNames *names)
{
    g_ptr_array_unref(names->paths);
    g_ptr_array_unref(names->owners);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(treeNames, namesClear)

static void
namesInit(treeNames *names)
{
    names->paths = g_ptr_array_new_with_free_func(g_free);
    names->owners = g_ptr_array_new();
}

static void
namesAdd(treeNames *names, const char *path, const char *owner)
{
    if (!path)
        return;

    g_ptr_array_add(names->paths, g_strdup(path));
    g_ptr_array_add(names->owners, (char *)owner);
}

/* `told` is what was found out of each of the paths; consumes it. */
static gboolean
namesPut(const treeNames *names, GStrv told, GHashTable *table)
{
    for (guint i = 0; told && i < names->owners->len; i++)
        g_hash_table_insert(table, g_strdup(told[i]),
                            g_strdup(g_ptr_array_index(names->owners, i)));

    g_strfreev(told);
    return told != NULL;
}

static gboolean
addDefinition(treeNames *paths, const virDomainSnapshotInfo *info, gboolean inactive,
              GError **error)
{
    g_autoptr(GPtrArray) disks = virDomainSnapshotInfoGetDisks(info, inactive, error);

    if (!disks)
        return FALSE;

    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        namesAdd(paths, disk->file, info->name);
        for (guint j = 0; j < disk->chain->len; j++) {
            virDomainImage *image = g_ptr_array_index(disk->chain, j);

            namesAdd(paths, image->file, info->name);
        }
    }

    return TRUE;
}

static void
addMade(treeNames *paths, treeNames *made, GPtrArray *disks, const char *owner)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainSnapshotDisk *disk = g_ptr_array_index(disks, i);

        if (disk->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL || !disk->file)
            continue;
        namesAdd(paths, disk->file, owner);
        namesAdd(made, disk->file, owner);
    }
}

static gboolean
addSnapshot(treeNames *paths, treeNames *made, const virDomainSnapshotInfo *info,
            GError **error)
{
    namesAdd(paths, info->memory_file, info->name);
    addMade(paths, made, info->disks, info->name);
    addMade(paths, made, info->revert_disks, info->name);

    return addDefinition(paths, info, FALSE, error) &&
        addDefinition(paths, info, TRUE, error);
}

static gboolean
treeFill(qemuSnapshotTree *tree, GError **error)
{
    g_auto(treeNames) paths = { 0 };
    g_auto(treeNames) made = { 0 };

    namesInit(&paths);
    namesInit(&made);
    for (guint i = 0; i < tree->infos->len; i++) {
        if (!addSnapshot(&paths, &made, g_ptr_array_index(tree->infos, i), error))
            return FALSE;
    }

    g_ptr_array_add(paths.paths, NULL);
    g_ptr_array_add(made.paths, NULL);
    return namesPut(&paths, virSnapStorageResolveAll((const char *const *)paths.paths->pdata,
                                                     error), tree->paths) &&
        namesPut(&made, virSnapStorageKeys((const char *const *)made.paths->pdata, error),
                 tree->made);
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
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);

        if (g_strcmp0(info->parent, target) == 0)
            tree->has_children = TRUE;
    }
    if (!treeFill(tree, error))
        return NULL;

    return g_steal_pointer(&tree);
}
