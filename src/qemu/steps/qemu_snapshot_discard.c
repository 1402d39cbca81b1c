/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_discard.c: deleting the state that is left, and only that
 *
 * An image is deleted only where all of this is known of it: it was made by
 * taking a snapshot of this domain, as that snapshot's <disks> say, or by a
 * revert, as the domain's <metadata> says; no snapshot's state stands on it; no
 * other domain of this libvirt does; no program has it open; and it is the file that
 * the domain left, not one that has got its path since. Where any of it can't be told
 * the image stays.
 */

#include "config.h"

#include "qemu_snapshot_discard.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

static gboolean
discardFile(const char *file, const virSnapFileID *id, const qemuSnapshotImages *domains,
            virSnapStorageHold *hold, GError **ret_error)
{
    g_autofree char *key = virSnapStorageKey(file, ret_error);
    const char *user = key ? g_hash_table_lookup(domains->owners, key) : NULL;
    g_autoptr(GError) error = NULL;
    gboolean in_use = FALSE;
    gboolean exists = FALSE;
    gboolean is_left;
    int fault = 0;

    if (!key || !virSnapStorageExists(file, &exists, ret_error) ||
        !virSnapStorageIs(file, id, &is_left, ret_error))
        return FALSE;
    /* gone already: by a revert that was broken off after it */
    if (!exists)
        return TRUE;

    if (!is_left)
        g_warning(_("image '%s' is kept: it is not known to be the one that was left"),
                  file);
    else if (user)
        g_warning(_("image '%s' is kept: domain '%s' or one of its snapshots needs it"),
                  file, user);
    else if (domains->unknown)
        g_warning(_("image '%s' is kept: %s"), file, domains->unknown);
    else if (!virSnapStorageIsInUse(file, &in_use, &error))
        g_warning(_("image '%s' is kept: %s"), file, error->message);
    else if (in_use)
        g_warning(_("image '%s' is kept: a program has it open"), file);
    else if (!virSnapStorageUnlink(hold, file, &fault, ret_error))
        return FALSE;
    else if (fault)
        g_warning(_("image '%s' can't be deleted: %s"), file, g_strerror(fault));
    return TRUE;
}

gboolean
qemuSnapshotDiscard(const qemuSnapshotPlan *plan, virSnapStorageHold *hold, GError **error)
{
    g_autoptr(qemuSnapshotImages) domains = NULL;
    gboolean any = plan->discards->len > 0;

    for (guint i = 0; i < plan->disks->len && !any; i++)
        any = ((qemuSnapshotPlanDisk *)g_ptr_array_index(plan->disks, i))->in_place;

    if (!any)
        return TRUE;

    /* a snapshot may have been taken since the plan was made, here too */
    if (!virSnapFault("discard", error) ||
        !(domains = qemuSnapshotReadDomains(virDomainGetConnect(plan->dom), NULL,
                                            error)))
        return FALSE;

    for (guint i = 0; i < plan->discards->len; i++) {
        qemuSnapshotPlanDiscard *discard =
            g_ptr_array_index(plan->discards, i);

        if (!discardFile(discard->file, &discard->id, domains, hold, error))
            return FALSE;
    }

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean kept = FALSE;

        if (disk->in_place &&
            (!virSnapStorageIs(disk->kept, &disk->old_id, &kept, error) ||
             (kept && !discardFile(disk->kept, &disk->old_id, domains, hold, error))))
            return FALSE;
    }

    return virSnapFault("discarded", error);
}
