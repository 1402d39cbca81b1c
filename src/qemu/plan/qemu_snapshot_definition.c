/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_definition.c: the documents that libvirt is given
 *
 * The persistent definition becomes the one that the snapshot recorded, on the new
 * overlays; what keeps its present image keeps its present settings, too. Memory is
 * restored with the definition from its own file, in which nothing is changed but
 * the images, so that the guest finds the machine that it left.
 */

#include "config.h"

#include "qemu_snapshot_definition.h"
#include "qemu_snapshot_return.h"
#include "virsnapqcow2.h"

/* A disk that the snapshot left out stays on its present image; media that can't
 * have changed are the snapshot's. */
static gboolean
keepsPresent(const qemuSnapshotSource *source, const virDomainDisk *then)
{
    if (then->readonly || !(g_str_equal(then->device, "disk") ||
                            g_str_equal(then->device, "lun")))
        return FALSE;

    return virDomainSnapshotInfoGetLocation(source->info, then->target, then->file) !=
        VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL;
}

/* target -> file: the overlays that reverts made and the new definition is on. */
static GHashTable *
listOverlays(const qemuSnapshotPlan *plan, const qemuSnapshotSource *source)
{
    g_autoptr(GHashTable) before = virDomainDefGetOverlays(source->next_doc);
    GHashTable *overlays = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                 g_free, g_free);

    for (guint i = 0; i < source->then_disks->len; i++) {
        virDomainDisk *then = g_ptr_array_index(source->then_disks, i);
        const char *file = g_hash_table_lookup(before, then->target);

        if (file && keepsPresent(source, then))
            g_hash_table_insert(overlays, g_strdup(then->target), g_strdup(file));
    }

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        g_hash_table_insert(overlays, g_strdup(disk->target),
                            g_strdup(disk->overlay));
    }

    return overlays;
}

/* The chain as a definition has it; NULL where this libvirt can't be told of a data file
 * in it, and finds that by the headers alone. */
static GPtrArray *
spellChain(const qemuSnapshotPlanDisk *disk, gboolean has_data_stores)
{
    g_autoptr(GPtrArray) chain =
        g_ptr_array_new_with_free_func((GDestroyNotify)virDomainImageFree);

    for (guint i = 0; i < disk->chain->len; i++) {
        const virSnapImage *from = g_ptr_array_index(disk->chain, i);
        virDomainImage *image;

        if (from->data_file && !has_data_stores)
            return NULL;

        image = g_new0(virDomainImage, 1);
        image->file = g_strdup(from->file);
        image->format = g_strdup(from->format);
        image->data_file = g_strdup(from->data_file);
        g_ptr_array_add(chain, image);
    }

    return g_steal_pointer(&chain);
}

/* The whole chain is spelled out, as in a definition that libvirt has made when it took a
 * snapshot: what follows headers for it, to grant QEMU the images, may not be allowed to
 * read the overlay. */
static void
setOverlays(xmlDoc *doc, const qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
            GHashTable *overlays)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        g_autoptr(GPtrArray) chain = spellChain(disk, source->has_data_stores);

        virDomainDefSetDiskFile(doc, disk->target, disk->overlay);
        if (chain)
            virDomainDefSetDiskChain(doc, disk->target, chain);
    }
    virDomainDefSetOverlays(doc, overlays, plan->id);
}

static char *
makeDefinition(const qemuSnapshotPlan *plan, qemuSnapshotSource *source,
               GHashTable *overlays, GError **error)
{
    xmlDoc *doc = source->then_doc;

    for (guint i = 0; i < source->then_disks->len; i++) {
        virDomainDisk *then = g_ptr_array_index(source->then_disks, i);

        if (keepsPresent(source, then) &&
            !virDomainDefCopyDisk(doc, source->next_doc, then->target) &&
            !qemuSnapshotCheckReturn(source, then, error))
            return NULL;
    }

    setOverlays(doc, plan, source, overlays);
    virDomainDefSetName(doc, plan->domain);
    virDomainDefRenewGenID(doc);
    return virSnapXMLFormat(doc, NULL);
}

/* libvirt gives the restored guest a new genid by itself, and wants the old one
 * here. */
static char *
makeRestore(const qemuSnapshotPlan *plan, qemuSnapshotSource *source,
            GHashTable *overlays, GError **error)
{
    xmlDoc *doc = source->memory_doc;

    for (guint i = 0; i < source->state_disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(source->state_disks, i);

        if (keepsPresent(source, disk) &&
            !virDomainDefCopyDiskSource(doc, source->next_doc, disk->target) &&
            !qemuSnapshotCheckReturn(source, disk, error))
            return NULL;
    }

    setOverlays(doc, plan, source, overlays);
    return virSnapXMLFormat(doc, NULL);
}

/* So that libvirt's own deletion of the target, and its own next revert, find the live
 * overlays. */
static virDomainSnapshotOverlays
whereOverlaysAre(const qemuSnapshotSource *source)
{
    if (!source->tree->has_children)
        return VIR_DOMAIN_SNAPSHOT_OVERLAYS_DISKS;

    return source->has_revert_disks ? VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS :
        VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE;
}

gboolean
qemuSnapshotDefinitionMake(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
                           GError **error)
{
    g_autoptr(GHashTable) overlays = listOverlays(plan, source);

    if (!(plan->new_xml = makeDefinition(plan, source, overlays, error)))
        return FALSE;
    if (source->memory_doc &&
        !(plan->restore_xml = makeRestore(plan, source, overlays, error)))
        return FALSE;

    /* of a domain without one, the definition that it would have */
    if (source->transient)
        virDomainDefMakeInactive(source->next_doc);
    plan->old_xml = virSnapXMLFormat(source->next_doc, NULL);

    plan->snapshot_xml =
        virDomainSnapshotInfoFormat(source->info, whereOverlaysAre(source), overlays);
    return TRUE;
}
