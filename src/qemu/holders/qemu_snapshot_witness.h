/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_witness.h: whether what a snapshot stands on is told by all alike
 */

#pragma once

#include <glib.h>

#include "snapshot_conf.h"
#include "virsnaperror.h"

/* FALSE, with an error of that code, where the snapshot's definition says of a disk that
 * it was on another image than the snapshot's own overlay stands on. */
gboolean qemuSnapshotWitnessCheck(const virDomainSnapshotInfo *info, virErrorNumber code,
                                  GError **error);
