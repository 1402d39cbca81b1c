/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapstorageimage.c: images, read in children, as without
 */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnaplock.h"
#include "virsnapsaveimage.h"
#include "virsnapstorage.h"
#include "virsnapstorageimage.h"

#define SIZE (64 * 1024)

static void
put32(guint8 *bytes, gsize offset, guint32 value)
{
    guint32 be = GUINT32_TO_BE(value);

    memcpy(bytes + offset, &be, sizeof(be));
}

/* The header of a qcow2, its backing image named, its format not, and empty tables. */
static char *
makeImage(const char *folder, const char *backing)
{
    g_autofree guint8 *bytes = g_malloc0(SIZE);
    char *file = g_build_filename(folder, "image", NULL);

    memcpy(bytes, "QFI\xfb", 4);
    put32(bytes, 4, 2);
    if (backing) {
        put32(bytes, 12, 1024);
        put32(bytes, 16, strlen(backing));
        memcpy(bytes + 1024, backing, strlen(backing));
    }
    put32(bytes, 20, 16);
    put32(bytes, 28, 1024 * 1024);
    put32(bytes, 36, 1);
    put32(bytes, 44, 4096);
    put32(bytes, 52, 8192);
    g_assert_true(g_file_set_contents(file, (const char *)bytes, SIZE, NULL));
    return file;
}

static void
assertSame(const char *file, const char *format)
{
    g_autoptr(GError) own_error = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(virSnapImage) own = virSnapImageRead(file, format, &own_error);
    g_autoptr(virSnapImage) image = virSnapStorageReadImage(file, format, &error);

    g_assert_true(!own == !image);
    if (!own) {
        g_assert_cmpstr(error->message, ==, own_error->message);
        g_assert_cmpint(error->code, ==, own_error->code);
        return;
    }
    g_assert_cmpstr(image->file, ==, own->file);
    g_assert_cmpstr(image->format, ==, own->format);
    g_assert_cmpuint(image->size, ==, own->size);
    g_assert_cmpstr(image->backing, ==, own->backing);
    g_assert_cmpstr(image->backing_file, ==, own->backing_file);
    g_assert_cmpstr(image->backing_format, ==, own->backing_format);
    g_assert_cmpstr(image->data_file, ==, own->data_file);
}

static void
testImage(void)
{
    const char *const backings[] = { NULL, "base.qcow2", "/a\xff" };
    g_autofree char *folder = g_dir_make_tmp("test-virsnapstorageimage.XXXXXX", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(backings); i++) {
        g_autofree char *file = makeImage(folder, backings[i]);
        gboolean blank = FALSE, in_use = TRUE;
        int fd;

        assertSame(file, "qcow2");
        assertSame(file, "raw");
        assertSame(file, "vmdk");
        g_assert_true(virSnapStorageIsBlank(file, &blank, NULL) && blank);
        g_assert_true(virSnapStorageIsInUse(file, &in_use, NULL) && !in_use);
        fd = virSnapStorageOpenImage(file, NULL);
        g_assert_cmpint(fcntl(fd, F_GETFL) & O_PATH, ==, O_PATH);
        close(fd);
        unlink(file);
        assertSame(file, "qcow2");
    }
    rmdir(folder);
}

static void
testInUse(void)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100,
                          .l_len = 1 };
    g_autofree char *folder = g_dir_make_tmp("test-virsnapstorageimage.XXXXXX", NULL);
    g_autofree char *file = makeImage(folder, NULL);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    gboolean in_use = FALSE;

    g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
    g_assert_true(virSnapStorageIsInUse(file, &in_use, NULL) && in_use);
    close(fd);
    unlink(file);
    rmdir(folder);
}

static void
testSave(void)
{
    g_autofree char *folder = g_dir_make_tmp("test-virsnapstorageimage.XXXXXX", NULL);
    g_autofree char *file = makeImage(folder, NULL);
    g_autoptr(GError) own_error = NULL;
    g_autoptr(GError) error = NULL;
    gboolean whole;

    g_assert_false(virSnapSaveImageCheck(file, &whole, &own_error));
    g_assert_false(virSnapStorageCheckSave(file, &whole, &error));
    g_assert_cmpstr(error->message, ==, own_error->message);
    unlink(file);
    rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    if (!virSnapStorageInit(60, &error))
        g_error("%s", error->message);
    g_test_add_func("/storageimage/image", testImage);
    g_test_add_func("/storageimage/in-use", testInUse);
    g_test_add_func("/storageimage/save", testSave);
    return g_test_run();
}
