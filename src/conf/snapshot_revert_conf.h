/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot_revert_conf.h: the <domainsnapshotrevert> document
 */

#pragma once

#include <glib.h>

typedef struct _virDomainSnapshotRevertDisk virDomainSnapshotRevertDisk;
struct _virDomainSnapshotRevertDisk {
    char *name;           /* target, or source path at snapshot time */
    char *file;           /* absolute path of the overlay; NULL: to be generated */
    char *backing;        /* image the overlay stands on; in output only */
    char *backing_format; /* its format; in output only */
};

typedef struct _virDomainSnapshotRevertDiscard virDomainSnapshotRevertDiscard;
struct _virDomainSnapshotRevertDiscard {
    char *disk;           /* target */
    char *file;
};

typedef struct _virDomainSnapshotRevertDef virDomainSnapshotRevertDef;
struct _virDomainSnapshotRevertDef {
    GPtrArray *disks;     /* of virDomainSnapshotRevertDisk */
    GPtrArray *discards;  /* of virDomainSnapshotRevertDiscard; in output only */
    GPtrArray *warnings;  /* of char *; in output only */
};

virDomainSnapshotRevertDef *virDomainSnapshotRevertDefNew(void);
void virDomainSnapshotRevertDefFree(virDomainSnapshotRevertDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomainSnapshotRevertDef,
                              virDomainSnapshotRevertDefFree)

/* Strings are copied; file, backing and backing_format may be NULL. */
void virDomainSnapshotRevertDefAddDisk(virDomainSnapshotRevertDef *def,
                                       const char *name, const char *file,
                                       const char *backing,
                                       const char *backing_format);
void virDomainSnapshotRevertDefAddDiscard(virDomainSnapshotRevertDef *def,
                                          const char *disk, const char *file);
void virDomainSnapshotRevertDefAddWarning(virDomainSnapshotRevertDef *def,
                                          const char *text);

/* schema: path of domainsnapshotrevert.rng to check against first, or NULL.
 * Refuses all that can be told from the document alone; <backingStore>,
 * <discard> and <warning> are accepted and ignored. */
virDomainSnapshotRevertDef *virDomainSnapshotRevertDefParse(const char *xml,
                                                            const char *schema,
                                                            GError **error);

char *virDomainSnapshotRevertDefFormat(const virDomainSnapshotRevertDef *def);
