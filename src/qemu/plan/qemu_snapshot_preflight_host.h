/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_host.h: what the host has, as its file systems tell
 *
 * root is put before every path: "" is the host, a test has a folder of its own. What a
 * host without such a file can't tell is UNKNOWN.
 */

#pragma once

#include "qemu_snapshot_preflight_need.h"

/* Files. *ret_errno says what is wrong with one that is MISSING. */
typedef enum {
    QEMU_SNAPSHOT_HOST_FILE_READ = 0,
    QEMU_SNAPSHOT_HOST_FILE_RUN,
    QEMU_SNAPSHOT_HOST_FILE_FOLDER,
    QEMU_SNAPSHOT_HOST_FILE_WRITE, /* it, or a new one in its folder */
    QEMU_SNAPSHOT_HOST_FILE_MAKE,  /* a new one in its folder, which replaces it */
    QEMU_SNAPSHOT_HOST_FILE_SOCKET,
    QEMU_SNAPSHOT_HOST_FILE_PIPE, /* or the two of PATH.in and PATH.out */
} qemuSnapshotHostFileUse;

qemuSnapshotAnswer qemuSnapshotHostHasFile(const char *root, const char *path,
                                           qemuSnapshotHostFileUse use, int *ret_errno);

/* How much of the file is not a hole, in KiB; 0 where that can't be told. */
guint64 qemuSnapshotHostFileAmount(const char *root, const char *path);

/* An entry of a folder of /sys that lists all of a kind. */
qemuSnapshotAnswer qemuSnapshotHostHasEntry(const char *root, const char *folder,
                                            const char *name);

/* A device that has each of the two values, in the files of these names. */
qemuSnapshotAnswer qemuSnapshotHostHasUSB(const char *root, const char *value,
                                          const char *file, const char *other_file);

/* Processors or nodes: MISSING where all (of nodes: any) are, UNFIT where the kernel
 * could never have some. */
qemuSnapshotAnswer qemuSnapshotHostHasCPUs(const char *root, const char *set);
qemuSnapshotAnswer qemuSnapshotHostHasNodes(const char *root, const char *set);

/* Whether libvirt may know a template of the NVRAM for the firmware: UNKNOWN, or MISSING
 * where nothing names one. */
qemuSnapshotAnswer qemuSnapshotHostHasTemplate(const char *root, const char *loader);

/* A virtiofsd that libvirt would find. */
qemuSnapshotAnswer qemuSnapshotHostHasVirtiofsd(const char *root);

/* Huge pages of that size in KiB, "0" for the host's default: how much memory is free in
 * them; MISSING where the host has no pages of that size. */
qemuSnapshotAnswer qemuSnapshotHostHasPages(const char *root, const char *size,
                                            guint64 *ret_free);
qemuSnapshotAnswer qemuSnapshotHostHasHugeMount(const char *root, const char *size);

/* Memory in KiB. */
typedef struct _qemuSnapshotHostMemory qemuSnapshotHostMemory;
struct _qemuSnapshotHostMemory {
    guint64 available;
    guint64 swap_free;
    guint64 whole; /* with swap */
    guint64 uncommitted;
    char overcommit; /* '0', '1', '2', as the kernel has it; '1' where not known */
};

/* FALSE where the host does not tell. */
gboolean qemuSnapshotHostReadMemory(const char *root,
                                    qemuSnapshotHostMemory *ret_memory);
