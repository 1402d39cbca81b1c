/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight.h: has the host what the start after a revert will need?
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_preflight_text.h"
#include "qemu_snapshot_source.h"

typedef struct _qemuSnapshotFinding qemuSnapshotFinding;
struct _qemuSnapshotFinding {
    qemuSnapshotFindingWeight weight;
    virErrorNumber code;
    char *text;
};

/* What is looked at. root: see qemu_snapshot_preflight_host.h. */
typedef struct _qemuSnapshotPreflightHost qemuSnapshotPreflightHost;
struct _qemuSnapshotPreflightHost {
    const char *root;
    virConnectPtr conn;
};

/* Findings about the start of `doc`, in which the disks of the plan will have new
 * images; of qemuSnapshotFinding. live is the definition of the domain that is stopped
 * before, NULL where none is: what it has it gives back. */
GPtrArray *qemuSnapshotPreflightFind(const qemuSnapshotPlan *plan,
                                     const qemuSnapshotPreflightHost *host, xmlDoc *doc,
                                     xmlDoc *live);

/* The first finding that refuses is the error; the others become the plan's warnings. */
gboolean qemuSnapshotPreflightDecide(qemuSnapshotPlan *plan, GPtrArray *findings,
                                     gboolean force, GError **error);

/* Both, of this host. */
gboolean qemuSnapshotPreflight(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
                               gboolean force, GError **error);
