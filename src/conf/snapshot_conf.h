/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot_conf.h: what a revert reads of, and changes in, <domainsnapshot>
 */

#pragma once

#include <glib.h>
#include "virsnapxml.h"

typedef enum {
    VIR_DOMAIN_SNAPSHOT_LOCATION_NONE = 0,  /* snapshot='no' */
    VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL,
    VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL,
    VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL,
} virDomainSnapshotLocation;

typedef struct _virDomainSnapshotDisk virDomainSnapshotDisk;
struct _virDomainSnapshotDisk {
    char *name;                          /* target, or a source path */
    virDomainSnapshotLocation location;
    char *type;                          /* "file" where not said */
    char *file;                          /* the overlay; NULL where not type file */
    char *dev;                           /* the same of type block */
};

typedef struct _virDomainSnapshotInfo virDomainSnapshotInfo;
struct _virDomainSnapshotInfo {
    char *name;
    char *parent;                        /* NULL: a root */
    char *state;                         /* "disk-snapshot", "running", ... */
    virDomainSnapshotLocation memory;    /* NONE where there is no <memory>, or an untrue
                                          * one: of a domain that was off */
    char *memory_file;
    GPtrArray *disks;                    /* of virDomainSnapshotDisk */
    GPtrArray *revert_disks;             /* the same; empty where libvirt records none */
    xmlDoc *doc;
};

virDomainSnapshotInfo *virDomainSnapshotInfoParse(const char *xml, GError **error);
void virDomainSnapshotInfoFree(virDomainSnapshotInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomainSnapshotInfo, virDomainSnapshotInfoFree)

/* What the snapshot holds of the disk, which is named by its target or by its source
 * file (NULL: it has none); NONE of one that it does not name. */
virDomainSnapshotLocation
virDomainSnapshotInfoGetLocation(const virDomainSnapshotInfo *info, const char *target,
                                 const char *file);

/* Whether any part of it is outside of the disks' own images. */
gboolean virDomainSnapshotInfoIsExternal(const virDomainSnapshotInfo *info);

/* The definition at snapshot time as a document of its own with root
 * <domain>: <inactiveDomain> where inactive is wanted and it is there (the
 * element is renamed to <domain>), else <domain>. NULL where the snapshot has
 * none, as those have that were made by very old libvirt. */
xmlDoc *virDomainSnapshotInfoGetDomain(const virDomainSnapshotInfo *info,
                                       gboolean inactive);

/* The disks of that; of virDomainDisk. Empty where the snapshot has none. */
GPtrArray *virDomainSnapshotInfoGetDisks(const virDomainSnapshotInfo *info,
                                         gboolean inactive, GError **error);

/* Where a snapshot's document names the overlays that a domain was reverted to. */
typedef enum {
    VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE = 0,
    VIR_DOMAIN_SNAPSHOT_OVERLAYS_DISKS,         /* in place of those of its children */
    VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS,  /* beside them */
} virDomainSnapshotOverlays;

/* The snapshot's own document for VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE. overlays maps a
 * disk's target to the file that its entry is to name from now on; <revertDisks> of
 * before go. Caller frees with g_free(). */
char *virDomainSnapshotInfoFormat(const virDomainSnapshotInfo *info,
                                  virDomainSnapshotOverlays where, GHashTable *overlays);
