/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_steps.c: what a revert consists of
 *
 * Nothing is destroyed before everything that can fail early has succeeded: the
 * domain runs on until the overlays exist and have been opened on their chains. A
 * step that changes the domain says so in the journal first, and its undo looks at
 * what is there, so that an undo can be made by another process, and twice.
 *
 * Trusted are libvirt and what it says of its domains and snapshots. Not
 * trusted are the caller's document, the names in it, and the content of images.
 * Never written to are the images below the overlays.
 *
 * The definition of the new configuration is the commit point: it has the
 * identity of this revert in its metadata. From then on the domain is where the
 * revert was taking it, and only a failure to start it there takes it back.
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_check.h"
#include "qemu_snapshot_discard.h"
#include "qemu_snapshot_overlay_back.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_steps.h"
#include "qemu_snapshot_takeover.h"
#include "virsnaperror.h"
#include "virsnapfault.h"

GPtrArray *
qemuSnapshotStepNotesNew(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

static virSnapStorageHold *
stateHold(const qemuSnapshotRevertState *state)
{
    return state->journal ? qemuSnapshotJournalHold(state->journal) : NULL;
}

/* In a recovery there is nothing: the journal was not read before the process that wrote
 * to them had ended. */
static gboolean
releaseOverlays(const qemuSnapshotRevertState *state, GError **error)
{
    return !state->overlays ||
        qemuSnapshotOverlaysRelease(state->overlays, stateHold(state), error);
}

static gboolean
stepReserve(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotOverlaysReserve(state->overlays, state->plan, error);
}

/* Nobody has taken to them before libvirt was told of them; then, and after some time,
 * someone may have. */
static gboolean
undoReserve(qemuSnapshotRevertState *state, GPtrArray *notes G_GNUC_UNUSED,
            GError **error)
{
    gboolean look = !state->overlays || state->named;

    if (!releaseOverlays(state, error))
        return FALSE;
    return qemuSnapshotOverlaysRemove(state->driver, state->plan, look ?
                                      virDomainGetConnect(state->plan->dom) : NULL,
                                      stateHold(state), error);
}

static gboolean
stepJournal(qemuSnapshotRevertState *state, GError **error)
{
    const char *folder = qemuSnapshotDriverStateFolder(state->driver);

    state->journal = qemuSnapshotJournalCreate(folder, state->plan, error);
    return state->journal != NULL;
}

/* libvirt looks at the configuration, but not at its images, while the storage daemon
 * makes those. */
static gboolean
stepCreate(qemuSnapshotRevertState *state, GError **error)
{
    guint n_disks = state->plan->disks->len;

    qemuSnapshotJobSetProgress(state->job, 0, n_disks, QEMU_SNAPSHOT_JOB_DISKS);
    if (!qemuSnapshotOverlaysTakeDaemon(state->overlays, error) ||
        !qemuSnapshotJournalAddProcess(state->journal,
                                       qemuSnapshotOverlaysGetPid(state->overlays),
                                       error) ||
        !qemuSnapshotOverlaysBegin(state->overlays, stateHold(state), error) ||
        !qemuSnapshotCheckConfig(state->plan, error) ||
        !qemuSnapshotOverlaysCreate(state->overlays, error))
        return FALSE;

    qemuSnapshotJobSetProgress(state->job, n_disks, n_disks, QEMU_SNAPSHOT_JOB_DISKS);
    return TRUE;
}

static gboolean
stepVerify(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotOverlaysVerify(state->overlays, stateHold(state), error);
}

/* A copy of the memory may take its time: it is made while the domain runs. */
static gboolean
stepMemory(qemuSnapshotRevertState *state, GError **error)
{
    if (state->plan->start == QEMU_SNAPSHOT_START_RESTORE && !state->restore)
        state->restore = qemuSnapshotRestoreNew(state->plan, error);

    return state->plan->start != QEMU_SNAPSHOT_START_RESTORE || state->restore;
}

/* Of a domain that need not be stopped the look before its definition is enough. */
static gboolean
stepGuard(qemuSnapshotRevertState *state, GError **error)
{
    /* what the storage daemon has open is not somebody else's */
    if (qemuSnapshotTakeoverIsAny(state->plan) && !releaseOverlays(state, error))
        return FALSE;
    return qemuSnapshotTakeoverCheck(state->driver, state->plan, NULL, &state->taken,
                                     error) &&
        (!state->plan->active || qemuSnapshotGuardCheck(state->plan->guard, error));
}

static gboolean
define(const qemuSnapshotPlan *plan, const char *xml, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(plan->dom);
    g_autoptr(virDomain) dom = NULL;

    if (!virSnapFault("domain-define", error))
        return FALSE;
    if ((dom = virDomainDefineXML(conn, xml)))
        return virSnapFault("domain-defined", error);

    virSnapErrorSetLibvirt(error, _("cannot define domain '%s'"), plan->domain);
    return FALSE;
}

/* A transient domain ceases to exist when it is stopped, and its snapshots with it,
 * unless it has a persistent definition by then. */
static gboolean
stepPersist(qemuSnapshotRevertState *state, GError **error)
{
    if (!state->plan->transient)
        return TRUE;

    return qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_PERSIST, error) &&
        define(state->plan, state->plan->old_xml, error) &&
        qemuSnapshotGuardRenew(state->plan->guard, error);
}

/* Only one that runs can be without a definition. */
static gboolean
makeTransient(const qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    unsigned int flags = VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
        VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;
    int persistent, active;

    if (!state->journal ||
        !qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_PERSIST))
        return TRUE;

    if ((persistent = virDomainIsPersistent(plan->dom)) < 0 ||
        (active = virDomainIsActive(plan->dom)) < 0) {
        virSnapErrorSetLibvirt(error, _("it is not known whether domain '%s', which was "
                                        "transient, is left persistent"), plan->domain);
        return FALSE;
    }
    if (!persistent)
        return TRUE;
    if (!active) {
        qemuSnapshotJobWarn(state->job, _("domain '%s', which was transient, does not run "
                                          "and stays persistent"), plan->domain);
        return TRUE;
    }
    if (!virSnapFault("domain-undefine", error))
        return FALSE;
    if (virDomainUndefineFlags(plan->dom, flags) == 0)
        return virSnapFault("domain-undefined", error);

    virSnapErrorSetLibvirt(error, _("domain '%s' was transient and can't be made so "
                                    "again, so that it stays persistent"), plan->domain);
    return FALSE;
}

static gboolean
undoPersist(qemuSnapshotRevertState *state, GPtrArray *notes G_GNUC_UNUSED,
            GError **error)
{
    return makeTransient(state, error);
}

/* For those who watch the domain: what they see happen was this revert's doing. */
static void
noteEvent(qemuSnapshotRevertState *state, virDomainEventType event)
{
    state->events |= 1u << event;
}

static void
noteStart(qemuSnapshotRevertState *state, gboolean paused)
{
    noteEvent(state, VIR_DOMAIN_EVENT_STARTED);
    noteEvent(state, paused ? VIR_DOMAIN_EVENT_SUSPENDED : VIR_DOMAIN_EVENT_RESUMED);
}

/* FALSE: it may run. *error has libvirt's own, of before that was asked. */
static gboolean
destroy(const qemuSnapshotPlan *plan, gboolean *ret_by_others, GError **error)
{
    g_autoptr(GError) cause = NULL;

    *ret_by_others = FALSE;
    if (virDomainDestroy(plan->dom) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(&cause, _("cannot stop domain '%s'"), plan->domain);
    if (virDomainIsActive(plan->dom) == 0) {
        *ret_by_others = TRUE;
        return TRUE;
    }

    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean
stepStop(qemuSnapshotRevertState *state, GError **error)
{
    gboolean by_others = FALSE;

    if (!state->plan->active)
        return TRUE;

    if (!qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_STOP, error) ||
        !virSnapFault("domain-destroy", error) ||
        !destroy(state->plan, &by_others, error))
        return FALSE;

    /* it is not for us to start it again, should anything fail from here */
    if (by_others)
        return qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_ENDED, error);

    noteEvent(state, VIR_DOMAIN_EVENT_STOPPED);
    return virSnapFault("domain-destroyed", error);
}

/* Whether someone else has ended the domain since this revert began, or tried to. An
 * undo that is broken off, and made again by another process, has to know, too. */
static gboolean
wasEnded(const qemuSnapshotRevertState *state)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(GError) cause = NULL;

    if (qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_ENDED))
        return TRUE;
    if (virDomainGetUUID(state->plan->dom, uuid) < 0 ||
        !qemuSnapshotDriverWasDestroyed(state->driver, uuid))
        return FALSE;

    if (!qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_ENDED, &cause))
        g_warning("%s", cause->message);
    return TRUE;
}

static void
noteEnded(const qemuSnapshotRevertState *state, GPtrArray *notes)
{
    g_ptr_array_add(notes, g_strdup_printf(
        _("domain '%s' was ended by someone else meanwhile and is left off, on its old "
          "disks"), state->plan->domain));
}

/* FALSE: whether it runs can't be told. That it can't be started is no failure of the
 * undo. */
static gboolean
startAgain(qemuSnapshotRevertState *state, GPtrArray *notes, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    unsigned int flags = plan->paused ? VIR_DOMAIN_START_PAUSED : 0;
    g_autoptr(GError) cause = NULL;

    if (virDomainCreateWithFlags(plan->dom, flags) == 0) {
        noteStart(state, plan->paused);
        g_ptr_array_add(notes, g_strdup_printf(
            _("domain '%s' had been stopped and was started again on its old disks"),
            plan->domain));
        return TRUE;
    }

    virSnapErrorSetLibvirt(&cause, _("domain '%s' had been stopped and can't be started "
                                     "again on its old disks"), plan->domain);
    if (virDomainIsActive(plan->dom) < 0) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }

    if (wasEnded(state))
        noteEnded(state, notes);
    else
        g_ptr_array_add(notes, g_strdup(cause->message));
    return TRUE;
}

/* Its memory is lost, as by a power failure; its disks are as they were. Where it
 * can't be started it is whole all the same. Where someone else has ended it meanwhile
 * it stays so: to them it would come back by itself. */
static gboolean
undoStop(qemuSnapshotRevertState *state, GPtrArray *notes, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    int active;

    if (!state->journal ||
        !qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_STOP))
        return TRUE;

    if ((active = virDomainIsActive(plan->dom)) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot tell whether domain '%s' runs"),
                               plan->domain);
        return FALSE;
    }

    /* a restart of the host ends all domains: what it starts is not for us to say */
    if (active || !qemuSnapshotJournalIsOfThisBoot(state->journal))
        return TRUE;

    if (!releaseOverlays(state, error))
        return FALSE;

    if (wasEnded(state)) {
        noteEnded(state, notes);
        return TRUE;
    }

    return virSnapFault("domain-restart", error) && startAgain(state, notes, error);
}

static gboolean
stepSwitch(qemuSnapshotRevertState *state, GError **error)
{
    g_autoptr(qemuHolders) taken = NULL;

    return (!state->taken ||
            qemuSnapshotTakeoverCheck(state->driver, state->plan, state->taken, &taken,
                                      error)) &&
        qemuSnapshotOverlaysSwitch(state->overlays, stateHold(state), error);
}

static gboolean
undoSwitch(qemuSnapshotRevertState *state, GPtrArray *notes G_GNUC_UNUSED,
           GError **error)
{
    gboolean begun = state->journal &&
        qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_START);

    if (!releaseOverlays(state, error))
        return FALSE;
    return qemuSnapshotOverlaysSwitchBack(state->driver, state->plan,
                                          virDomainGetConnect(state->plan->dom), begun,
                                          stateHold(state), error);
}

static gboolean
stepDefine(qemuSnapshotRevertState *state, GError **error)
{
    /* stopping took its time: it may have been defined or snapshotted since */
    if (!qemuSnapshotGuardCheck(state->plan->guard, error))
        return FALSE;

    state->named = TRUE;
    if (!define(state->plan, state->plan->new_xml, error))
        return FALSE;

    noteEvent(state, VIR_DOMAIN_EVENT_DEFINED);
    return qemuSnapshotGuardCheckStarted(state->plan->guard, state->plan->id, error);
}

void
qemuSnapshotStepNoteWaits(const qemuSnapshotRevertState *state, const unsigned char *uuid)
{
    g_autoptr(GError) waits = NULL;

    if (!state->journal || !qemuSnapshotJournalHold(state->journal)->pending)
        return;

    qemuSnapshotJournalSetWaits(state->plan, &waits);
    qemuSnapshotDriverSetWaits(state->driver, uuid, waits->message);
}

gboolean
qemuSnapshotStepIsCommitted(const qemuSnapshotPlan *plan, gboolean *ret_committed,
                            GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks =
        qemuSnapshotReadDisks(plan->dom, VIR_DOMAIN_XML_INACTIVE, &doc, error);
    g_autofree char *revert = NULL;

    if (!disks)
        return FALSE;

    revert = virDomainDefGetRevert(doc);
    *ret_committed = g_strcmp0(revert, plan->id) == 0;
    return TRUE;
}

/* Where libvirt could not make the new one it has kept the old one, or what someone
 * else made of it meanwhile. It is durable before the overlays go that another one names:
 * an undo that was broken off may have put it back. */
static gboolean
undoDefine(qemuSnapshotRevertState *state, GPtrArray *notes G_GNUC_UNUSED,
           GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean committed = FALSE;

    if (qemuSnapshotStepIsCommitted(state->plan, &committed, &cause) &&
        (!committed || define(state->plan, state->plan->old_xml, &cause)) &&
        qemuSnapshotDriverSync(state->driver, state->plan->domain, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("the definition of domain '%s' can't be put back, so the new overlays "
                  "are kept: %s"), state->plan->domain, cause->message);
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

/* Whether the domain was saved on the new disks, by someone since. */
static gboolean
isSavedSince(const qemuSnapshotPlan *plan)
{
    char *xml = virDomainManagedSaveGetXMLDesc(plan->dom, 0);
    g_autoptr(xmlDoc) doc =
        xml ? virSnapXMLParse(xml, "domain", _("domain definition"), NULL) : NULL;
    g_autofree char *revert = doc ? virDomainDefGetRevert(doc) : NULL;

    free(xml);
    return g_strcmp0(revert, plan->id) == 0;
}

gboolean
qemuSnapshotStepDropSave(const qemuSnapshotPlan *plan, GError **error)
{
    if (!plan->drop_save || virDomainHasManagedSaveImage(plan->dom, 0) == 0 ||
        isSavedSince(plan))
        return TRUE;

    if (!virSnapFault("managed-save-remove", error))
        return FALSE;
    if (virDomainManagedSaveRemove(plan->dom, 0) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot remove the managed save of domain '%s'"),
                           plan->domain);
    return FALSE;
}

gboolean
qemuSnapshotStepStart(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    g_autoptr(GError) cause = NULL;
    gboolean started;

    /* a boot would take the save for its memory; for a restore it is kept until that
     * has gone well */
    if (plan->start != QEMU_SNAPSHOT_START_RESTORE &&
        !qemuSnapshotStepDropSave(plan, error))
        return FALSE;
    if (plan->start == QEMU_SNAPSHOT_START_NONE)
        return TRUE;

    if (!releaseOverlays(state, error) || !stepMemory(state, error) ||
        !qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_START, error) ||
        !virSnapFault("domain-start", error))
        return FALSE;

    started = (state->restore ? qemuSnapshotRestoreRun(state->restore, plan) :
                                 boot(plan)) == 0;
    if (started)
        noteStart(state, plan->start_paused);
    else
        virSnapErrorSetLibvirt(&cause, _("cannot start domain '%s' on the reverted "
                                         "disks"), plan->domain);

    /* by someone else: its overlays are in use, so that there is no way back */
    if (!started && virDomainIsActive(plan->dom) == 1) {
        qemuSnapshotJobWarn(state->job, _("domain '%s' was started by someone else while "
                                          "it was being reverted"), plan->domain);
        g_clear_error(&cause);
        started = TRUE;
    }
    if (!started) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }

    if (!virSnapFault("domain-started", error) ||
        !qemuSnapshotStepDropSave(plan, error))
        return FALSE;

    /* no reason to stop it again */
    if (!qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_STARTED, &cause))
        g_warning("%s", cause->message);
    return TRUE;
}

/* A domain that is on the new disks by now is stopped before they are taken away. */
static gboolean
undoStart(qemuSnapshotRevertState *state, GPtrArray *notes G_GNUC_UNUSED,
          GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    gboolean committed = FALSE;
    gboolean by_others;

    if (!state->journal ||
        !qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_START) ||
        virDomainIsActive(plan->dom) == 0)
        return TRUE;

    return qemuSnapshotStepIsCommitted(plan, &committed, error) &&
        (!committed || destroy(plan, &by_others, error));
}

/* libvirt takes what it has recorded of reverts from the snapshot that was the current
 * one so far: with the flag, from one that is current already, what is recorded here. */
static unsigned int
recordFlags(const qemuSnapshotPlan *plan)
{
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotLookupByName(plan->dom, plan->snapshot, 0);
    gboolean current = snap && virDomainSnapshotIsCurrent(snap, 0) == 1;

    return VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
        (current ? 0 : VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT);
}

/* Once only: if the snapshot has changed after that, others changed it. */
static gboolean
stepRecord(qemuSnapshotRevertState *state, GError **error)
{
    const qemuSnapshotPlan *plan = state->plan;
    g_autoptr(virDomainSnapshot) snap = NULL;

    if (qemuSnapshotJournalHas(state->journal, QEMU_SNAPSHOT_RECORD_RECORDED))
        return TRUE;
    if (!virSnapFault("snapshot-record", error))
        return FALSE;
    if ((snap = virDomainSnapshotCreateXML(plan->dom, plan->snapshot_xml,
                                           recordFlags(plan))))
        return virSnapFault("snapshot-recorded", error) &&
            qemuSnapshotDriverSync(state->driver, plan->domain, error) &&
            qemuSnapshotJournalAdd(state->journal, QEMU_SNAPSHOT_RECORD_RECORDED, error);

    virSnapErrorSetLibvirt(error, _("domain '%s' has been reverted, but snapshot "
                                    "'%s' can't be recorded as the current one"),
                           plan->domain, plan->snapshot);
    return FALSE;
}

/* A definition that someone has made since is theirs. */
static gboolean
stepRelease(qemuSnapshotRevertState *state, GError **error)
{
    gboolean ours = FALSE;

    return !state->plan->transient ||
        (qemuSnapshotStepIsCommitted(state->plan, &ours, error) &&
         (!ours || makeTransient(state, error)));
}

static gboolean
stepDiscard(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotDiscard(state->driver, state->plan, stateHold(state), state->job,
                               error);
}

static gboolean
stepClear(qemuSnapshotRevertState *state, GError **error)
{
    return qemuSnapshotJournalClear(state->journal, error);
}

const qemuSnapshotStep qemuSnapshotSteps[] = {
    { "reserve", stepReserve, undoReserve },
    { "journal", stepJournal, NULL },
    { "create",  stepCreate,  NULL },
    { "verify",  stepVerify,  NULL },
    { "memory",  stepMemory,  NULL },
    { "guard",   stepGuard,   NULL },
    { "persist", stepPersist, undoPersist },
    { "stop",    stepStop,    undoStop },
    { "switch",  stepSwitch,  undoSwitch },
    { "define",  stepDefine,  undoDefine },
    { "start",   qemuSnapshotStepStart, undoStart },
    { NULL },
};

const qemuSnapshotStep qemuSnapshotClosingSteps[] = {
    { "record",  stepRecord,  NULL },
    { "release", stepRelease, NULL },
    { "discard", stepDiscard, NULL },
    { "clear",   stepClear,   NULL },
    { NULL },
};
