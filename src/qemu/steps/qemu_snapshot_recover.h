/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_recover.h: reverts that were broken off
 */

#pragma once

#include "qemu_snapshot_driver.h"

/* Finishes or undoes the revert of the domain that was broken off, if one was. The
 * caller holds the domain's lock. FALSE: not yet, and why. */
gboolean qemuSnapshotRecoverDomain(qemuSnapshotDriver *driver,
                                   const unsigned char *uuid, GError **error);

/* The same for all domains, taking their locks; what can't be done is logged. Returns
 * how many are left. */
guint qemuSnapshotRecoverAll(qemuSnapshotDriver *driver);
