/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapqcow2.h: the few facts in an image's header that a plan rests on
 */

#pragma once

#include <glib.h>

typedef struct _virSnapImage virSnapImage;
struct _virSnapImage {
    char *file;            /* absolute path */
    char *format;          /* "raw" or "qcow2" */
    char *key;             /* as of virSnapFileKey(), when it was read */
    guint64 size;          /* virtual size in bytes, a multiple of 512 */
    char *backing;         /* as the header names it; NULL: none */
    char *backing_file;    /* its absolute path, where that name is a plain one */
    char *backing_format;  /* as the header names it; NULL: not said */
    char *data_file;       /* absolute path of the raw file that the clusters are in;
                            * NULL: in the image itself */
};

void virSnapImageFree(virSnapImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapImage, virSnapImageFree)

/* Reads the image at the absolute path `file` as `format`, never guessing
 * another one. Refused: what isn't a regular file, formats other than raw and
 * qcow2, a qcow2 that is truncated, damaged or encrypted, or whose data file is not
 * a plain path of a regular file. Nothing that the header names is opened. */
virSnapImage *virSnapImageRead(const char *file, const char *format,
                               GError **error);

/* What an image names as being below it, as its header has it. */
typedef struct _virSnapImageBelow virSnapImageBelow;
struct _virSnapImageBelow {
    char *backing;         /* NULL: none */
    char *backing_format;  /* NULL: not said */
    char *data_file;       /* NULL: none */
    guint32 internal;      /* how many internal snapshots are in it */
};

void virSnapImageBelowClear(virSnapImageBelow *below);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(virSnapImageBelow, virSnapImageBelowClear)

/* For those who must not delete or change what someone else's image stands on: reads it
 * whatever its state, a file or a block device, encrypted or damaged. Where format is
 * NULL it was not said, and what the image begins with tells. FALSE where it can't be
 * told; an image that is not there, or that QEMU could not open either, has nothing
 * below it. */
gboolean virSnapImageReadBelow(const char *file, const char *format,
                               virSnapImageBelow *ret_below, GError **error);

/* Whether a qcow2 holds nothing of its own yet, as a new overlay does: no cluster
 * is allocated and no internal snapshot kept. */
gboolean virSnapImageIsBlank(const char *file, gboolean *ret_blank, GError **error);

/* So many images may a disk be on, its own included, in libvirt. No chain that works well
 * is near this long; QEMU opens each image of it. */
#define VIR_SNAP_CHAIN_MAX 200

/* As virSnapImageRead(). */
typedef virSnapImage *(*virSnapImageReadFunc)(const char *file, const char *format,
                                              GError **error);

/* The backing chain from `file` down, read by `read` from the headers as libvirt reads
 * it when a domain starts: a backing image needs its format in the header of
 * the one above, must be a plain path and not occur twice, and there must be room for an
 * overlay on all of them. `known`, of
 * virSnapImage with file and format set, is what a definition says of the
 * chain below `file`, and goes before what headers say; known_end tells that it
 * names the whole of it. Returns an array of virSnapImage, `file` first. */
GPtrArray *virSnapImageReadChain(virSnapImageReadFunc read, const char *file,
                                 const char *format, GPtrArray *known,
                                 gboolean known_end, GError **error);
