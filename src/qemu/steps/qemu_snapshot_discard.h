/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_discard.h: deleting the state that is left, and only that
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_plan.h"
#include "virsnapstorage.h"

/* Deletes what the plan says is left, what was replaced in place, and what was postponed
 * before, after looking who needs them. What stays is a warning of the job, or of the log
 * alone where that is NULL; that is no failure, and where it can't be told whether anyone needs it, it is postponed. FALSE: who
 * uses them can't be asked now, and all are there still. */
gboolean qemuSnapshotDiscard(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                             virSnapStorageHold *hold, qemuSnapshotJob *job,
                             GError **error);

/* Deletes what was postponed of a domain, whose UUID is given as text, where that can be
 * told now. The caller holds the domain's lock. */
gboolean qemuSnapshotDiscardPostponed(qemuSnapshotDriver *driver, const char *uuid,
                                      GError **error);

/* The same for all domains, taking their locks; what can't be done is logged. */
void qemuSnapshotDiscardAllPostponed(qemuSnapshotDriver *driver);

/* Has a file of that domain deleted later. */
gboolean qemuSnapshotDiscardPostpone(qemuSnapshotDriver *driver, const char *uuid,
                                     const char *file, const virSnapFileID *id,
                                     GError **error);
