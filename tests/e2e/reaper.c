/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * reaper.c: run a command and let no process outlive it
 *
 * QEMU and daemons leave their parents. Here they become children of the
 * reaper (PR_SET_CHILD_SUBREAPER), which collects the dead at once, as systemd
 * does on a host: libvirt waits for that when it stops a domain, and the init
 * of a container may take a second over it. When the command ends, or on
 * SIGINT, SIGTERM and SIGHUP, whatever is left is terminated.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* libvirtd needs about one second to stop; a process that was stopped or that
 * hangs gets no more than three. What SIGKILL does not end in a further five
 * sits in the kernel, and waiting longer would not help. */
#define TERM_SECONDS 3
#define KILL_SECONDS 8

static const int watched[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP };

static void
watchSignals(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        /* a shell's background job starts with SIGINT ignored */
        signal(watched[i], SIG_DFL);
        sigaddset(set, watched[i]);
    }
    sigprocmask(SIG_BLOCK, set, NULL);
}

static pid_t
spawn(char **argv, const sigset_t *set)
{
    pid_t pid = fork();

    if (pid == 0) {
        sigprocmask(SIG_UNBLOCK, set, NULL);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(errno == ENOENT ? 127 : 126);
    }
    return pid;
}

/* TRUE while there are children. Sets *ret_status when pid was among the dead. */
static bool
reap(pid_t pid, int *ret_status)
{
    int status;
    pid_t dead;

    while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
        if (dead == pid)
            *ret_status = WIFEXITED(status) ? WEXITSTATUS(status)
                                            : 128 + WTERMSIG(status);
    }
    return dead == 0;
}

static void
signalChildren(int signum)
{
    char path[64];
    FILE *children;
    int pid;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    if (!(children = fopen(path, "re")))
        return;
    while (fscanf(children, "%d", &pid) == 1) {
        kill(pid, signum);
        kill(pid, SIGCONT);
    }
    fclose(children);
}

/* Children of the dead become ours, so that round by round all are reached. */
static void
terminateRest(const sigset_t *set)
{
    const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
    struct timespec start;
    struct timespec now;
    int ignored;

    clock_gettime(CLOCK_MONOTONIC, &start);
    now = start;
    while (reap(0, &ignored) && now.tv_sec - start.tv_sec < KILL_SECONDS) {
        signalChildren(now.tv_sec - start.tv_sec < TERM_SECONDS ? SIGTERM : SIGKILL);
        sigtimedwait(set, NULL, &tick);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

int
main(int argc, char **argv)
{
    sigset_t set;
    pid_t pid;
    int status = -1;

    if (argc < 2) {
        fprintf(stderr, "usage: reaper COMMAND...\n");
        return 2;
    }

    /* Whoever kills our caller's process group must not kill us before we
     * have cleaned up; on a terminal the command has to stay in that group. */
    if (!isatty(STDIN_FILENO))
        setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    watchSignals(&set);

    if ((pid = spawn(argv + 1, &set)) < 0) {
        perror("fork");
        return 126;
    }

    while (status < 0) {
        int signum = sigwaitinfo(&set, NULL);

        if (signum == SIGCHLD)
            reap(pid, &status);
        else if (signum > 0)
            status = 128 + signum;
    }

    terminateRest(&set);
    return status;
}
