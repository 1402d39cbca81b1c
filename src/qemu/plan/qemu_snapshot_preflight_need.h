/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_need.h: what a definition needs of the host to be started
 */

#pragma once

#include <glib.h>

#include "domain_conf.h"

typedef enum {
    QEMU_SNAPSHOT_NEED_BOOT_FILE = 0,   /* kernel, firmware, ACPI table, fw_cfg entry */
    QEMU_SNAPSHOT_NEED_NVRAM,           /* more: its template, or NULL */
    QEMU_SNAPSHOT_NEED_NVRAM_BY_LOADER, /* more: the loader, which tells the template */
    QEMU_SNAPSHOT_NEED_EMULATOR,
    QEMU_SNAPSHOT_NEED_DISK_FILE, /* more: the disk's target */
    QEMU_SNAPSHOT_NEED_POOL,
    QEMU_SNAPSHOT_NEED_VOLUME,       /* more: its pool */
    QEMU_SNAPSHOT_NEED_SECRET,       /* a UUID */
    QEMU_SNAPSHOT_NEED_SECRET_USAGE, /* more: the type of usage */
    QEMU_SNAPSHOT_NEED_NETWORK,
    QEMU_SNAPSHOT_NEED_FILTER,
    QEMU_SNAPSHOT_NEED_BRIDGE,
    QEMU_SNAPSHOT_NEED_INTERFACE,
    QEMU_SNAPSHOT_NEED_OUTPUT_FILE, /* what a character device is written to */
    QEMU_SNAPSHOT_NEED_LOG_FILE,
    QEMU_SNAPSHOT_NEED_SOCKET, /* QEMU listens on it */
    QEMU_SNAPSHOT_NEED_PEER,   /* a socket that QEMU connects to */
    QEMU_SNAPSHOT_NEED_PIPE,
    QEMU_SNAPSHOT_NEED_DEVICE, /* a file below /dev */
    QEMU_SNAPSHOT_NEED_SOUND,  /* the same, without which QEMU may run */
    QEMU_SNAPSHOT_NEED_PORT,   /* a TCP port to listen on; more: address or NULL */
    QEMU_SNAPSHOT_NEED_SHARED_FOLDER,
    QEMU_SNAPSHOT_NEED_VIRTIOFSD, /* its program, or NULL: one that is installed */
    QEMU_SNAPSHOT_NEED_TPM_EMULATOR,
    QEMU_SNAPSHOT_NEED_MEMORY_FILE, /* of an NVDIMM, made where it is missing */
    QEMU_SNAPSHOT_NEED_PCI,         /* "0000:00:1f.2" */
    QEMU_SNAPSHOT_NEED_USB_ID,      /* vendor and product: "1d6b:0002" */
    QEMU_SNAPSHOT_NEED_USB_ADDRESS, /* bus and device: "1:4" */
    QEMU_SNAPSHOT_NEED_MDEV,
    QEMU_SNAPSHOT_NEED_SCSI, /* "0:0:1:0" */
    QEMU_SNAPSHOT_NEED_CPUS, /* "0-3,8" */
    QEMU_SNAPSHOT_NEED_NODES,
    QEMU_SNAPSHOT_NEED_CPU_MODEL,  /* more: the <cpu> element */
    QEMU_SNAPSHOT_NEED_HUGE_PAGES, /* size in KiB, "0": the host's default; amount */
    QEMU_SNAPSHOT_NEED_HUGE_MOUNT, /* the same size, a mounted hugetlbfs */
    QEMU_SNAPSHOT_NEED_MEMORY_NOW, /* amount, taken at the start */
    QEMU_SNAPSHOT_NEED_MEMORY,     /* amount, taken little by little */
    QEMU_SNAPSHOT_NEED_MEMORY_RESTORED, /* amount, written to at the start */
    QEMU_SNAPSHOT_NEED_MEMORY_PROMISED, /* amount, of addresses */
    QEMU_SNAPSHOT_NEED_LAST
} qemuSnapshotNeedKind;

typedef struct _qemuSnapshotNeed qemuSnapshotNeed;
struct _qemuSnapshotNeed {
    qemuSnapshotNeedKind kind;
    char *name; /* may be NULL where there is but one */
    char *more;
    guint64 amount; /* KiB of memory */
};

/* What a look-up says of a need. */
typedef enum {
    QEMU_SNAPSHOT_ANSWER_UNKNOWN = 0,
    QEMU_SNAPSHOT_ANSWER_THERE,
    QEMU_SNAPSHOT_ANSWER_MISSING,
    QEMU_SNAPSHOT_ANSWER_UNFIT, /* there, but inactive, taken or too small */
} qemuSnapshotAnswer;

GPtrArray *qemuSnapshotNeedsNew(void);

/* One of the kind and name; NULL: none. */
const qemuSnapshotNeed *
qemuSnapshotNeedsFind(GPtrArray *needs, qemuSnapshotNeedKind kind, const char *name);

/* What reads needs out of a definition: live is one of a running domain, with what was
 * given to it at its start; restored one whose memory comes from a file, at which libvirt
 * drops some of what is missing. */
typedef struct _qemuSnapshotNeedReader qemuSnapshotNeedReader;
struct _qemuSnapshotNeedReader {
    GPtrArray *needs;
    gboolean live;
    gboolean restored;
};

/* Returns the need, which is there once: a console, say, repeats a serial port. */
qemuSnapshotNeed *qemuSnapshotNeedAdd(qemuSnapshotNeedReader *reader,
                                      qemuSnapshotNeedKind kind, const char *name,
                                      const char *more);

/* The same of a name that may be missing. */
void qemuSnapshotNeedAddNamed(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind,
                              const char *name);

/* The same of a path, unless it is below the folders that libvirt makes and empties
 * itself. */
void qemuSnapshotNeedAddPath(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind,
                             const char *path);

typedef struct _qemuSnapshotNeedElement qemuSnapshotNeedElement;
struct _qemuSnapshotNeedElement {
    const char *name;
    void (*read)(qemuSnapshotNeedReader *reader, const xmlNode *node);
};

/* Has each child be read by the function that the table says, if any. */
void qemuSnapshotNeedReadElements(qemuSnapshotNeedReader *reader, const xmlNode *parent,
                                  const qemuSnapshotNeedElement *elements, gsize n);
