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

/* Folders that are named in messages, or in the rules of others. */
#define VIR_SNAP_PATH_IMAGES "/var/lib/libvirt/images"
#define VIR_SNAP_PATH_ETC "/etc"
#define VIR_SNAP_PATH_PROC "/proc"
#define VIR_SNAP_PATH_SYS "/sys"

/* What a host has to offer to a domain; each of them may be below another root. */
#define VIR_SNAP_PATH_NET "/sys/class/net"
#define VIR_SNAP_PATH_PCI "/sys/bus/pci/devices"
#define VIR_SNAP_PATH_MDEV "/sys/bus/mdev/devices"
#define VIR_SNAP_PATH_SCSI "/sys/bus/scsi/devices"
#define VIR_SNAP_PATH_USB "/sys/bus/usb/devices"
#define VIR_SNAP_PATH_RANDOM "/dev/urandom"
#define VIR_SNAP_PATH_SOUND "/dev/dsp"
#define VIR_SNAP_PATH_TPM "/dev/tpm0"
#define VIR_SNAP_PATH_VSOCK "/dev/vhost-vsock"
#define VIR_SNAP_PATH_CPUS_ONLINE "/sys/devices/system/cpu/online"
#define VIR_SNAP_PATH_CPUS_POSSIBLE "/sys/devices/system/cpu/possible"
#define VIR_SNAP_PATH_NODES_ONLINE "/sys/devices/system/node/online"
#define VIR_SNAP_PATH_QEMU_CONFIG "/etc/qemu"
#define VIR_SNAP_PATH_LIBVIRT_QEMU_CONF "/etc/libvirt/qemu.conf"
#define VIR_SNAP_PATH_MEMINFO "/proc/meminfo"
#define VIR_SNAP_PATH_HUGEPAGES "/sys/kernel/mm/hugepages"
#define VIR_SNAP_PATH_MOUNTS "/proc/self/mounts"
#define VIR_SNAP_PATH_OVERCOMMIT "/proc/sys/vm/overcommit_memory"
#define VIR_SNAP_PATH_APPARMOR "/sys/module/apparmor/parameters/enabled"
#define VIR_SNAP_PATH_TCP "/proc/net/tcp"
#define VIR_SNAP_PATH_TCP6 "/proc/net/tcp6"

/* Those of the system's libvirt where `system`, else of the user's session. The caller
 * frees them with g_free(). */

/* The folder of the sockets, libvirt's and ours. */
char *virSnapPathsRun(gboolean system);

/* virtsnapshotd's socket, or the one for clients that may only read. */
char *virSnapPathsSocket(gboolean system, gboolean readonly);
char *virSnapPathsSocketIn(const char *run_dir, gboolean readonly);

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
