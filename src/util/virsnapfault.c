/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapfault.c: failures on demand, in builds for tests
 */

#include "virsnapfault.h"

#if WITH_FAULT_INJECTION

# include <signal.h>
# include <stdio.h>
# include <stdlib.h>
# include <string.h>
# include <unistd.h>

# include "virsnaperror.h"

static void
faultAppend(const char *file, const char *suffix, const char *point)
{
    g_autofree char *name = g_strconcat(file, suffix, NULL);
    FILE *list = fopen(name, "a");

    if (!list)
        return;
    fprintf(list, "%s\n", point);
    fclose(list);
}

/* What is to happen at the point, which then does not happen again; or NULL. */
static char *
faultTake(const char *file, const char *point)
{
    g_autofree char *text = NULL;
    g_autoptr(GString) left = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    char *manner = NULL;

    if (!g_file_get_contents(file, &text, NULL, NULL))
        return NULL;

    faultAppend(file, ".passed", point);
    lines = g_strsplit(text, "\n", -1);
    for (gsize i = 0; lines[i]; i++) {
        const char *space = strchr(lines[i], ' ');

        if (!manner && space && strncmp(lines[i], point, space - lines[i]) == 0 &&
            !point[space - lines[i]])
            manner = g_strdup(space + 1);
        else
            g_string_append_printf(left, "%s\n", lines[i]);
    }

    if (manner) {
        g_autofree char *hit = g_strdup_printf("%s %d", point, (int)getpid());

        g_file_set_contents(file, left->str, left->len, NULL);
        faultAppend(file, ".hit", hit);
    }
    return manner;
}

gboolean
virSnapFault(const char *point, GError **error)
{
    const char *file = getenv("VIRTSNAPSHOTD_FAULT");
    g_autofree char *manner = file ? faultTake(file, point) : NULL;

    if (!manner)
        return TRUE;

    if (g_str_equal(manner, "kill"))
        kill(getpid(), SIGKILL);
    while (g_str_equal(manner, "hang") && access(file, F_OK) == 0)
        g_usleep(5000);
    if (!g_str_equal(manner, "fail"))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                "fault injected at '%s'", point);
    return FALSE;
}

gboolean
virSnapFaultStep(const char *when, const char *step, GError **error)
{
    g_autofree char *point = g_strdup_printf("%s-%s", when, step);

    return virSnapFault(point, error);
}

#endif
