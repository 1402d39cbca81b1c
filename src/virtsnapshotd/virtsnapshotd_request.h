/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_request.h: what a call that was taken is about
 */

#pragma once

#include "qemu_snapshot.h"
#include "snapshot_protocol.h"
#include "virnetchannel.h"
#include "virtsnapshotd_procedures.h"

typedef struct _virtsnapshotdRequest virtsnapshotdRequest;
struct _virtsnapshotdRequest {
    /* of XML the UUID alone, or NULL: libvirt gives such a domain a new one */
    qemuSnapshotRequest snapshot;
    domain_revert_to_snapshot_xml_args args;    /* what that points into */
};

/* Decodes the arguments that matter; of a call that changes a domain just which. FALSE:
 * they can't be decoded. */
gboolean virtsnapshotdRequestDecode(virtsnapshotdCall call, const virNetTaken *taken,
                                    virtsnapshotdRequest *request, GError **error);
void virtsnapshotdRequestClear(virtsnapshotdRequest *request);
