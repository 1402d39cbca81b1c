/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot.c: reverting a domain to an external snapshot
 *
 * A revert is the table of steps below, read from top to bottom. Nothing is
 * destroyed before everything that can fail early has succeeded: the domain runs
 * on until the overlays exist and have been opened on their chains. Each step
 * up to the start has an undo, and a failure undoes all steps begun, the last
 * first.
 *
 * Trusted are libvirt and what it says of its domains and snapshots. Not
 * trusted are the caller's document, the names in it, and the content of images.
 * Never written to are the images below the overlays.
 *
 * The definition of the new configuration is the commit point. From then on
 * the domain is where the revert was taking it, and only a failure to start it
 * there takes it back. Recording the snapshot as the current one, and deleting
 * what was left, come after: they are not undone, and a failure of theirs leaves
 * images behind but loses none.
 */

#include "config.h"

#include "qemu_snapshot.h"
#include "qemu_snapshot_check.h"
#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_overlay.h"
#include "qemu_snapshot_plan.h"
#include "virsnaperror.h"

typedef struct _qemuSnapshotRevertState qemuSnapshotRevertState;
struct _qemuSnapshotRevertState {
    qemuSnapshotPlan *plan;
    qemuSnapshotOverlays *overlays;
    gboolean persisted;    /* a transient domain, by us */
    gboolean stopped;      /* by us */
    gboolean defined;      /* the new configuration */
};

typedef struct _qemuSnapshotStep qemuSnapshotStep;
struct _qemuSnapshotStep {
    const char *name;
    gboolean (*run)(qemuSnapshotRevertState *state, GError **error);
    /* Takes back what run did, also where it failed half way; NULL: nothing to.
     * FALSE: it could not be, and what the steps before it made is needed. */
    gboolean (*undo)(qemuSnapshotRevertState *state, GError **error);
};

static gboolean
stepCreate(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotOverlaysCreate(state->overlays, state->plan, error);
}

static gboolean
undoCreate(qemuSnapshotRevertState *state, GError **error)
{
    qemuSnapshotOverlaysRemove(state->overlays);
    return TRUE;
}

/* libvirt looks at the configuration while the storage daemon opens the images. */
static gboolean
stepVerify(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotCheckConfig(state->plan, error) &&
        qemuSnapshotOverlaysVerify(state->overlays, error);
}

static gboolean
stepGuard(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotGuardCheck(state->plan->guard, error);
}

static gboolean
define(qemuSnapshotRevertState *state, const char *xml, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(state->plan->dom);
    g_autoptr(virDomain) dom = virDomainDefineXML(conn, xml);

    if (dom)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot define domain '%s'"),
                           state->plan->domain);
    return FALSE;
}

/* A transient domain ends to exist when it is stopped, and its snapshots with it,
 * unless it has a persistent definition by then. */
static gboolean
stepPersist(qemuSnapshotRevertState *state, GError **error)
{
    if (!state->plan->transient)
        return TRUE;

    if (!define(state, state->plan->old_xml, error))
        return FALSE;

    state->persisted = TRUE;
    return qemuSnapshotGuardRenew(state->plan->guard, error);
}

/* Only one that runs can be without a definition. */
static gboolean
makeTransient(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    unsigned int flags = VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
        VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;

    if (virDomainIsActive(plan->dom) == 1 &&
        virDomainUndefineFlags(plan->dom, flags) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("domain '%s', which was transient, is left "
                                    "persistent"), plan->domain);
    return FALSE;
}

static gboolean
undoPersist(qemuSnapshotRevertState *state, GError **error)
{
    if (state->persisted)
        makeTransient(state, error);
    return TRUE;
}

static gboolean
stepStop(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;

    if (!plan->active)
        return TRUE;

    if (virDomainDestroy(plan->dom) == 0) {
        state->stopped = TRUE;
        return TRUE;
    }

    /* it may have stopped by itself */
    if (virDomainIsActive(plan->dom) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot stop domain '%s'"), plan->domain);
    return FALSE;
}

/* Its memory is lost, as by a power failure; its disks are as they were. Where it
 * can't be started it is whole all the same. */
static gboolean
undoStop(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    unsigned int flags = plan->paused ? VIR_DOMAIN_START_PAUSED : 0;

    if (!state->stopped || virDomainIsActive(plan->dom) == 1)
        return TRUE;

    qemuSnapshotOverlaysRelease(state->overlays);

    if (virDomainCreateWithFlags(plan->dom, flags) == 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("domain '%s' had been stopped and was started again on its "
                      "old disks"), plan->domain);
    else
        virSnapErrorSetLibvirt(error, _("domain '%s' had been stopped and can't be "
                                        "started again on its old disks"),
                               plan->domain);
    return TRUE;
}

static gboolean
stepSwitch(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotOverlaysSwitch(state->overlays, error);
}

static gboolean
undoSwitch(qemuSnapshotRevertState *state, GError **error)
{
    qemuSnapshotOverlaysSwitchBack(state->overlays);
    return TRUE;
}

static gboolean
stepDefine(qemuSnapshotRevertState *state, GError **error)
{
    /* it took its time to stop, and may have been defined or snapshotted since */
    if (state->stopped && !qemuSnapshotGuardCheck(state->plan->guard, error))
        return FALSE;

    state->defined = define(state, state->plan->new_xml, error);
    return state->defined;
}

/* Whether the persistent definition is, or may be, on one of the new overlays. */
static gboolean
isOnOverlay(const qemuSnapshotPlan *plan)
{
    g_autoptr(GPtrArray) disks =
        qemuSnapshotReadDisks(plan->dom, VIR_DOMAIN_XML_INACTIVE, NULL, NULL);

    for (guint i = 0; disks && i < disks->len; i++) {
        virDomainDisk *at = g_ptr_array_index(disks, i);
        qemuSnapshotPlanDisk *disk = qemuSnapshotPlanFindDisk(plan, at->target);

        if (disk && !disk->in_place && g_strcmp0(at->file, disk->overlay) == 0)
            return TRUE;
    }

    return !disks;
}

static gboolean
undoDefine(qemuSnapshotRevertState *state, GError **error)
{
    g_autoptr(GError) cause = NULL;

    /* where libvirt could not make the new one it has kept the old one, or what
     * someone else made of it meanwhile */
    if (!state->defined && !isOnOverlay(state->plan))
        return TRUE;
    if (define(state, state->plan->old_xml, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("its definition can't be put back, so the new overlays are kept: "
                  "%s"), cause->message);
    return FALSE;
}

static int
boot(const qemuSnapshotPlan *plan)
{
    unsigned int flags = 0;

    if (plan->start_paused)
        flags |= VIR_DOMAIN_START_PAUSED;
    if (plan->reset_nvram)
        flags |= VIR_DOMAIN_START_RESET_NVRAM;

    return virDomainCreateWithFlags(plan->dom, flags);
}

static int
restore(const qemuSnapshotPlan *plan)
{
    unsigned int flags = plan->start_paused ? VIR_DOMAIN_SAVE_PAUSED :
        VIR_DOMAIN_SAVE_RUNNING;

    if (plan->reset_nvram)
        flags |= VIR_DOMAIN_SAVE_RESET_NVRAM;

    return virDomainRestoreFlags(virDomainGetConnect(plan->dom), plan->memory_file,
                                 plan->restore_xml, flags);
}

static gboolean
stepStart(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;

    /* memory that was saved on other disks must never come back on these */
    if (plan->drop_save && virDomainManagedSaveRemove(plan->dom, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot remove the managed save of domain "
                                        "'%s'"), plan->domain);
        return FALSE;
    }

    if (plan->start == QEMU_SNAPSHOT_START_NONE)
        return TRUE;

    qemuSnapshotOverlaysRelease(state->overlays);
    if ((plan->start == QEMU_SNAPSHOT_START_RESTORE ? restore(plan) : boot(plan)) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot start domain '%s' on the reverted "
                                    "disks"), plan->domain);
    return FALSE;
}

static gboolean
stepRecord(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    unsigned int flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
        VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotCreateXML(plan->dom, plan->snapshot_xml, flags);

    if (snap)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("domain '%s' has been reverted, but snapshot "
                                    "'%s' can't be recorded as the current one"),
                           plan->domain, plan->snapshot);
    return FALSE;
}

static gboolean
stepRelease(qemuSnapshotRevertState *state, GError **error)
{
    return !state->persisted || makeTransient(state, error);
}

static gboolean
stepDiscard(qemuSnapshotRevertState *state, GError **error)
{
    qemuSnapshotDiscard(state->plan);
    return TRUE;
}

static const qemuSnapshotStep steps[] = {
    { "create",  stepCreate,  undoCreate },
    { "verify",  stepVerify,  NULL },
    { "guard",   stepGuard,   NULL },
    { "persist", stepPersist, undoPersist },
    { "stop",    stepStop,    undoStop },
    { "switch",  stepSwitch,  undoSwitch },
    { "define",  stepDefine,  undoDefine },
    { "start",   stepStart,   NULL },
};

/* After these the domain is reverted: nothing is taken back any more. */
static const qemuSnapshotStep closing_steps[] = {
    { "record",  stepRecord,  NULL },
    { "release", stepRelease, NULL },
    { "discard", stepDiscard, NULL },
};

static gboolean
runStep(qemuSnapshotRevertState *state, const qemuSnapshotStep *step,
        GError **error)
{
    g_debug("domain '%s', snapshot '%s': %s", state->plan->domain,
            state->plan->snapshot, step->name);
    return step->run(state, error);
}

/* Undoes the steps up to the one that failed. What became of the domain is added
 * to the error, so that its reader knows where it stands. */
static void
undoSteps(qemuSnapshotRevertState *state, gsize failed, GError **error)
{
    g_autoptr(GString) text = g_string_new((*error)->message);
    virErrorNumber code = virSnapErrorCode(*error);
    gboolean go_on = TRUE;

    for (gsize i = failed + 1; go_on && i-- > 0;) {
        g_autoptr(GError) outcome = NULL;

        if (steps[i].undo)
            go_on = steps[i].undo(state, &outcome);
        if (outcome)
            g_string_append_printf(text, "; %s", outcome->message);
    }

    g_clear_error(error);
    g_set_error_literal(error, VIR_SNAP_ERROR, code, text->str);
}

static gboolean
runSteps(qemuSnapshotRevertState *state, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(GError) cause = NULL;

        if (!runStep(state, &steps[i], &cause)) {
            undoSteps(state, i, &cause);
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
    }

    for (gsize i = 0; i < G_N_ELEMENTS(closing_steps); i++) {
        if (!runStep(state, &closing_steps[i], error))
            return FALSE;
    }

    g_debug("domain '%s', snapshot '%s': done", state->plan->domain,
            state->plan->snapshot);
    return TRUE;
}

gboolean
qemuSnapshotRevert(qemuSnapshotDriver *driver,
                   const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(qemuSnapshotOverlays) overlays = qemuSnapshotOverlaysNew(driver);
    gboolean ok = FALSE;

    qemuSnapshotDriverLock(driver, request->uuid);
    g_debug("domain '%s', snapshot '%s': plan", request->domain, request->snapshot);
    qemuSnapshotOverlaysPrepare(overlays);
    if ((plan = qemuSnapshotPlanNew(driver, request, error))) {
        qemuSnapshotRevertState state = { .plan = plan, .overlays = overlays };

        ok = runSteps(&state, error);
    }
    qemuSnapshotDriverUnlock(driver, request->uuid);

    return ok;
}

char *
qemuSnapshotGetRevertDesc(qemuSnapshotDriver *driver,
                          const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNew(driver, request, error);

    if (!plan || !qemuSnapshotDiscardForetell(plan, error))
        return NULL;

    return qemuSnapshotPlanFormat(plan);
}
