/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-args.c: virsh's command line, as far as it leads to a command
 *
 * Only what is needed to find the command and to connect as virsh would. Whatever
 * looks odd is left to the host's virsh, which words its own complaints.
 */

#include "config.h"

#include <getopt.h>
#include <string.h>

#include "virsh-args.h"

static const struct option long_options[] = {
    { "connect", required_argument, NULL, 'c' },
    { "debug", required_argument, NULL, 'd' },
    { "escape", required_argument, NULL, 'e' },
    { "help", no_argument, NULL, 'h' },
    { "keepalive-interval", required_argument, NULL, 'k' },
    { "keepalive-count", required_argument, NULL, 'K' },
    { "log", required_argument, NULL, 'l' },
    { "quiet", no_argument, NULL, 'q' },
    { "readonly", no_argument, NULL, 'r' },
    { "timing", no_argument, NULL, 't' },
    { "version", optional_argument, NULL, 'v' },
    { NULL, 0, NULL, 0 }
};

void
virshGlobalsClear(virshGlobals *globals)
{
    g_free(globals->uri);
}

void
virshGlobalsParse(int argc, char **argv, virshGlobals *ret_globals)
{
    virshGlobals globals = { .known = TRUE };
    int option;

    opterr = 0;
    optind = 0;
    while (globals.known &&
           (option = getopt_long(argc, argv, "+:c:d:e:hk:K:l:qrtvV",
                                 long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            g_free(globals.uri);
            globals.uri = g_strdup(optarg);
            break;
        case 'q':
            globals.quiet = TRUE;
            break;
        case 'r':
            globals.readonly = TRUE;
            break;
        case 't':
            globals.timing = TRUE;
            break;
        case 'd': case 'e': case 'k': case 'K': case 'l':
            break;
        default:
            globals.known = FALSE;
        }
    }

    globals.n_args = optind;
    *ret_globals = globals;
}

/* What of a command string has been taken so far. */
typedef struct _splitState splitState;
struct _splitState {
    GPtrArray *commands;
    GPtrArray *words;    /* of the command being read */
    GString *word;       /* NULL: between words */
};

static void
splitEndWord(splitState *state)
{
    if (state->word)
        g_ptr_array_add(state->words, g_string_free(state->word, FALSE));
    state->word = NULL;
}

static void
splitEndCommand(splitState *state)
{
    splitEndWord(state);
    if (state->words->len > 0) {
        g_ptr_array_add(state->words, NULL);
        g_ptr_array_add(state->commands, g_ptr_array_steal(state->words, NULL));
    }
}

static void
splitAdd(splitState *state, char c)
{
    if (!state->word)
        state->word = g_string_new(NULL);
    g_string_append_c(state->word, c);
}

/* The text behind the closing quote, or NULL. */
static const char *
splitQuoted(splitState *state, const char *text)
{
    char quote = *text++;

    if (!state->word)
        state->word = g_string_new(NULL);

    for (; *text && *text != quote; text++) {
        if (*text == '\\' && quote == '"' && text[1])
            text++;
        splitAdd(state, *text);
    }

    return *text ? text + 1 : NULL;
}

/* Returns the text left, or NULL where it can't be split. */
static const char *
splitStep(splitState *state, const char *text)
{
    switch (*text) {
    case ';': case '\n':
        splitEndCommand(state);
        return text + 1;
    case ' ': case '\t': case '\r':
        splitEndWord(state);
        return text + 1;
    case '\'': case '"':
        return splitQuoted(state, text);
    case '#':
        if (!state->word)
            return text + strcspn(text, "\n");
        break;
    case '\\':
        if (!*++text)
            return NULL;
        break;
    }

    splitAdd(state, *text);
    return text + 1;
}

GPtrArray *
virshSplitString(const char *text)
{
    splitState state = {
        .commands = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev),
        .words = g_ptr_array_new_with_free_func(g_free),
    };

    while (text && *text)
        text = splitStep(&state, text);

    if (text)
        splitEndCommand(&state);
    else
        g_clear_pointer(&state.commands, g_ptr_array_unref);
    if (state.word)
        g_string_free(state.word, TRUE);
    g_ptr_array_unref(state.words);

    return state.commands;
}
