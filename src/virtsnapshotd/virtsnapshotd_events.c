/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_events.c: what clients that watch a domain see of a revert
 *
 * To libvirt a revert is a destroy, a definition and a start, and so say its
 * lifecycle events. What a revert caused is rewritten to say that it comes from a
 * snapshot, as libvirt's own reverts do; nothing is added, dropped or reordered.
 *
 * Events come some moments later than the calls that cause them, and to each callback
 * in its own time: for a while after a revert the first event of a kind that the
 * revert caused is the revert's, to each callback of those who were there before its
 * end.
 */

#include "config.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "remote_protocol.h"
#include "virtsnapshotd_events.h"

/* an event has a domain in it and three numbers */
#define PAYLOAD_MAX 4096
#define LATE_SECONDS 5
#define NO_CALLBACK -1

typedef struct _eventWindow eventWindow;
struct _eventWindow {
    virtsnapshotdEvents *events;
    unsigned char uuid[VIR_UUID_BUFLEN];
    gboolean open;           /* the revert goes on */
    unsigned int caused;     /* where it does not */
    guint64 number;          /* of its end */
    GHashTable *seen;        /* eventReader -> bits, as `caused`, that it has been told */
    guint timer;
};

typedef struct _eventReader eventReader;
struct _eventReader {
    const void *client;
    int callback;            /* its ID; NO_CALLBACK: events without */
};

struct _virtsnapshotdEvents {
    GPtrArray *windows;      /* of eventWindow; as few as there are reverts */
    guint64 ended;           /* reverts */
};

typedef struct _eventDetail eventDetail;
struct _eventDetail {
    int event;
    int detail;              /* as libvirt reports what a revert does */
    int snapshot;            /* as it is to be reported */
};

static const eventDetail details[] = {
    { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED,
      VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_UPDATED,
      VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED,
      VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED,
      VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_RESTORED,
      VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED,
      VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED,
      VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT },
    { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_RESTORED,
      VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT },
};

static guint
readerHash(const void *opaque)
{
    const eventReader *reader = opaque;

    return g_direct_hash(reader->client) ^ reader->callback;
}

static gboolean
readerEqual(const void *a, const void *b)
{
    const eventReader *first = a;
    const eventReader *second = b;

    return first->client == second->client && first->callback == second->callback;
}

static gboolean
readerIsOf(void *reader, void *seen G_GNUC_UNUSED, void *client)
{
    return ((eventReader *)reader)->client == client;
}

static void
windowFree(void *opaque)
{
    eventWindow *window = opaque;

    g_clear_handle_id(&window->timer, g_source_remove);
    g_hash_table_unref(window->seen);
    g_free(window);
}

virtsnapshotdEvents *
virtsnapshotdEventsNew(void)
{
    virtsnapshotdEvents *events = g_new0(virtsnapshotdEvents, 1);

    events->windows = g_ptr_array_new_with_free_func(windowFree);
    return events;
}

void
virtsnapshotdEventsFree(virtsnapshotdEvents *events)
{
    if (!events)
        return;

    g_ptr_array_unref(events->windows);
    g_free(events);
}

static eventWindow *
windowFind(const virtsnapshotdEvents *events, const unsigned char *uuid)
{
    for (guint i = 0; i < events->windows->len; i++) {
        eventWindow *window = g_ptr_array_index(events->windows, i);

        if (memcmp(window->uuid, uuid, sizeof(window->uuid)) == 0)
            return window;
    }

    return NULL;
}

void
virtsnapshotdEventsBegin(virtsnapshotdEvents *events, const unsigned char *uuid)
{
    eventWindow *window = windowFind(events, uuid);

    if (window)
        g_ptr_array_remove_fast(events->windows, window);

    window = g_new0(eventWindow, 1);
    window->events = events;
    memcpy(window->uuid, uuid, sizeof(window->uuid));
    window->open = TRUE;
    window->seen = g_hash_table_new_full(readerHash, readerEqual, g_free, NULL);
    g_ptr_array_add(events->windows, window);
}

static gboolean
windowExpire(void *opaque)
{
    eventWindow *window = opaque;

    window->timer = 0;
    g_ptr_array_remove_fast(window->events->windows, window);
    return G_SOURCE_REMOVE;
}

void
virtsnapshotdEventsEnd(virtsnapshotdEvents *events, const unsigned char *uuid,
                       unsigned int caused)
{
    eventWindow *window = windowFind(events, uuid);

    if (!window)
        return;

    window->open = FALSE;
    window->caused = caused;
    window->number = ++events->ended;
    window->timer = g_timeout_add_seconds(LATE_SECONDS, windowExpire, window);
}

guint64
virtsnapshotdEventsCount(const virtsnapshotdEvents *events)
{
    return events->ended;
}

gboolean
virtsnapshotdEventsWant(const virtsnapshotdEvents *events,
                        const virNetMessageHeader *header, gsize payload_len)
{
    return events->windows->len > 0 && header->type == VIR_NET_MESSAGE &&
        header->program == REMOTE_PROGRAM && payload_len <= PAYLOAD_MAX &&
        (header->procedure == REMOTE_PROC_DOMAIN_EVENT_LIFECYCLE ||
         header->procedure == REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE);
}

/* Whether a revert caused this, and the reader has not been told before. */
static gboolean
windowClaims(eventWindow *window, const eventReader *reader, guint64 since, int event)
{
    guint seen = GPOINTER_TO_UINT(g_hash_table_lookup(window->seen, reader));
    guint bit = 1u << event;

    if (!window->open &&
        (since >= window->number || !(window->caused & bit) || seen & bit))
        return FALSE;

    g_hash_table_insert(window->seen, g_memdup2(reader, sizeof(*reader)),
                        GUINT_TO_POINTER(seen | bit));
    return TRUE;
}

/* The detail ends the payload in either message. */
static void
setDetail(virNetTaken *taken, int detail)
{
    guint32 wire = GUINT32_TO_BE((guint32)detail);

    memcpy(taken->bytes->data + taken->bytes->len - sizeof(wire), &wire, sizeof(wire));
}

static void
rewriteEvent(virtsnapshotdEvents *events, const eventReader *reader, guint64 since,
             virNetTaken *taken, const remote_domain_event_lifecycle_msg *msg)
{
    eventWindow *window = windowFind(events, (const unsigned char *)msg->dom.uuid);

    for (gsize i = 0; window && i < G_N_ELEMENTS(details); i++) {
        /* of a restore libvirt says in part by itself where it comes from */
        if (details[i].event != msg->event ||
            (details[i].detail != msg->detail && details[i].snapshot != msg->detail))
            continue;
        if (windowClaims(window, reader, since, msg->event))
            setDetail(taken, details[i].snapshot);
        return;
    }
}

void
virtsnapshotdEventsRewrite(virtsnapshotdEvents *events, const void *client,
                           guint64 since, virNetTaken *taken)
{
    gboolean callback =
        taken->header.procedure == REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE;
    xdrproc_t filter = callback ?
        (xdrproc_t)xdr_remote_domain_event_callback_lifecycle_msg :
        (xdrproc_t)xdr_remote_domain_event_lifecycle_msg;
    remote_domain_event_callback_lifecycle_msg msg = { .callbackID = NO_CALLBACK };
    void *data = callback ? (void *)&msg : (void *)&msg.msg;

    /* one that can't be decoded is the client's to complain of */
    if (virNetMessageDecodePayload(taken->bytes->data + taken->head_len,
                                   taken->bytes->len - taken->head_len, filter, data,
                                   NULL)) {
        eventReader reader = { .client = client, .callback = msg.callbackID };

        rewriteEvent(events, &reader, since, taken, &msg.msg);
    }
    xdr_free(filter, data);
}

void
virtsnapshotdEventsForget(virtsnapshotdEvents *events, const void *client)
{
    for (guint i = 0; i < events->windows->len; i++) {
        eventWindow *window = g_ptr_array_index(events->windows, i);

        g_hash_table_foreach_remove(window->seen, readerIsOf, (void *)client);
    }
}
