/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_domain.h: what one domain holds, as libvirt says it
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "qemu_holders.h"

/* One disk of a domain at one time. */
typedef struct _qemuHoldersClaim qemuHoldersClaim;
struct _qemuHoldersClaim {
    qemuHolderKind kind;        /* one of a domain's */
    char *snapshot;             /* of kind SNAPSHOT: its name */
    char *disk;                 /* target */
    virDomainSnapshotLocation location;
    char *path;                 /* of its file or device; NULL: it has none on this host,
                                 * or is a volume */
    char *pool;                 /* with volume, of type volume; else NULL */
    char *volume;
    char *format;               /* NULL: not said, which for libvirt is raw */
    gboolean remote;            /* on no file, device or volume, but on a network */
    GPtrArray *chain;           /* of virDomainImage: what the definition says is below */
    gboolean complete;          /* that is all of it */
};

/* Read once and never changed, so that many may use it at a time. */
typedef struct _qemuHoldersDomain qemuHoldersDomain;
struct _qemuHoldersDomain {
    char *uuid;
    char *name;
    int id;                     /* of this run of it; -1 where it does not run */
    GPtrArray *claims;          /* of qemuHoldersClaim */
    char *fault;                /* why not all of them could be read; NULL: they could */
};

/* One that is gone has no claims. What libvirt does not tell is its fault. */
qemuHoldersDomain *qemuHoldersDomainRead(virDomainPtr dom);
qemuHoldersDomain *qemuHoldersDomainRef(qemuHoldersDomain *domain);
void qemuHoldersDomainUnref(qemuHoldersDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHoldersDomain, qemuHoldersDomainUnref)
