/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnappaths.c: where things are on a host
 */

#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "virsnappaths.h"

static void
testFolders(void)
{
    static const struct {
        char *(*get)(gboolean system);
        const char *system;
        const char *session;
    } folders[] = {
        { virSnapPathsRun, "/run/libvirt", "/x/run/libvirt" },
        { virSnapPathsLog, "/var/log/libvirt", "/x/cache/libvirt" },
        { virSnapPathsJournals, "/var/lib/libvirt/snapshot-revert",
          "/x/data/libvirt/snapshot-revert" },
        { virSnapPathsDefinitions, "/etc/libvirt/qemu", "/x/config/libvirt/qemu" },
        { virSnapPathsSnapshots, "/var/lib/libvirt/qemu/snapshot",
          "/x/config/libvirt/qemu/snapshot" },
        { virSnapPathsConfig, SYSCONFDIR "/libvirt/virtsnapshotd.conf",
          "/x/config/libvirt/virtsnapshotd.conf" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *system = folders[i].get(TRUE);
        g_autofree char *session = folders[i].get(FALSE);

        g_assert_cmpstr(system, ==, folders[i].system);
        g_assert_cmpstr(session, ==, folders[i].session);
    }
}

static void
testSocket(void)
{
    static const struct {
        gboolean system;
        gboolean readonly;
        const char *path;
    } sockets[] = {
        { TRUE, FALSE, "/run/libvirt/virtsnapshotd-sock" },
        { TRUE, TRUE, "/run/libvirt/virtsnapshotd-sock-ro" },
        { FALSE, FALSE, "/x/run/libvirt/virtsnapshotd-sock" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(sockets); i++) {
        g_autofree char *path = virSnapPathsSocket(sockets[i].system,
                                                   sockets[i].readonly);

        g_assert_cmpstr(path, ==, sockets[i].path);
    }
}

static void
testProcess(void)
{
    g_autofree char *path = virSnapPathsProcess(4711, "stat");

    g_assert_cmpstr(path, ==, "/proc/4711/stat");
}

/* The name leads to the very file, also where it has no other. */
static void
testDescriptor(void)
{
    int fd = open(g_get_tmp_dir(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    g_autofree char *path = NULL;
    g_autofree char *content = NULL;

    if (fd < 0) {
        g_test_skip("the file system of temporary files has no unnamed ones");
        return;
    }

    g_assert_cmpint(write(fd, "mine", 4), ==, 4);
    path = virSnapPathsDescriptor(fd);
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "mine");
    close(fd);
}

int
main(int argc, char **argv)
{
    /* before GLib looks */
    g_setenv("XDG_RUNTIME_DIR", "/x/run", TRUE);
    g_setenv("XDG_CACHE_HOME", "/x/cache", TRUE);
    g_setenv("XDG_DATA_HOME", "/x/data", TRUE);
    g_setenv("XDG_CONFIG_HOME", "/x/config", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virsnappaths/folders", testFolders);
    g_test_add_func("/virsnappaths/socket", testSocket);
    g_test_add_func("/virsnappaths/process", testProcess);
    g_test_add_func("/virsnappaths/descriptor", testDescriptor);
    return g_test_run();
}
