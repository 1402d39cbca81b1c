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

/* The one path that a name in a folder has: the folder without links, "." and
 * "..", the name itself not followed. Of a folder that does not exist as much as
 * does. The caller frees it with g_free(). */
char *virSnapFileResolve(const char *path);

/* Makes a new, empty file, never an existing one and never through a symbolic
 * link at its end, with owner, group and mode of `like`; at no time can anyone
 * read it whom that mode keeps out. Returns a descriptor, or -1, and then no
 * file is left. */
int virSnapFileCreate(const char *path, const struct stat *like, GError **error);

/* Makes a file's folder durable. */
gboolean virSnapFileSyncFolder(const char *path, GError **error);
