/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_discard.h: deleting the state that is left, and only that
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Fills in the plan's discards: the images that the reverted disks are on, as far
 * as they were made by a snapshot or a revert of this domain and none of its
 * snapshots needs them. */
void qemuSnapshotDiscardPlan(qemuSnapshotPlan *plan,
                             const qemuSnapshotSource *source);

/* Takes those out that another domain uses, which qemuSnapshotDiscard() does
 * itself: for telling beforehand. */
gboolean qemuSnapshotDiscardForetell(qemuSnapshotPlan *plan, GError **error);

/* Deletes them, and what was replaced in place, after looking once more who uses
 * them. What stays is logged as a warning; that is no failure. FALSE: who uses them can't
 * be told now, and all are there still. */
gboolean qemuSnapshotDiscard(const qemuSnapshotPlan *plan, GError **error);
