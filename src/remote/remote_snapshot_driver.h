/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_snapshot_driver.h: the client's side of DOMAIN_SNAPSHOT_PROGRAM
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* All find the daemon that belongs to the connection, start the
 * session one where it isn't running, and do one call. */
gboolean remoteDomainRevertToSnapshotXML(virDomainSnapshotPtr snapshot,
                                         const char *xml, unsigned int flags,
                                         GError **error);

char *remoteDomainSnapshotGetRevertXMLDesc(virDomainSnapshotPtr snapshot,
                                           const char *xml, unsigned int flags,
                                           GError **error);

/* *ret_params is freed with virTypedParamsFree(); NULL where there is nothing to tell. */
gboolean remoteDomainSnapshotGetJobInfo(virDomainPtr dom, unsigned int flags,
                                        virTypedParameterPtr *ret_params,
                                        int *ret_nparams, GError **error);
