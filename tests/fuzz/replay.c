/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * replay.c: a corpus through a fuzzing target, where there is no libFuzzer
 *
 *   replay FOLDER
 *
 * Each file is tried whole, cut off at each of its bytes, and with each byte changed.
 */

#include "config.h"

#include <glib.h>
#include <stdlib.h>

#include "fuzz.h"

/* A copy of just that size, so that a sanitizer sees what is read beyond it. */
static void
try(const char *text, gsize size)
{
    g_autofree uint8_t *copy = g_memdup2(text, size);

    LLVMFuzzerTestOneInput(copy, size);
}

static void
tryVariants(char *text, gsize size)
{
    const guint8 changes[] = { 0x01, 0x80, 0xff };

    for (gsize i = 0; i <= size; i++)
        try(text, i);

    for (gsize i = 0; i < size; i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(changes); j++) {
            text[i] ^= changes[j];
            try(text, size);
            text[i] ^= changes[j];
        }
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GDir) folder = argc == 2 ? g_dir_open(argv[1], 0, NULL) : NULL;
    const char *name;
    int files = 0;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *text = NULL;
        gsize size;

        if (!g_file_get_contents(path, &text, &size, NULL))
            return EXIT_FAILURE;
        tryVariants(text, size);
        files++;
    }

    g_print("1..1\n%s 1 %d files\n", files ? "ok" : "not ok", files);
    return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
