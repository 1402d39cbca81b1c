/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_storage_process.c: how the process of a storage daemon ends
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_storage_process.h"

/* It opens a FIFO, which what it starts holds open, too. */
#define LIVES "#!/bin/sh\nexec >$0.fifo\nsleep 1000 &\nwait\n"
#define ENDS "#!/bin/sh\nexec >$0.fifo\nsleep 1000 &\n"

#define WAIT_MSECS 20000

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *script;
    char *fifo;
    int fifo_fd;
    int fds[2];
};

static void
setUp(fixture *f, const void *text)
{
    f->folder = g_dir_make_tmp("qemu_storage_process-XXXXXX", NULL);
    f->script = g_build_filename(f->folder, "script", NULL);
    f->fifo = g_strconcat(f->script, ".fifo", NULL);
    g_assert_true(g_file_set_contents(f->script, text, -1, NULL));
    g_assert_cmpint(chmod(f->script, 0700), ==, 0);
    g_assert_cmpint(mkfifo(f->fifo, 0600), ==, 0);
    f->fifo_fd = open(f->fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fds), ==, 0);
}

static void
tearDown(fixture *f, const void *text G_GNUC_UNUSED)
{
    close(f->fds[0]);
    close(f->fds[1]);
    close(f->fifo_fd);
    g_remove(f->fifo);
    g_remove(f->script);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->fifo);
    g_free(f->script);
    g_free(f->folder);
}

static qemuStorageProcess *
start(fixture *f)
{
    g_autoptr(GError) error = NULL;
    qemuStorageProcess *process = qemuStorageProcessStart(f->script, f->fds[1], &error);

    g_assert_no_error(error);
    return process;
}

/* Whatever it started has ended with it: nobody has the FIFO open. */
static void
checkGroupEnded(fixture *f)
{
    struct pollfd pfd = { .fd = f->fifo_fd, .events = POLLIN };

    g_assert_cmpint(poll(&pfd, 1, WAIT_MSECS), ==, 1);
    g_assert_cmpint(pfd.revents, ==, POLLHUP);
}

static void
waitEnded(qemuStorageProcess *process)
{
    gint64 end = g_get_monotonic_time() + WAIT_MSECS * 1000;

    while (!qemuStorageProcessHasEnded(process)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static void
testWait(fixture *f, const void *text G_GNUC_UNUSED)
{
    qemuStorageProcess *process = start(f);

    g_assert_false(qemuStorageProcessHasEnded(process));
    qemuStorageProcessWait(process);
    g_assert_true(qemuStorageProcessHasEnded(process));
    qemuStorageProcessFree(process);
}

static void
testGroup(fixture *f, const void *text G_GNUC_UNUSED)
{
    qemuStorageProcess *process = start(f);

    waitEnded(process);
    checkGroupEnded(f);
    qemuStorageProcessFree(process);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/qemu_storage_process/wait", fixture, LIVES, setUp, testWait, tearDown);
    g_test_add("/qemu_storage_process/group", fixture, ENDS, setUp, testGroup, tearDown);
    return g_test_run();
}
