/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_qmp.c: a QMP peer that behaves, and ones that don't
 */

#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qemu_qmp.h"
#include "virsnaperror.h"

typedef struct _fixture fixture;
struct _fixture {
    qemuQMP *qmp;
    int peer;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->qmp = qemuQMPNew(fds[0]);
    f->peer = fds[1];
    qemuQMPSetTimeout(f->qmp, 20);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuQMPFree(f->qmp);
    if (f->peer >= 0)
        close(f->peer);
}

static void
say(fixture *f, const char *text)
{
    g_assert_cmpint(write(f->peer, text, strlen(text)), ==, strlen(text));
}

static void
hangUp(fixture *f)
{
    close(f->peer);
    f->peer = -1;
}

static void
checkFails(fixture *f, virErrorNumber code, const char *fragment)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(qemuQMPReceive(f->qmp, &error));
    g_assert_error(error, VIR_SNAP_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, fragment));
}

static void
testSend(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    char bytes[200] = "";
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "a", "b \"c\"");
    g_assert_true(qemuQMPSend(f->qmp, "do-it", arguments, NULL));
    g_assert_true(qemuQMPSend(f->qmp, "quit", NULL, NULL));
    g_assert_cmpint(read(f->peer, bytes, sizeof(bytes) - 1), >, 0);
    g_assert_cmpstr(bytes, ==,
                    "{\"execute\":\"do-it\",\"arguments\":{\"a\":\"b \\\"c\\\"\"}}"
                    "{\"execute\":\"quit\"}");
}

static void
testReceive(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(JsonObject) one = NULL;
    g_autoptr(JsonObject) two = NULL;

    say(f, "{\"return\": {}}\r\n{\"event\": \"E\", \"data\": {\"id\": \"x\"}}\r\n");
    one = qemuQMPReceive(f->qmp, NULL);
    two = qemuQMPReceive(f->qmp, NULL);
    g_assert_true(json_object_has_member(one, "return"));
    g_assert_cmpstr(qemuQMPGetString(two, "event"), ==, "E");
    g_assert_cmpstr(qemuQMPGetString(qemuQMPGetObject(two, "data"), "id"), ==, "x");
}

static void *
sayByByte(void *opaque)
{
    const char *text = "{\"event\": \"slow\"}\r\n";

    for (; *text; text++)
        g_assert_cmpint(write(((fixture *)opaque)->peer, text, 1), ==, 1);
    return NULL;
}

static void
testSplit(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    GThread *thread = g_thread_new("peer", sayByByte, f);
    g_autoptr(JsonObject) message = qemuQMPReceive(f->qmp, NULL);

    g_thread_join(thread);
    g_assert_cmpstr(qemuQMPGetString(message, "event"), ==, "slow");
}

static void
testError(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(JsonObject) message = NULL;
    g_autoptr(JsonObject) odd = NULL;
    g_autofree char *text = NULL;
    g_autofree char *odd_text = NULL;

    say(f, "{\"error\":{\"class\":\"GenericError\",\"desc\":\"No such\"}}\n"
        "{\"error\":{\"class\":1,\"desc\":[]}}\n");
    message = qemuQMPReceive(f->qmp, NULL);
    odd = qemuQMPReceive(f->qmp, NULL);
    text = qemuQMPGetError(message);
    odd_text = qemuQMPGetError(odd);
    g_assert_cmpstr(text, ==, "No such (GenericError)");
    g_assert_cmpstr(odd_text, ==, "no reason given (?)");
}

static void
testOddMembers(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(JsonObject) message = NULL;

    say(f, "{\"event\":1,\"data\":\"x\",\"error\":null,\"return\":[]}\n");
    message = qemuQMPReceive(f->qmp, NULL);
    g_assert_null(qemuQMPGetString(message, "event"));
    g_assert_null(qemuQMPGetString(message, "missing"));
    g_assert_null(qemuQMPGetObject(message, "data"));
    g_assert_null(qemuQMPGetError(message));
}

static void
testGarbage(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    say(f, "not json\n[1]\n{\"a\":\n\xff\xfe\n\n");
    for (int i = 0; i < 4; i++)
        checkFails(f, VIR_ERR_OPERATION_FAILED, "what is not QMP");
}

static void
testGone(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    say(f, "{\"return\":");
    hangUp(f);
    checkFails(f, VIR_ERR_OPERATION_FAILED, "ended unexpectedly");
}

static void
testGoneWhileSending(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    hangUp(f);
    g_assert_false(qemuQMPSend(f->qmp, "quit", NULL, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

static void *
sayWithoutEnd(void *opaque)
{
    char bytes[4096];

    memset(bytes, ' ', sizeof(bytes));
    while (send(((fixture *)opaque)->peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

static void
testTooLong(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    GThread *thread = g_thread_new("peer", sayWithoutEnd, f);

    checkFails(f, VIR_ERR_OPERATION_FAILED, "longer than");
    g_clear_pointer(&f->qmp, qemuQMPFree);
    g_thread_join(thread);
}

static void
testTimeout(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuQMPSetTimeout(f->qmp, 1);
    say(f, "{\"return\":");
    checkFails(f, VIR_ERR_OPERATION_TIMEOUT, "within 1 seconds");
}

/* The time may have been spent on something else. */
static void
testAnsweredInTime(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    qemuQMPSetTimeout(f->qmp, 0);
    say(f, "{\"return\":{}}\n{\"return\":{}}\n{\"return\":");
    for (int i = 0; i < 2; i++) {
        g_autoptr(JsonObject) message = qemuQMPReceive(f->qmp, &error);

        g_assert_no_error(error);
        g_assert_nonnull(message);
    }
    checkFails(f, VIR_ERR_OPERATION_TIMEOUT, "within 0 seconds");
}

static void *
sayLines(void *opaque)
{
    while (send(((fixture *)opaque)->peer, "{}\n", 3, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

/* Who talks on does not get more time for it. */
static void
testTalksOn(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    GThread *thread = g_thread_new("peer", sayLines, f);
    g_autoptr(GError) error = NULL;
    JsonObject *message;

    qemuQMPSetTimeout(f->qmp, 0);
    while ((message = qemuQMPReceive(f->qmp, &error)))
        json_object_unref(message);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    g_clear_pointer(&f->qmp, qemuQMPFree);
    g_thread_join(thread);
}

/* A peer that reads nothing must not hold a sender up. */
static void
testTimeoutWhileSending(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *command = g_strnfill(1024 * 1024, 'x');
    g_autoptr(GError) error = NULL;

    qemuQMPSetTimeout(f->qmp, 1);
    g_assert_false(qemuQMPSend(f->qmp, command, NULL, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
}

#define ADD(name, func) \
    g_test_add("/qemu_qmp/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("send", testSend);
    ADD("receive", testReceive);
    ADD("split", testSplit);
    ADD("error", testError);
    ADD("odd-members", testOddMembers);
    ADD("garbage", testGarbage);
    ADD("gone", testGone);
    ADD("gone-while-sending", testGoneWhileSending);
    ADD("too-long", testTooLong);
    ADD("timeout", testTimeout);
    ADD("answered-in-time", testAnsweredInTime);
    ADD("talks-on", testTalksOn);
    ADD("timeout-while-sending", testTimeoutWhileSending);
    return g_test_run();
}
