/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_source.h: what libvirt says of a domain and its snapshots
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "domain_conf.h"
#include "qemu_holders_read.h"
#include "qemu_snapshot_request.h"
#include "qemu_snapshot_tree.h"
#include "snapshot_conf.h"

/* All that a plan is made from, read once. "then" is the time of the snapshot,
 * "now" the running domain, "next" what it would be when next started. */
typedef struct _qemuSnapshotSource qemuSnapshotSource;
struct _qemuSnapshotSource {
    virDomainPtr dom;
    char *name;                    /* the domain's; a caller may know an older one */
    char *uuid;
    gboolean active;
    gboolean paused;
    gboolean transient;
    gboolean managed_save;

    qemuSnapshotTree *tree;
    const virDomainSnapshotInfo *info;   /* of it: the target */
    gboolean has_revert_disks;     /* what libvirt can, and can't */
    gboolean has_short_chains;
    gboolean has_data_stores;

    xmlDoc *then_doc;              /* the persistent definition */
    GPtrArray *then_disks;         /* of it; each of virDomainDisk */
    GPtrArray *state_disks;        /* those whose state the snapshot holds: of the
                                    * running domain, where it was running */
    xmlDoc *memory_doc;            /* the definition in the memory file, filled in by the
                                    * planner; NULL: none */
    xmlDoc *now_doc;               /* NULL where not active */
    GPtrArray *now_disks;          /* as next_disks where not active */
    int now_id;                    /* 0 where not active */
    xmlDoc *next_doc;
    GPtrArray *next_disks;
    char *next_xml;

    qemuHoldersReader *reader;
    GPtrArray *files;              /* of char *: those that a caller names for overlays */
    qemuHolders *holders;          /* NULL until it is asked for */
};

/* Refuses a domain or snapshot that does not exist, and kinds of snapshots that
 * can't be reverted to. */
qemuSnapshotSource *qemuSnapshotSourceRead(virConnectPtr conn, qemuHoldersReader *reader,
                                           const qemuSnapshotRequest *request,
                                           GError **error);

/* Who stands on the images of the domain's disks, now, next and then, and on the files
 * that a caller has named; read once. NULL where it can't be. */
const qemuHolders *qemuSnapshotSourceHolders(qemuSnapshotSource *source, GError **error);
void qemuSnapshotSourceFree(qemuSnapshotSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotSource, qemuSnapshotSourceFree)
