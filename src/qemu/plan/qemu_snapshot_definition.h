/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_definition.h: the documents that libvirt is given
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Fills in old_xml, new_xml, restore_xml and snapshot_xml of a plan whose disks have
 * their overlays. Refuses a disk that would write to what others need. */
gboolean qemuSnapshotDefinitionMake(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
                                    GError **error);
