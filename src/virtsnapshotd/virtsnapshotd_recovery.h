/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_recovery.h: when reverts that were broken off are taken up
 */

#pragma once

#include "qemu_snapshot_recover.h"

typedef struct _virtsnapshotdRecovery virtsnapshotdRecovery;

/* Begins, in a thread of its own, with what an earlier daemon left, and tries again
 * what can't be done yet, as where libvirtd is away. upgrade: then looks for what an
 * older libvirt left, too. The driver must outlive it. */
virtsnapshotdRecovery *virtsnapshotdRecoveryNew(qemuSnapshotDriver *driver,
                                                gboolean upgrade);

/* Waits until what is being done is done. */
void virtsnapshotdRecoveryFree(virtsnapshotdRecovery *recovery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdRecovery, virtsnapshotdRecoveryFree)
