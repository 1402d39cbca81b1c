/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstorageimage.h: images and memory files, read in child processes
 */

#pragma once

#include "virsnapqcow2.h"
#include "virsnapsaveimage.h"

/* Each as what it is named after, and with VIR_ERR_OPERATION_TIMEOUT as the error where the
 * storage does not answer. */

/* virSnapImageRead() */
virSnapImage *virSnapStorageReadImage(const char *file, const char *format,
                                      GError **error);

/* virSnapImageReadBelow() of a qcow2: its backing image, as the header names it, and the
 * files that this may mean; NULL and none where it has none. */
gboolean virSnapStorageReadBacking(const char *file, char **ret_backing,
                                   GStrv *ret_files, GError **error);

/* virSnapImageIsBlank() */
gboolean virSnapStorageIsBlank(const char *file, gboolean *ret_blank, GError **error);

/* virSnapLockInUse() */
gboolean virSnapStorageIsInUse(const char *file, gboolean *ret_in_use, GError **error);

/* virSnapSaveImageCheck() */
gboolean virSnapStorageCheckSave(const char *file, gboolean *ret_whole, GError **error);

/* virSnapSaveImageGetKind() */
gboolean virSnapStorageGetSaveKind(const char *file, virSnapSaveImageKind *ret_kind,
                                   GError **error);

/* virSnapFileOpenImage(); the descriptor only names the file (O_PATH). */
int virSnapStorageOpenImage(const char *file, GError **error);
