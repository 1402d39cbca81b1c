/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapchildwire.c: messages from one end to the other, and from none
 */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virsnapchildwire.h"

#define TEXT G_VARIANT_TYPE_STRING

typedef struct _testFixture testFixture;
struct _testFixture {
    virSnapChildWire *near;
    virSnapChildWire *far;
    int raw;    /* the far end's descriptor */
};

static void
setUp(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->near = virSnapChildWireNew(fds[0]);
    f->far = virSnapChildWireNew(fds[1]);
    f->raw = fds[1];
}

static void
tearDown(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    virSnapChildWireFree(f->near);
    virSnapChildWireFree(f->far);
}

static void
sendText(testFixture *f, const char *text, const virSnapDescriptors *descriptors)
{
    g_autoptr(GVariant) message = g_variant_ref_sink(g_variant_new_string(text));

    g_assert_cmpint(virSnapChildWireSend(f->far, message, descriptors, 0), ==,
                    VIR_SNAP_CHILD_WIRE_DONE);
}

static void
assertText(testFixture *f, const char *text, virSnapDescriptors *ret_descriptors)
{
    g_autoptr(GVariant) message = NULL;

    g_assert_cmpint(virSnapChildWireReceive(f->near, TEXT, &message, ret_descriptors, 0),
                    ==, VIR_SNAP_CHILD_WIRE_DONE);
    g_assert_cmpstr(g_variant_get_string(message, NULL), ==, text);
}

/* Two that are there at once are two. */
static void
testMessages(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    virSnapDescriptors sent = { .fds = { STDIN_FILENO }, .n = 1 };
    virSnapDescriptors received = { .n = 0 };

    sendText(f, "one", &sent);
    sendText(f, "two", NULL);
    assertText(f, "one", &received);
    g_assert_cmpuint(received.n, ==, 1);
    g_assert_cmpint(fcntl(received.fds[0], F_GETFD), >=, 0);
    virSnapDescriptorsClose(&received);
    g_assert_cmpuint(received.n, ==, 0);
    assertText(f, "two", &received);
    g_assert_cmpuint(received.n, ==, 0);
}

static void
assertNone(testFixture *f, gint64 deadline, virSnapChildWireResult expected)
{
    virSnapDescriptors received = { .n = 0 };
    g_autoptr(GVariant) message = NULL;

    g_assert_cmpint(virSnapChildWireReceive(f->near, TEXT, &message, &received, deadline),
                    ==, expected);
    g_assert_null(message);
}

static void
testLate(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    assertNone(f, 1, VIR_SNAP_CHILD_WIRE_LATE);
    g_assert_true(virSnapChildWireIsQuiet(f->near));
    sendText(f, "unasked", NULL);
    g_assert_false(virSnapChildWireIsQuiet(f->near));
}

static void
testGone(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_clear_pointer(&f->far, virSnapChildWireFree);
    assertNone(f, 0, VIR_SNAP_CHILD_WIRE_GONE);
    g_assert_true(virSnapChildWireIsClosed(f->near));
}

/* A length that no message has. */
static void
testNonsense(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    guint8 bytes[64];

    memset(bytes, 0xff, sizeof(bytes));
    g_assert_cmpint(write(f->raw, bytes, sizeof(bytes)), ==, sizeof(bytes));
    assertNone(f, 0, VIR_SNAP_CHILD_WIRE_GONE);
}

#define ADD(name, func) \
    g_test_add("/virsnapchildwire/" name, testFixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("messages", testMessages);
    ADD("late", testLate);
    ADD("gone", testGone);
    ADD("nonsense", testNonsense);
    return g_test_run();
}
