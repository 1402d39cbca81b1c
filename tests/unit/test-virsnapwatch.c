/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapwatch.c: watches tell what they are set to, and nothing once freed
 */

#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "virsnapwatch.h"

typedef struct _watched watched;
struct _watched {
    virSnapWatch *watch;
    watched *frees;      /* another that is freed when this one is told something */
    int ends[2];
    guint calls;
    guint32 events;
};

static void
tell(guint32 events, void *opaque)
{
    watched *w = opaque;

    w->calls++;
    w->events |= events;
    virSnapWatchSet(w->watch, 0);
    if (w->frees)
        g_clear_pointer(&w->frees->watch, virSnapWatchFree);
}

static void
watchedOpen(watched *w, virSnapWatcher *watcher)
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->ends), ==, 0);
    w->watch = virSnapWatchNew(watcher, w->ends[0], tell, w);
}

static void
watchedClose(watched *w)
{
    g_clear_pointer(&w->watch, virSnapWatchFree);
    close(w->ends[0]);
    if (w->ends[1] >= 0)
        close(w->ends[1]);
}

/* All that is to be told by now is told. */
static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void
testEvents(void)
{
    static const struct {
        guint32 set;
        gboolean readable;
        gboolean ended;
        guint32 told;
    } cases[] = {
        { EPOLLIN, FALSE, FALSE, 0 },
        { EPOLLIN, TRUE, FALSE, EPOLLIN },
        { EPOLLOUT, TRUE, FALSE, EPOLLOUT },
        { EPOLLIN | EPOLLOUT, TRUE, FALSE, EPOLLIN | EPOLLOUT },
        { 0, TRUE, FALSE, 0 },
        { EPOLLIN, FALSE, TRUE, EPOLLIN | EPOLLHUP },
        { 0, FALSE, TRUE, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(virSnapWatcher) watcher = virSnapWatcherNew();
        watched w = { 0 };

        watchedOpen(&w, watcher);
        virSnapWatchSet(w.watch, cases[i].set);
        if (cases[i].readable)
            g_assert_cmpint(write(w.ends[1], "x", 1), ==, 1);
        if (cases[i].ended) {
            close(w.ends[1]);
            w.ends[1] = -1;
        }
        turn();
        g_assert_cmpuint(w.events, ==, cases[i].told);
        g_assert_cmpuint(w.calls, ==, cases[i].told ? 1 : 0);
        watchedClose(&w);
    }
}

/* Both have something to tell; whichever comes first frees the other. */
static void
testFreedMeanwhile(void)
{
    g_autoptr(virSnapWatcher) watcher = virSnapWatcherNew();
    watched a = { 0 };
    watched b = { 0 };

    watchedOpen(&a, watcher);
    watchedOpen(&b, watcher);
    a.frees = &b;
    b.frees = &a;
    virSnapWatchSet(a.watch, EPOLLOUT);
    virSnapWatchSet(b.watch, EPOLLOUT);
    turn();
    g_assert_cmpuint(a.calls + b.calls, ==, 1);
    watchedClose(&a);
    watchedClose(&b);
}

static void
testSetAgain(void)
{
    g_autoptr(virSnapWatcher) watcher = virSnapWatcherNew();
    watched w = { 0 };

    watchedOpen(&w, watcher);
    virSnapWatchSet(w.watch, EPOLLOUT);
    turn();
    turn();
    g_assert_cmpuint(w.calls, ==, 1);
    virSnapWatchSet(w.watch, EPOLLOUT);
    turn();
    g_assert_cmpuint(w.calls, ==, 2);
    watchedClose(&w);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virsnapwatch/events", testEvents);
    g_test_add_func("/virsnapwatch/freed-meanwhile", testFreedMeanwhile);
    g_test_add_func("/virsnapwatch/set-again", testSetAgain);
    return g_test_run();
}
