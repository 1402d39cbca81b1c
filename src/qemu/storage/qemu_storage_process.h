/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_process.h: the process of a storage daemon
 */

#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct _qemuStorageProcess qemuStorageProcess;

/* Starts `binary` with `monitor`, a socket that stays the caller's, as its QMP monitor,
 * in the folder of our descriptors. It ends with the thread that starts it, at the
 * latest. */
qemuStorageProcess *qemuStorageProcessStart(const char *binary, int monitor,
                                            GError **error);

/* By its own doing, or by someone else's. */
gboolean qemuStorageProcessHasEnded(qemuStorageProcess *process);

/* Wait returns when it has ended, or FALSE after ten seconds, once; after Kill and Free
 * that comes soon. The main loop buries what Free leaves. */
void qemuStorageProcessKill(qemuStorageProcess *process);
gboolean qemuStorageProcessWait(qemuStorageProcess *process);
void qemuStorageProcessFree(qemuStorageProcess *process);

/* Its number; 0 where it has ended. */
pid_t qemuStorageProcessGetPid(const qemuStorageProcess *process);

/* What it has printed for users to read, as far as that is valid text; the caller frees
 * it with g_free(). It is killed for that. */
char *qemuStorageProcessReadStderr(qemuStorageProcess *process);
