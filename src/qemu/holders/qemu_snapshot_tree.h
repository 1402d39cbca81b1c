/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_tree.h: which images the snapshots of a domain need
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "domain_conf.h"
#include "qemu_snapshot_images.h"
#include "snapshot_conf.h"

typedef struct _qemuSnapshotTree qemuSnapshotTree;
struct _qemuSnapshotTree {
    char *domain;             /* its name */
    GPtrArray *infos;         /* of virDomainSnapshotInfo: the snapshots */

    /* path -> snapshot: every file that a snapshot names, there or not */
    GHashTable *paths;

    /* images that a snapshot's state stands on, whole chains, and the snapshot */
    qemuSnapshotImages *states;

    /* file key -> snapshot: overlays that were made by taking a snapshot, or by libvirt
     * when it reverted to one */
    GHashTable *made;

    gboolean has_children;    /* the target has */
};

virDomainSnapshotInfo *qemuSnapshotReadInfo(virDomainSnapshotPtr snap, GError **error);

/* The snapshots of dom; of virDomainSnapshotInfo. */
GPtrArray *qemuSnapshotReadInfos(virDomainPtr dom, GError **error);

/* Of those, the one of that name, or NULL. */
const virDomainSnapshotInfo *qemuSnapshotFindInfo(GPtrArray *infos, const char *name);

/* Reads all snapshots of dom; `target` is the name of the one that matters for
 * has_children. */
qemuSnapshotTree *qemuSnapshotTreeRead(virDomainPtr dom, const char *target,
                                       GError **error);
void qemuSnapshotTreeFree(qemuSnapshotTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotTree, qemuSnapshotTreeFree)

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

/* The images that any domain of that libvirt but one (NULL: all) stands on, now, when next
 * started, or in one of its snapshots, and the domain. */
qemuSnapshotImages *qemuSnapshotReadDomains(virConnectPtr conn, virDomainPtr except,
                                            GError **error);
