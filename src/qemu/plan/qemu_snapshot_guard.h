/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_guard.h: has anyone changed the domain since it was looked at?
 */

#pragma once

#include "qemu_snapshot_source.h"

typedef struct _qemuSnapshotGuard qemuSnapshotGuard;

qemuSnapshotGuard *qemuSnapshotGuardNew(const qemuSnapshotSource *source);
void qemuSnapshotGuardFree(qemuSnapshotGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotGuard, qemuSnapshotGuardFree)

/* Fails where the domain is gone, was started, restarted, saved or redefined, or
 * where its disks or snapshots have changed. That it stopped is no change: a revert
 * would stop it. */
gboolean qemuSnapshotGuardCheck(const qemuSnapshotGuard *guard, GError **error);

/* After the new definition, which has that id, was made: fails where the domain runs on
 * another one, since it was started before. */
gboolean qemuSnapshotGuardCheckStarted(const qemuSnapshotGuard *guard, const char *id,
                                       GError **error);

/* The definition is what it is now, by our own doing. */
gboolean qemuSnapshotGuardRenew(qemuSnapshotGuard *guard, GError **error);

/* Whether the domain has other snapshots than it had then, and whether it had that one. */
gboolean qemuSnapshotGuardHasNew(const qemuSnapshotGuard *guard, gboolean *ret_new,
                                 GError **error);
gboolean qemuSnapshotGuardKnows(const qemuSnapshotGuard *guard, const char *snapshot);
