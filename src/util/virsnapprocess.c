/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapprocess.c: telling a process from a later one of its number
 */

#include "config.h"

#include <string.h>

#include "virsnappaths.h"
#include "virsnapprocess.h"

/* of those behind the name: see proc(5) */
#define FIELD_STATE 1
#define FIELD_THREADS 18
#define FIELD_START 20

guint64
virSnapProcessGetStart(pid_t pid)
{
    g_autofree char *file = virSnapPathsProcess(pid, "stat");
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *behind;

    /* the name may have anything in it */
    if (!g_file_get_contents(file, &text, NULL, NULL) || !(behind = strrchr(text, ')')))
        return 0;

    fields = g_strsplit(behind, " ", FIELD_START + 2);
    if (g_strv_length(fields) <= FIELD_START)
        return 0;

    /* its first thread may be dead and another one in a call that does not return */
    if (strchr("ZX", *fields[FIELD_STATE]) &&
        g_ascii_strtoull(fields[FIELD_THREADS], NULL, 10) <= 1)
        return 0;
    return g_ascii_strtoull(fields[FIELD_START], NULL, 10);
}
