/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_jobinfo.h: what virtsnapshotd does with a domain, as an answer
 */

#pragma once

#include "qemu_snapshot_job.h"
#include "virnetmessage.h"

/* The reply to a DOMAIN_SNAPSHOT_GET_JOB_INFO with that header; flags are of
 * virDomainGetJobStatsFlags. */
GBytes *virtsnapshotdJobInfoReply(qemuSnapshotJobs *jobs,
                                  const virNetMessageHeader *header,
                                  const unsigned char *uuid, unsigned int flags,
                                  GError **error);
