/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot.h: reverting a domain to an external snapshot
 */

#pragma once

#include <glib.h>

#include "qemu_snapshot_driver.h"

typedef struct _qemuSnapshotRequest qemuSnapshotRequest;
struct _qemuSnapshotRequest {
    const char *domain;          /* name, for messages */
    const unsigned char *uuid;   /* VIR_UUID_BUFLEN bytes */
    const char *snapshot;        /* name */
    const char *xml;             /* <domainsnapshotrevert>, or NULL */
    unsigned int flags;          /* of the public call */
};

/* Both may be called from any number of threads; reverts of one domain queue. */
gboolean qemuSnapshotRevert(qemuSnapshotDriver *driver,
                            const qemuSnapshotRequest *request, GError **error);

/* What qemuSnapshotRevert() would do, as a document; changes nothing. */
char *qemuSnapshotGetRevertDesc(qemuSnapshotDriver *driver,
                                const qemuSnapshotRequest *request,
                                GError **error);
