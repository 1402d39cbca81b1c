/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_overlay_back.h: what became of overlays, and taking them back
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_plan.h"
#include "virsnapstorage.h"

/* All of it goes by what is there, so that it can be done twice, and by another process
 * than the one that made them. `hold` is the journal's: see qemuSnapshotJournalHold(). */

/* Gives overlays that were replaced in place their name back. An error where a program has open what would be
 * lost, or a snapshot or another domain needs it, or where something was written to it
 * although the revert has not `begun` to start the domain. */
gboolean qemuSnapshotOverlaysSwitchBack(qemuSnapshotDriver *driver,
                                        const qemuSnapshotPlan *plan, virConnectPtr conn,
                                        gboolean begun, virSnapStorageHold *hold,
                                        GError **error);

/* Removes the files that were made, after a look whether a program has them open. Those
 * that are needed are kept, and those of which that can't be told postponed; conn is NULL
 * where nobody can know of them yet. */
gboolean qemuSnapshotOverlaysRemove(qemuSnapshotDriver *driver,
                                    const qemuSnapshotPlan *plan, virConnectPtr conn,
                                    virSnapStorageHold *hold, GError **error);

/* Fails where one that the new definition names is not there, or another file is. */
gboolean qemuSnapshotOverlaysCheck(const qemuSnapshotPlan *plan, GError **error);

/* Whether none has anything of its own in it; those that the caller made may have had it
 * before, which a boot does not mind. */
gboolean qemuSnapshotOverlaysAreBlank(const qemuSnapshotPlan *plan,
                                      gboolean *ret_blank, GError **error);
