/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_text.h: what it means that the host lacks something
 */

#pragma once

#include <libvirt/virterror.h>

#include "qemu_snapshot_plan.h"
#include "qemu_snapshot_preflight_need.h"

/* How sure it is that the start fails for that. */
typedef enum {
    QEMU_SNAPSHOT_FINDING_CERTAIN = 0,
    QEMU_SNAPSHOT_FINDING_RISKY, /* it may be otherwise by then */
    QEMU_SNAPSHOT_FINDING_NOTE,  /* it may well succeed */
} qemuSnapshotFindingWeight;

typedef struct _qemuSnapshotFindingRule qemuSnapshotFindingRule;
struct _qemuSnapshotFindingRule {
    qemuSnapshotFindingWeight weight;
    virErrorNumber code;
    const char *text; /* not translated, with words in braces to be replaced */
};

/* Of the answers MISSING and UNFIT. */
const qemuSnapshotFindingRule *qemuSnapshotFindingRuleFor(qemuSnapshotNeedKind kind,
                                                          qemuSnapshotAnswer answer);

/* The sentence, translated; the caller frees it with g_free(). */
char *qemuSnapshotFindingFormat(const qemuSnapshotFindingRule *rule,
                                const qemuSnapshotPlan *plan,
                                const qemuSnapshotNeed *need, int fault);
