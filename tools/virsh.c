/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh.c: virsh with a bigger snapshot-revert
 *
 * snapshot-revert is carried out here. Every other command line is the host's
 * virsh's, unchanged, by exec.
 */

#include "config.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsh-snapshot-revert.h"
#include "virsnaperror.h"

/* set for the host's virsh, so that two of us can't call each other for ever */
#define GUARD "LIBVIRT_SNAPSHOT_VIRSH"

static void
printError(const char *message)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", _("error"), message);
}

static gboolean
isSelf(const char *path)
{
    struct stat self;
    struct stat st;

    return stat("/proc/self/exe", &self) == 0 && stat(path, &st) == 0 &&
        self.st_dev == st.st_dev && self.st_ino == st.st_ino;
}

/* The first virsh in PATH that we aren't, else that of /usr/bin. */
static char *
findHostVirsh(void)
{
    const char *path = getenv("PATH");
    g_auto(GStrv) folders = g_strsplit(path ? path : "", ":", -1);

    for (char **folder = folders; *folder; folder++) {
        g_autofree char *file = g_build_filename(*folder, "virsh", NULL);

        if (g_path_is_absolute(file) && access(file, X_OK) == 0 && !isSelf(file))
            return g_steal_pointer(&file);
    }

    return isSelf("/usr/bin/virsh") ? NULL : g_strdup("/usr/bin/virsh");
}

static char *
requireHostVirsh(void)
{
    char *file = getenv(GUARD) ? NULL : findHostVirsh();

    if (!file) {
        printError(_("there is no virsh of libvirt's own to hand the command to"));
        exit(EXIT_FAILURE);
    }

    return file;
}

static int
handOver(char **argv)
{
    g_autofree char *file = requireHostVirsh();

    setenv(GUARD, "1", 1);
    execv(file, argv);
    fprintf(stderr, "%s: %s: %s\n", _("error"), file, g_strerror(errno));
    return EXIT_FAILURE;
}

/* A command of a command string that is not ours, with the global options. */
static gboolean
spawnHost(char **argv, const virshGlobals *globals, char **words)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    g_autofree char *file = requireHostVirsh();
    g_auto(GStrv) env = g_environ_setenv(g_get_environ(), GUARD, "1", TRUE);
    g_autoptr(GError) error = NULL;
    int status;

    g_ptr_array_add(args, file);
    for (int i = 1; i < globals->n_args; i++)
        g_ptr_array_add(args, argv[i]);
    for (; *words; words++)
        g_ptr_array_add(args, *words);
    g_ptr_array_add(args, NULL);

    fflush(stdout);
    if (g_spawn_sync(NULL, (char **)args->pdata, env, G_SPAWN_CHILD_INHERITS_STDIN,
                     NULL, NULL, NULL, NULL, &status, &error))
        return status == 0;

    printError(error->message);
    return FALSE;
}

static gboolean
isOurs(char **words)
{
    if (g_str_equal(words[0], "help"))
        return words[1] && !words[2] && g_str_equal(words[1], VIRSH_SNAPSHOT_REVERT);

    return g_str_equal(words[0], VIRSH_SNAPSHOT_REVERT);
}

static gboolean
runOurs(const virshGlobals *globals, char **words, virConnectPtr *conn)
{
    g_auto(virshRevertOptions) options = { 0 };
    g_autoptr(GError) error = NULL;
    gint64 begin = g_get_monotonic_time();

    if (g_str_equal(words[0], "help")) {
        virshRevertPrintHelp();
        return TRUE;
    }

    if (!virshRevertOptionsParse(words + 1, &options, &error) ||
        (!options.help && !options.print_xml &&
         !virshConnect(globals, conn, &error))) {
        printError(error->message);
        return FALSE;
    }

    if (options.help)
        virshRevertPrintHelp();
    else if (!virshSnapshotRevert(globals, &options, *conn, &error))
        printError(error->message);

    /* as virsh does, after whatever a command says but a page of its own */
    if (!globals->quiet && !options.help &&
        (error || (!options.print_xml && !options.dry_run)))
        printf("\n");
    if (globals->timing)
        printf(_("(Time: %.3f ms)\n\n"), (g_get_monotonic_time() - begin) / 1000.0);
    return !error;
}

/* The commands of a command string, one after the other; like virsh, the outcome
 * is that of the last. */
static gboolean
runAll(char **argv, const virshGlobals *globals, GPtrArray *commands)
{
    virConnectPtr conn = NULL;
    gboolean ok = TRUE;

    for (guint i = 0; i < commands->len; i++) {
        char **words = g_ptr_array_index(commands, i);

        ok = isOurs(words) ? runOurs(globals, words, &conn) :
            spawnHost(argv, globals, words);
    }

    if (conn)
        virConnectClose(conn);
    return ok;
}

static gboolean
anyOurs(GPtrArray *commands)
{
    for (guint i = 0; commands && i < commands->len; i++) {
        if (isOurs(g_ptr_array_index(commands, i)))
            return TRUE;
    }

    return FALSE;
}

/* `virsh complete -- snapshot-revert --d` is what the shell's completion asks:
 * the host knows the domains and snapshots, we know our options. */
static gboolean
isCompletion(char **words)
{
    guint len = g_strv_length(words);

    return len > 3 && g_str_equal(words[0], "complete") &&
        g_str_equal(words[1], "--") && isOurs(words + 2) &&
        g_str_has_prefix(words[len - 1], "--");
}

static int
complete(char **argv, const virshGlobals *globals, char **words)
{
    spawnHost(argv, globals, words);
    virshRevertPrintOptions(words[g_strv_length(words) - 1]);
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    g_auto(virshGlobals) globals = { 0 };
    g_autoptr(GPtrArray) commands = NULL;
    char **words;

    setlocale(LC_ALL, "");
    bindtextdomain(PACKAGE, LOCALEDIR);
    textdomain(PACKAGE);

    virshGlobalsParse(argc, argv, &globals);
    words = argv + globals.n_args;
    if (!globals.known || !words[0])
        return handOver(argv);

    if (isCompletion(words))
        return complete(argv, &globals, words);

    if (!words[1]) {
        commands = virshSplitString(words[0]);
    } else {
        commands = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
        g_ptr_array_add(commands, g_strdupv(words));
    }

    if (!anyOurs(commands))
        return handOver(argv);

    return runAll(argv, &globals, commands) ? EXIT_SUCCESS : EXIT_FAILURE;
}
