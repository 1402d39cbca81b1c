/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_turns.c: who goes ahead when
 */

#include "config.h"

#include <string.h>

#include "virtsnapshotd_turns.h"

static const unsigned char mine[VIR_UUID_BUFLEN] = { 1 };
static const unsigned char other[VIR_UUID_BUFLEN] = { 2 };

typedef struct _fixture fixture;
struct _fixture {
    qemuSnapshotDriver *driver;
    virtsnapshotdTurns *turns;
    GString *gone;             /* a letter for each that was granted */
};

typedef struct _letter letter;
struct _letter {
    fixture *f;
    char name;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const qemuHoldersFolders folders = { NULL };

    f->driver = qemuSnapshotDriverNew("test:///default", "/nonexistent", 1,
                                      "/nonexistent", &folders, NULL);
    f->turns = virtsnapshotdTurnsNew(f->driver);
    f->gone = g_string_new(NULL);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdTurnsFree(f->turns);
    qemuSnapshotDriverFree(f->driver);
    g_string_free(f->gone, TRUE);
}

static void
granted(gboolean granted, void *opaque)
{
    letter *l = opaque;

    g_assert_true(granted);
    g_string_append_c(l->f->gone, l->name);
}

/* Returns who has gone ahead so far, once all that may has. */
static const char *
gone(fixture *f)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return f->gone->str;
}

#define ADD_TURN(f, uuid, kind, letter_name) \
    letter letter_##letter_name = { f, #letter_name[0] }; \
    virtsnapshotdTurnsAdd((f)->turns, uuid, VIRTSNAPSHOTD_TURN_##kind, granted, \
                         &letter_##letter_name)

static void
testOrder(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    ADD_TURN(f, mine, EXCLUSIVE, a);
    ADD_TURN(f, mine, PATIENT, b);
    ADD_TURN(f, mine, EXCLUSIVE, c);
    ADD_TURN(f, mine, PATIENT, d);
    ADD_TURN(f, other, PATIENT, e);
    g_assert_cmpstr(gone(f), ==, "ae");
    virtsnapshotdTurnsRelease(f->turns, mine);
    g_assert_cmpstr(gone(f), ==, "aebc");
    virtsnapshotdTurnsRelease(f->turns, mine);
    g_assert_cmpstr(gone(f), ==, "aebcd");
}

/* One of which it can't be told which domain it changes waits for all that anyone has,
 * for no one who waits, and keeps no one waiting. */
static void
testAny(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    ADD_TURN(f, NULL, ANY, a);
    g_assert_cmpstr(gone(f), ==, "a");
    ADD_TURN(f, mine, EXCLUSIVE, b);
    ADD_TURN(f, other, EXCLUSIVE, c);
    ADD_TURN(f, NULL, ANY, d);
    ADD_TURN(f, mine, PATIENT, e);
    g_assert_cmpstr(gone(f), ==, "abc");
    virtsnapshotdTurnsRelease(f->turns, mine);
    g_assert_cmpstr(gone(f), ==, "abce");
    virtsnapshotdTurnsRelease(f->turns, other);
    g_assert_cmpstr(gone(f), ==, "abced");
}

/* The UUID that stands for none is that of a domain, too. */
static void
testAnyIsNoDomain(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const unsigned char zero[VIR_UUID_BUFLEN] = { 0 };

    ADD_TURN(f, mine, EXCLUSIVE, a);
    ADD_TURN(f, NULL, ANY, b);
    ADD_TURN(f, zero, PATIENT, c);
    g_assert_cmpstr(gone(f), ==, "ac");
    virtsnapshotdTurnsRelease(f->turns, mine);
    g_assert_cmpstr(gone(f), ==, "acb");
}

#define ADD(name, func) \
    g_test_add("/virtsnapshotd_turns/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("order", testOrder);
    ADD("any", testAny);
    ADD("any-is-no-domain", testAnyIsNoDomain);
    return g_test_run();
}
