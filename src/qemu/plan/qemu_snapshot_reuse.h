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
                           qemuSnapshotSource *source, const char *path,
                           GError **error);

/* Whether nobody at all needs the file, or has it open; also later, by what is so then. */
gboolean qemuSnapshotReuseCheckFree(const qemuHolders *holders, const char *uuid,
                                    const char *target, const char *path,
                                    GError **error);
