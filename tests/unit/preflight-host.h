/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * preflight-host.h: a folder in the place of a host's root, for tests of the preflight
 */

#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

/* A new, empty one; freed by preflightHostFree(). */
static inline char *
preflightHostNew(void)
{
    char *root = g_dir_make_tmp("preflight-XXXXXX", NULL);

    g_assert_nonnull(root);
    return root;
}

/* "/path=content" or, of a folder, "/path/". */
static inline void
preflightHostPut(const char *root, const char *entry)
{
    g_auto(GStrv) parts = g_strsplit(entry, "=", 2);
    g_autofree char *path = g_strconcat(root, parts[0], NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    if (!g_str_has_suffix(entry, "/"))
        g_assert_true(g_file_set_contents(path, parts[1] ? parts[1] : "", -1, NULL));
}

/* Entries separated by "|". */
static inline void
preflightHostPutAll(const char *root, const char *entries)
{
    g_auto(GStrv) parts = g_strsplit(entries ? entries : "", "|", -1);

    for (char **part = parts; *part; part++)
        preflightHostPut(root, *part);
}

static inline void
preflightHostFree(char *root)
{
    const char *const argv[] = { "rm", "-rf", root, NULL };

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                               NULL, NULL, NULL, NULL));
    g_free(root);
}
