/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_return.h: disks that a domain no longer has and a revert brings back
 */

#pragma once

#include "qemu_snapshot_source.h"

/* Whether the disk of the snapshot's definition may be given to the guest as it was then,
 * directly on its image, to write to. */
gboolean qemuSnapshotCheckReturn(qemuSnapshotSource *source, const virDomainDisk *then,
                                 GError **error);
