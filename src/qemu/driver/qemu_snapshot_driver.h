/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_driver.h: what all reverts share
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "qemu_holders_read.h"
#include "qemu_snapshot_job.h"
#include "qemu_storage_spare.h"
#include "virsnaplibvirt.h"

typedef struct _qemuSnapshotDriver qemuSnapshotDriver;

qemuSnapshotDriver *qemuSnapshotDriverNew(const char *backend_uri,
                                          const char *storage_daemon,
                                          unsigned int storage_daemon_timeout,
                                          const char *state_folder,
                                          const qemuHoldersFolders *libvirt_folders,
                                          const char *const *exclusive_storage);
void qemuSnapshotDriverFree(qemuSnapshotDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotDriver, qemuSnapshotDriverFree)

qemuStorageSpare *qemuSnapshotDriverStorageSpare(const qemuSnapshotDriver *driver);
qemuSnapshotJobs *qemuSnapshotDriverJobs(const qemuSnapshotDriver *driver);
unsigned int qemuSnapshotDriverStorageTimeout(const qemuSnapshotDriver *driver);

/* Who stands on which image is found out by it. */
qemuHoldersReader *qemuSnapshotDriverHolders(const qemuSnapshotDriver *driver);

/* Where the journals are. */
const char *qemuSnapshotDriverStateFolder(const qemuSnapshotDriver *driver);

/* Makes durable what libvirt has renamed in its folders, which it does not: its
 * definitions, and the snapshots of that domain. */
gboolean qemuSnapshotDriverSync(const qemuSnapshotDriver *driver, const char *domain,
                                GError **error);

/* The path of the schema of <domainsnapshotrevert>. */
const char *qemuSnapshotDriverSchema(const qemuSnapshotDriver *driver);

/* A connection of the caller's own to libvirt, closed with virConnectClose(). */
virConnectPtr qemuSnapshotDriverOpen(const qemuSnapshotDriver *driver, GError **error);

/* A reference to the connection to libvirt, opened anew where the last one has
 * died; given back with virConnectClose(). */
virConnectPtr qemuSnapshotDriverConnect(qemuSnapshotDriver *driver,
                                        GError **error);

/* Whether that libvirt's own revert takes external snapshots. FALSE also where it can't
 * be asked. */
gboolean qemuSnapshotDriverCanRevertExternal(qemuSnapshotDriver *driver);

/* As libvirt writes it; freed with g_free(). */
char *qemuSnapshotDriverFormatUUID(const unsigned char *uuid);

/* Waits until nothing else is done with the snapshots of that domain, and keeps others
 * waiting until the unlock, which may be in another thread. */
void qemuSnapshotDriverLock(qemuSnapshotDriver *driver,
                            const unsigned char *uuid);
/* FALSE where it would have to wait. */
gboolean qemuSnapshotDriverTryLock(qemuSnapshotDriver *driver,
                                   const unsigned char *uuid);
gboolean qemuSnapshotDriverIsLocked(qemuSnapshotDriver *driver,
                                    const unsigned char *uuid);
/* A revert of that domain is not over, as a change of it to a storage has not returned:
 * `reason` says so; NULL: there is none any more. Whoever would have to wait for the domain
 * is told that instead. The caller of Get frees it with g_free(). */
void qemuSnapshotDriverSetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid,
                                const char *reason);
char *qemuSnapshotDriverGetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid);

/* Whether any domain is locked, or waits. */
gboolean qemuSnapshotDriverHasLocks(qemuSnapshotDriver *driver);

/* Someone wants the domain to be off: what goes wrong with it from now until the unlock
 * may be that one's doing, and is no reason to start it again. Of a domain that is not
 * locked nothing is noted. */
void qemuSnapshotDriverNoteDestroy(qemuSnapshotDriver *driver,
                                   const unsigned char *uuid);
gboolean qemuSnapshotDriverWasDestroyed(qemuSnapshotDriver *driver,
                                        const unsigned char *uuid);

/* func is called after each unlock, in that thread. Before there are locks. */
void qemuSnapshotDriverOnUnlock(qemuSnapshotDriver *driver, void (*func)(void *opaque),
                                void *opaque);

void qemuSnapshotDriverUnlock(qemuSnapshotDriver *driver,
                              const unsigned char *uuid);
