/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_process.c: the process of a storage daemon
 *
 * It is never asked to end: what it does is either done or of no use.
 */

#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu_storage_process.h"
#include "virsnaperror.h"
#include "virsnappaths.h"

/* the child's descriptor, after the standard ones */
#define MONITOR_FD 3

/* Of what it prints, enough for the reason. */
#define STDERR_MAX 8192
#define STDERR_WAIT 1000 /* milliseconds */

/* A killed process ends at once, but for one that waits for dead storage. */
#define END_MAX (10 * G_USEC_PER_SEC)

struct _qemuStorageProcess {
    GPid pid;        /* 0: it has ended */
    int stderr_fd;
    gboolean given_up;   /* it was waited for, and need not be again */
};

/* It must not outlive us: its overlays would stay open. A group of its own, so
 * that what a wrapper script starts is killed with it. */
static void
processSetUp(void *opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != GPOINTER_TO_INT(opaque))
        _exit(EXIT_FAILURE);
    setpgid(0, 0);
}

qemuStorageProcess *
qemuStorageProcessStart(const char *binary, int monitor, GError **error)
{
    g_autofree qemuStorageProcess *process = g_new0(qemuStorageProcess, 1);
    g_autofree char *chardev = g_strdup_printf("socket,id=qmp,fd=%d", MONITOR_FD);
    const char *argv[] = {
        binary, "--chardev", chardev, "--monitor", "chardev=qmp", NULL
    };
    const int target = MONITOR_FD;
    g_autofree char *folder = virSnapPathsProcess(getpid(), "fd");
    g_autoptr(GError) cause = NULL;

    /* in that folder our descriptors have names that are short */
    if (g_spawn_async_with_pipes_and_fds(folder, argv, NULL,
                                         G_SPAWN_SEARCH_PATH |
                                         G_SPAWN_DO_NOT_REAP_CHILD |
                                         G_SPAWN_STDOUT_TO_DEV_NULL,
                                         processSetUp, GINT_TO_POINTER(getpid()),
                                         -1, -1, -1, &monitor, &target, 1,
                                         &process->pid, NULL, NULL,
                                         &process->stderr_fd, &cause))
        return g_steal_pointer(&process);

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot start '%s', which makes the overlays: %s"), binary,
                cause->message);
    return NULL;
}

void
qemuStorageProcessKill(qemuStorageProcess *process)
{
    if (process->pid > 0) {
        kill(-process->pid, SIGKILL);
        kill(process->pid, SIGKILL); /* where it has no group of its own yet */
    }
}

gboolean
qemuStorageProcessHasEnded(qemuStorageProcess *process)
{
    siginfo_t info = { 0 };

    if (process->pid == 0)
        return TRUE;

    if (waitid(P_PID, process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        if (info.si_pid == 0)
            return FALSE;
        /* its group, while the number is still its own */
        qemuStorageProcessKill(process);
        waitpid(process->pid, NULL, 0);
    }

    process->pid = 0;
    return TRUE;
}

pid_t
qemuStorageProcessGetPid(const qemuStorageProcess *process)
{
    return process->pid;
}

gboolean
qemuStorageProcessWait(qemuStorageProcess *process)
{
    gint64 deadline = g_get_monotonic_time() + (process->given_up ? 0 : END_MAX);
    gboolean ended;

    qemuStorageProcessKill(process);
    while (!(ended = qemuStorageProcessHasEnded(process)) &&
           g_get_monotonic_time() < deadline)
        g_usleep(500);

    process->given_up = !ended;
    return ended;
}

static void
processReaped(GPid pid G_GNUC_UNUSED, int status G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED)
{
}

void
qemuStorageProcessFree(qemuStorageProcess *process)
{
    if (!process)
        return;

    qemuStorageProcessKill(process);
    if (process->pid > 0)
        g_child_watch_add(process->pid, processReaped, NULL);
    close(process->stderr_fd);
    g_free(process);
}

char *
qemuStorageProcessReadStderr(qemuStorageProcess *process)
{
    struct pollfd pfd = { .fd = process->stderr_fd, .events = POLLIN };
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[1024];
    ssize_t n;

    /* its end closes the pipe, unless the kernel holds it up */
    qemuStorageProcessKill(process);
    while (text->len < STDERR_MAX && poll(&pfd, 1, STDERR_WAIT) > 0 &&
           (n = read(process->stderr_fd, bytes, sizeof(bytes))) > 0)
        g_string_append_len(text, bytes, n);

    return g_utf8_make_valid(g_strchomp(text->str), -1);
}
