/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_events.c: whose event is whose
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "remote_protocol.h"
#include "virtsnapshotd_events.h"

#define STARTED (1u << VIR_DOMAIN_EVENT_STARTED)

static const unsigned char uuid[VIR_UUID_BUFLEN] = { 1, 2, 3 };
static const char client[2];   /* two that are connected */

typedef struct _fixture fixture;
struct _fixture {
    virtsnapshotdEvents *events;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->events = virtsnapshotdEventsNew();
    virtsnapshotdEventsBegin(f->events, uuid);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsFree(f->events);
}

static virNetTaken *
takeEvent(int callback, int event, int detail)
{
    virNetTaken *taken = g_new0(virNetTaken, 1);
    virNetMessageHeader header = {
        .program = REMOTE_PROGRAM, .version = REMOTE_PROTOCOL_VERSION,
        .procedure = REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, .type = VIR_NET_MESSAGE,
    };
    remote_domain_event_callback_lifecycle_msg msg = {
        .callbackID = callback,
        .msg = { .dom = { .name = (char *)"vm", .id = 1 }, .event = event,
                 .detail = detail },
    };
    g_autoptr(GBytes) bytes = NULL;

    memcpy(msg.msg.dom.uuid, uuid, sizeof(uuid));
    bytes = virNetMessageEncode(
        &header, (xdrproc_t)xdr_remote_domain_event_callback_lifecycle_msg, &msg, NULL);
    taken->header = header;
    taken->head_len = VIR_NET_MESSAGE_PREFIX;
    taken->bytes = g_bytes_unref_to_array(g_steal_pointer(&bytes));
    return taken;
}

static int
rewrite(fixture *f, const void *reader, guint64 since, int callback, int detail)
{
    g_autoptr(virNetTaken) taken = takeEvent(callback, VIR_DOMAIN_EVENT_STARTED, detail);
    guint8 *last = &taken->bytes->data[taken->bytes->len - 1];

    g_assert_cmpint(*last, ==, detail);
    g_assert_true(virtsnapshotdEventsWant(f->events, &taken->header,
                                          taken->bytes->len - taken->head_len));
    virtsnapshotdEventsRewrite(f->events, reader, since, taken);
    return *last;
}

/* Whether a client that connected after so many reverts is told of a start that it is
 * from a snapshot. */
static gboolean
isOfSnapshot(fixture *f, const void *reader, guint64 since, int callback)
{
    int detail = rewrite(f, reader, since, callback, VIR_DOMAIN_EVENT_STARTED_BOOTED);

    return detail == VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT;
}

static void
testMeanwhile(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
}

static void
testLate(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_false(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_true(isOfSnapshot(f, &client[1], 0, 1));
    g_assert_false(isOfSnapshot(f, &client[1], 0, 1));
}

/* Where libvirt itself says that it is from a snapshot, that was the revert's. */
static void
testSaidByLibvirt(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_cmpint(rewrite(f, &client[0], 0, 1, VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT),
                    ==, VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT);
    g_assert_false(isOfSnapshot(f, &client[0], 0, 1));
}

static void
testNotCaused(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsEnd(f->events, uuid, 1u << VIR_DOMAIN_EVENT_STOPPED);
    g_assert_false(isOfSnapshot(f, &client[0], 0, 1));
}

/* Both callbacks of a client are told the same. */
static void
testCallbacks(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_true(isOfSnapshot(f, &client[0], 0, 2));
    g_assert_false(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_false(isOfSnapshot(f, &client[0], 0, 2));
}

/* A client that came after the end has no event of the revert. */
static void
testNewcomer(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_false(isOfSnapshot(f, &client[0], virtsnapshotdEventsCount(f->events), 1));
    virtsnapshotdEventsBegin(f->events, uuid);
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_true(isOfSnapshot(f, &client[0], 1, 1));
}

/* Another that has its address is told as anyone is. */
static void
testForget(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdEventsEnd(f->events, uuid, STARTED);
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_true(isOfSnapshot(f, &client[0], 0, 2));
    virtsnapshotdEventsForget(f->events, &client[0]);
    g_assert_true(isOfSnapshot(f, &client[0], 0, 1));
    g_assert_true(isOfSnapshot(f, &client[0], 0, 2));
}

#define ADD(name, func) \
    g_test_add("/virtsnapshotd_events/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("meanwhile", testMeanwhile);
    ADD("late", testLate);
    ADD("said-by-libvirt", testSaidByLibvirt);
    ADD("not-caused", testNotCaused);
    ADD("callbacks", testCallbacks);
    ADD("newcomer", testNewcomer);
    ADD("forget", testForget);
    return g_test_run();
}
