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

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_postponed.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapfile.h"

static gint64
modifiedTime(const char *file)
{
    struct stat st;

    return lstat(file, &st) < 0 ? 0 :
        st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec;
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

/* *ret_postpone: it stays, and has to be looked at again. FALSE: whether it is there can't
 * be told. */
static gboolean
discardFile(const qemuHolders *holders, qemuSnapshotPostponed *left,
            qemuSnapshotJob *job, gboolean *ret_postpone, GError **error)
{
    gboolean exists = FALSE;
    gboolean delete = FALSE;
    gint64 modified;

    *ret_postpone = FALSE;
    if (!virSnapFileExists(left->file, &exists, error))
        return FALSE;
    /* gone already: by a revert that was broken off after it */
    if (!exists)
        return TRUE;

    modified = modifiedTime(left->file);
    if (!virSnapFileIs(left->file, &left->id))
        qemuSnapshotJobWarn(job, _("image '%s' is kept: it is not known to be the one that "
                                   "was left"), left->file);
    else if (left->modified != 0 && left->modified != modified)
        qemuSnapshotJobWarn(job, _("image '%s' is kept: it has been written to since it was "
                                   "left"), left->file);
    else
        *ret_postpone = discardHeld(holders, left, job, &delete);

    if (delete && unlink(left->file) < 0)
        qemuSnapshotJobWarn(job, _("image '%s' can't be deleted: %s"), left->file,
                            g_strerror(errno));
    left->modified = modified;
    return TRUE;
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
           GPtrArray *all, qemuSnapshotJob *job, GError **error)
{
    g_autoptr(qemuHolders) holders = readHolders(driver, conn, all, error);
    const char *folder = qemuSnapshotDriverStateFolder(driver);

    if (!holders)
        return FALSE;

    for (guint i = 0; i < all->len;) {
        gboolean postpone;

        if (!discardFile(holders, g_ptr_array_index(all, i), job, &postpone, error))
            return FALSE;
        if (postpone)
            i++;
        else
            g_ptr_array_remove_index(all, i);
    }

    return qemuSnapshotPostponedWrite(folder, uuid, all, error);
}

gboolean
qemuSnapshotDiscard(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                    qemuSnapshotJob *job, GError **error)
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

        if (disk->in_place && virSnapFileIs(disk->kept, &disk->old_id))
            g_ptr_array_add(all, qemuSnapshotPostponedNew(disk->kept, &disk->old_id, 0));
    }

    /* a snapshot may have been taken since the plan was made, here too */
    return all->len == 0 ||
        (virSnapFault("discard", error) &&
         discardAll(driver, virDomainGetConnect(plan->dom), uuid, all, job, error) &&
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

    ok = discardAll(driver, conn, uuid, all, NULL, error);
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
    g_autoptr(GPtrArray) all = qemuSnapshotPostponedRead(folder, uuid);

    g_ptr_array_add(all, qemuSnapshotPostponedNew(file, id, modifiedTime(file)));
    return qemuSnapshotPostponedWrite(folder, uuid, all, error);
}
