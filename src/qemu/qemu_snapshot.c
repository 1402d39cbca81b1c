/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot.c: reverting a domain to an external snapshot
 *
 * A revert is a plan, which has no side effect, and the table of steps that carries
 * it out. A failure undoes all steps begun, the last first; the journal, which tells
 * what was to be done and how far it got, lets the same be done after a crash.
 */

#include "config.h"

#include "qemu_snapshot.h"
#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_planner.h"
#include "qemu_snapshot_recover.h"
#include "qemu_snapshot_steps.h"
#include "qemu_snapshot_veto.h"
#include "qemu_snapshot_read.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnapfault.h"

static gboolean
runStep(qemuSnapshotRevertState *state, const qemuSnapshotStep *step, GError **error)
{
    g_debug("domain '%s', snapshot '%s': %s", state->plan->domain,
            state->plan->snapshot, step->name);
    qemuSnapshotJobSetStep(state->job, step->name);
    return virSnapFaultStep("before", step->name, error) && step->run(state, error) &&
        virSnapFaultStep("after", step->name, error);
}

/* FALSE: it could not be. What is to be said of it is added to the text. */
static gboolean
undoStep(qemuSnapshotRevertState *state, const qemuSnapshotStep *step, GString *text)
{
    g_autoptr(GPtrArray) notes = qemuSnapshotStepNotesNew();
    g_autoptr(GError) cause = NULL;
    gboolean undone;

    if (!step->undo)
        return TRUE;

    undone = virSnapFaultStep("undo", step->name, &cause) &&
        step->undo(state, notes, &cause);
    for (guint i = 0; i < notes->len; i++)
        g_string_append_printf(text, "; %s", (const char *)g_ptr_array_index(notes, i));
    if (!undone)
        g_string_append_printf(text, "; %s", cause->message);
    return undone;
}

/* Undoes the steps up to the one that failed. What became of the domain is added
 * to the error, so that its reader knows where it stands. */
static void
undoSteps(qemuSnapshotRevertState *state, gsize failed, GError **error)
{
    g_autoptr(GString) text = g_string_new((*error)->message);
    virErrorNumber code = virSnapErrorCode(*error);
    gboolean undone = TRUE;

    /* one that has not returned may still act on a file of the same name */
    if (state->journal && qemuSnapshotJournalHold(state->journal)->pending)
        undone = FALSE;

    qemuSnapshotJobSetStep(state->job, "undo");
    for (gsize i = failed + 1; undone && i-- > 0;)
        undone = undoStep(state, &qemuSnapshotSteps[i], text);

    if (state->journal && undone)
        undone = qemuSnapshotJournalClear(state->journal, NULL);
    if (state->journal && !undone)
        g_string_append_printf(text, _("; what is left to be done is in journal '%s' "
                                       "and will be tried again"),
                               qemuSnapshotJournalFile(state->journal));

    g_clear_error(error);
    g_set_error_literal(error, VIR_SNAP_ERROR, code, text->str);
}

static gboolean
runSteps(qemuSnapshotRevertState *state, GError **error)
{
    for (gsize i = 0; qemuSnapshotSteps[i].name; i++) {
        g_autoptr(GError) cause = NULL;

        if (!runStep(state, &qemuSnapshotSteps[i], &cause)) {
            undoSteps(state, i, &cause);
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
    }

    for (gsize i = 0; qemuSnapshotClosingSteps[i].name; i++) {
        if (runStep(state, &qemuSnapshotClosingSteps[i], error))
            continue;
        g_prefix_error(error, _("domain '%s' has been reverted; what is left to be "
                                "done after that failed and will be tried again: "),
                       state->plan->domain);
        return FALSE;
    }

    g_debug("domain '%s', snapshot '%s': done", state->plan->domain,
            state->plan->snapshot);
    return TRUE;
}

static gboolean
revert(qemuSnapshotRevertState *state, const qemuSnapshotRequest *request, GError **error)
{
    qemuSnapshotDriver *driver = state->driver;

    if (!qemuSnapshotRecoverDomain(driver, request->uuid, error)) {
        g_prefix_error(error, _("an earlier revert of domain '%s' was broken off and "
                                "can't be finished or undone yet: "), request->domain);
        return FALSE;
    }

    g_debug("domain '%s', snapshot '%s': plan", request->domain, request->snapshot);
    qemuSnapshotJobSetStep(state->job, "plan");
    qemuSnapshotOverlaysPrepare(state->overlays);
    return (state->plan = qemuSnapshotPlannerMake(driver, request, FALSE,
                                                   error)) &&
        runSteps(state, error);
}

gboolean
qemuSnapshotRevert(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                   unsigned int *ret_events, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(qemuSnapshotOverlays) overlays = qemuSnapshotOverlaysNew(driver);
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(GError) cause = NULL;
    qemuSnapshotRevertState state = {
        .driver = driver,
        .overlays = overlays,
        .job = qemuSnapshotJobBegin(qemuSnapshotDriverJobs(driver),
                                    QEMU_SNAPSHOT_JOB_REVERT, request->uuid,
                                    request->domain, request->snapshot),
    };
    gboolean ok = revert(&state, request, &cause);

    plan = state.plan;
    journal = state.journal;
    /* who asked for it may open them at once */
    if (plan) {
        qemuSnapshotOverlaysRelease(overlays, NULL, NULL);
        qemuSnapshotStepNoteWaits(&state, request->uuid);
    }
    qemuHoldersFree(state.taken);
    qemuSnapshotRestoreFree(state.restore);
    *ret_events = state.events;
    qemuSnapshotJobEnd(state.job, cause);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

void
qemuSnapshotRevertPrepare(qemuSnapshotDriver *driver)
{
    qemuStorageSpareKeep(qemuSnapshotDriverStorageSpare(driver));
}

static virDomainSnapshotInfo *
readTarget(virConnectPtr conn, const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(virDomain) dom = virDomainLookupByUUID(conn, request->uuid);
    g_autoptr(virDomainSnapshot) snap =
        dom ? virDomainSnapshotLookupByName(dom, request->snapshot, 0) : NULL;

    if (snap)
        return qemuSnapshotReadInfo(snap, error);

    virSnapErrorSetLibvirt(error, _("cannot find snapshot '%s' of domain '%s'"),
                           request->snapshot, request->domain);
    return NULL;
}

static gboolean
isGone(const GError *error)
{
    return virSnapErrorCode(error) == VIR_ERR_NO_DOMAIN ||
        virSnapErrorCode(error) == VIR_ERR_NO_DOMAIN_SNAPSHOT;
}

gboolean
qemuSnapshotFindKind(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                     qemuSnapshotKind *ret_kind, GError **error)
{
    virConnectPtr conn = qemuSnapshotDriverConnect(driver, error);
    g_autoptr(virDomainSnapshotInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (!conn)
        return FALSE;

    info = readTarget(conn, request, &cause);
    virConnectClose(conn);
    if (!info && !isGone(cause)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }

    *ret_kind = !info ? QEMU_SNAPSHOT_KIND_ABSENT :
        virDomainSnapshotInfoIsExternal(info) ? QEMU_SNAPSHOT_KIND_EXTERNAL :
        QEMU_SNAPSHOT_KIND_INTERNAL;
    return TRUE;
}

gboolean
qemuSnapshotMayDelete(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                      GError **error)
{
    g_autofree char *uuid = qemuSnapshotDriverFormatUUID(request->uuid);
    g_autoptr(GError) later = NULL;

    if (!qemuSnapshotDiscardPostponed(driver, uuid, &later))
        g_debug("what was postponed waits on: %s", later->message);
    return qemuSnapshotVetoDelete(driver, request, error);
}

char *
qemuSnapshotGetRevertDesc(qemuSnapshotDriver *driver,
                          const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan =
        qemuSnapshotPlannerMake(driver, request, TRUE, error);

    return plan ? qemuSnapshotPlanFormat(plan) : NULL;
}
