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
#include "qemu_snapshot_leave.h"
#include "qemu_snapshot_planner.h"
#include "qemu_snapshot_recover.h"
#include "qemu_snapshot_steps.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnapfault.h"

static gboolean
runStep(qemuSnapshotRevertState *state, const qemuSnapshotStep *step, GError **error)
{
    g_debug("domain '%s', snapshot '%s': %s", state->plan->domain,
            state->plan->snapshot, step->name);
    return virSnapFaultStep("before", step->name, error) && step->run(state, error) &&
        virSnapFaultStep("after", step->name, error);
}

/* Undoes the steps up to the one that failed. What became of the domain is added
 * to the error, so that its reader knows where it stands. */
static void
undoSteps(qemuSnapshotRevertState *state, gsize failed, GError **error)
{
    g_autoptr(GString) text = g_string_new((*error)->message);
    virErrorNumber code = virSnapErrorCode(*error);
    gboolean undone = TRUE;

    for (gsize i = failed + 1; undone && i-- > 0;) {
        g_autoptr(GError) outcome = NULL;

        if (qemuSnapshotSteps[i].undo)
            undone = virSnapFaultStep("undo", qemuSnapshotSteps[i].name, &outcome) &&
                qemuSnapshotSteps[i].undo(state, &outcome);
        if (outcome)
            g_string_append_printf(text, "; %s", outcome->message);
    }

    if (state->journal && undone)
        undone = qemuSnapshotJournalClear(state->journal, NULL);
    if (state->journal && !undone)
        g_string_append_printf(text, _("; what is left to be done is in journal '%s' and "
                                       "is tried again"),
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
        g_prefix_error(error, _("domain '%s' has been reverted, but not all is done that "
                                "belongs to it, which is tried again: "),
                       state->plan->domain);
        return FALSE;
    }

    g_debug("domain '%s', snapshot '%s': done", state->plan->domain,
            state->plan->snapshot);
    return TRUE;
}

gboolean
qemuSnapshotRevert(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                   unsigned int *ret_events, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(qemuSnapshotOverlays) overlays = qemuSnapshotOverlaysNew(driver);
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    qemuSnapshotRevertState state = { .driver = driver, .overlays = overlays };
    gboolean ok;

    *ret_events = 0;
    if (!qemuSnapshotRecoverDomain(driver, request->uuid, error)) {
        g_prefix_error(error, _("an earlier revert of domain '%s' was broken off and can't "
                                "be finished or undone yet: "), request->domain);
        return FALSE;
    }

    g_debug("domain '%s', snapshot '%s': plan", request->domain, request->snapshot);
    qemuSnapshotOverlaysPrepare(overlays);
    if (!(plan = qemuSnapshotPlannerMake(driver, request, error)))
        return FALSE;

    state.plan = plan;
    ok = runSteps(&state, error);
    /* who asked for it may open them at once */
    qemuSnapshotOverlaysRelease(overlays);
    journal = state.journal;
    qemuSnapshotRestoreFree(state.restore);
    *ret_events = state.events;
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
qemuSnapshotIsExternal(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                       gboolean *ret_external, GError **error)
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

    *ret_external = info && virDomainSnapshotInfoIsExternal(info);
    return TRUE;
}

char *
qemuSnapshotGetRevertDesc(qemuSnapshotDriver *driver,
                          const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlannerMake(driver, request, error);

    if (!plan || !qemuSnapshotLeaveForetell(plan, error))
        return NULL;

    return qemuSnapshotPlanFormat(plan);
}
