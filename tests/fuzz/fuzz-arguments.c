/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz-arguments.c: what is decoded of clients' calls and of libvirt's events
 *
 * The first byte says of which call, the rest is the payload.
 */

#include "config.h"

#include <libxml/parser.h>
#include <string.h>

#include "fuzz.h"
#include "remote_error.h"
#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_events.h"
#include "virtsnapshotd_request.h"

static virNetTaken *
take(const uint8_t *data, size_t size, guint32 procedure)
{
    virNetTaken *taken = g_new0(virNetTaken, 1);
    const guint8 head[VIR_NET_MESSAGE_PREFIX] = { 0 };

    taken->header.program = REMOTE_PROGRAM;
    taken->header.procedure = procedure;
    taken->header.type = VIR_NET_MESSAGE;
    taken->bytes = g_byte_array_new();
    taken->head_len = sizeof(head);
    g_byte_array_append(taken->bytes, head, sizeof(head));
    g_byte_array_append(taken->bytes, data, size);
    return taken;
}

static void
decodeRequest(virtsnapshotdCall call, const uint8_t *data, size_t size)
{
    g_autoptr(virNetTaken) taken = take(data, size, 0);
    virtsnapshotdRequest request = { 0 };
    g_autoptr(GError) error = NULL;

    if (virtsnapshotdRequestDecode(call, taken, &request, &error)) {
        g_assert_no_error(error);
        g_assert_true((request.domain == VIRTSNAPSHOTD_REQUEST_ONE) ==
                      (request.snapshot.uuid != NULL));
    } else {
        g_assert_nonnull(error);
    }
    virtsnapshotdRequestClear(&request);
}

static void
rewriteEvent(guint32 procedure, const uint8_t *data, size_t size)
{
    g_autoptr(virtsnapshotdEvents) events = virtsnapshotdEventsNew();
    g_autoptr(virNetTaken) taken = take(data, size, procedure);
    unsigned char uuid[16] = { 0 };

    virtsnapshotdEventsBegin(events, uuid);
    virtsnapshotdEventsRewrite(events, events, 0, taken);
    g_assert_cmpuint(taken->bytes->len, ==, VIR_NET_MESSAGE_PREFIX + size);
}

static void
decodeError(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;

    remoteErrorDecode(bytes, &error);
    g_assert_nonnull(error);
}

/* By the first byte, which the files of the corpus rely on; those left out are above. */
static const virtsnapshotdCall calls[] = {
    [1] = VIRTSNAPSHOTD_CALL_REVERT_XML,
    [2] = VIRTSNAPSHOTD_CALL_GET_DESC,
    [3] = VIRTSNAPSHOTD_CALL_REVERT,
    [4] = VIRTSNAPSHOTD_CALL_DELETE,
    [5] = VIRTSNAPSHOTD_CALL_DOMAIN,
    [6] = VIRTSNAPSHOTD_CALL_SNAPSHOT,
    [7] = VIRTSNAPSHOTD_CALL_XML,
    [10] = VIRTSNAPSHOTD_CALL_GET_JOB_INFO,
};

/* What is wrong with a document is no news here. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int kind;

    if (size == 0)
        return 0;

    kind = data[0] % G_N_ELEMENTS(calls);
    data++;
    size--;
    if (kind == 0)
        rewriteEvent(REMOTE_PROC_DOMAIN_EVENT_LIFECYCLE, data, size);
    else if (kind == 8)
        rewriteEvent(REMOTE_PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, data, size);
    else if (kind == 9)
        decodeError(data, size);
    else
        decodeRequest(calls[kind], data, size);
    return 0;
}
