/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_catalog.h: what the domains of a host hold, as far as it is known already
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "qemu_holders_domain.h"

/* Where libvirt keeps its files; NULL: not known, so that everything is read anew. */
typedef struct _qemuHoldersFolders qemuHoldersFolders;
struct _qemuHoldersFolders {
    char *definitions;   /* NAME.xml */
    char *running;       /* NAME.xml, of those that run */
    char *snapshots;     /* NAME/, with a file for each snapshot */
    char *saves;         /* NAME.save */
};

void qemuHoldersFoldersClear(qemuHoldersFolders *folders);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(qemuHoldersFolders, qemuHoldersFoldersClear)

typedef struct _qemuHoldersCatalog qemuHoldersCatalog;

qemuHoldersCatalog *qemuHoldersCatalogNew(const qemuHoldersFolders *folders);
void qemuHoldersCatalogFree(qemuHoldersCatalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHoldersCatalog, qemuHoldersCatalogFree)

/* All domains of that libvirt, of qemuHoldersDomain: those that may have changed since the
 * last time are read by its API, by whatever thread. */
GPtrArray *qemuHoldersCatalogRead(qemuHoldersCatalog *catalog, virConnectPtr conn,
                                  GError **error);
