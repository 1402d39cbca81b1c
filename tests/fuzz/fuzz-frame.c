/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz-frame.c: the framing, in pieces of any size
 *
 * The first byte gives the size of the pieces. Whatever the cut, the same messages
 * come out, all bytes of them.
 */

#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "virnetframe.h"

/* Returns a sum of all parts, which tells one way of taking it apart from another. */
static guint64
walk(const guint8 *data, gsize size, gsize piece)
{
    virNetFrame frame = { 0 };
    guint64 sum = 0;

    for (gsize at = 0; at < size; at += piece) {
        const guint8 *bytes = data + at;
        gsize len = MIN(piece, size - at);
        const guint8 *part_bytes;
        gsize part_len;
        virNetFramePart part;

        do {
            const guint8 *before = bytes;

            if (!virNetFrameNext(&frame, &bytes, &len, &part, &part_bytes, &part_len,
                                 NULL))
                return sum * 31 + 1;
            g_assert_true(len == 0 || bytes > before);
            g_assert_cmpuint(frame.n_fds, <=, VIR_NET_FRAME_FDS_MAX);
            g_assert_cmpuint(frame.body_left, <=, frame.payload_len);
            if (part == VIR_NET_FRAME_HEAD)
                sum = sum * 31 + frame.payload_len + frame.n_fds;
            for (gsize i = 0; part == VIR_NET_FRAME_BODY && i < part_len; i++)
                sum = sum * 31 + part_bytes[i];
        } while (part != VIR_NET_FRAME_NONE);
    }

    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1)
        g_assert_cmpuint(walk(data + 1, size - 1, data[0] + 1), ==,
                         walk(data + 1, size - 1, size));
    return 0;
}
