/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_tree.h: which files the snapshots of a domain name
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "snapshot_conf.h"

typedef struct _qemuSnapshotTree qemuSnapshotTree;
struct _qemuSnapshotTree {
    char *domain;             /* its name */
    GPtrArray *infos;         /* of virDomainSnapshotInfo: the snapshots */

    /* path -> snapshot: every file that a snapshot names, there or not */
    GHashTable *paths;

    /* file key -> snapshot: overlays that were made by taking a snapshot, or by libvirt
     * when it reverted to one */
    GHashTable *made;

    gboolean has_children;    /* the target has */
};

/* Reads all snapshots of dom; `target` is the name of the one that matters for
 * has_children. */
qemuSnapshotTree *qemuSnapshotTreeRead(virDomainPtr dom, const char *target,
                                       GError **error);
void qemuSnapshotTreeFree(qemuSnapshotTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotTree, qemuSnapshotTreeFree)
