/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_procedures.h: which calls are not simply passed on
 */

#pragma once

#include "virnetmessage.h"

typedef enum {
    VIRTSNAPSHOTD_CALL_OTHER = 0,

    /* of DOMAIN_SNAPSHOT_PROGRAM */
    VIRTSNAPSHOTD_CALL_REVERT_XML,
    VIRTSNAPSHOTD_CALL_GET_DESC,

    /* of libvirt's programs */
    VIRTSNAPSHOTD_CALL_REVERT,
    VIRTSNAPSHOTD_CALL_DELETE,
    VIRTSNAPSHOTD_CALL_DOMAIN,    /* changes the domain that is its first argument */
    VIRTSNAPSHOTD_CALL_SNAPSHOT,  /* that of the snapshot or checkpoint that is */
    VIRTSNAPSHOTD_CALL_XML,       /* that which the XML that is describes */
    VIRTSNAPSHOTD_CALL_ABORT,     /* ends a domain, or what libvirt is doing with it */
} virtsnapshotdCall;

/* OTHER for what is no call, too. A procedure of libvirt's that is newer than this
 * list is taken for one that changes nothing. */
virtsnapshotdCall virtsnapshotdCallFind(const virNetMessageHeader *header);
