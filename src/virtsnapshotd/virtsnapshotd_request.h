/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_request.h: what a call that was taken is about
 */

#pragma once

#include "qemu_snapshot.h"
#include "snapshot_protocol.h"
#include "virnetchannel.h"
#include "virtsnapshotd_procedures.h"

/* Which domain a call changes. */
typedef enum {
    VIRTSNAPSHOTD_REQUEST_ANY = 0,  /* can't be told */
    VIRTSNAPSHOTD_REQUEST_ONE,      /* that of the UUID */
    VIRTSNAPSHOTD_REQUEST_NEW,      /* one that libvirt gives a UUID, or refuses */
} virtsnapshotdRequestDomain;

typedef struct _virtsnapshotdRequest virtsnapshotdRequest;
struct _virtsnapshotdRequest {
    virtsnapshotdRequestDomain domain;
    qemuSnapshotRequest snapshot;               /* of one domain; else all is NULL */
    domain_revert_to_snapshot_xml_args args;    /* what that points into */
};

/* Decodes the arguments that matter; of a call that changes a domain just which. FALSE:
 * they can't be decoded, and which domain can't be told. */
gboolean virtsnapshotdRequestDecode(virtsnapshotdCall call, const virNetTaken *taken,
                                    virtsnapshotdRequest *request, GError **error);
void virtsnapshotdRequestClear(virtsnapshotdRequest *request);
