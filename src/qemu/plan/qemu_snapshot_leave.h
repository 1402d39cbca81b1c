/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_leave.h: which images a revert leaves for good
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Fills in the plan's discards: the images that the reverted disks are on, as far
 * as they were made by a snapshot or a revert of this domain. */
gboolean qemuSnapshotLeavePlan(qemuSnapshotPlan *plan,
                               const qemuSnapshotSource *source, GError **error);

/* Takes those out that somebody needs, or may need, which qemuSnapshotDiscard() does
 * itself: for telling beforehand. */
gboolean qemuSnapshotLeaveForetell(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
                                   GError **error);
