/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_overlay.h: the overlays of a plan, as files
 */

#pragma once

#include "qemu_snapshot_plan.h"

typedef struct _qemuSnapshotOverlays qemuSnapshotOverlays;

/* Nothing is made yet. Freeing it closes the files but leaves them. */
qemuSnapshotOverlays *qemuSnapshotOverlaysNew(const qemuSnapshotDriver *driver);
void qemuSnapshotOverlaysFree(qemuSnapshotOverlays *overlays);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotOverlays, qemuSnapshotOverlaysFree)

/* Has qemu-storage-daemon started meanwhile, which takes about as long as making
 * a plan does. */
void qemuSnapshotOverlaysPrepare(qemuSnapshotOverlays *overlays);

/* Makes all, or, on failure, none that qemuSnapshotOverlaysRemove() would not
 * remove. The plan must outlive the overlays. */
gboolean qemuSnapshotOverlaysCreate(qemuSnapshotOverlays *overlays,
                                    const qemuSnapshotPlan *plan,
                                    GError **error);

/* Has each opened on its chain, reads back what it says, and makes all durable. */
gboolean qemuSnapshotOverlaysVerify(qemuSnapshotOverlays *overlays,
                                    GError **error);

/* Waits until nothing of ours has the images open. */
void qemuSnapshotOverlaysRelease(qemuSnapshotOverlays *overlays);

/* Gives overlays that replace one in place their final name, and back. */
gboolean qemuSnapshotOverlaysSwitch(qemuSnapshotOverlays *overlays,
                                    GError **error);
void qemuSnapshotOverlaysSwitchBack(qemuSnapshotOverlays *overlays);

/* Removes the files that were made. */
void qemuSnapshotOverlaysRemove(qemuSnapshotOverlays *overlays);
