/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapprocess.c: telling a process from a later one of its number
 */

#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virsnapprocess.h"

static void
testStart(void)
{
    siginfo_t info;
    pid_t pid = fork();
    guint64 start;

    if (pid == 0) {
        prctl(PR_SET_NAME, ") Z 1 2 (");
        pause();
        _exit(0);
    }

    start = virSnapProcessGetStart(pid);
    g_assert_cmpuint(start, >=, virSnapProcessGetStart(getpid()));
    g_assert_cmpuint(start, ==, virSnapProcessGetStart(pid));
    g_assert_cmpuint(start, >, 0);

    kill(pid, SIGKILL);
    g_assert_cmpint(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_assert_cmpuint(virSnapProcessGetStart(pid), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpuint(virSnapProcessGetStart(pid), ==, 0);
}

static void *
sleepOn(void *opaque G_GNUC_UNUSED)
{
    pause();
    return NULL;
}

/* It has not ended: a thread lives on. */
static void
testThread(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        g_thread_unref(g_thread_new("other", sleepOn, NULL));
        pthread_exit(NULL);
    }

    for (;;) {
        g_autofree char *file = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        if (strstr(text, ") Z "))
            break;
        g_usleep(1000);
    }
    g_assert_cmpuint(virSnapProcessGetStart(pid), >, 0);

    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpuint(virSnapProcessGetStart(pid), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/process/start", testStart);
    g_test_add_func("/process/thread", testThread);
    return g_test_run();
}
