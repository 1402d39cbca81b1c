/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * domain_conf.h: what a revert reads of, and changes in, <domain>
 */

#pragma once

#include <glib.h>
#include "virsnapxml.h"

typedef struct _virDomainImage virDomainImage;
struct _virDomainImage {
    char *file;
    char *format;      /* NULL where the definition does not say */
    char *data_file;   /* the raw file that its clusters are in; not read */
};

void virDomainImageFree(virDomainImage *image);

typedef struct _virDomainDisk virDomainDisk;
struct _virDomainDisk {
    char *target;      /* "vda" */
    char *device;      /* "disk", "cdrom", "floppy", "lun" */
    char *type;        /* "file", "block", "network", "volume", ... */
    char *format;      /* <driver type=>; NULL where not said */
    char *file;        /* <source file=>; NULL: no medium, or another type */
    char *dev;         /* <source dev=> of type block */
    char *pool;        /* <source pool= volume=> of type volume */
    char *volume;
    gboolean readonly;
    gboolean shareable;
    gboolean optional;   /* may be missing at a start (startupPolicy) */
    gboolean encrypted;
    gboolean sliced;     /* only a part of the file is the disk */
    GPtrArray *chain;  /* of virDomainImage: the <backingStore>s, from the top;
                        * ends before the first that is not a file */
    gboolean chain_ends;  /* the chain closes with an empty <backingStore/>: what
                           * is below it is known to be nothing */
};

/* The disks of a <domain> document in document order; of virDomainDisk. A
 * disk without target is refused. */
GPtrArray *virDomainDefGetDisks(xmlDoc *def, GError **error);

/* Looks a disk up by target or, failing that, by its source file. */
virDomainDisk *virDomainDisksFind(GPtrArray *disks, const char *name);

/* Makes the disk `target` a qcow2 file disk on `file`: source, driver type;
 * <backingStore>, <mirror>, and attributes and children of <source> that belong to
 * the old image alone (index, startupPolicy stays, seclabels stay) are dropped.
 * FALSE where there is no such disk. */
gboolean virDomainDefSetDiskFile(xmlDoc *def, const char *target, const char *file);

/* Says of the disk `target` what is below its image: all of the chain, of virDomainImage,
 * from the top, each with its format, and nothing else. FALSE where there is no such
 * disk. */
gboolean virDomainDefSetDiskChain(xmlDoc *def, const char *target, GPtrArray *chain);

/* Replaces the disk `target` of def by a copy of that disk of from. FALSE where
 * either has no such disk. */
gboolean virDomainDefCopyDisk(xmlDoc *def, xmlDoc *from, const char *target);

/* The same for its image alone: type, format, <source>; what the guest sees of the
 * disk stays. */
gboolean virDomainDefCopyDiskSource(xmlDoc *def, xmlDoc *from, const char *target);

/* The text of <name>, <uuid> and the like; NULL where there is none. */
char *virDomainDefGetText(xmlDoc *def, const char *element);

void virDomainDefSetName(xmlDoc *def, const char *name);

/* Gives <genid>, where there is one, a new random value. */
void virDomainDefRenewGenID(xmlDoc *def);

/* Drops the attributes and elements of a live definition that a persistent one
 * does not have: id=, and all <backingStore> and <alias> with a name not
 * starting with "ua-", <seclabel type='dynamic'> labels' <label>/<imagelabel>. */
void virDomainDefMakeInactive(xmlDoc *def);

/* The overlays that reverts made and that this definition stands on, which the
 * domain keeps in its own <metadata>:
 *   <snapshotrevert:overlays xmlns:snapshotrevert="VIR_DOMAIN_SNAPSHOT_REVERT_NS"
 *                            revert='UUID'>
 *     <snapshotrevert:overlay disk='vda' file='/images/disk.snap1-1'/>
 * As a table target -> file, both owned by the table. */
#define VIR_DOMAIN_SNAPSHOT_REVERT_NS \
    "http://libvirt.org/schemas/domain/snapshot-revert/1.0"
GHashTable *virDomainDefGetOverlays(xmlDoc *def);
void virDomainDefSetOverlays(xmlDoc *def, GHashTable *overlays, const char *revert);

/* Which revert made the definition: what the last SetOverlays() was told; NULL where
 * none was. */
char *virDomainDefGetRevert(xmlDoc *def);
