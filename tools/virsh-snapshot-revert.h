/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-snapshot-revert.h: the command
 */

#pragma once

#include <libvirt/libvirt.h>

#include "virsh-args.h"
#include "virsh-options.h"

/* Connects as virsh would, where *conn is still NULL. */
gboolean virshConnect(const virshGlobals *globals, virConnectPtr *conn,
                      GError **error);

/* Carries the command out and prints what virsh would. conn may be NULL for
 * --print-xml. */
gboolean virshSnapshotRevert(const virshGlobals *globals,
                             const virshRevertOptions *options,
                             virConnectPtr conn, GError **error);
