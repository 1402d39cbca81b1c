/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_relay.c: standard input and output as a socket
 *
 * In a process of its own, as it takes over both.
 */

#include "config.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virtsnapshotd_relay.h"

/* more than goes into its buffers and those of the pipes */
#define MUCH (1024 * 1024)

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *path;
    int listener;
    int in;      /* what is written to it goes to its standard input */
    int out;
    int peer;    /* what it is connected to */
    pid_t pid;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int in[2], out[2];

    f->folder = g_dir_make_tmp("virtsnapshotd_relay-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "sock", NULL);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(addr.sun_path, f->path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(f->listener, 1), ==, 0);
    g_assert_cmpint(pipe(in), ==, 0);
    g_assert_cmpint(pipe(out), ==, 0);

    if ((f->pid = fork()) == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        _exit(virtsnapshotdRelay(f->path, NULL) ? 0 : 1);
    }
    close(in[0]);
    close(out[1]);
    f->in = in[1];
    f->out = out[0];
    f->peer = accept(f->listener, NULL, NULL);
    g_assert_cmpint(f->peer, >=, 0);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int status;

    g_assert_cmpint(waitpid(f->pid, &status, 0), ==, f->pid);
    g_assert_cmpint(status, ==, 0);
    close(f->out);
    close(f->listener);
    g_unlink(f->path);
    g_rmdir(f->folder);
    g_free(f->path);
    g_free(f->folder);
}

static gsize
readAll(int fd)
{
    char bytes[4096];
    gsize total = 0;
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        total += n;
    return total;
}

static void *
writeMuch(void *opaque)
{
    g_autofree char *bytes = g_malloc0(MUCH);

    g_assert_cmpint(write(GPOINTER_TO_INT(opaque), bytes, MUCH), ==, MUCH);
    close(GPOINTER_TO_INT(opaque));
    return NULL;
}

/* The end of the input is not that of the answers. */
static void
testBothWays(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    GThread *writer = g_thread_new("in", writeMuch, GINT_TO_POINTER(f->in));

    g_assert_cmpuint(readAll(f->peer), ==, MUCH);
    g_thread_join(writer);
    writer = g_thread_new("peer", writeMuch, GINT_TO_POINTER(f->peer));
    g_assert_cmpuint(readAll(f->out), ==, MUCH);
    g_thread_join(writer);
}

/* That of the daemon is the end of all. */
static void
testDaemonEnds(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(write(f->peer, "x", 1), ==, 1);
    close(f->peer);
    g_assert_cmpuint(readAll(f->out), ==, 1);
    close(f->in);
}

static void
testNoDaemon(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(virtsnapshotdRelay("/nonexistent/sock", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/virtsnapshotd_relay/both-ways", fixture, NULL, setUp, testBothWays,
               tearDown);
    g_test_add("/virtsnapshotd_relay/daemon-ends", fixture, NULL, setUp, testDaemonEnds,
               tearDown);
    g_test_add_func("/virtsnapshotd_relay/no-daemon", testNoDaemon);
    return g_test_run();
}
