/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_leave.c: which images a revert leaves for good
 */

#include "config.h"

#include "qemu_snapshot_leave.h"
#include "virsnapstoragefile.h"

static gboolean
isRecorded(xmlDoc *doc, const char *target, const char *file)
{
    g_autoptr(GHashTable) overlays = virDomainDefGetOverlays(doc);

    return g_strcmp0(g_hash_table_lookup(overlays, target), file) == 0;
}

static gboolean
isListed(const qemuSnapshotPlan *plan, const char *file)
{
    for (guint i = 0; i < plan->discards->len; i++) {
        qemuSnapshotPlanDiscard *discard =
            g_ptr_array_index(plan->discards, i);

        if (g_str_equal(discard->file, file))
            return TRUE;
    }

    return FALSE;
}

static gboolean
isReused(const qemuSnapshotPlan *plan, const char *key, gboolean *ret_reused,
         GError **error)
{
    *ret_reused = FALSE;
    for (guint i = 0; i < plan->disks->len && !*ret_reused; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        g_autofree char *other = NULL;

        if (disk->reused && !(other = virSnapStorageKey(disk->overlay, error)))
            return FALSE;
        *ret_reused = g_strcmp0(other, key) == 0;
    }

    return TRUE;
}

static gboolean
leaveConsider(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
              const char *target, const char *file, GError **error)
{
    g_autofree char *key = virSnapStorageKey(file, error);
    qemuSnapshotPlanDiscard *discard;
    gboolean reused, regular;
    virSnapFileID id;

    if (!key || !isReused(plan, key, &reused, error) ||
        !virSnapStorageGetID(file, &id, &regular, error))
        return FALSE;
    if (source->tree->states->unknown || isListed(plan, file) || reused ||
        g_hash_table_contains(source->tree->states->owners, key) || !regular ||
        (!g_hash_table_contains(source->tree->made, key) &&
         !isRecorded(source->next_doc, target, file)))
        return TRUE;

    discard = g_new0(qemuSnapshotPlanDiscard, 1);
    discard->disk = g_strdup(target);
    discard->file = g_strdup(file);
    discard->id = id;
    g_ptr_array_add(plan->discards, discard);
    return TRUE;
}

static gboolean
isReplaced(const qemuSnapshotPlanDisk *disk, const char *file)
{
    return disk->in_place && g_str_equal(disk->overlay, file);
}

gboolean
qemuSnapshotLeavePlan(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
                      GError **error)
{
    GPtrArray *definitions[] = { source->now_disks, source->next_disks };

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        for (gsize j = 0; j < G_N_ELEMENTS(definitions); j++) {
            virDomainDisk *at = virDomainDisksFind(definitions[j], disk->target);

            if (at && at->file && !isReplaced(disk, at->file) &&
                !leaveConsider(plan, source, disk->target, at->file, error))
                return FALSE;
        }
    }

    return TRUE;
}

gboolean
qemuSnapshotLeaveForetell(qemuSnapshotPlan *plan, GError **error)
{
    g_autoptr(qemuSnapshotImages) others = NULL;

    if (plan->discards->len == 0)
        return TRUE;

    if (!(others = qemuSnapshotReadDomains(virDomainGetConnect(plan->dom), plan->dom,
                                           error)))
        return FALSE;

    for (guint i = plan->discards->len; i-- > 0;) {
        qemuSnapshotPlanDiscard *discard =
            g_ptr_array_index(plan->discards, i);
        g_autofree char *key = virSnapStorageKey(discard->file, error);

        if (!key)
            return FALSE;
        if (others->unknown || g_hash_table_contains(others->owners, key))
            g_ptr_array_remove_index(plan->discards, i);
    }

    return TRUE;
}
