/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-snapshot-revert.h: the command
 */

#pragma once

#include <libvirt/libvirt.h>

#include "virsh-args.h"
#include "virsh-options.h"

/* Carries the command out and prints what virsh would. *conn is opened when first
 * needed and closed by the caller. */
gboolean virshSnapshotRevert(const virshGlobals *globals,
                             const virshRevertOptions *options,
                             virConnectPtr *conn, GError **error);
