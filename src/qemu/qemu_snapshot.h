/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot.h: reverting a domain to an external snapshot
 */

#pragma once

#include <glib.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_request.h"

/* The caller holds the domain's lock of the driver. What it made of the domain is in
 * *ret_events, also where it failed: a bit for each virDomainEventType that the domain
 * has gone through. */
gboolean qemuSnapshotRevert(qemuSnapshotDriver *driver,
                            const qemuSnapshotRequest *request,
                            unsigned int *ret_events, GError **error);

/* For a revert that comes soon after another, which it often does: once the other has
 * been answered. */
void qemuSnapshotRevertPrepare(qemuSnapshotDriver *driver);

typedef enum {
    QEMU_SNAPSHOT_KIND_ABSENT = 0,   /* it or its domain is not there */
    QEMU_SNAPSHOT_KIND_INTERNAL,     /* libvirt goes back to it */
    QEMU_SNAPSHOT_KIND_EXTERNAL,     /* only qemuSnapshotRevert() can, before libvirt 9.9 */
} qemuSnapshotKind;

gboolean qemuSnapshotFindKind(qemuSnapshotDriver *driver,
                              const qemuSnapshotRequest *request,
                              qemuSnapshotKind *ret_kind, GError **error);

/* FALSE where libvirt must not be let delete the snapshot (request: domain, uuid, snapshot,
 * and flags, of virDomainSnapshotDeleteFlags); see qemu_snapshot_veto.h. What earlier reverts
 * left and could not delete is deleted first, where that can be told now. The caller holds
 * the domain's lock of the driver. */
gboolean qemuSnapshotMayDelete(qemuSnapshotDriver *driver,
                               const qemuSnapshotRequest *request, GError **error);

/* What qemuSnapshotRevert() would do, as a document; changes nothing. */
char *qemuSnapshotGetRevertDesc(qemuSnapshotDriver *driver,
                                const qemuSnapshotRequest *request,
                                GError **error);
