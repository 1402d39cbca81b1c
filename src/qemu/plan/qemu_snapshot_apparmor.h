/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_apparmor.h: would AppArmor let QEMU open the new overlays?
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_source.h"

/* Refuses an overlay that the domain could not be started on, now or later. */
gboolean qemuSnapshotAppArmorCheck(const qemuSnapshotPlan *plan,
                                   const qemuSnapshotSource *source, GError **error);

/* By the kernel's word in that file, and libvirt's capabilities. */
gboolean qemuSnapshotAppArmorIsActive(const char *enabled, const char *capabilities);

/* Whether libvirt's helper may read an image, and so what its header names. */
gboolean qemuSnapshotAppArmorCanRead(const char *file);

/* Whether it grants QEMU a file that a definition names. */
gboolean qemuSnapshotAppArmorCanGrant(const char *file);
