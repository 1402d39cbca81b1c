/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnaplock.c: the bytes of an image by whose locks QEMU says that it is in use
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "virsnaplock.h"

static void
testBytes(void)
{
    static const struct {
        short type;
        gint64 start;
        gint64 len;
        gboolean in_use;
    } cases[] = {
        { F_UNLCK, 0, 0, FALSE },
        { F_RDLCK, 100, 1, TRUE },     /* a permission */
        { F_RDLCK, 201, 1, TRUE },     /* one that is not granted to others */
        { F_RDLCK, 299, 1, TRUE },
        { F_WRLCK, 150, 1, TRUE },     /* as it is while it is taken */
        { F_RDLCK, 99, 1, FALSE },     /* another program's own */
        { F_RDLCK, 300, 1, FALSE },
        { F_WRLCK, 0, 0, TRUE },       /* of the whole file */
    };
    g_autofree char *file = NULL;
    int fd = g_file_open_tmp("lock.XXXXXX", &file, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct flock lock = {
            .l_type = cases[i].type, .l_whence = SEEK_SET,
            .l_start = cases[i].start, .l_len = cases[i].len,
        };
        struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
        gboolean in_use = !cases[i].in_use;
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
        g_assert_true(virSnapLockInUse(file, &in_use, &error));
        g_assert_no_error(error);
        g_assert_cmpint(in_use, ==, cases[i].in_use);
        g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &none), ==, 0);
    }

    close(fd);
    g_remove(file);
}

/* To look takes none: who opens the image at that time is not kept from it. */
static void
testTakesNone(void)
{
    g_autofree char *file = NULL;
    int fd = g_file_open_tmp("lock.XXXXXX", &file, NULL);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    gboolean in_use = TRUE;

    g_assert_true(virSnapLockInUse(file, &in_use, NULL));
    g_assert_false(in_use);
    g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &lock), ==, 0);
    g_assert_cmpint(lock.l_type, ==, F_UNLCK);
    close(fd);
    g_remove(file);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virsnaplock/bytes", testBytes);
    g_test_add_func("/virsnaplock/takes-none", testTakesNone);
    return g_test_run();
}
