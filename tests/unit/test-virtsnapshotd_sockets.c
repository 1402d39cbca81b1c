/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_sockets.c: which sockets there are, and who may open them
 */

#include "config.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virtsnapshotd_sockets.h"

/* The modes in octal; 0: there is none. */
static void
check(const virtsnapshotdConfig *config, gboolean privileged, int code, mode_t rw,
      mode_t ro)
{
    g_autofree char *folder = g_dir_make_tmp("virtsnapshotd_sockets-XXXXXX", NULL);
    const struct {
        const char *name;
        mode_t mode;
    } sockets[] = {
        { "virtsnapshotd-sock", rw }, { "virtsnapshotd-sock-ro", ro },
    };
    const virNetServerConfig server_config = { .max_clients = 1, .max_client_calls = 1 };
    g_autoptr(virSnapWatcher) watcher = virSnapWatcherNew();
    g_autoptr(virNetServer) server = virNetServerNew(watcher, &server_config);
    g_autoptr(virtsnapshotdBackend) backend =
        virtsnapshotdBackendNew(config, folder, privileged);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(virtsnapshotdSocketsOpen(server, config, backend, folder, privileged,
                                             &error), ==, code == VIR_ERR_OK);
    if (code != VIR_ERR_OK)
        g_assert_error(error, VIR_SNAP_ERROR, code);

    for (gsize i = 0; i < G_N_ELEMENTS(sockets); i++) {
        g_autofree char *path = g_build_filename(folder, sockets[i].name, NULL);
        struct stat st = { 0 };

        if (lstat(path, &st) == 0)
            g_assert_true(S_ISSOCK(st.st_mode));
        g_assert_cmpuint(st.st_mode & 07777, ==, sockets[i].mode);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void
testModes(void)
{
    const virtsnapshotdConfig config = {
        .unix_sock_rw_perms = (char *)"0660", .unix_sock_ro_perms = (char *)"0606",
    };

    check(&config, TRUE, VIR_ERR_OK, 0660, 0606);
    /* a session's is its user's, whatever is configured */
    check(&config, FALSE, VIR_ERR_OK, 0600, 0);
}

/* Nobody else's group is taken instead, and nothing listens. */
static void
testNoGroup(void)
{
    const virtsnapshotdConfig config = {
        .unix_sock_group = (char *)"no-such-group",
        .unix_sock_rw_perms = (char *)"0660", .unix_sock_ro_perms = (char *)"0666",
    };

    check(&config, TRUE, VIR_ERR_CONF_SYNTAX, 0, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("LISTEN_FDS");
    g_test_add_func("/virtsnapshotd_sockets/modes", testModes);
    g_test_add_func("/virtsnapshotd_sockets/no-group", testNoGroup);
    return g_test_run();
}
