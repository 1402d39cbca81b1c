/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virnetframe.c: where messages begin and end, however they arrive
 */

#include "config.h"

#include <string.h>

#include "virnetframe.h"
#include "virsnaperror.h"

/* length word, header and, where the type has one, the number of descriptors */
static void
putMessage(GByteArray *stream, guint32 type, gsize payload, int n_fds)
{
    guint32 words[8] = {
        VIR_NET_MESSAGE_PREFIX + payload + (n_fds >= 0 ? 4 : 0), 1, 1, 1, type, 9, 0,
        n_fds,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = GUINT32_TO_BE(words[i]);
    g_byte_array_append(stream, (const guint8 *)words, n_fds >= 0 ? 32 : 28);
    for (gsize i = 0; i < payload; i++)
        g_byte_array_append(stream, (const guint8 *)"p", 1);
    for (int i = 0; i < n_fds; i++)
        g_byte_array_append(stream, (const guint8 *)"f", 1);
}

/* "H28 B3 F": its parts as text, bytes of one part that came apart put together. */
static char *
partsOf(GByteArray *stream, gsize piece, gboolean *ret_between)
{
    GString *text = g_string_new(NULL);
    virNetFrame frame = { 0 };
    gsize head = 0;
    gsize body = 0;

    for (gsize at = 0; at < stream->len; at += piece) {
        const guint8 *bytes = stream->data + at;
        gsize len = MIN(piece, stream->len - at);

        while (len > 0) {
            virNetFramePart part;
            const guint8 *start;
            gsize part_len;
            g_autoptr(GError) error = NULL;

            if (!virNetFrameNext(&frame, &bytes, &len, &part, &start, &part_len,
                                 &error)) {
                g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_RPC);
                g_string_append(text, "broken");
                return g_string_free(text, FALSE);
            }
            switch (part) {
            case VIR_NET_FRAME_NONE:
                break;
            case VIR_NET_FRAME_HEAD:
                head = frame.head_len;
                g_string_append_printf(text, "H%zu ", head);
                break;
            case VIR_NET_FRAME_BODY:
                g_assert_cmpuint(start[0], ==, 'p');
                body += part_len;
                if (frame.body_left == 0) {
                    g_string_append_printf(text, "B%zu ", body);
                    body = 0;
                }
                break;
            case VIR_NET_FRAME_FD:
                g_assert_cmpuint(start[0], ==, 'f');
                g_assert_cmpuint(part_len, ==, 1);
                g_string_append(text, "F ");
                break;
            }
        }
    }

    *ret_between = virNetFrameIsBetween(&frame);
    return g_string_free(text, FALSE);
}

static void
testPieces(void)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();

    putMessage(stream, VIR_NET_CALL, 10, -1);
    putMessage(stream, VIR_NET_REPLY, 0, -1);
    putMessage(stream, VIR_NET_CALL_WITH_FDS, 3, 2);
    putMessage(stream, VIR_NET_REPLY_WITH_FDS, 0, 1);
    putMessage(stream, VIR_NET_CALL_WITH_FDS, 0, 0);
    putMessage(stream, VIR_NET_STREAM, 1, -1);

    for (gsize piece = 1; piece <= stream->len; piece++) {
        gboolean between = FALSE;
        g_autofree char *parts = partsOf(stream, piece, &between);

        g_assert_cmpstr(parts, ==, "H28 B10 H28 H32 B3 F F H32 F H32 H28 B1 ");
        g_assert_true(between);
    }
}

/* Cut off anywhere but between messages, it is known to lack something. */
static void
testBetween(void)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();

    putMessage(stream, VIR_NET_CALL_WITH_FDS, 3, 2);
    for (guint len = stream->len; len > 0; len--) {
        gboolean between = FALSE;
        g_autofree char *parts = NULL;

        g_byte_array_set_size(stream, len);
        parts = partsOf(stream, len, &between);
        g_assert_cmpint(between, ==, len == 32 + 3 + 2);
    }
}

static void
testBroken(void)
{
    static const struct {
        guint32 length;
        guint32 type;
        guint32 n_fds;
        const char *parts;
    } cases[] = {
        { VIR_NET_MESSAGE_PREFIX - 1, VIR_NET_CALL, 0, "broken" },
        { 0, VIR_NET_CALL, 0, "broken" },
        { VIR_NET_MESSAGE_MAX + 1, VIR_NET_CALL, 0, "broken" },
        { G_MAXUINT32, VIR_NET_CALL, 0, "broken" },
        { 32, VIR_NET_CALL_WITH_FDS, VIR_NET_FRAME_FDS_MAX + 1, "broken" },
        { 32, VIR_NET_CALL_WITH_FDS, G_MAXUINT32, "broken" },
        { 32, VIR_NET_CALL_WITH_FDS, VIR_NET_FRAME_FDS_MAX, "H32 " },
        { 31, VIR_NET_CALL_WITH_FDS, 0, "broken" },   /* no room for their number */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) stream = g_byte_array_new();
        guint32 length = GUINT32_TO_BE(cases[i].length);
        guint32 n_fds = GUINT32_TO_BE(cases[i].n_fds);
        gboolean between;
        g_autofree char *parts = NULL;

        putMessage(stream, cases[i].type, 0, 0);
        memcpy(stream->data, &length, 4);
        memcpy(stream->data + 28, &n_fds, 4);
        parts = partsOf(stream, stream->len, &between);
        g_assert_cmpstr(parts, ==, cases[i].parts);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virnetframe/pieces", testPieces);
    g_test_add_func("/virnetframe/between", testBetween);
    g_test_add_func("/virnetframe/broken", testBroken);
    return g_test_run();
}
