/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsaveimage.h: is a file with a guest's memory whole, and what it says it is?
 */

#pragma once

#include <glib.h>

/* Checks that the file is a save image of libvirt, as virDomainSave() and snapshots
 * with memory make it, and that nothing is missing from it. FALSE for what libvirt
 * would refuse. *ret_whole is FALSE where QEMU's stream does not end as it should,
 * which is so in a file that was cut, but also in one of a machine type older than
 * QEMU 2.3. The end of a compressed stream is not looked at. */
gboolean virSnapSaveImageCheck(const char *file, gboolean *ret_whole,
                               GError **error);

typedef enum {
    VIR_SNAP_SAVE_IMAGE_STREAM,      /* one after the other, compressed or not */
    VIR_SNAP_SAVE_IMAGE_SPARSE,      /* each page at a place of its own */
    VIR_SNAP_SAVE_IMAGE_MISLABELLED, /* a stream whose header says that it is sparse */
} virSnapSaveImageKind;

gboolean virSnapSaveImageGetKind(const char *file, virSnapSaveImageKind *ret_kind,
                                 GError **error);

/* A copy of one that is mislabelled, whose header says what it is: in the same folder, but
 * without a name, so that it vanishes with the descriptor. Returns that, or -1. */
int virSnapSaveImageCopyAsStream(const char *file, GError **error);
