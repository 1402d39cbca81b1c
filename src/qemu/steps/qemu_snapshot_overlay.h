/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_overlay.h: the overlays of a plan, as files
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_plan.h"
#include "virsnapstorage.h"

typedef struct _qemuSnapshotOverlays qemuSnapshotOverlays;

/* Nothing is made yet. Freeing it closes the files but leaves them. */
qemuSnapshotOverlays *qemuSnapshotOverlaysNew(const qemuSnapshotDriver *driver);
void qemuSnapshotOverlaysFree(qemuSnapshotOverlays *overlays);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotOverlays, qemuSnapshotOverlaysFree)

/* Has qemu-storage-daemon started meanwhile, which takes about as long as making
 * a plan does. */
void qemuSnapshotOverlaysPrepare(qemuSnapshotOverlays *overlays);

/* Makes the files, without a name where the file system can, and tells the plan
 * their identities. The plan must outlive the overlays. */
gboolean qemuSnapshotOverlaysReserve(qemuSnapshotOverlays *overlays,
                                     qemuSnapshotPlan *plan, GError **error);

/* Waits for what Prepare has started. */
gboolean qemuSnapshotOverlaysTakeDaemon(qemuSnapshotOverlays *overlays, GError **error);

/* Names them, and begins to make overlays of them. Here and below `hold` is the
 * journal's: see qemuSnapshotJournalHold(). */
gboolean qemuSnapshotOverlaysBegin(qemuSnapshotOverlays *overlays,
                                   virSnapStorageHold *hold, GError **error);

/* Waits until they are made. */
gboolean qemuSnapshotOverlaysCreate(qemuSnapshotOverlays *overlays, GError **error);

/* Has each opened on its chain, reads back what it says, and makes all durable. */
gboolean qemuSnapshotOverlaysVerify(qemuSnapshotOverlays *overlays,
                                    virSnapStorageHold *hold, GError **error);

/* Ends what of ours has the images open. Where it does not end, since it waits for a
 * storage, that is a change that has not returned: an error, and `hold` says so. */
gboolean qemuSnapshotOverlaysRelease(qemuSnapshotOverlays *overlays,
                                     virSnapStorageHold *hold, GError **error);

/* The process that writes to the images from Begin on; 0: there is none. */
pid_t qemuSnapshotOverlaysGetPid(const qemuSnapshotOverlays *overlays);

/* Gives overlays that replace one in place their final name. */
gboolean qemuSnapshotOverlaysSwitch(qemuSnapshotOverlays *overlays,
                                    virSnapStorageHold *hold, GError **error);
