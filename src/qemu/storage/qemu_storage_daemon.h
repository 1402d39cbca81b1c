/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_daemon.h: making and opening overlays
 */

#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct _qemuStorageOverlay qemuStorageOverlay;
struct _qemuStorageOverlay {
    const char *disk;   /* target, for messages */
    const char *file;   /* the overlay's path, for messages */
    int fd;             /* the overlay, open: empty and for writing, too, or made
                         * already and for reading alone */
    gboolean exists;    /* it is made already */
    GPtrArray *chain;   /* of virSnapImage: what it is to stand on, from the top */
};

typedef struct _qemuStorageDaemon qemuStorageDaemon;

/* Starts `binary`, without waiting until it is up. */
qemuStorageDaemon *qemuStorageDaemonStart(const char *binary, GError **error);

/* All as of its process; after a Wait that is TRUE it holds no lock any more. Stop frees
 * daemon. */
gboolean qemuStorageDaemonHasEnded(qemuStorageDaemon *daemon);
void qemuStorageDaemonKill(qemuStorageDaemon *daemon);
gboolean qemuStorageDaemonWait(qemuStorageDaemon *daemon);
pid_t qemuStorageDaemonGetPid(const qemuStorageDaemon *daemon);
void qemuStorageDaemonStop(qemuStorageDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuStorageDaemon, qemuStorageDaemonStop)

/* Begins to make a qcow2 of each overlay that isn't one, all side by side. This and the
 * next two calls may take timeout seconds together, and the overlays must live until
 * then. What is written is not flushed to disk: the caller does that for all of them. */
gboolean qemuStorageDaemonBegin(qemuStorageDaemon *daemon,
                                const qemuStorageOverlay *overlays,
                                gsize n_overlays, unsigned int timeout,
                                GError **error);

/* Waits until all are made, and begins to open each of them read-only on its chain, all
 * of whose images are opened in the format that the chain states. */
gboolean qemuStorageDaemonCreate(qemuStorageDaemon *daemon, GError **error);

/* Waits until all are open, or tells which can't be. */
gboolean qemuStorageDaemonVerify(qemuStorageDaemon *daemon, GError **error);
