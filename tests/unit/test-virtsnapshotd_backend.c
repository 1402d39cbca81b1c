/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_backend.c: where libvirt's daemon is looked for
 */

#include "config.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virtsnapshotd_backend.h"

static virtsnapshotdBackend *
make(const char *folder, const char *socket, const char *socket_ro, gboolean privileged)
{
    virtsnapshotdConfig config = {
        .backend_socket = (char *)socket, .backend_socket_ro = (char *)socket_ro,
    };

    return virtsnapshotdBackendNew(&config, folder, privileged);
}

static void
testURI(void)
{
    const struct {
        const char *socket;
        gboolean privileged;
        const char *uri;
        gboolean started;
    } cases[] = {
        { NULL, TRUE, "qemu:///system", FALSE },
        { NULL, FALSE, "qemu:///session", TRUE },
        { "/run/x y&z", TRUE, "qemu+unix:///system?socket=/run/x%20y%26z", FALSE },
        { "/run/x", FALSE, "qemu+unix:///session?socket=/run/x", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(virtsnapshotdBackend) backend =
            make("/nonexistent", cases[i].socket, cases[i].socket, cases[i].privileged);

        g_assert_cmpstr(virtsnapshotdBackendGetURI(backend), ==, cases[i].uri);
        g_assert_cmpint(virtsnapshotdBackendIsStarted(backend), ==, cases[i].started);
    }
}

/* There is libvirtd, or virtqemud, which goes before. */
static void
testSocket(void)
{
    const struct {
        const char *socket, *socket_ro;
        gboolean privileged, readonly, with_virtqemud;
        const char *expected;   /* in the folder where it is no path */
    } cases[] = {
        { NULL, NULL, TRUE, FALSE, FALSE, "libvirt-sock" },
        { NULL, NULL, TRUE, TRUE, FALSE, "libvirt-sock-ro" },
        { NULL, NULL, FALSE, TRUE, FALSE, "libvirt-sock" },
        { NULL, NULL, TRUE, FALSE, TRUE, "virtqemud-sock" },
        { "/a", "/b", TRUE, FALSE, TRUE, "/a" },
        { "/a", "/b", TRUE, TRUE, TRUE, "/b" },
    };
    g_autofree char *folder = g_dir_make_tmp("backend.XXXXXX", NULL);
    g_autofree char *virtqemud = g_build_filename(folder, "virtqemud-sock", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(virtsnapshotdBackend) backend =
            make(folder, cases[i].socket, cases[i].socket_ro, cases[i].privileged);
        g_autofree char *expected = cases[i].expected[0] == '/' ?
            g_strdup(cases[i].expected) :
            g_build_filename(folder, cases[i].expected, NULL);
        g_autofree char *found = NULL;

        if (cases[i].with_virtqemud)
            g_assert_true(g_file_set_contents(virtqemud, "", 0, NULL));
        found = virtsnapshotdBackendGetSocket(backend, cases[i].readonly);
        g_assert_cmpstr(found, ==, expected);
        g_unlink(virtqemud);
    }
    g_rmdir(folder);
}

static int
listenAt(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(fd, 0), ==, 0);
    return fd;
}

static void
checkFails(const char *path, int code)
{
    g_autoptr(virtsnapshotdBackend) backend = make("/x", path, path, TRUE);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(virtsnapshotdBackendConnect(backend, FALSE, &error), ==, -1);
    g_assert_error(error, VIR_SNAP_ERROR, code);
    g_assert_nonnull(strstr(error->message, path));
}

static void
testConnect(void)
{
    g_autofree char *folder = g_dir_make_tmp("backend.XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "sock", NULL);
    g_autofree char *long_path = g_strnfill(200, '/');
    g_autoptr(virtsnapshotdBackend) backend = make("/x", path, path, TRUE);
    g_autoptr(GError) error = NULL;
    int listener, fd;

    checkFails(path, VIR_ERR_NO_CONNECT);
    checkFails(long_path, VIR_ERR_SYSTEM_ERROR);
    listener = listenAt(path);
    fd = virtsnapshotdBackendConnect(backend, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    /* no more can wait */
    checkFails(path, VIR_ERR_RESOURCE_BUSY);
    close(fd);
    close(listener);
    checkFails(path, VIR_ERR_NO_CONNECT);
    g_unlink(path);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_backend/uri", testURI);
    g_test_add_func("/virtsnapshotd_backend/socket", testSocket);
    g_test_add_func("/virtsnapshotd_backend/connect", testConnect);
    return g_test_run();
}
