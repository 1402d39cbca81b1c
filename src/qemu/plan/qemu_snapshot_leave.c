/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_leave.c: which images a revert leaves for good
 *
 * Those on which the reverted disks are, as far as they are known to be ours to delete:
 * made by taking a snapshot of this domain, as that snapshot's <disks> say, or by a
 * revert, as the domain's <metadata> says. Whether anyone needs them is asked when they
 * are deleted, and for a description.
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
    if (isListed(plan, file) || reused || !regular ||
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

/* The domain leaves them, and its QEMU ends, which has them open now. */
static gboolean
ignoreOwn(const qemuHolder *holder, qemuHolderPlace place G_GNUC_UNUSED,
          const void *opaque)
{
    const qemuSnapshotSource *source = opaque;

    switch (holder->kind) {
    case QEMU_HOLDER_RUNNING:
    case QEMU_HOLDER_DEFINED:
    case QEMU_HOLDER_SAVED:
        return g_strcmp0(holder->uuid, source->uuid) == 0;
    case QEMU_HOLDER_PROGRAM:
        return source->active;
    case QEMU_HOLDER_SNAPSHOT:
    case QEMU_HOLDER_IMAGE:
        return FALSE;
    }

    return FALSE;
}

gboolean
qemuSnapshotLeaveForetell(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
                          GError **error)
{
    const qemuHolders *holders;

    if (plan->discards->len == 0)
        return TRUE;
    if (!(holders = qemuSnapshotSourceHolders(source, error)))
        return FALSE;

    for (guint i = plan->discards->len; i-- > 0;) {
        qemuSnapshotPlanDiscard *discard = g_ptr_array_index(plan->discards, i);
        qemuHoldersQuestion question = {
            .path = discard->file, .purpose = QEMU_HOLDERS_JUST_LEFT,
            .uuid = source->uuid, .ignore = ignoreOwn, .opaque = source,
        };
        g_autofree char *who = NULL;

        switch (qemuHoldersAsk(holders, &question, &who, NULL)) {
        case QEMU_HOLDERS_NOBODY:
            break;
        case QEMU_HOLDERS_SOMEBODY:
        case QEMU_HOLDERS_UNKNOWN:
            g_ptr_array_remove_index(plan->discards, i);
            break;
        }
    }

    return TRUE;
}
