/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapfile.h: image files and their folders
 */

#pragma once

#include <glib.h>
#include <sys/stat.h>

/* What tells one file from another whatever the names it goes by: device and
 * inode where it exists, else its path. The caller frees it with g_free(). */
char *virSnapFileKey(const char *path);

/* The same of one that exists, and was looked at already. */
char *virSnapFileStatKey(const struct stat *st);

/* The one path that a name in a folder has: the folder without links, "." and
 * "..", the name itself not followed. Of a folder that does not exist as much as
 * does. The caller frees it with g_free(). */
char *virSnapFileResolve(const char *path);

/* The path of the file that `name` in an image's header means: a relative one begins
 * in the folder of the image. The caller frees it with g_free(). */
char *virSnapFileBeside(const char *file, const char *name);

/* What tells a file from another that later gets its name, and maybe its inode. It
 * does not hold the device, whose number may be another after a restart of the host:
 * the path goes with it. One of zeros is that of no file. */
typedef struct _virSnapFileID virSnapFileID;
struct _virSnapFileID {
    guint64 inode;
    gint64 born;      /* nanoseconds; 0 where the file system does not keep it */
};

/* Of the file itself, a link at the end is not followed. FALSE where there is none. */
gboolean virSnapFileGetID(const char *path, virSnapFileID *ret_id);
gboolean virSnapFileGetDescriptorID(int fd, virSnapFileID *ret_id);
gboolean virSnapFileIs(const char *path, const virSnapFileID *id);

/* The permissions of an overlay that replaces one of mode `replaced` and stands on an
 * image of mode `below`: those of the former without the group, or the others, whom the
 * latter keeps from reading. Who may write goes by the former alone: images below are
 * often write-protected. The owner can always read and write. */
mode_t virSnapFileNarrowMode(mode_t replaced, mode_t below);

/* Makes a new, empty file for `path`, with owner, group and mode of `like`; at no
 * time can anyone read it whom that mode keeps out. Where the file system can, it
 * has no name until virSnapFileLink() gives it one, and vanishes with the
 * descriptor; else it has its name at once, and *ret_named is TRUE. Never an existing
 * file, and never through a symbolic link at its end. Returns a descriptor, or -1,
 * and then no file is left. */
int virSnapFileCreate(const char *path, const struct stat *like,
                      gboolean *ret_named, GError **error);

/* Gives an unnamed file its name, unless something has it. */
gboolean virSnapFileLink(int fd, const char *path, GError **error);

/* Whether there is such a file; an error where it can't be told, as the folder itself
 * is missing: a storage may be away. */
gboolean virSnapFileExists(const char *path, gboolean *ret_exists, GError **error);

/* Opens a regular file, or a block device, for reading, never waiting for someone else.
 * Of anything else only *ret_st is told, and errno is 0. Returns a descriptor, or -1. */
int virSnapFileOpenRegular(const char *path, gboolean or_block, struct stat *ret_st);

/* Opens once more what the descriptor is of, whatever has its name by now; of one that
 * was got by O_PATH, too. Returns a descriptor, or -1. */
int virSnapFileReopen(int fd, int flags);

/* Opens an existing image for reading, and tells what it is: a regular file, or that is
 * the error. Never waits for someone else. Returns a descriptor, or -1. */
int virSnapFileOpenImage(const char *path, struct stat *ret_st, GError **error);

/* Makes a file's folder durable. */
gboolean virSnapFileSyncFolder(const char *path, GError **error);
