/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnappaths.h: where things are on a host
 */

#pragma once

#include <glib.h>
#include <sys/types.h>

#define VIR_SNAP_PATH_DAEMON SBINDIR "/virtsnapshotd"
#define VIR_SNAP_PATH_NULL "/dev/null"
#define VIR_SNAP_PATH_MOUNTINFO "/proc/self/mountinfo"
#define VIR_SNAP_PATH_BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Those of the system's libvirt where `system`, else of the user's session. The caller
 * frees them with g_free(). */

/* The folder of the sockets, libvirt's and ours. */
char *virSnapPathsRun(gboolean system);

/* virtsnapshotd's socket, or the one for clients that may only read. */
char *virSnapPathsSocket(gboolean system, gboolean readonly);

/* The folder of virtsnapshotd's log, where it runs in the background. */
char *virSnapPathsLog(gboolean system);

/* The folder of the journals, which outlives a restart of the host. */
char *virSnapPathsJournals(gboolean system);

/* Where libvirt keeps definitions of domains, and their snapshots. */
char *virSnapPathsDefinitions(gboolean system);
char *virSnapPathsSnapshots(gboolean system);

/* Where it keeps the status of domains that run, and managed saves. */
char *virSnapPathsRunning(gboolean system);
char *virSnapPathsSaves(gboolean system);

/* The file of virtsnapshotd's settings. */
char *virSnapPathsConfig(gboolean system);

/* What the kernel tells of a process under that name. */
char *virSnapPathsProcess(pid_t pid, const char *name);

/* The name of one of our own descriptors. */
char *virSnapPathsDescriptor(int fd);
