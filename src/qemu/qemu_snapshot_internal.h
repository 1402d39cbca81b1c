/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_internal.h: whether libvirt may go back to an internal snapshot
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_request.h"

/* FALSE where libvirt's revert to that internal snapshot (request: domain, uuid, snapshot)
 * would rewrite an image that something else needs as it is. No flag overrides that. What
 * isn't there is left to libvirt. Changes nothing; the caller holds the domain's lock of
 * the driver. */
gboolean qemuSnapshotInternalCheck(qemuSnapshotDriver *driver,
                                   const qemuSnapshotRequest *request, GError **error);

/* The same check, and then libvirt's revert. */
gboolean qemuSnapshotInternalRevert(qemuSnapshotDriver *driver,
                                    const qemuSnapshotRequest *request, GError **error);
