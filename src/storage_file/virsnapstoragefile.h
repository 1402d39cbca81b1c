/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstoragefile.h: files of a storage and their folders, in child processes
 */

#pragma once

#include "virsnapfile.h"
#include "virsnapstorage.h"

/* All of them fail with VIR_ERR_OPERATION_TIMEOUT where the storage does not answer. Those
 * with ret_errno succeed where the call itself did not, and tell its errno; or 0. */

gboolean virSnapStorageStat(const char *path, struct stat *ret_st, int *ret_errno,
                            GError **error);
/* Of the file itself, a link at the end is not followed. */
gboolean virSnapStorageLstat(const char *path, struct stat *ret_st, int *ret_errno,
                             GError **error);
/* With R_OK and its like, as the daemon. */
gboolean virSnapStorageAccess(const char *path, int mode, int *ret_errno,
                              GError **error);

/* virSnapFileKey() and virSnapFileResolve(), of many in one go. */
GStrv virSnapStorageKeys(const char *const *paths, GError **error);
GStrv virSnapStorageResolveAll(const char *const *paths, GError **error);
char *virSnapStorageKey(const char *path, GError **error);
char *virSnapStorageResolve(const char *path, GError **error);

/* virSnapFileExists() */
gboolean virSnapStorageExists(const char *path, gboolean *ret_exists, GError **error);

/* virSnapFileGetID(): zeros where there is no file, and whether it is a regular one. */
gboolean virSnapStorageGetID(const char *path, virSnapFileID *ret_id,
                             gboolean *ret_regular, GError **error);
/* virSnapFileIs() */
gboolean virSnapStorageIs(const char *path, const virSnapFileID *id, gboolean *ret_is,
                          GError **error);

/* Changes. A file is named by a descriptor that does not open it (O_PATH). */

/* virSnapFileCreate(); tells the new file's identity, too. */
int virSnapStorageCreate(virSnapStorageHold *hold, const char *path,
                         const struct stat *like, gboolean *ret_named,
                         virSnapFileID *ret_id, GError **error);

/* virSnapFileLink() */
gboolean virSnapStorageName(virSnapStorageHold *hold, int fd, const char *path,
                            GError **error);

gboolean virSnapStorageLink(virSnapStorageHold *hold, const char *from, const char *to,
                            int *ret_errno, GError **error);
gboolean virSnapStorageRename(virSnapStorageHold *hold, const char *from, const char *to,
                              int *ret_errno, GError **error);
gboolean virSnapStorageUnlink(virSnapStorageHold *hold, const char *path, int *ret_errno,
                              GError **error);

/* Makes files durable, up to VIR_SNAP_STORAGE_SYNC_MAX of one storage at a time, that of
 * `path`: all are sent on their way before one is waited for. Tells the errno of the first
 * that can't be, and its number. */
#define VIR_SNAP_STORAGE_SYNC_MAX 32
gboolean virSnapStorageSync(virSnapStorageHold *hold, const virSnapDescriptors *files,
                            const char *path, guint *ret_number, int *ret_errno,
                            GError **error);
/* virSnapFileSyncFolder() */
gboolean virSnapStorageSyncFolder(virSnapStorageHold *hold, const char *path,
                                  GError **error);
