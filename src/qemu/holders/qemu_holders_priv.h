/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_priv.h: what the answer to who stands on which image is found from
 */

#pragma once

#include "qemu_holders.h"

struct _qemuHoldersImage {
    char *key;
    char *path;
    GPtrArray *below;   /* of qemuHoldersImage, as its header names them */
    GPtrArray *above;   /* the same the other way round */
    qemuHoldersImage *backing;   /* of those below; NULL: none */
    gboolean ambiguous; /* more than one could be that */
    char *unread;       /* why its header could not be read; NULL: it could */
};

typedef struct _holdersPath holdersPath;
struct _holdersPath {
    qemuHoldersImage *image;
    char *doubt;
    char *content;
    char *source;
    gboolean shared;
};

struct _qemuHolders {
    GHashTable *images;  /* key -> qemuHoldersImage */
    GPtrArray *list;     /* of qemuHolder */
    GHashTable *paths;   /* path -> holdersPath: what may be asked about */
    GPtrArray *origin;   /* NULL: not said */
};

/* Adds what can be reached from those in images, in the order in which it is found; seen is
 * the set of what is in images. */
void qemuHoldersReach(GPtrArray *images, GHashTable *seen, gboolean upwards);
/* Adds those of more that are not in images yet. */
void qemuHoldersAddNew(GPtrArray *images, GHashTable *seen, GPtrArray *more);
