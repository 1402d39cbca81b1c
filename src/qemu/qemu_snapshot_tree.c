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
#include "virsnapqcow2.h"

void
qemuSnapshotTreeFree(qemuSnapshotTree *tree)
{
    if (!tree)
        return;

    g_free(tree->domain);
    g_ptr_array_unref(tree->infos);
    g_hash_table_unref(tree->paths);
    g_hash_table_unref(tree->states);
    g_hash_table_unref(tree->made);
    g_free(tree);
}

static GHashTable *
newTable(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

/* Images and who needs them. Where many stand on the same ones, each is read once for
 * each format that it is taken for and each folder that it is found in, where a relative
 * name in its header begins; so a chain that bites its tail has an end, too. */
typedef struct _imageTable imageTable;
struct _imageTable {
    GHashTable *owners;  /* file key -> owner */
    GHashTable *read;    /* set of format, folder key and file key */
};

static imageTable
newImageTable(void)
{
    return (imageTable){
        .owners = newTable(),
        .read = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
}

static void
clearImageTable(imageTable *table)
{
    g_clear_pointer(&table->owners, g_hash_table_unref);
    g_clear_pointer(&table->read, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(imageTable, clearImageTable)

static void
addOwner(GHashTable *owners, const char *key, const char *owner)
{
    if (!g_hash_table_contains(owners, key))
        g_hash_table_insert(owners, g_strdup(key), g_strdup(owner));
}

/* FALSE where it was before. */
static gboolean
addRead(imageTable *table, const char *file, const char *format, const char *key)
{
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *folder_key = virSnapFileKey(folder);

    return g_hash_table_add(table->read,
                            g_strjoin(":", format, folder_key, key, NULL));
}

/* The image below, as far as the header names it and can be read. */
static gboolean
goDown(char **file, char **format, char **ret_data_file)
{
    g_autoptr(virSnapImage) image = virSnapImageRead(*file, *format, NULL);

    if (ret_data_file)
        *ret_data_file = image ? g_steal_pointer(&image->data_file) : NULL;
    if (!image || !image->backing)
        return FALSE;

    g_free(*file);
    g_free(*format);
    *file = virSnapFileBeside(image->file, image->backing);
    *format = g_strdup(image->backing_format ? image->backing_format : "raw");
    return TRUE;
}

/* The image and all that its header chain names; data files, too. */
static void
addChain(imageTable *table, const char *top, const char *as, const char *owner)
{
    g_autofree char *file = g_strdup(top);
    g_autofree char *format = g_strdup(as ? as : "raw");
    gboolean more = TRUE;

    while (more) {
        g_autofree char *key = virSnapFileKey(file);
        g_autofree char *data_file = NULL;

        addOwner(table->owners, key, owner);
        if (!addRead(table, file, format, key))
            return;

        more = goDown(&file, &format, &data_file);
        if (data_file) {
            g_autofree char *data_key = virSnapFileKey(data_file);

            addOwner(table->owners, data_key, owner);
        }
    }
}

GPtrArray *
qemuSnapshotReadChain(const char *top, const char *as)
{
    GPtrArray *chain = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *file = g_strdup(top);
    g_autofree char *format = g_strdup(as ? as : "raw");
    gboolean more = TRUE;

    for (int depth = 0; more && depth < VIR_SNAP_CHAIN_MAX; depth++) {
        g_ptr_array_add(chain, virSnapFileKey(file));
        more = goDown(&file, &format, NULL);
    }

    return chain;
}

static void
addDisks(imageTable *table, GPtrArray *disks, const char *owner)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (disk->file)
            addChain(table, disk->file, disk->format, owner);
        for (guint j = 0; j < disk->chain->len; j++) {
            virDomainImage *image = g_ptr_array_index(disk->chain, j);

            addChain(table, image->file, image->format, owner);
        }
    }
}

static void
addPath(GHashTable *paths, const char *file, const char *owner)
{
    if (file)
        g_hash_table_insert(paths, virSnapFileResolve(file), g_strdup(owner));
}

static gboolean
treeAddDefinition(qemuSnapshotTree *tree, imageTable *states,
                  const virDomainSnapshotInfo *info, gboolean inactive, GError **error)
{
    g_autoptr(xmlDoc) doc = virDomainSnapshotInfoGetDomain(info, inactive);
    g_autoptr(GPtrArray) disks = NULL;

    if (!doc)
        return TRUE;

    if (!(disks = virDomainDefGetDisks(doc, error)))
        return FALSE;

    addDisks(states, disks, info->name);
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
treeAddSnapshot(qemuSnapshotTree *tree, imageTable *states,
                const virDomainSnapshotInfo *info, const char *target, GError **error)
{
    if (g_strcmp0(info->parent, target) == 0)
        tree->has_children = TRUE;

    addPath(tree->paths, info->memory_file, info->name);
    treeAddMade(tree, info->disks, info->name);
    treeAddMade(tree, info->revert_disks, info->name);

    return treeAddDefinition(tree, states, info, FALSE, error) &&
        treeAddDefinition(tree, states, info, TRUE, error);
}

static virDomainSnapshotInfo *
readInfo(virDomainSnapshotPtr snap, const char *domain, GError **error)
{
    char *xml = virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    virDomainSnapshotInfo *info;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read a snapshot of domain '%s'"), domain);
        return NULL;
    }

    info = virDomainSnapshotInfoParse(xml, error);
    free(xml);
    return info;
}

GPtrArray *
qemuSnapshotReadInfos(virDomainPtr dom, GError **error)
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
        virDomainSnapshotInfo *info = ok ? readInfo(snaps[i], name, error) : NULL;

        if (info)
            g_ptr_array_add(infos, info);
        ok = info != NULL;
        virDomainSnapshotFree(snaps[i]);
    }
    free(snaps);

    return ok ? g_steal_pointer(&infos) : NULL;
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
    g_auto(imageTable) states = newImageTable();

    if (!infos)
        return NULL;

    tree = g_new0(qemuSnapshotTree, 1);
    tree->domain = g_strdup(virDomainGetName(dom));
    tree->infos = g_ptr_array_ref(infos);
    tree->paths = newTable();
    tree->states = g_hash_table_ref(states.owners);
    tree->made = newTable();

    for (guint i = 0; i < infos->len; i++) {
        if (!treeAddSnapshot(tree, &states, g_ptr_array_index(infos, i), target, error))
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
qemuSnapshotEachDomain(virDomainPtr dom, gboolean own, qemuSnapshotDomainFunc func,
                       void *opaque, GError **error)
{
    virDomainPtr *doms = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    unsigned char other[VIR_UUID_BUFLEN];
    gboolean ok = TRUE;

    if (virDomainGetUUID(dom, uuid) < 0 ||
        virConnectListAllDomains(virDomainGetConnect(dom), &doms, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the domains"));
        return FALSE;
    }

    for (gsize i = 0; doms[i]; i++) {
        if (ok && virDomainGetUUID(doms[i], other) == 0 &&
            (own || memcmp(uuid, other, sizeof(uuid)) != 0))
            ok = tryDomain(doms[i], func, opaque, error);
        virDomainFree(doms[i]);
    }
    free(doms);

    return ok;
}

static gboolean
addDomain(virDomainPtr dom, void *opaque, GError **error)
{
    imageTable *table = opaque;
    const char *name = virDomainGetName(dom);
    unsigned int last = virDomainIsActive(dom) == 0 ? 0 : VIR_DOMAIN_XML_INACTIVE;
    g_autoptr(qemuSnapshotTree) tree = NULL;
    GHashTableIter iter;
    void *key;

    /* one that is off has the same definition for now and for its next start */
    for (unsigned int flags = 0; flags <= last; flags += VIR_DOMAIN_XML_INACTIVE) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(dom, flags, NULL, error);

        if (!disks)
            return FALSE;
        addDisks(table, disks, name);
    }

    if (!(tree = qemuSnapshotTreeRead(dom, NULL, error)))
        return FALSE;
    g_hash_table_iter_init(&iter, tree->states);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        addOwner(table->owners, key, name);

    return TRUE;
}

GHashTable *
qemuSnapshotReadDomains(virDomainPtr dom, gboolean own, GError **error)
{
    g_auto(imageTable) table = newImageTable();

    return qemuSnapshotEachDomain(dom, own, addDomain, &table, error) ?
        g_hash_table_ref(table.owners) : NULL;
}
