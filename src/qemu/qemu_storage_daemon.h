/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_daemon.h: making and checking overlays
 */

#pragma once

#include <glib.h>

typedef struct _qemuStorageOverlay qemuStorageOverlay;
struct _qemuStorageOverlay {
    const char *disk;   /* target, for messages */
    const char *file;   /* the overlay's path, for messages */
    int fd;             /* the overlay, empty, open for reading and writing */
    GPtrArray *chain;   /* of virSnapImage: what it is to stand on, from the top */
};

typedef struct _qemuStorageDaemon qemuStorageDaemon;

/* Starts `binary` with all the chains opened read-only, each image in the format
 * that the chain states, and the overlays at hand. Everything together may
 * take timeout seconds from now. The overlays must outlive the result. */
qemuStorageDaemon *qemuStorageDaemonStart(const char *binary,
                                          unsigned int timeout,
                                          const qemuStorageOverlay *overlays,
                                          gsize n_overlays, GError **error);

/* Its work is either done or of no use. The first does not wait for its end, the
 * second does; then no lock of its is held any more. */
void qemuStorageDaemonKill(qemuStorageDaemon *daemon);
void qemuStorageDaemonStop(qemuStorageDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuStorageDaemon, qemuStorageDaemonStop)

/* Makes a qcow2 of each overlay, all side by side. What is written is not flushed
 * to disk: the caller does that for all of them. */
gboolean qemuStorageDaemonCreate(qemuStorageDaemon *daemon, GError **error);

/* Asks for each overlay to be opened read-only on its chain ... */
gboolean qemuStorageDaemonVerifyBegin(qemuStorageDaemon *daemon, GError **error);

/* ... and tells whether all could be. */
gboolean qemuStorageDaemonVerifyEnd(qemuStorageDaemon *daemon, GError **error);
