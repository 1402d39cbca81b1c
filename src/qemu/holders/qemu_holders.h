/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders.h: who stands on which image
 */

#pragma once

#include <glib.h>

#include "snapshot_conf.h"

/* Images, what each of them stands on, and who holds them: all that can be known of it
 * at one moment. Filled by qemu_holders_read.c; pure after that: it asks nobody and opens
 * nothing. */
typedef struct _qemuHolders qemuHolders;
typedef struct _qemuHoldersImage qemuHoldersImage;

typedef enum {
    QEMU_HOLDER_RUNNING = 0,   /* a domain as it runs */
    QEMU_HOLDER_DEFINED,       /* a domain as it would be started next */
    QEMU_HOLDER_SAVED,         /* a domain as its managed save has it */
    QEMU_HOLDER_SNAPSHOT,      /* a domain as it was at a snapshot */
    QEMU_HOLDER_IMAGE,         /* an image that stands on it, whoever that belongs to */
    QEMU_HOLDER_PROGRAM,       /* a program has it open */
} qemuHolderKind;

/* Where an image is in what a holder stands on. */
typedef enum {
    QEMU_HOLDER_AT_TOP = 0,
    QEMU_HOLDER_BELOW,
    QEMU_HOLDER_MAYBE,         /* it can't be told whether it is */
} qemuHolderPlace;

typedef struct _qemuHolder qemuHolder;
struct _qemuHolder {
    qemuHolderKind kind;
    char *uuid;                /* of the domain; NULL: of none */
    char *domain;              /* its name */
    char *snapshot;            /* name, of kind SNAPSHOT */
    char *disk;                /* target */
    virDomainSnapshotLocation location;   /* of kind SNAPSHOT: what it has of the disk */
    gboolean raw;              /* its image is said to be of a format with nothing below */
    gboolean complete;         /* the definition spells out all that is below */

    GPtrArray *images;         /* of qemuHoldersImage: the topmost, and those below it as
                                * far as the definition names them; none: on none of this
                                * host, or lost */
    char *lost;                /* why its image can't be found; NULL: it was */
    GPtrArray *sources;        /* lost: of char *, where its storage comes from as mounts
                                * have it; NULL: that can't be told */
};

qemuHolders *qemuHoldersNew(void);
void qemuHoldersFree(qemuHolders *holders);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHolders, qemuHoldersFree)

/* Filling */

/* The image that has that identity; path is for messages, the first is kept. */
qemuHoldersImage *qemuHoldersNeedImage(qemuHolders *holders, const char *key,
                                       const char *path);
/* Once more is no harm; loops are none. Where it is what the image's own clusters go over,
 * and not the file that has them, is_backing. */
void qemuHoldersImageAddBelow(qemuHoldersImage *image, qemuHoldersImage *below,
                              gboolean is_backing);
/* What is below it can't be told, and why. */
void qemuHoldersImageSetUnread(qemuHoldersImage *image, const char *why);
gboolean qemuHoldersImageIsUnread(const qemuHoldersImage *image);

/* One with nothing in it but its kind; it belongs to holders. */
qemuHolder *qemuHoldersAdd(qemuHolders *holders, qemuHolderKind kind);

/* What it was filled from, for as long as it lives. */
void qemuHoldersSetOrigin(qemuHolders *holders, GPtrArray *origin);
GPtrArray *qemuHoldersGetOrigin(const qemuHolders *holders);

/* That all was looked for which a question about the file needs. */
void qemuHoldersAllow(qemuHolders *holders, const char *path, qemuHoldersImage *image);
/* What of it can't be told, whoever stands on it; the first is kept. */
void qemuHoldersSetDoubt(qemuHolders *holders, const char *path, const char *why);
/* What is in it that would be lost with it, though it is not known whose it is. */
void qemuHoldersSetContent(qemuHolders *holders, const char *path, const char *why);
/* Where the file's storage comes from, and whether other hosts may have it, too. */
void qemuHoldersSetStorage(qemuHolders *holders, const char *path, const char *source,
                           gboolean shared);

/* Asking */

typedef enum {
    QEMU_HOLDERS_NOBODY = 0,
    QEMU_HOLDERS_SOMEBODY,
    QEMU_HOLDERS_UNKNOWN,      /* which counts as SOMEBODY wherever data could be lost */
} qemuHoldersVerdict;

typedef enum {
    /* a domain itself was writing to it until now: a disk whose storage is away can't
     * stand on that */
    QEMU_HOLDERS_JUST_LEFT = 0,
    /* it is to be written to */
    QEMU_HOLDERS_TAKE,
    /* it is to be deleted, or changed, having been frozen */
    QEMU_HOLDERS_DELETE,
} qemuHoldersPurpose;

/* Whether a holder does not count. */
typedef gboolean (*qemuHoldersIgnore)(const qemuHolder *holder, qemuHolderPlace place,
                                      const void *opaque);

typedef struct _qemuHoldersQuestion qemuHoldersQuestion;
struct _qemuHoldersQuestion {
    const char *path;            /* of the image; it must have been looked for */
    qemuHoldersPurpose purpose;
    const char *uuid;            /* whose snapshots are called by their names alone */
    qemuHoldersIgnore ignore;    /* NULL: all count */
    const void *opaque;
};

/* Who holds the image: *ret_who is a list of them for a message, or, where that can't be
 * told, a sentence that says why; NULL where it is nobody. *ret_holder, which may be NULL,
 * is one of those who hold it, a snapshot of the question's domain where there is one; it
 * belongs to holders. */
qemuHoldersVerdict qemuHoldersAsk(const qemuHolders *holders,
                                  const qemuHoldersQuestion *question, char **ret_who,
                                  const qemuHolder **ret_holder)
    G_GNUC_WARN_UNUSED_RESULT;

/* Looking at one of them */

/* What is below the holder's topmost image, itself first, each once; of
 * qemuHoldersImage. */
GPtrArray *qemuHolderImages(const qemuHolder *holder);
const char *qemuHoldersImagePath(const qemuHoldersImage *image);
/* What it stands on by its header; NULL: on nothing, or more than one it could be. */
const qemuHoldersImage *qemuHoldersImageBacking(const qemuHoldersImage *image);
/* Whether what the holder stands on has upper right above lower. */
gboolean qemuHolderHasPair(const qemuHolder *holder, const qemuHoldersImage *upper,
                           const qemuHoldersImage *lower);
/* The image that was looked for by that path; NULL: it was not. */
const qemuHoldersImage *qemuHoldersFind(const qemuHolders *holders, const char *path);
/* Of the image that it is on itself; "" where it is on none. */
const char *qemuHolderPath(const qemuHolder *holder);

/* "snapshot 's1' of domain 'vm'", or without the domain where uuid is its. */
char *qemuHolderFormat(const qemuHolder *holder, const char *uuid);
