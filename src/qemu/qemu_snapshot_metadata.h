/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_metadata.h: what libvirt forgets, and does not rewrite
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* To be called before libvirt deletes the metadata alone of that snapshot, one of infos
 * (of virDomainSnapshotInfo, dom's snapshots): it then leaves the definitions in the
 * others as they are. */
gboolean qemuSnapshotMetadataDetach(virDomainPtr dom, GPtrArray *infos,
                                    const char *snapshot, GError **error);
