/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_journal_plan.h: the plan of a revert as JSON
 */

#pragma once

#include "qemu_snapshot_plan.h"

/* boot: which start of the host it was made in. */
char *qemuSnapshotJournalFormatPlan(const qemuSnapshotPlan *plan, const char *boot);

/* Fills plan, which is empty. FALSE where that is no plan. */
gboolean qemuSnapshotJournalParsePlan(const char *text, gsize len, qemuSnapshotPlan *plan,
                                      char **ret_boot);
