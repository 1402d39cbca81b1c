/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_place.h: where the overlays go
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Fills in overlay, file, kept, in_place and reused of the plan's disks: as the
 * document (NULL: none) names them, or by generated names. Refuses what a document may
 * not ask for, and folders in which no overlay can be made. */
gboolean qemuSnapshotPlace(qemuSnapshotPlan *plan,
                           qemuSnapshotSource *source,
                           const virDomainSnapshotRevertDef *def,
                           unsigned int flags, GError **error);

/* Whether nobody but the disk itself needs the overlay that is replaced in its place; also
 * later, by what is so then. */
gboolean qemuSnapshotPlaceCheckReplaced(const qemuHolders *holders, const char *uuid,
                                        const char *target, const char *path,
                                        GError **error);
