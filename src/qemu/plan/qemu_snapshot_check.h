/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_check.h: is this the time, and the host, for a revert?
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Refuses a domain that is busy with a job of its own or of one of its disks. */
gboolean qemuSnapshotCheckBusy(const qemuSnapshotSource *source, GError **error);

/* Refuses what only FORCE may do. */
gboolean qemuSnapshotCheckRisks(const qemuSnapshotPlan *plan,
                                const qemuSnapshotSource *source, GError **error);

/* Has libvirt tell whether it could define, and run, what it is to be given. */
gboolean qemuSnapshotCheckConfig(const qemuSnapshotPlan *plan, GError **error);
