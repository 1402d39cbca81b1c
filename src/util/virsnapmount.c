/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapmount.c: which mount a path lies on
 */

#include "config.h"

#include <string.h>

#include "virsnapmount.h"

/* the fields of a line: see proc(5) */
#define FIELD_ID 0
#define FIELD_POINT 4

void
virSnapMountClear(virSnapMount *mount)
{
    g_clear_pointer(&mount->point, g_free);
    g_clear_pointer(&mount->id, g_free);
}

/* Blanks and backslashes are written as \ooo. */
static char *
mountUnescape(const char *text)
{
    GString *plain = g_string_new(NULL);

    for (; *text; text++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
            text[2] >= '0' && text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
            g_string_append_c(plain, (text[1] - '0') << 6 | (text[2] - '0') << 3 |
                              (text[3] - '0'));
            text += 3;
        } else {
            g_string_append_c(plain, *text);
        }
    }

    return g_string_free(plain, FALSE);
}

static gboolean
mountHas(const char *point, const char *path)
{
    gsize len = strlen(point);

    return g_str_equal(point, "/") ||
        (strncmp(point, path, len) == 0 && (path[len] == '/' || !path[len]));
}

gboolean
virSnapMountFindIn(const char *mountinfo, const char *path, virSnapMount *ret_mount)
{
    g_autofree char *full = g_canonicalize_filename(path, "/");
    g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);
    g_auto(virSnapMount) best = { 0 };

    for (gsize i = 0; lines[i]; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], " ", FIELD_POINT + 2);
        g_autofree char *point =
            g_strv_length(fields) > FIELD_POINT ? mountUnescape(fields[FIELD_POINT]) : NULL;

        /* of two at one place the later one is on top */
        if (!point || !mountHas(point, full) ||
            (best.point && strlen(point) < strlen(best.point)))
            continue;
        virSnapMountClear(&best);
        best.point = g_steal_pointer(&point);
        best.id = g_strdup(fields[FIELD_ID]);
    }

    if (!best.point)
        return FALSE;

    ret_mount->point = g_steal_pointer(&best.point);
    ret_mount->id = g_steal_pointer(&best.id);
    return TRUE;
}

gboolean
virSnapMountFind(const char *path, virSnapMount *ret_mount)
{
    g_autofree char *text = NULL;

    return g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL) &&
        virSnapMountFindIn(text, path, ret_mount);
}
