/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_read.h: finds out who stands on which image
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "qemu_holders.h"
#include "qemu_holders_catalog.h"

/* What is kept between one reading and the next; many may read at a time. */
typedef struct _qemuHoldersReader qemuHoldersReader;

/* folders: see qemu_holders_catalog.h. exclusive: folders on network storage that no other
 * host has; NULL: none. */
qemuHoldersReader *qemuHoldersReaderNew(const qemuHoldersFolders *folders,
                                        const char *const *exclusive);
void qemuHoldersReaderFree(qemuHoldersReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHoldersReader, qemuHoldersReaderFree)

/* All that is needed for questions about the files asked, a list of paths that ends with
 * NULL. Read as whoever opened the connection, who has to see all domains. What can't be
 * read makes answers that can't be told; it is an error only where libvirt does not say
 * which domains there are. */
qemuHolders *qemuHoldersRead(qemuHoldersReader *reader, virConnectPtr conn,
                             const char *const *asked, GError **error);

/* The same of the domains alone that have changed since the other was read, or have come. */
qemuHolders *qemuHoldersReadChanges(qemuHoldersReader *reader, virConnectPtr conn,
                                    const qemuHolders *since, const char *const *asked,
                                    GError **error);
