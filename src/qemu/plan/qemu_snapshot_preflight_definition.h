/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_definition.h: what a definition needs of the host to be started
 */

#pragma once

#include "qemu_snapshot_preflight_need.h"

/* The needs of a definition, each once, in the order of the document but for those of the
 * devices, which come last; of qemuSnapshotNeed. For live and restored see
 * qemuSnapshotNeedReader. */
GPtrArray *qemuSnapshotNeedsRead(xmlDoc *doc, gboolean live, gboolean restored);
