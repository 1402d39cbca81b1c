/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_journal.h: what a revert is about to do, and how far it is
 */

#pragma once

#include "qemu_snapshot_plan.h"
#include "virsnapstorage.h"

/* How far: each says that what it names may have been begun. */
typedef enum {
    QEMU_SNAPSHOT_RECORD_PERSIST = 0,  /* a transient domain gets a definition */
    QEMU_SNAPSHOT_RECORD_STOP,         /* the domain is stopped */
    QEMU_SNAPSHOT_RECORD_ENDED,        /* someone else ended it: it is left off */
    QEMU_SNAPSHOT_RECORD_START,        /* it is started on the new overlays */
    QEMU_SNAPSHOT_RECORD_STARTED,      /* that has been done */
    QEMU_SNAPSHOT_RECORD_RECORDED,     /* the snapshot is the current one: what was
                                        * left may be deleted */
    QEMU_SNAPSHOT_RECORD_LAST
} qemuSnapshotRecord;

typedef struct _qemuSnapshotJournal qemuSnapshotJournal;

/* Writes the plan, durably: when it returns, a crash at any time after can be
 * recovered from. There must be no journal of that domain yet. */
qemuSnapshotJournal *qemuSnapshotJournalCreate(const char *folder,
                                               const qemuSnapshotPlan *plan,
                                               GError **error);

/* Adds a record; durably where what follows it can't be told otherwise. */
gboolean qemuSnapshotJournalAdd(qemuSnapshotJournal *journal,
                                qemuSnapshotRecord record, GError **error);
/* ... that this process writes to the overlays; as long as it does, a change may come. */
gboolean qemuSnapshotJournalAddProcess(qemuSnapshotJournal *journal, pid_t pid,
                                       GError **error);
gboolean qemuSnapshotJournalHas(const qemuSnapshotJournal *journal,
                                qemuSnapshotRecord record);

/* Deletes it, durably: nothing is left to be done. */
gboolean qemuSnapshotJournalClear(qemuSnapshotJournal *journal, GError **error);

/* Frees it, and leaves the file. */
void qemuSnapshotJournalFree(qemuSnapshotJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotJournal, qemuSnapshotJournalFree)

/* For the changes of the revert, which is nobody's to take up while one may still come. */
virSnapStorageHold *qemuSnapshotJournalHold(qemuSnapshotJournal *journal);

/* Sets the error that says so, VIR_ERR_OPERATION_TIMEOUT, and returns FALSE. */
gboolean qemuSnapshotJournalSetWaits(const qemuSnapshotPlan *plan, GError **error);

const char *qemuSnapshotJournalFile(const qemuSnapshotJournal *journal);

/* Whether the revert was begun since the host was started. */
gboolean qemuSnapshotJournalIsOfThisBoot(const qemuSnapshotJournal *journal);

/* The UUIDs, VIR_UUID_BUFLEN bytes each in a GBytes, of the domains that have one. */
GPtrArray *qemuSnapshotJournalList(const char *folder);

/* Reads that of a domain: its plan has neither chains nor a guard, nor dom. Where
 * there is none, *ret_journal is NULL. One that is damaged is set aside under another
 * name and never acted on; that is an error, once. Where a change of the revert may still
 * come that is the error: as of qemuSnapshotJournalSetWaits(), and no other has its code. */
gboolean qemuSnapshotJournalRead(const char *folder, const unsigned char *uuid,
                                 qemuSnapshotJournal **ret_journal,
                                 qemuSnapshotPlan **ret_plan, GError **error);
