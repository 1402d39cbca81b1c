/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_device.h: what a definition's devices need of the host
 */

#pragma once

#include "qemu_snapshot_preflight_need.h"

void qemuSnapshotNeedsReadDevices(qemuSnapshotNeedReader *reader,
                                  const xmlNode *devices);
