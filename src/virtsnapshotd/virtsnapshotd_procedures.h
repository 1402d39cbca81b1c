/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_procedures.h: which calls are not simply passed on
 */

#pragma once

#include "virnetmessage.h"

typedef enum {
    VIRTSNAPSHOTD_CALL_OTHER = 0, /* not known to change a domain */

    /* of DOMAIN_SNAPSHOT_PROGRAM */
    VIRTSNAPSHOTD_CALL_REVERT_XML,
    VIRTSNAPSHOTD_CALL_GET_DESC,
    VIRTSNAPSHOTD_CALL_GET_JOB_INFO,

    /* of libvirt's programs */
    VIRTSNAPSHOTD_CALL_REVERT,
    VIRTSNAPSHOTD_CALL_DELETE,
    VIRTSNAPSHOTD_CALL_DOMAIN,    /* changes the domain that is its first argument */
    VIRTSNAPSHOTD_CALL_SNAPSHOT,  /* that of the snapshot or checkpoint that is */
    VIRTSNAPSHOTD_CALL_XML,       /* that which the XML that is describes */
    VIRTSNAPSHOTD_CALL_DESTROY,   /* ends the domain that is its first argument */
    VIRTSNAPSHOTD_CALL_NEWER,     /* may change any domain: it came after the list */
} virtsnapshotdCall;

/* OTHER for what is no call, and for programs that libvirt has not got, too. */
virtsnapshotdCall virtsnapshotdCallFind(const virNetMessageHeader *header);
