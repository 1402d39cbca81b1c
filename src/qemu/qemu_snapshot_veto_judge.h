/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto_judge.h: what a deletion by libvirt would do to others
 */

#pragma once

#include <glib.h>

#include "qemu_holders.h"
#include "snapshot_conf.h"

/* All that is known beforehand. */
typedef struct _qemuSnapshotVetoFacts qemuSnapshotVetoFacts;
struct _qemuSnapshotVetoFacts {
    char *uuid;             /* of the domain */
    char *domain;           /* its name */
    char *current;          /* the name of its current snapshot; NULL: it has none */
    const char *snapshot;   /* that the call names */
    GPtrArray *infos;       /* of virDomainSnapshotInfo: the domain's snapshots */
    GHashTable *deleted;    /* set of names */
    GPtrArray *disks;       /* of the definition that libvirt works on */
    qemuHolders *holders;   /* asked for all that the snapshots and the domain are on */
    gboolean removes_states;       /* what this libvirt does; see there */
    gboolean merges_above_state;
    gboolean spares_internal;
};

/* FALSE where somebody would lose an image, or see another content in one, or where that
 * can't be told. Asks nobody. */
gboolean qemuSnapshotVetoJudge(const qemuSnapshotVetoFacts *facts, GError **error);

/* The domain's own chain of the disk, from the top; of qemuHoldersImage. */
GPtrArray *qemuSnapshotVetoChain(const qemuSnapshotVetoFacts *facts, const char *target);

gboolean qemuSnapshotVetoIsDescendant(const qemuSnapshotVetoFacts *facts, const char *name,
                                      const char *ancestor);
