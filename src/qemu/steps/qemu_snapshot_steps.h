/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_steps.h: what a revert consists of
 */

#pragma once

#include "qemu_snapshot_journal.h"
#include "qemu_snapshot_overlay.h"
#include "qemu_snapshot_restore.h"

typedef struct _qemuSnapshotRevertState qemuSnapshotRevertState;
struct _qemuSnapshotRevertState {
    qemuSnapshotDriver *driver;
    qemuSnapshotPlan *plan;
    qemuSnapshotOverlays *overlays;   /* NULL in a recovery: all are made */
    qemuSnapshotRestore *restore;     /* NULL: no memory, or not made ready yet */
    qemuSnapshotJournal *journal;     /* NULL until there is one */
    qemuHolders *taken;               /* who stood on what is taken over, at the guard */
    qemuSnapshotJob *job;             /* NULL in a recovery */
    gboolean named;                   /* in a definition that libvirt was given */
    unsigned int events;              /* bits of virDomainEventType: what was caused */
};

typedef struct _qemuSnapshotStep qemuSnapshotStep;
struct _qemuSnapshotStep {
    const char *name;
    gboolean (*run)(qemuSnapshotRevertState *state, GError **error);
    /* Takes back what run did, also where it failed half way or was never begun: by
     * what is there and what the journal says. NULL: nothing to. FALSE: it could not
     * be, and what the steps before it made is needed. What became of the domain it adds
     * to the notes, in whole sentences: they are no failure. */
    gboolean (*undo)(qemuSnapshotRevertState *state, GPtrArray *notes, GError **error);
};

/* In their order, each ended by one without a name. All of the first table are taken
 * back where one fails. After those of the second nothing is, any more; each of them
 * can be carried out again. */
extern const qemuSnapshotStep qemuSnapshotSteps[];
extern const qemuSnapshotStep qemuSnapshotClosingSteps[];

/* A place for the notes of undos, of char *. */
GPtrArray *qemuSnapshotStepNotesNew(void);

/* Memory that was saved on other disks must never come back on the new ones. Can be
 * carried out again. */
gboolean qemuSnapshotStepDropSave(const qemuSnapshotPlan *plan, GError **error);

/* The step that begins after the commit point; it can be carried out again, too. */
gboolean qemuSnapshotStepStart(qemuSnapshotRevertState *state, GError **error);

/* Tells the driver where a change has been begun that did not return: the domain waits. */
void qemuSnapshotStepNoteWaits(const qemuSnapshotRevertState *state,
                               const unsigned char *uuid);

/* Whether the persistent definition is the one that this revert made. */
gboolean qemuSnapshotStepIsCommitted(const qemuSnapshotPlan *plan,
                                     gboolean *ret_committed, GError **error);
