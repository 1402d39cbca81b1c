/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_recover.c: reverts that were broken off
 *
 * The journal tells what was to be done, libvirt and the file system what has been.
 * A revert whose definition libvirt has is finished, and so is one that was recorded,
 * whatever others have made of the domain since: the old state may be deleted by then.
 * Any other is undone. Both go by what is there and may be broken off themselves, at any
 * point, and begun again.
 */

#include "config.h"

#include "qemu_snapshot_overlay_back.h"
#include "qemu_snapshot_recover.h"
#include "qemu_snapshot_steps.h"
#include "virsnaperror.h"
#include "virsnapfault.h"

/* All undos, the last first, whether their steps were begun or not. */
static gboolean
recoverUndo(qemuSnapshotRevertState *state, GError **error)
{
    gsize n = 0;

    while (qemuSnapshotSteps[n].name)
        n++;

    while (n-- > 0) {
        g_autoptr(GPtrArray) notes = qemuSnapshotStepNotesNew();

        if (qemuSnapshotSteps[n].undo && !qemuSnapshotSteps[n].undo(state, notes, error))
            return FALSE;
        for (guint i = 0; i < notes->len; i++)
            g_message("%s", (const char *)g_ptr_array_index(notes, i));
    }

    return qemuSnapshotJournalClear(state->journal, error);
}

/* Whether each disk that the guest writes to is on a new overlay, so that these tell
 * whether it has run. */
static gboolean
overlaysTell(const qemuSnapshotPlan *plan, gboolean *ret_tell, GError **error)
{
    g_autoptr(xmlDoc) doc = virSnapXMLParse(qemuSnapshotPlanStartXML(plan), "domain",
                                            _("domain definition"), error);
    g_autoptr(GPtrArray) disks = doc ? virDomainDefGetDisks(doc, error) : NULL;

    if (!disks)
        return FALSE;

    *ret_tell = plan->disks->len > 0;
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (!disk->readonly && !g_str_equal(disk->device, "cdrom") &&
            !qemuSnapshotPlanFindDisk(plan, disk->target))
            *ret_tell = FALSE;
    }

    return TRUE;
}

/* A guest that ran since its start was begun must not be started again, least of all
 * from its memory. One that a restart of the host ended isn't ours to start. */
static gboolean
recoverWantsStart(const qemuSnapshotRevertState *state, gboolean *ret_wanted,
                  GError **error)
{
    const qemuSnapshotJournal *journal = state->journal;
    int active = virDomainIsActive(state->plan->dom);
    gboolean tell = TRUE;

    if (active < 0) {
        virSnapErrorSetLibvirt(error, _("cannot tell whether domain '%s' runs"),
                               state->plan->domain);
        return FALSE;
    }

    *ret_wanted = FALSE;
    if (active || !qemuSnapshotJournalIsOfThisBoot(journal) ||
        qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_STARTED) ||
        qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_RECORDED))
        return TRUE;

    if (state->plan->start == QEMU_SNAPSHOT_START_RESTORE &&
        qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_START) &&
        !overlaysTell(state->plan, &tell, error))
        return FALSE;
    return !tell || qemuSnapshotOverlaysAreBlank(state->plan, ret_wanted, error);
}

/* Where the new overlays are not there the old state is all that is left. */
static gboolean
recoverComplete(qemuSnapshotRevertState *state, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean recorded =
        qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_RECORDED);
    gboolean start = FALSE;

    if ((!recorded && !qemuSnapshotOverlaysCheck(state->plan, error)) ||
        !recoverWantsStart(state, &start, error) ||
        (!recorded && !start && !qemuSnapshotStepDropSave(state->plan, error)))
        return FALSE;

    if (start && !qemuSnapshotStepStart(state, &cause)) {
        g_warning("%s", cause->message);
        return recoverUndo(state, error);
    }

    for (gsize i = 0; qemuSnapshotClosingSteps[i].name; i++) {
        if (!qemuSnapshotClosingSteps[i].run(state, error))
            return FALSE;
    }

    return TRUE;
}

/* Of a domain that is gone: nothing is left to be put back. Once it was on the new
 * overlays they are what it leaves, as any domain leaves its images. */
static gboolean
recoverWithout(qemuSnapshotRevertState *state, virConnectPtr conn, GError **error)
{
    const qemuSnapshotJournal *journal = state->journal;
    gboolean begun = qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_START);
    virSnapStorageHold *hold = qemuSnapshotJournalHold(state->journal);
    gboolean was_on_them =
        qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_STARTED) ||
        qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_RECORDED);

    if (was_on_them)
        g_message(_("domain '%s' is gone since it was reverted; its images are kept"),
                  state->plan->domain);
    if (!was_on_them &&
        (!qemuSnapshotOverlaysSwitchBack(state->driver, state->plan, conn, begun, hold,
                                         error) ||
         !qemuSnapshotOverlaysRemove(state->driver, state->plan, conn, hold, error)))
        return FALSE;
    return qemuSnapshotJournalClear(state->journal, error);
}

static gboolean
recoverWith(qemuSnapshotRevertState *state, virConnectPtr conn,
            const unsigned char *uuid, GError **error)
{
    qemuSnapshotPlan *plan = state->plan;
    gboolean committed = FALSE;
    gboolean ok;

    if (!(plan->dom = virDomainLookupByUUID(conn, uuid))) {
        virErrorPtr last = virGetLastError();

        if (last && last->code == VIR_ERR_NO_DOMAIN)
            return recoverWithout(state, conn, error);
        virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), plan->domain);
        return FALSE;
    }

    if (!qemuSnapshotStepIsCommitted(plan, &committed, error) ||
        !virSnapFault("recover", error))
        return FALSE;

    if (qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_RECORDED))
        committed = TRUE;
    ok = committed ? recoverComplete(state, error) : recoverUndo(state, error);
    if (ok && committed)
        g_message(_("the revert of domain '%s' to snapshot '%s', which was broken off, "
                    "has been finished"), plan->domain, plan->snapshot);
    else if (ok)
        g_message(_("the revert of domain '%s' to snapshot '%s', which was broken off, "
                    "has been undone"), plan->domain, plan->snapshot);
    return ok && virSnapFault("recovered", error);
}

/* Keeps the driver informed of whether the domain waits for a storage. */
static gboolean
recoverReadJournal(qemuSnapshotDriver *driver, const unsigned char *uuid,
                   qemuSnapshotJournal **ret_journal, qemuSnapshotPlan **ret_plan,
                   GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean ok = qemuSnapshotJournalRead(qemuSnapshotDriverStateFolder(driver), uuid,
                                          ret_journal, ret_plan, &cause);
    gboolean waits = cause && virSnapErrorCode(cause) == VIR_ERR_OPERATION_TIMEOUT;

    qemuSnapshotDriverSetWaits(driver, uuid, waits ? cause->message : NULL);
    if (cause)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

gboolean
qemuSnapshotRecoverDomain(qemuSnapshotDriver *driver, const unsigned char *uuid,
                          GError **error)
{
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    qemuSnapshotRevertState state = { .driver = driver };
    virConnectPtr conn;
    gboolean ok;

    if (!recoverReadJournal(driver, uuid, &journal, &plan, error))
        return FALSE;
    if (!journal)
        return TRUE;

    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    state.plan = plan;
    state.journal = journal;
    ok = recoverWith(&state, conn, uuid, error);
    qemuSnapshotRestoreFree(state.restore);
    virConnectClose(conn);
    qemuSnapshotStepNoteWaits(&state, uuid);
    return ok;
}

guint
qemuSnapshotRecoverAll(qemuSnapshotDriver *driver)
{
    g_autoptr(GPtrArray) uuids =
        qemuSnapshotJournalList(qemuSnapshotDriverStateFolder(driver));
    guint left = 0;

    for (guint i = 0; i < uuids->len; i++) {
        const unsigned char *uuid = g_bytes_get_data(g_ptr_array_index(uuids, i), NULL);
        g_autoptr(GError) error = NULL;

        qemuSnapshotDriverLock(driver, uuid);
        if (!qemuSnapshotRecoverDomain(driver, uuid, &error)) {
            g_warning(_("a revert that was broken off can't be finished or undone yet: "
                        "%s"), error->message);
            left++;
        }
        qemuSnapshotDriverUnlock(driver, uuid);
    }

    return left;
}
