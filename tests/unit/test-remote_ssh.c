/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-remote_ssh.c: the command that reaches another host
 */

#include "config.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote_ssh.h"
#include "virsnaperror.h"

static char **
command(const char *text, const char *socket, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
    g_autoptr(GHashTable) params = NULL;

    g_assert_nonnull(uri);
    if (g_uri_get_query(uri))
        params = g_uri_parse_params(g_uri_get_query(uri), -1, "&;", G_URI_PARAMS_NONE,
                                    NULL);
    return remoteSSHCommand(uri, params, socket, error);
}

static void
testPlain(void)
{
    g_auto(GStrv) argv = command("qemu+ssh://far/system", "/run/sock", NULL);
    const char *const expected[] = { "ssh", "-T", "-e", "none", "--", "far", NULL };

    g_assert_cmpuint(g_strv_length(argv), ==, 7);
    for (int i = 0; expected[i]; i++)
        g_assert_cmpstr(argv[i], ==, expected[i]);
    g_assert_nonnull(strstr(argv[6], "exec virtsnapshotd --relay"));
}

static void
testParameters(void)
{
    g_auto(GStrv) argv =
        command("qemu+ssh://me@far:2222/session?command=/opt/ssh&keyfile=/k%20ey&no_tty=1"
                "&no_verify=1&netcat=x", NULL, NULL);
    g_autofree char *joined = g_strjoinv("|", argv);

    g_assert_true(g_str_has_prefix(joined,
                                   "/opt/ssh|-T|-e|none|-p|2222|-l|me|-i|/k ey|-o|"
                                   "BatchMode=yes|-o|StrictHostKeyChecking=no|--|far|sh "));
    g_assert_nonnull(strstr(joined, "session"));
}

static void
testFlagsThatAreOff(void)
{
    g_auto(GStrv) argv = command("qemu+ssh://far/system?no_tty=0&no_verify=0", "/s", NULL);

    g_assert_cmpuint(g_strv_length(argv), ==, 7);
}

/* What the remote shell makes of the command: the last word is the socket's path. */
static void
testQuoting(void)
{
    const char *const paths[] = {
        "/plain", "/with space", "/with 'quote'", "/with \"quotes\"", "/$(touch x)`id`",
        "/a;b&c|d", "/back\\slash", "/new\nline", "-option", "",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_auto(GStrv) argv = command("qemu+ssh://far/system", paths[i], NULL);
        g_auto(GStrv) outer = NULL;
        g_auto(GStrv) inner = NULL;
        const char *script;

        g_assert_true(g_shell_parse_argv(argv[6], NULL, &outer, NULL));
        g_assert_cmpuint(g_strv_length(outer), ==, 3);
        g_assert_cmpstr(outer[0], ==, "sh");
        script = strstr(outer[2], "exec ");
        g_assert_nonnull(script);
        g_assert_true(g_shell_parse_argv(script, NULL, &inner, NULL));
        g_assert_cmpuint(g_strv_length(inner), ==, 4);
        g_assert_cmpstr(inner[3], ==, paths[i]);
    }
}

static void
testNamesLikeOptions(void)
{
    const char *const uris[] = {
        "qemu+ssh://-oProxyCommand=touch/system", "qemu+ssh://-l@far/system",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(uris); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(command(uris[i], "/s", &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG);
    }
}

static void
testNoProgram(void)
{
    const char *const argv[] = { "/nonexistent/ssh", NULL };
    g_autoptr(GError) error = NULL;
    remoteSSH ssh = { 0 };
    int fd = -42;

    g_assert_false(remoteSSHOpen(&ssh, argv, "far", &fd, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT);
    g_assert_cmpint(fd, ==, -42);
}

/* It is gone, and reaped, afterwards; what it said is in the error. */
static void
testSays(void)
{
    const char *const argv[] = { "sh", "-c", "echo 'no way' >&2; exit 1", NULL };
    g_autoptr(GError) error = g_error_new(VIR_SNAP_ERROR, VIR_ERR_RPC, "closed");
    remoteSSH ssh = { 0 };
    GPid pid;
    int fd;

    g_assert_true(remoteSSHOpen(&ssh, argv, "far", &fd, NULL));
    pid = ssh.pid;
    close(fd);
    remoteSSHClose(&ssh, &error);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT);
    g_assert_nonnull(strstr(error->message, "'far'"));
    g_assert_true(g_str_has_suffix(error->message, "no way"));
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote_ssh/plain", testPlain);
    g_test_add_func("/remote_ssh/parameters", testParameters);
    g_test_add_func("/remote_ssh/flags-that-are-off", testFlagsThatAreOff);
    g_test_add_func("/remote_ssh/quoting", testQuoting);
    g_test_add_func("/remote_ssh/names-like-options", testNamesLikeOptions);
    g_test_add_func("/remote_ssh/no-program", testNoProgram);
    g_test_add_func("/remote_ssh/says", testSays);
    return g_test_run();
}
