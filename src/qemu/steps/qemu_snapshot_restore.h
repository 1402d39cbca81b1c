/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_restore.h: what libvirt is given to restore a guest's memory from
 */

#pragma once

#include "qemu_snapshot_plan.h"

typedef struct _qemuSnapshotRestore qemuSnapshotRestore;

/* Makes ready what takes long, or may fail: whatever has to be done before the old guest is
 * stopped. */
qemuSnapshotRestore *qemuSnapshotRestoreNew(const qemuSnapshotPlan *plan, GError **error);
void qemuSnapshotRestoreFree(qemuSnapshotRestore *restore);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotRestore, qemuSnapshotRestoreFree)

/* As virDomainRestore(). */
int qemuSnapshotRestoreRun(const qemuSnapshotRestore *restore,
                           const qemuSnapshotPlan *plan);
