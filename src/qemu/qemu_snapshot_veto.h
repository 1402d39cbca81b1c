/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto.h: whether libvirt may delete a snapshot
 */

#pragma once

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_request.h"

/* FALSE where libvirt's deletion of the snapshot (request: domain, uuid, snapshot, and
 * flags, of virDomainSnapshotDeleteFlags) would change or remove what another snapshot
 * or a domain needs. What libvirt refuses by itself is left to it. Changes nothing, but
 * for what qemuSnapshotMetadataDetach() does; the caller holds the domain's lock of the
 * driver. */
gboolean qemuSnapshotVetoDelete(qemuSnapshotDriver *driver,
                                 const qemuSnapshotRequest *request, GError **error);
