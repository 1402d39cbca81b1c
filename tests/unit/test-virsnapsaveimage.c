/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapsaveimage.c: memory files, whole and not
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapsaveimage.h"

#define HEADER_LEN 92
#define XML "<domain/>"
/* what comes before a description: pages and devices, with bytes of any value */
#define PAGES 3000

typedef struct _fixture fixture;
struct _fixture {
    char *file;
    GByteArray *image;
};

static void
putWord(GByteArray *image, gsize offset, guint32 value)
{
    memcpy(image->data + offset, &value, sizeof(value));
}

/* The header, the definition, the stream, and its description of that length. */
static void
make(fixture *f, gsize description)
{
    guint8 header[HEADER_LEN] = "LibvirtQemudSave";
    guint8 head[5] = { 0x06, description >> 24, description >> 16, description >> 8,
                       description };

    g_byte_array_set_size(f->image, 0);
    g_byte_array_append(f->image, header, sizeof(header));
    putWord(f->image, 16, 2);
    putWord(f->image, 20, strlen(XML));
    g_byte_array_append(f->image, (const guint8 *)XML, strlen(XML));
    for (guint i = 0; i < PAGES; i++) {
        guint8 byte = i * 7;

        g_byte_array_append(f->image, &byte, 1);
    }
    g_byte_array_append(f->image, head, sizeof(head));
    for (gsize i = 0; i < description; i++)
        g_byte_array_append(f->image, (const guint8 *)
                            (i == 0 ? "{" : i + 1 == description ? "}" : "\006"), 1);
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    close(g_file_open_tmp("memory.XXXXXX", &f->file, &error));
    g_assert_no_error(error);
    f->image = g_byte_array_new();
    make(f, 500);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    if (g_remove(f->file) < 0)
        g_rmdir(f->file);
    g_byte_array_unref(f->image);
    g_free(f->file);
}

static gboolean
isWhole(fixture *f, gsize len)
{
    g_autoptr(GError) error = NULL;
    gboolean whole = 2;

    g_assert_true(g_file_set_contents(f->file, (const char *)f->image->data, len, NULL));
    g_assert_true(virSnapSaveImageCheck(f->file, &whole, &error));
    g_assert_no_error(error);
    g_assert_cmpint(whole, <, 2);
    return whole;
}

/* The header, the definition, and a stream that begins so. */
static void
makeStream(fixture *f, guint32 format, const char *begin, gsize len)
{
    make(f, 500);
    putWord(f->image, 28, format);
    memcpy(f->image->data + HEADER_LEN + strlen(XML), begin, len);
    g_assert_true(g_file_set_contents(f->file, (const char *)f->image->data,
                                      f->image->len, NULL));
}

#define MACHINE "QEVM\0\0\0\3\7\0\0\0\2pc"
#define LIST MACHINE "\5\x1a" "configuration/capabilities\0\0\0\1"

static void
testKind(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        guint32 format;
        const char *begin;
        gsize len;
        virSnapSaveImageKind kind;
    } cases[] = {
#define CASE(format, begin, kind) { format, begin, sizeof(begin) - 1, kind }
        CASE(0, MACHINE "\1", VIR_SNAP_SAVE_IMAGE_STREAM),
        CASE(3, "\xfd" "7zXZ", VIR_SNAP_SAVE_IMAGE_STREAM),
        CASE(6, LIST "\0\0\0\1\nmapped-ram\1", VIR_SNAP_SAVE_IMAGE_SPARSE),
        CASE(6, LIST "\0\0\0\2\6events\nmapped-ram\1", VIR_SNAP_SAVE_IMAGE_SPARSE),
        CASE(6, MACHINE "\1\0\0\0\2\3ram", VIR_SNAP_SAVE_IMAGE_MISLABELLED),
        CASE(6, LIST "\0\0\0\1\6events\1", VIR_SNAP_SAVE_IMAGE_MISLABELLED),
        CASE(6, LIST "\0\0\0\1\6events\nmapped-ram", VIR_SNAP_SAVE_IMAGE_MISLABELLED),
        CASE(6, LIST "\xff\xff\xff\xff", VIR_SNAP_SAVE_IMAGE_MISLABELLED),
        CASE(6, "PK" "\0\0\0\3\7" LIST "\0\0\0\1\nmapped-ram",
             VIR_SNAP_SAVE_IMAGE_MISLABELLED),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        virSnapSaveImageKind kind;

        makeStream(f, cases[i].format, cases[i].begin, cases[i].len);
        g_assert_true(virSnapSaveImageGetKind(f->file, &kind, &error));
        g_assert_no_error(error);
        g_assert_cmpint(kind, ==, cases[i].kind);
    }
}

/* Of the sparse ones, too, whatever they are. */
static void
testSparseEnd(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    putWord(f->image, 28, 6);
    g_assert_true(isWhole(f, f->image->len));
    g_assert_false(isWhole(f, f->image->len - 1));
    putWord(f->image, 28, 3);
    g_assert_true(isWhole(f, f->image->len - 1));
}

/* The copy differs in what its header says, and there is no name of it. */
static void
testCopy(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *bytes = NULL;
    g_autofree char *content = NULL;
    struct stat st;
    int fd;

    makeStream(f, 6, MACHINE, sizeof(MACHINE) - 1);
    /* a hole within, and one at the end */
    g_assert_cmpint(truncate(f->file, 3 * 1024 * 1024), ==, 0);
    fd = virSnapSaveImageCopyAsStream(f->file, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpuint(st.st_size, ==, 3 * 1024 * 1024);
    g_assert_cmpuint(st.st_nlink, ==, 0);
    g_assert_cmpuint(st.st_blocks, <, 2048);

    bytes = g_malloc(f->image->len);
    g_assert_cmpint(pread(fd, bytes, f->image->len, 0), ==, f->image->len);
    g_assert_true(g_file_get_contents(f->file, &content, NULL, NULL));
    g_assert_cmpmem(content, f->image->len, f->image->data, f->image->len);
    putWord(f->image, 28, 0);
    g_assert_cmpmem(bytes, f->image->len, f->image->data, f->image->len);
    close(fd);

    g_remove(f->file);
    g_assert_cmpint(virSnapSaveImageCopyAsStream(f->file, &error), ==, -1);
    g_assert_nonnull(strstr(error->message, f->file));
}

static void
checkRefused(fixture *f, gssize len, const char *fragment)
{
    g_autoptr(GError) error = NULL;
    gboolean whole = FALSE;

    if (len >= 0)
        g_assert_true(g_file_set_contents(f->file, (const char *)f->image->data, len,
                                          NULL));
    g_assert_false(virSnapSaveImageCheck(f->file, &whole, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, fragment));
    g_assert_nonnull(strstr(error->message, f->file));
}

static void
testWhole(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const gsize lengths[] = { 2, 3, 500, 60 * 1024, 70 * 1024, 1024 * 1024 };

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        make(f, lengths[i]);
        g_assert_true(isWhole(f, f->image->len));
    }
}

static void
testTruncated(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    for (gsize len = HEADER_LEN + strlen(XML) + 1; len < f->image->len; len++)
        g_assert_false(isWhole(f, len));
}

/* The last that fits in a part that is read, the next, and the same of all. */
static void
testBounds(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const gsize step = 64 * 1024;
    const gsize lengths[] = { step - 5, step - 4, 4 * step - 5, 4 * step - 4,
                              256 * step - 5 };

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        make(f, lengths[i]);
        g_assert_true(isWhole(f, f->image->len));
    }
    make(f, 256 * step - 4);
    g_assert_false(isWhole(f, f->image->len));
}

static void
testOtherLength(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    guint8 *last = f->image->data + f->image->len - 501;

    /* bytes of the text look like a mark, too: not one of them may fit */
    *last += 1;
    g_assert_false(isWhole(f, f->image->len));
    *last -= 2;
    g_assert_false(isWhole(f, f->image->len));
    *last += 1;
    g_assert_true(isWhole(f, f->image->len));
    f->image->data[f->image->len - 1] = ']';
    g_assert_false(isWhole(f, f->image->len));
}

/* What belongs to the definition is no part of the stream. */
static void
testWithinDefinition(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    gsize len = f->image->len;

    putWord(f->image, 20, len - HEADER_LEN - 504);
    g_assert_false(isWhole(f, len));
    putWord(f->image, 20, len - HEADER_LEN - 505);
    g_assert_true(isWhole(f, len));
    /* nor can a stream be so short */
    putWord(f->image, 20, len - HEADER_LEN - 1);
    g_assert_false(isWhole(f, len));
}

/* The last byte alone proves nothing. */
static void
testBraceAtTheEnd(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->image->data[2000] = '}';
    g_assert_false(isWhole(f, 2001));
}

static void
testAppended(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_byte_array_append(f->image, (const guint8 *)"}", 1);
    g_assert_false(isWhole(f, f->image->len));
}

static void
testCompressed(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    putWord(f->image, 28, 1);
    g_assert_true(isWhole(f, 2000));
    checkRefused(f, HEADER_LEN + strlen(XML), "truncated");
}

static void
testHeader(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    checkRefused(f, 0, "not a save image");
    checkRefused(f, HEADER_LEN - 1, "not a save image");
    checkRefused(f, HEADER_LEN + strlen(XML), "truncated");

    putWord(f->image, 20, f->image->len - HEADER_LEN);
    checkRefused(f, f->image->len, "truncated");
    putWord(f->image, 20, G_MAXUINT32);
    checkRefused(f, f->image->len, "truncated");
    putWord(f->image, 16, 1);
    checkRefused(f, f->image->len, "version");
    putWord(f->image, 16, 3);
    checkRefused(f, f->image->len, "version");
    memcpy(f->image->data, "LibvirtQemudPart", 16);
    checkRefused(f, f->image->len, "never completed");
    f->image->data[0] = 'x';
    checkRefused(f, f->image->len, "not a save image");
}

static void
testNoFile(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(g_remove(f->file), ==, 0);
    checkRefused(f, -1, "No such file");
    g_assert_cmpint(mkfifo(f->file, 0600), ==, 0);
    checkRefused(f, -1, "not a save image");
    g_assert_cmpint(g_remove(f->file), ==, 0);
    g_assert_cmpint(g_mkdir(f->file, 0700), ==, 0);
    checkRefused(f, -1, "not a save image");
}

#define ADD(name, func) \
    g_test_add("/virsnapsaveimage/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("whole", testWhole);
    ADD("kind", testKind);
    ADD("sparse-end", testSparseEnd);
    ADD("copy", testCopy);
    ADD("truncated", testTruncated);
    ADD("bounds", testBounds);
    ADD("other-length", testOtherLength);
    ADD("within-definition", testWithinDefinition);
    ADD("brace-at-the-end", testBraceAtTheEnd);
    ADD("appended", testAppended);
    ADD("compressed", testCompressed);
    ADD("header", testHeader);
    ADD("no-file", testNoFile);
    return g_test_run();
}
