/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_reuse.h: overlays that the caller has made
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Takes the file at `path` for the disk's overlay, or says what is wrong with it:
 * what was expected and what was found. */
gboolean qemuSnapshotReuse(qemuSnapshotPlanDisk *disk,
                           const qemuSnapshotSource *source, const char *path,
                           GError **error);
