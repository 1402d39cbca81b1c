/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_discard.c: deleting the state that is left, and only that
 *
 * An image is deleted only where all of this is known of it: it was made by
 * taking a snapshot of this domain, as that snapshot's <disks> say, or by a
 * revert, as the domain's <metadata> says; nobody holds it; and it is the file that
 * the domain left, not one that has got its path since. Where any of it can't be told
 * the image stays, and is looked at again later.
 */

#include "config.h"

#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_postponed.h"
#include "qemu_snapshot_read.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapstoragefile.h"

/* 0: it is not there. */
static gboolean
modifiedTime(const char *file, gint64 *ret_modified, GError **error)
{
    struct stat st;
    int fault;

    if (!virSnapStorageLstat(file, &st, &fault, error))
        return FALSE;

    *ret_modified = fault ? 0 :
        st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec;
    return TRUE;
}

/* TRUE: it stays, and has to be looked at again. */
static gboolean
discardHeld(const qemuHolders *holders, const qemuSnapshotPostponed *left,
            qemuSnapshotJob *job, gboolean *ret_delete)
{
    qemuHoldersQuestion question = {
        .path = left->file, .purpose = QEMU_HOLDERS_JUST_LEFT,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;

    *ret_delete = FALSE;
    switch (qemuHoldersAsk(holders, &question, &who, &holder)) {
    case QEMU_HOLDERS_NOBODY:
        *ret_delete = TRUE;
        return FALSE;
    case QEMU_HOLDERS_SOMEBODY:
        if (holder->domain)
            qemuSnapshotJobWarn(job, _("image '%s' is kept: domain '%s' or one of its "
                                       "snapshots needs it"), left->file, holder->domain);
        else
            qemuSnapshotJobWarn(job, _("image '%s' is kept: it is needed by %s"),
                                left->file, who);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        qemuSnapshotJobWarn(job, _("image '%s' is kept: %s; it is looked at again by the "
                                   "next revert or deletion"), left->file, who);
        return TRUE;
    }

    return TRUE;
}

/* What one that is not needed is to be told by. */
static gboolean
readLeft(const qemuSnapshotPostponed *left, gboolean *ret_exists, gboolean *ret_is_left,
         gint64 *ret_modified, GError **error)
{
    return virSnapStorageExists(left->file, ret_exists, error) &&
        (!*ret_exists || (virSnapStorageIs(left->file, &left->id, ret_is_left, error) &&
                          modifiedTime(left->file, ret_modified, error)));
}

static gboolean
discardDelete(const qemuSnapshotPostponed *left, virSnapStorageHold *hold,
              qemuSnapshotJob *job, GError **error)
{
    int fault;

    if (!virSnapStorageUnlink(hold, left->file, &fault, error))
        return FALSE;
    if (fault)
        qemuSnapshotJobWarn(job, _("image '%s' can't be deleted: %s"), left->file,
                            g_strerror(fault));
    return TRUE;
}

/* *ret_postpone: it stays, and has to be looked at again. FALSE: whether it is there can't
 * be told, or whether it was deleted. */
static gboolean
discardFile(const qemuHolders *holders, qemuSnapshotPostponed *left,
            virSnapStorageHold *hold, qemuSnapshotJob *job, gboolean *ret_postpone,
            GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean exists = FALSE;
    gboolean is_left = FALSE;
    gboolean delete = FALSE;
    gint64 modified = 0;

    *ret_postpone = FALSE;
    if (!readLeft(left, &exists, &is_left, &modified, &cause)) {
        /* one that was left before waits on for its storage, and keeps none of the others */
        if ((*ret_postpone = left->modified != 0))
            g_warning(_("image '%s' is kept: %s"), left->file, cause->message);
        else
            g_propagate_error(error, g_steal_pointer(&cause));
        return *ret_postpone;
    }
    /* gone already: by a revert that was broken off after it */
    if (!exists)
        return TRUE;

    if (!is_left)
        qemuSnapshotJobWarn(job, _("image '%s' is kept: it is not known to be the one that "
                                   "was left"), left->file);
    else if (left->modified != 0 && left->modified != modified)
        qemuSnapshotJobWarn(job, _("image '%s' is kept: it has been written to since it was "
                                   "left"), left->file);
    else
        *ret_postpone = discardHeld(holders, left, job, &delete);

    left->modified = modified;
    return !delete || discardDelete(left, hold, job, error);
}

static qemuHolders *
readHolders(qemuSnapshotDriver *driver, virConnectPtr conn, GPtrArray *all, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++)
        g_ptr_array_add(files, ((qemuSnapshotPostponed *)g_ptr_array_index(all, i))->file);
    g_ptr_array_add(files, NULL);

    return qemuHoldersRead(qemuSnapshotDriverHolders(driver), conn,
                           (const char *const *)files->pdata, error);
}

static gboolean
discardAll(qemuSnapshotDriver *driver, virConnectPtr conn, const char *uuid,
           GPtrArray *all, virSnapStorageHold *hold, qemuSnapshotJob *job, GError **error)
{
    g_autoptr(qemuHolders) holders = readHolders(driver, conn, all, error);
    const char *folder = qemuSnapshotDriverStateFolder(driver);

    if (!holders)
        return FALSE;

    for (guint i = 0; i < all->len;) {
        gboolean postpone;

        if (!discardFile(holders, g_ptr_array_index(all, i), hold, job, &postpone, error))
            return FALSE;
        if (postpone)
            i++;
        else
            g_ptr_array_remove_index(all, i);
    }

    return qemuSnapshotPostponedWrite(folder, uuid, all, error);
}

static gboolean
addOverlays(GPtrArray *all, const virDomainSnapshotInfo *info, GError **error)
{
    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *disk = g_ptr_array_index(info->disks, i);
        gboolean regular = FALSE;
        virSnapFileID id;

        if (disk->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL || !disk->file)
            continue;
        if (!virSnapStorageGetID(disk->file, &id, &regular, error))
            return FALSE;
        if (regular)
            g_ptr_array_add(all, qemuSnapshotPostponedNew(disk->file, &id, 0));
    }

    return TRUE;
}

/* A snapshot that someone took of the domain after the last look at it, while libvirt let
 * the new definition wait: its overlay was the domain's for a moment, and is left like the
 * others. Where these are kept, so is it; after a crash it is not known any more. */
static gboolean
addTakenMeanwhile(GPtrArray *all, const qemuSnapshotPlan *plan, GError **error)
{
    g_autoptr(GPtrArray) infos = NULL;
    gboolean any = FALSE;

    if (!plan->guard || plan->discards->len == 0)
        return TRUE;
    if (!qemuSnapshotGuardHasNew(plan->guard, &any, error))
        return FALSE;
    if (!any)
        return TRUE;
    if (!(infos = qemuSnapshotReadInfos(plan->dom, error)))
        return FALSE;

    for (guint i = 0; i < infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);

        if (!qemuSnapshotGuardKnows(plan->guard, info->name) &&
            !addOverlays(all, info, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotDiscard(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                    virSnapStorageHold *hold, qemuSnapshotJob *job, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    g_autoptr(GPtrArray) all = NULL;

    if (virDomainGetUUIDString(plan->dom, uuid) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot tell the UUID of domain '%s'"),
                               plan->domain);
        return FALSE;
    }

    all = qemuSnapshotPostponedRead(qemuSnapshotDriverStateFolder(driver), uuid);
    for (guint i = 0; i < plan->discards->len; i++) {
        qemuSnapshotPlanDiscard *discard = g_ptr_array_index(plan->discards, i);

        g_ptr_array_add(all, qemuSnapshotPostponedNew(discard->file, &discard->id, 0));
    }
    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        gboolean kept = FALSE;

        if (disk->in_place && !virSnapStorageIs(disk->kept, &disk->old_id, &kept, error))
            return FALSE;
        if (kept)
            g_ptr_array_add(all, qemuSnapshotPostponedNew(disk->kept, &disk->old_id, 0));
    }

    if (!addTakenMeanwhile(all, plan, error))
        return FALSE;

    /* a snapshot may have been taken since the plan was made, here too */
    return all->len == 0 ||
        (virSnapFault("discard", error) &&
         discardAll(driver, virDomainGetConnect(plan->dom), uuid, all, hold, job,
                    error) &&
         virSnapFault("discarded", error));
}

gboolean
qemuSnapshotDiscardPostponed(qemuSnapshotDriver *driver, const char *uuid, GError **error)
{
    g_autoptr(GPtrArray) all =
        qemuSnapshotPostponedRead(qemuSnapshotDriverStateFolder(driver), uuid);
    virConnectPtr conn;
    gboolean ok;

    if (all->len == 0)
        return TRUE;
    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    ok = discardAll(driver, conn, uuid, all, NULL, NULL, error);
    virConnectClose(conn);
    return ok;
}

static gboolean
parseUUID(const char *text, unsigned char uuid[VIR_UUID_BUFLEN])
{
    for (int i = 0; i < VIR_UUID_BUFLEN; i++) {
        while (*text == '-')
            text++;
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]))
            return FALSE;
        uuid[i] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
        text += 2;
    }

    return TRUE;
}

void
qemuSnapshotDiscardAllPostponed(qemuSnapshotDriver *driver)
{
    g_autoptr(GPtrArray) uuids =
        qemuSnapshotPostponedList(qemuSnapshotDriverStateFolder(driver));

    for (guint i = 0; i < uuids->len; i++) {
        const char *text = g_ptr_array_index(uuids, i);
        unsigned char uuid[VIR_UUID_BUFLEN];
        g_autoptr(GError) error = NULL;

        if (!parseUUID(text, uuid))
            continue;
        qemuSnapshotDriverLock(driver, uuid);
        if (!qemuSnapshotDiscardPostponed(driver, text, &error))
            g_warning(_("images that reverts left can't be deleted yet: %s"),
                      error->message);
        qemuSnapshotDriverUnlock(driver, uuid);
    }
}

gboolean
qemuSnapshotDiscardPostpone(qemuSnapshotDriver *driver, const char *uuid, const char *file,
                            const virSnapFileID *id, GError **error)
{
    const char *folder = qemuSnapshotDriverStateFolder(driver);
    g_autoptr(GPtrArray) all = NULL;
    gint64 modified;

    if (!modifiedTime(file, &modified, error))
        return FALSE;

    all = qemuSnapshotPostponedRead(folder, uuid);
    g_ptr_array_add(all, qemuSnapshotPostponedNew(file, id, modified));
    return qemuSnapshotPostponedWrite(folder, uuid, all, error);
}
