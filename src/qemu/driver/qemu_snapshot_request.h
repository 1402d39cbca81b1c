/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_request.h: what a caller asks for
 */

#pragma once

#include <glib.h>

/* Flags that are not libvirt's own: ours begin at bit 16. */
#define QEMU_SNAPSHOT_OWN_FLAGS (~0u << 16)

typedef struct _qemuSnapshotRequest qemuSnapshotRequest;
struct _qemuSnapshotRequest {
    const char *domain;          /* name, for messages */
    const unsigned char *uuid;   /* VIR_UUID_BUFLEN bytes */
    const char *snapshot;        /* name */
    const char *xml;             /* <domainsnapshotrevert>, or NULL */
    unsigned int flags;          /* of the public call */
};
