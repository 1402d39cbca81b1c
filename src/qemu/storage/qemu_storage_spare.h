/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_spare.h: storage daemons that are started before they are needed
 */

#pragma once

#include "qemu_storage_daemon.h"

typedef struct _qemuStorageSpare qemuStorageSpare;

/* For daemons that are `binary`. None is started yet; one that is not needed at once
 * is kept for keep_seconds. */
qemuStorageSpare *qemuStorageSpareNew(const char *binary, unsigned int keep_seconds);

/* Ends all of them, also those that were taken. No call may be under way. */
void qemuStorageSpareFree(qemuStorageSpare *spare);

/* One is going to be taken soon, or, where it turns out that there is no need for it,
 * dropped. Doesn't wait. */
void qemuStorageSpareWant(qemuStorageSpare *spare);
void qemuStorageSpareDrop(qemuStorageSpare *spare);

/* The daemon that was wanted, which is the caller's, or why it can't be started. */
qemuStorageDaemon *qemuStorageSpareTake(qemuStorageSpare *spare, GError **error);

/* One is started for who wants one next, and kept for its time. */
void qemuStorageSpareKeep(qemuStorageSpare *spare);
