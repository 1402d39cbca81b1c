/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-args.h: virsh's command line, as far as it leads to a command
 */

#pragma once

#include <glib.h>

typedef struct _virshGlobals virshGlobals;
struct _virshGlobals {
    char *uri;            /* NULL: the default */
    gboolean quiet;
    gboolean readonly;
    gboolean timing;
    int n_args;           /* how many arguments these were, the program included */
    gboolean known;       /* FALSE: something that the host's virsh has to judge */
};

/* The options before the command. */
void virshGlobalsParse(int argc, char **argv, virshGlobals *ret_globals);
void virshGlobalsClear(virshGlobals *globals);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(virshGlobals, virshGlobalsClear)

/* A command string split into commands, each a NULL-terminated array of words:
 * blanks separate words, `;` and line ends separate commands, '...' and "..."
 * and \ quote, # begins a comment. NULL where a quote isn't closed. */
GPtrArray *virshSplitString(const char *text);
