/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_read.h: domains and snapshots, as libvirt describes them
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "snapshot_conf.h"

virDomainSnapshotInfo *qemuSnapshotReadInfo(virDomainSnapshotPtr snap, GError **error);

/* The snapshots of dom; of virDomainSnapshotInfo. */
GPtrArray *qemuSnapshotReadInfos(virDomainPtr dom, GError **error);

/* Of those, the one of that name, or NULL. */
const virDomainSnapshotInfo *qemuSnapshotFindInfo(GPtrArray *infos, const char *name);

/* The disks of a definition of dom (virDomainXMLFlags), SECURE added. ret_doc may
 * be NULL. */
GPtrArray *qemuSnapshotReadDisks(virDomainPtr dom, unsigned int flags,
                                 xmlDoc **ret_doc, GError **error);

/* Calls func for each domain of that libvirt but one (NULL: all) until it returns FALSE; a
 * domain that goes meanwhile is passed over. */
typedef gboolean (*qemuSnapshotDomainFunc)(virDomainPtr dom, void *opaque,
                                           GError **error);
gboolean qemuSnapshotEachDomain(virConnectPtr conn, virDomainPtr except,
                                qemuSnapshotDomainFunc func, void *opaque,
                                GError **error);
