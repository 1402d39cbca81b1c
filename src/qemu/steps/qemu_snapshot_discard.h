/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_discard.h: deleting the state that is left, and only that
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "virsnapstorage.h"

/* Deletes what the plan says is left, and what was replaced in place, after looking once more who uses
 * them. What stays is logged as a warning; that is no failure. FALSE: who uses them can't
 * be told now, and all are there still. */
gboolean qemuSnapshotDiscard(const qemuSnapshotPlan *plan, virSnapStorageHold *hold,
                             GError **error);
