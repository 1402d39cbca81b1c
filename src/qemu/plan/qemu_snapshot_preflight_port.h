/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_port.h: does someone listen on a TCP port already?
 */

#pragma once

#include "qemu_snapshot_preflight_need.h"

/* The sockets that listen, as the kernel lists them; NULL where it does not. root is put
 * before the paths of its lists. */
GPtrArray *qemuSnapshotPortsRead(const char *root);

/* UNFIT where one of them has the port; address NULL is libvirt's default. */
qemuSnapshotAnswer qemuSnapshotPortsHave(GPtrArray *ports, const char *port,
                                         const char *address);
