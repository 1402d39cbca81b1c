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

/* The rest goes by what is there, so that it can be done twice, and by another
 * process. */

/* ... and the old ones their name back. An error where a program has open what would be
 * lost, or a snapshot or another domain needs it, or where something was written to it
 * although the revert has not `begun` to start the domain. */
gboolean qemuSnapshotOverlaysSwitchBack(const qemuSnapshotPlan *plan, virConnectPtr conn,
                                        gboolean begun, virSnapStorageHold *hold,
                                        GError **error);

/* Removes the files that were made, after a look whether a program has them open. Those
 * that a domain or a snapshot of that libvirt needs are kept; conn is NULL where none
 * can know of them yet. */
gboolean qemuSnapshotOverlaysRemove(const qemuSnapshotPlan *plan, virConnectPtr conn,
                                    virSnapStorageHold *hold, GError **error);

/* Fails where one that the new definition names is not there, or another file is. */
gboolean qemuSnapshotOverlaysCheck(const qemuSnapshotPlan *plan, GError **error);

/* Whether none has anything of its own in it; those that the caller made may have had it
 * before, which a boot does not mind. */
gboolean qemuSnapshotOverlaysAreBlank(const qemuSnapshotPlan *plan,
                                      gboolean *ret_blank, GError **error);
