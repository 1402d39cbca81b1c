/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_upgrade.h: what a newer libvirt needs of reverts made with an older one
 */

#pragma once

#include "qemu_snapshot_driver.h"

/* Looks at all domains and completes what is recorded of their reverts. FALSE where not
 * all could be looked at: try again. */
gboolean qemuSnapshotUpgrade(qemuSnapshotDriver *driver, GError **error);
