/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_memory.h: the file that holds a guest's memory
 */

#pragma once

#include "qemu_snapshot_source.h"

/* The definition that is in the target's memory file, after checking that the file
 * is whole and was made by taking this snapshot of this domain. Whether it was
 * written to its end can't be told of every file; force takes those, too. */
xmlDoc *qemuSnapshotMemoryRead(const qemuSnapshotSource *source, gboolean force,
                               GError **error);

/* Refuses where a disk that the snapshot left out, and whose content the memory
 * knows, has been written to since. */
gboolean qemuSnapshotMemoryCheckDisks(const qemuSnapshotSource *source,
                                      GError **error);
