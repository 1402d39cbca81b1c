/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_config.c: virtsnapshotd.conf
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "virsnaperror.h"
#include "virtsnapshotd_config.h"

static virtsnapshotdConfig *
load(const char *text, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("config-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "x.conf", NULL);
    virtsnapshotdConfig *config;

    g_assert_true(g_file_set_contents(file, text, -1, NULL));
    config = virtsnapshotdConfigLoad(file, TRUE, TRUE, error);
    g_remove(file);
    g_rmdir(folder);
    return config;
}

static void
testDefaults(void)
{
    g_autoptr(virtsnapshotdConfig) system = load("", NULL);
    g_autoptr(virtsnapshotdConfig) session =
        virtsnapshotdConfigLoad("/nonexistent", FALSE, FALSE, NULL);

    g_assert_cmpstr(system->unix_sock_group, ==, "libvirt");
    g_assert_cmpstr(system->unix_sock_rw_perms, ==, "0660");
    g_assert_null(system->backend_socket);
    g_assert_cmpstr(system->revert_by, ==, "virtsnapshotd");
    g_assert_cmpuint(system->storage_daemon_timeout, ==, 60);
    g_assert_cmpuint(system->storage_timeout, ==, 10);
    g_assert_null(session->unix_sock_group);
    g_assert_null(session->backend_socket);
}

static void
testAll(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(virtsnapshotdConfig) config =
        load("# a comment\n"
             "unix_sock_group=\"g\" # another\n"
             "unix_sock_rw_perms = \"0600\"\n"
             "  unix_sock_ro_perms = '0640'\n\n"
             "backend_socket = \"/x#y\"\n"
             "revert_by = \"libvirt\"\n"
             "storage_daemon = \"/opt/qsd\"\n"
             "storage_daemon_timeout = 5\n"
             "storage_timeout = 6\n"
             "max_clients = 7\n"
             "max_workers = 3", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(config->unix_sock_group, ==, "g");
    g_assert_cmpstr(config->unix_sock_rw_perms, ==, "0600");
    g_assert_cmpstr(config->unix_sock_ro_perms, ==, "0640");
    g_assert_cmpstr(config->backend_socket, ==, "/x#y");
    g_assert_cmpstr(config->backend_socket_ro, ==, "/x#y-ro");
    g_assert_cmpstr(config->revert_by, ==, "libvirt");
    g_assert_cmpstr(config->storage_daemon, ==, "/opt/qsd");
    g_assert_cmpuint(config->storage_daemon_timeout, ==, 5);
    g_assert_cmpuint(config->storage_timeout, ==, 6);
    g_assert_cmpuint(config->max_clients, ==, 7);
    g_assert_cmpuint(config->max_workers, ==, 3);
}

static void
testRefused(void)
{
    const struct {
        const char *text;
        const char *fragment;
    } cases[] = {
        { "\n\nnosuch = 1\n", "'nosuch', in line 3" },
        { "max_clients = \"7\"\n", "'max_clients' in line 1" },
        { "max_clients = 0\n", "'max_clients'" },
        { "max_workers = 1001\n", "'max_workers'" },
        { "storage_daemon = 7\n", "'storage_daemon'" },
        { "storage_daemon = \"x\n", "'storage_daemon'" },
        { "storage_daemon \"x\"\n", "'storage_daemon'" },
        { "unix_sock_rw_perms = \"0888\"\n", "octal" },
        { "unix_sock_ro_perms = \"07777\"\n", "octal" },
        { "backend_socket = \"libvirt-sock\"\n", "absolute" },
        { "revert_by = \"me\"\n", "'me'" },
        { "= 1\n", "line 1" },
        { "[section]\n", "line 1" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(load(cases[i].text, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX);
        if (!strstr(error->message, cases[i].fragment))
            g_error("'%s' is not in: %s", cases[i].fragment, error->message);
    }
}

static void
testMissing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(virtsnapshotdConfigLoad("/nonexistent", TRUE, TRUE, &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_config/defaults", testDefaults);
    g_test_add_func("/virtsnapshotd_config/all", testAll);
    g_test_add_func("/virtsnapshotd_config/refused", testRefused);
    g_test_add_func("/virtsnapshotd_config/missing", testMissing);
    return g_test_run();
}
