/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_takeover.h: may the domain still have the images that it takes over?
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_plan.h"

/* Whether the plan takes over any. */
gboolean qemuSnapshotTakeoverIsAny(const qemuSnapshotPlan *plan);

/* Fails where somebody needs, or may need, an overlay that is replaced in its place, or one
 * that the caller has made. since: what was read before, so that only what has changed is
 * looked at, or NULL. *ret_holders is what was read; NULL where nothing is taken over. */
gboolean qemuSnapshotTakeoverCheck(qemuSnapshotDriver *driver, const qemuSnapshotPlan *plan,
                                   const qemuHolders *since, qemuHolders **ret_holders,
                                   GError **error);
