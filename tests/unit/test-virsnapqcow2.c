/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapqcow2.c: image headers, well-formed and hostile
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapqcow2.h"

#define FILE_SIZE (256 * 1024)
#define HEADER_LEN 104
#define EXT_BACKING_FORMAT 0xe2792aca
#define EXT_DATA_FILE 0x44415441
#define L1_OFFSET 196608

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    guint8 *bytes;   /* a valid version 3 image of 1 MiB without backing */
};

static void
put32(guint8 *bytes, gsize offset, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes + offset, &value, sizeof(value));
}

static void
put64(guint8 *bytes, gsize offset, guint64 value)
{
    value = GUINT64_TO_BE(value);
    memcpy(bytes + offset, &value, sizeof(value));
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("virsnapqcow2-XXXXXX", NULL);
    f->bytes = g_malloc0(FILE_SIZE);
    put32(f->bytes, 0, 0x514649fb);
    put32(f->bytes, 4, 3);
    put32(f->bytes, 20, 16);
    put64(f->bytes, 24, 1024 * 1024);
    put32(f->bytes, 36, 1);
    put64(f->bytes, 40, L1_OFFSET);
    put64(f->bytes, 48, 65536);
    put32(f->bytes, 56, 1);
    put32(f->bytes, 96, 4);
    put32(f->bytes, 100, HEADER_LEN);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        g_remove(path);
    }
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->bytes);
}

/* backing format in a header extension, the name behind it */
static void
setBacking(fixture *f, const char *name, gsize name_len, const char *format)
{
    gsize pos = HEADER_LEN;

    memset(f->bytes + pos, 0, 2048);
    if (format) {
        put32(f->bytes, pos, EXT_BACKING_FORMAT);
        put32(f->bytes, pos + 4, strlen(format));
        memcpy(f->bytes + pos + 8, format, strlen(format));
        pos += 16;
    }
    pos += 8;
    put64(f->bytes, 8, pos);
    put32(f->bytes, 16, name_len);
    memcpy(f->bytes + pos, name, name_len);
}

static char *
save(fixture *f, const char *name, gsize len)
{
    char *path = g_build_filename(f->folder, name, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(write(fd, f->bytes, len), ==, len);
    close(fd);
    return path;
}

static void
checkRefused(fixture *f, gsize len, virErrorNumber code, const char *fragment)
{
    g_autofree char *path = save(f, "bad", len);
    g_autoptr(GError) error = NULL;

    g_assert_null(virSnapImageRead(path, "qcow2", &error));
    g_assert_error(error, VIR_SNAP_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, fragment));
}

static void
testGood(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = NULL;
    g_autoptr(virSnapImage) image = NULL;
    g_autoptr(GError) error = NULL;

    setBacking(f, "/images/base", strlen("/images/base"), "raw");
    path = save(f, "good", FILE_SIZE);
    image = virSnapImageRead(path, "qcow2", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(image->size, ==, 1024 * 1024);
    g_assert_cmpstr(image->file, ==, path);
    g_assert_cmpstr(image->backing, ==, "/images/base");
    g_assert_cmpstr(image->backing_format, ==, "raw");
}

static void
testRaw(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = save(f, "raw", 1025);
    g_autoptr(virSnapImage) image = virSnapImageRead(path, "raw", NULL);

    g_assert_cmpuint(image->size, ==, 1536);
    g_assert_null(image->backing);
}

static void
testTruncated(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    for (gsize len = 0; len < HEADER_LEN; len++)
        checkRefused(f, len, len < 4 ? VIR_ERR_CONFIG_UNSUPPORTED :
                     VIR_ERR_OPERATION_UNSUPPORTED, "");
    checkRefused(f, L1_OFFSET, VIR_ERR_OPERATION_UNSUPPORTED, "L1 table");
    put64(f->bytes, 40, 0);
    checkRefused(f, 65540, VIR_ERR_OPERATION_UNSUPPORTED, "refcount table");
}

static void
testFields(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const struct {
        gsize offset;
        guint32 value;
        const char *fragment;
    } cases[] = {
        { 4, 1, "version" }, { 4, 4, "version" }, { 32, 1, "encrypted" },
        { 76, 2, "corrupt" }, { 76, 4, "another file" },
        { 36, 0xffffffff, "L1 table" }, { 40, 0xffffffff, "L1 table" },
        { 24, 0xffffffff, "impossible size" },
        { 48, 0xffffffff, "refcount table" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint32 old;

        memcpy(&old, f->bytes + cases[i].offset, sizeof(old));
        put32(f->bytes, cases[i].offset, cases[i].value);
        checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_UNSUPPORTED,
                     cases[i].fragment);
        memcpy(f->bytes + cases[i].offset, &old, sizeof(old));
    }

    put32(f->bytes, 0, 0x514649fc);
    checkRefused(f, FILE_SIZE, VIR_ERR_CONFIG_UNSUPPORTED, "'qcow2'");
}

static void
testBackingDamaged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *name = g_strnfill(1024, 'x');

    setBacking(f, name, 1024, "raw");
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    setBacking(f, "/a\0b", 4, "raw");
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    setBacking(f, "/a", 0, "raw");
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    setBacking(f, "/a", 2, "averyverylongformat");
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    setBacking(f, "/a", 2, "raw");
    put64(f->bytes, 8, G_MAXUINT64 - 1);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    put64(f->bytes, 8, 65535);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
    setBacking(f, "/a", 2, "raw");
    put32(f->bytes, HEADER_LEN, 0x11111111);
    put32(f->bytes, HEADER_LEN + 4, 0xffffffff);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "damaged");
}

static void
testNotAnImage(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *fifo = g_build_filename(f->folder, "fifo", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_null(virSnapImageRead(fifo, "raw", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_null(virSnapImageRead(f->folder, "raw", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_null(virSnapImageRead("/nonexistent", "raw", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_clear_error(&error);
    g_assert_null(virSnapImageRead("/dev/null", "vmdk", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void
testChain(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *raw = save(f, "raw", 512);
    g_autofree char *mid = NULL;
    g_autofree char *top = NULL;
    g_autoptr(GPtrArray) chain = NULL;
    g_autoptr(GError) error = NULL;

    setBacking(f, "raw", 3, "raw"); /* relative to the image */
    mid = save(f, "mid", FILE_SIZE);
    setBacking(f, mid, strlen(mid), "qcow2");
    top = save(f, "top", FILE_SIZE);

    chain = virSnapImageReadChain(virSnapImageRead, top, "qcow2", NULL, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(chain->len, ==, 3);
    g_assert_cmpstr(((virSnapImage *)g_ptr_array_index(chain, 1))->file, ==, mid);
    g_assert_cmpstr(((virSnapImage *)g_ptr_array_index(chain, 2))->file, ==, raw);
}

static void
testChainKnown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *base = save(f, "base", FILE_SIZE);
    g_autofree char *top = NULL;
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    g_autoptr(GPtrArray) chain = NULL;
    virSnapImage image = { .file = base, .format = (char *)"raw" };

    setBacking(f, "/nonexistent", 12, "qcow2");
    top = save(f, "top", FILE_SIZE);
    g_ptr_array_add(known, &image);

    /* what the definition says goes before what the header says */
    chain = virSnapImageReadChain(virSnapImageRead, top, "qcow2", known, TRUE, NULL);
    g_assert_cmpuint(chain->len, ==, 2);
    g_assert_cmpstr(((virSnapImage *)g_ptr_array_index(chain, 1))->format, ==, "raw");
}

static void
checkChainRefused(fixture *f, const char *backing, const char *format,
                  const char *fragment)
{
    g_autofree char *top = NULL;
    g_autoptr(GError) error = NULL;

    setBacking(f, backing, strlen(backing), format);
    top = save(f, "top", FILE_SIZE);
    g_assert_null(virSnapImageReadChain(virSnapImageRead, top, "qcow2", NULL, FALSE, &error));
    g_assert_nonnull(strstr(error->message, fragment));
}

static void
testChainRefused(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    checkChainRefused(f, "base", NULL, "format of its backing image 'base'");
    checkChainRefused(f, "json:{}", "raw", "not a plain file");
    checkChainRefused(f, "nbd://h/x", "raw", "not a plain file");
    checkChainRefused(f, "top", "qcow2", "loop");
    checkChainRefused(f, "./sub/../top", "qcow2", "loop");
    checkChainRefused(f, "/nonexistent", "raw", "/nonexistent");
}

/* top, a, b, a: the length limit alone would name b */
static void
testChainLoop(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *a = NULL;
    g_autofree char *b = NULL;
    g_autofree char *fragment = NULL;

    setBacking(f, "b", 1, "qcow2");
    a = save(f, "a", FILE_SIZE);
    setBacking(f, "a", 1, "qcow2");
    b = save(f, "b", FILE_SIZE);
    fragment = g_strdup_printf("loop at '%s'", a);
    checkChainRefused(f, "a", "qcow2", fragment);
}

/* top, a, link to a: one file, whatever its names */
static void
testChainLinked(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *a = NULL;
    g_autofree char *link_path = g_build_filename(f->folder, "linked", NULL);
    g_autofree char *fragment = g_strdup_printf("loop at '%s'", link_path);

    setBacking(f, "linked", 6, "qcow2");
    a = save(f, "a", FILE_SIZE);
    g_assert_cmpint(link(a, link_path), ==, 0);
    checkChainRefused(f, "a", "qcow2", fragment);
}

/* So many that an overlay has its place above them, and one more. */
static void
testChainLength(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *below = save(f, "raw", FILE_SIZE);
    const char *format = "raw";
    g_autoptr(GPtrArray) chain = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *fragment = g_strdup_printf("longer than %d images",
                                                VIR_SNAP_CHAIN_MAX - 1);

    for (int i = 0; i < VIR_SNAP_CHAIN_MAX - 2; i++) {
        g_autofree char *name = g_strdup_printf("i%d", i);

        setBacking(f, below, strlen(below), format);
        g_free(below);
        below = save(f, name, FILE_SIZE);
        format = "qcow2";
    }

    chain = virSnapImageReadChain(virSnapImageRead, below, "qcow2", NULL, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(chain->len, ==, VIR_SNAP_CHAIN_MAX - 1);
    checkChainRefused(f, below, "qcow2", fragment);
}

/* The largest size that can be rounded up, and the next. */
static void
testSizeLimit(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = NULL;
    g_autoptr(virSnapImage) image = NULL;

    put64(f->bytes, 24, G_MAXINT64 - 511);
    path = save(f, "large", FILE_SIZE);
    image = virSnapImageRead(path, "qcow2", NULL);
    g_assert_cmpuint(image->size, ==, G_MAXINT64 - 511);
    put64(f->bytes, 24, G_MAXINT64 - 510);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_UNSUPPORTED, "impossible size");
}

static gboolean
isBlank(fixture *f)
{
    g_autofree char *path = save(f, "overlay", FILE_SIZE);
    g_autoptr(GError) error = NULL;
    gboolean blank = 42;

    g_assert_true(virSnapImageIsBlank(path, &blank, &error));
    g_assert_no_error(error);
    g_assert_true(blank == TRUE || blank == FALSE);
    return blank;
}

static void
testBlank(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const guint32 entries = (FILE_SIZE - L1_OFFSET) / 8;

    setBacking(f, "/nonexistent", 12, "raw");
    g_assert_true(isBlank(f));

    /* the snapshots' count */
    put32(f->bytes, 60, 1);
    g_assert_false(isBlank(f));
    put32(f->bytes, 60, 0);

    /* an entry behind the table's end, then in it: the first, the last */
    put64(f->bytes, L1_OFFSET + 8, 1);
    g_assert_true(isBlank(f));
    put64(f->bytes, L1_OFFSET, G_GUINT64_CONSTANT(1) << 63);
    g_assert_false(isBlank(f));
    memset(f->bytes + L1_OFFSET, 0, 16);
    put32(f->bytes, 36, entries);
    g_assert_true(isBlank(f));
    put64(f->bytes, FILE_SIZE - 8, 1);
    g_assert_false(isBlank(f));
    put32(f->bytes, 36, entries - 1);
    g_assert_true(isBlank(f));
    put32(f->bytes, 36, 0);
    g_assert_true(isBlank(f));

    put32(f->bytes, 4, 2);
    g_assert_true(isBlank(f));
}

static void
checkBlankRefused(const char *path, virErrorNumber code, const char *fragment)
{
    g_autoptr(GError) error = NULL;
    gboolean blank = 42;

    g_assert_false(virSnapImageIsBlank(path, &blank, &error));
    g_assert_error(error, VIR_SNAP_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, fragment));
}

static void
testBlankRefused(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const guint64 l1_max = 32 * 1024 * 1024;
    g_autofree char *path = NULL;
    gboolean blank = 42;

    checkBlankRefused(f->folder, VIR_ERR_CONFIG_UNSUPPORTED, "regular file");
    checkBlankRefused("/nonexistent", VIR_ERR_OPERATION_FAILED, "cannot open");

    put32(f->bytes, 36, (FILE_SIZE - L1_OFFSET) / 8 + 1);
    path = save(f, "overlay", FILE_SIZE);
    checkBlankRefused(path, VIR_ERR_OPERATION_UNSUPPORTED, "L1 table");

    /* within the file, which is sparse, but larger than QEMU makes them */
    put32(f->bytes, 36, l1_max / 8 + 1);
    g_free(path);
    path = save(f, "overlay", FILE_SIZE);
    g_assert_cmpint(truncate(path, 2 * l1_max), ==, 0);
    checkBlankRefused(path, VIR_ERR_OPERATION_UNSUPPORTED, "impossible size");
    put32(f->bytes, 36, l1_max / 8);
    g_free(path);
    path = save(f, "overlay", FILE_SIZE);
    g_assert_cmpint(truncate(path, 2 * l1_max), ==, 0);
    g_assert_true(virSnapImageIsBlank(path, &blank, NULL));
    g_assert_cmpint(blank, ==, TRUE);

    put32(f->bytes, 0, 0x514649fc);
    g_free(path);
    path = save(f, "overlay", FILE_SIZE);
    checkBlankRefused(path, VIR_ERR_CONFIG_UNSUPPORTED, "'qcow2'");
}

/* the data file's name behind another extension; its bit in the header */
static void
setDataFile(fixture *f, const char *name, gsize name_len)
{
    gsize pos = HEADER_LEN + 16;

    setBacking(f, "/base", strlen("/base"), "raw");
    put64(f->bytes, 8, 0);
    put32(f->bytes, 76, 4);
    put32(f->bytes, pos, EXT_DATA_FILE);
    put32(f->bytes, pos + 4, name_len);
    memcpy(f->bytes + pos + 8, name, name_len);
    memset(f->bytes + pos + 8 + name_len, 0, 16);
}

static void
checkDataFile(fixture *f, const char *name, const char *expected)
{
    g_autofree char *path = NULL;
    g_autoptr(virSnapImage) image = NULL;
    g_autoptr(GError) error = NULL;

    setDataFile(f, name, strlen(name));
    path = save(f, "top", FILE_SIZE);
    image = virSnapImageRead(path, "qcow2", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(image->data_file, ==, expected);
    g_assert_null(image->backing);
}

static void
testDataFile(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *data = save(f, "data", 512);
    g_autofree char *colon = save(f, "da:ta", 512);
    g_autofree char *path = NULL;
    g_autoptr(virSnapImage) image = NULL;

    checkDataFile(f, data, data);
    checkDataFile(f, "data", data);
    checkDataFile(f, "./x/../data", data);
    checkDataFile(f, colon, colon);
    checkDataFile(f, "./da:ta", colon);

    /* without the bit the extension says nothing */
    put32(f->bytes, 76, 0);
    path = save(f, "top", FILE_SIZE);
    image = virSnapImageRead(path, "qcow2", NULL);
    g_assert_null(image->data_file);
}

static void
testDataFileRefused(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *missing = g_build_filename(f->folder, "missing", NULL);
    g_autofree char *slashes = g_strnfill(1024, '/');
    const struct {
        const char *name;
        gsize len;
    } not_plain[] = {
        { "json:{}", 7 }, { "nbd://h/x", 9 }, { "da:ta", 5 }, { "data\0x", 6 },
        { "data\0", 5 }, { slashes, 1024 },
    };

    /* there are such files: it is their names that are refused */
    g_free(save(f, "data", 512));
    g_free(save(f, "da:ta", 512));
    for (gsize i = 0; i < G_N_ELEMENTS(not_plain); i++) {
        setDataFile(f, not_plain[i].name, not_plain[i].len);
        checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_UNSUPPORTED,
                     "does not name a plain one");
    }

    setDataFile(f, "missing", strlen("missing"));
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, missing);
    setDataFile(f, f->folder, strlen(f->folder));
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "not a regular file");
    setDataFile(f, "", 0);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_FAILED, "not a regular file");

    /* the bit alone; an extension longer than what is read of the file */
    setBacking(f, "/base", strlen("/base"), "raw");
    put64(f->bytes, 8, 0);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_UNSUPPORTED,
                 "does not name a plain one");
    setDataFile(f, "data", 4);
    put32(f->bytes, HEADER_LEN + 16 + 4, 0xffffffff);
    checkRefused(f, FILE_SIZE, VIR_ERR_OPERATION_UNSUPPORTED,
                 "does not name a plain one");
}

static void
testMutations(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    guint good = 0;

    setBacking(f, "/nonexistent", 12, "raw");
    for (int round = 0; round < 5000; round++) {
        guint8 saved[512];
        g_autofree char *path = NULL;
        g_autoptr(virSnapImage) image = NULL;

        memcpy(saved, f->bytes, sizeof(saved));
        for (int i = 0; i < 4; i++)
            f->bytes[g_rand_int_range(rand, 4, 160)] = g_rand_int_range(rand, 0, 256);
        path = save(f, "mutant", FILE_SIZE);
        image = virSnapImageRead(path, "qcow2", NULL);
        good += image != NULL;
        g_assert_true(!image || image->size % 512 == 0);
        memcpy(f->bytes, saved, sizeof(saved));
    }
    g_assert_cmpuint(good, >, 0);
}

#define ADD(name, func) \
    g_test_add("/virsnapqcow2/" name, fixture, NULL, setUp, func, tearDown)

/* What an image names is needed, whatever its state. */

static void
checkBelow(fixture *f, const char *name, const char *format, const char *backing,
           const char *backing_format)
{
    g_autofree char *path = save(f, name, FILE_SIZE);
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_true(virSnapImageReadBelow(path, format, &below, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(below.backing, ==, backing);
    g_assert_cmpstr(below.backing_format, ==, backing_format);
}

static void
testBelow(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    setBacking(f, "json:{}", 7, "qcow2");
    checkBelow(f, "usual", "qcow2", "json:{}", "qcow2");
    checkBelow(f, "not-said", NULL, "json:{}", "qcow2");
    checkBelow(f, "raw", "raw", NULL, NULL);
    put32(f->bytes, 32, 2);
    checkBelow(f, "encrypted", "qcow2", "json:{}", "qcow2");
    put64(f->bytes, 72, 2);
    checkBelow(f, "corrupt", "qcow2", "json:{}", "qcow2");
    put64(f->bytes, 40, 1 << 30);
    checkBelow(f, "truncated", "qcow2", "json:{}", "qcow2");
    put32(f->bytes, 16, 1024);
    checkBelow(f, "name-too-long", "qcow2", NULL, "qcow2");
    setBacking(f, "base\0more", 9, NULL);
    checkBelow(f, "name-with-nul", "qcow2", "base", NULL);
    put64(f->bytes, 8, G_MAXUINT64 - 4);
    checkBelow(f, "name-nowhere", "qcow2", NULL, NULL);
    put32(f->bytes, 4, 1);
    setBacking(f, "base", 4, NULL);
    checkBelow(f, "version-1", "qcow", "base", NULL);
    put32(f->bytes, 0, 0);
    checkBelow(f, "no-qcow2", "qcow2", NULL, NULL);
}

/* Far behind the header, as in an image with large clusters. */
static void
testBelowFar(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    put64(f->bytes, 8, 200000);
    put32(f->bytes, 16, 3);
    memcpy(f->bytes + 200000, "far", 3);
    checkBelow(f, "far", "qcow2", "far", NULL);
}

static void
checkNothingBelow(const char *path)
{
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_true(virSnapImageReadBelow(path, "qcow2", &below, &error));
    g_assert_no_error(error);
    g_assert_null(below.backing);
}

static void
testBelowNothing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *fifo = g_build_filename(f->folder, "fifo", NULL);

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    checkNothingBelow("/nosuch/image");
    checkNothingBelow("/dev/null/image");
    checkNothingBelow("/dev/zero");
    checkNothingBelow(f->folder);
    checkNothingBelow(fifo);
}

static void
testBelowUnknown(void)
{
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GError) error = NULL;

    /* a file that can't be read from its begin, by anyone */
    g_assert_false(virSnapImageReadBelow("/proc/self/mem", "qcow2", &below, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "/proc/self/mem"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("good", testGood);
    ADD("raw", testRaw);
    ADD("truncated", testTruncated);
    ADD("fields", testFields);
    ADD("backing-damaged", testBackingDamaged);
    ADD("not-an-image", testNotAnImage);
    ADD("chain", testChain);
    ADD("chain-known", testChainKnown);
    ADD("chain-refused", testChainRefused);
    ADD("chain-loop", testChainLoop);
    ADD("chain-linked", testChainLinked);
    ADD("chain-length", testChainLength);
    ADD("size-limit", testSizeLimit);
    ADD("blank", testBlank);
    ADD("blank-refused", testBlankRefused);
    ADD("below", testBelow);
    ADD("below-far", testBelowFar);
    ADD("below-nothing", testBelowNothing);
    g_test_add_func("/virsnapqcow2/below-unknown", testBelowUnknown);
    ADD("data-file", testDataFile);
    ADD("data-file-refused", testDataFileRefused);
    ADD("mutations", testMutations);
    return g_test_run();
}
