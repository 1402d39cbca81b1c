/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_takeover.c: may the domain still have the images that it takes over?
 *
 * An overlay that is replaced in its place, and one that the caller has made, was nobody's
 * when the plan was made. Somebody may have come to stand on it since. That is looked at
 * directly before the domain is stopped, and once more, of those alone who have come since,
 * before the image is taken.
 */

#include "config.h"

#include "qemu_snapshot_place.h"
#include "qemu_snapshot_reuse.h"
#include "qemu_snapshot_takeover.h"
#include "virsnaperror.h"

static GPtrArray *
listTaken(const qemuSnapshotPlan *plan)
{
    GPtrArray *files = g_ptr_array_new();

    for (guint i = 0; i < plan->disks->len; i++) {
        const qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (disk->in_place || disk->reused)
            g_ptr_array_add(files, disk->overlay);
    }
    g_ptr_array_add(files, NULL);

    return files;
}

gboolean
qemuSnapshotTakeoverIsAny(const qemuSnapshotPlan *plan)
{
    g_autoptr(GPtrArray) files = listTaken(plan);

    return files->len > 1;
}

static gboolean
checkDisks(const qemuSnapshotPlan *plan, const char *uuid, const qemuHolders *holders,
           GError **error)
{
    for (guint i = 0; i < plan->disks->len; i++) {
        const qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if ((disk->in_place &&
             !qemuSnapshotPlaceCheckReplaced(holders, uuid, disk->target, disk->overlay,
                                             error)) ||
            (disk->reused &&
             !qemuSnapshotReuseCheckFree(holders, uuid, disk->target, disk->overlay,
                                         error)))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotTakeoverCheck(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                          const qemuHolders *since, qemuHolders **ret_holders,
                          GError **error)
{
    virConnectPtr conn = virDomainGetConnect(plan->dom);
    qemuHoldersReader *reader = qemuSnapshotDriverHolders(driver);
    g_autoptr(GPtrArray) files = listTaken(plan);
    const char *const *asked = (const char *const *)files->pdata;
    g_autoptr(qemuHolders) holders = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];

    *ret_holders = NULL;
    if (files->len == 1)
        return TRUE;

    if (virDomainGetUUIDString(plan->dom, uuid) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot tell the UUID of domain '%s'"),
                               plan->domain);
        return FALSE;
    }

    holders = since ? qemuHoldersReadChanges(reader, conn, since, asked, error) :
        qemuHoldersRead(reader, conn, asked, error);
    if (!holders || !checkDisks(plan, uuid, holders, error))
        return FALSE;

    *ret_holders = g_steal_pointer(&holders);
    return TRUE;
}
