/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_planner.h: decides beforehand all that a revert will do
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_request.h"

/* Reads, decides and checks everything that can be checked without a side effect.
 * foretell: for a description, also what is asked only when the rest has been done. */
qemuSnapshotPlan *qemuSnapshotPlannerMake(qemuSnapshotDriver *driver,
                                          const qemuSnapshotRequest *request,
                                          gboolean foretell, GError **error);
