/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_driver.h: what all reverts share
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomainSnapshot, virDomainSnapshotFree)

typedef struct _qemuSnapshotDriver qemuSnapshotDriver;

qemuSnapshotDriver *qemuSnapshotDriverNew(const char *backend_uri,
                                          const char *storage_daemon,
                                          unsigned int storage_daemon_timeout,
                                          const char *state_folder,
                                          const char *const *libvirt_folders);
void qemuSnapshotDriverFree(qemuSnapshotDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotDriver, qemuSnapshotDriverFree)

const char *qemuSnapshotDriverStorageDaemon(const qemuSnapshotDriver *driver);
unsigned int qemuSnapshotDriverStorageTimeout(const qemuSnapshotDriver *driver);

/* Where the journals are. */
const char *qemuSnapshotDriverStateFolder(const qemuSnapshotDriver *driver);

/* Makes durable what libvirt has renamed in its folders, which it does not: its
 * definitions, and the snapshots of that domain. */
gboolean qemuSnapshotDriverSync(const qemuSnapshotDriver *driver, const char *domain,
                                GError **error);

/* The path of the schema of <domainsnapshotrevert>. */
const char *qemuSnapshotDriverSchema(const qemuSnapshotDriver *driver);

/* A reference to the connection to libvirt, opened anew where the last one has
 * died; given back with virConnectClose(). */
virConnectPtr qemuSnapshotDriverConnect(qemuSnapshotDriver *driver,
                                        GError **error);

/* Waits until no other revert of that domain is under way, and keeps others
 * waiting until the unlock. */
void qemuSnapshotDriverLock(qemuSnapshotDriver *driver,
                            const unsigned char *uuid);
void qemuSnapshotDriverUnlock(qemuSnapshotDriver *driver,
                              const unsigned char *uuid);
