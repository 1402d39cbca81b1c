/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapsurvey.c: what is found of many images, and what is found again
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapstorage.h"
#include "virsnapsurvey.h"

#define HEADER 104

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    virSnapSurvey *survey;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("survey-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
    f->survey = virSnapSurveyNew();
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        if (unlink(path) < 0)
            rmdir(path);
    }
    rmdir(f->folder);
    g_free(f->folder);
    virSnapSurveyFree(f->survey);
}

static void
put32(guint8 *bytes, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes, &value, sizeof(value));
}

/* A qcow2 header that names `backing`, with so many internal snapshots; no more of it. */
static char *
makeImage(const fixture *f, const char *name, const char *backing, guint internal)
{
    char *path = g_build_filename(f->folder, name, NULL);
    guint8 bytes[512] = { 0 };
    g_autoptr(GError) error = NULL;

    put32(bytes, 0x514649fb);
    put32(bytes + 4, 3);
    put32(bytes + 60, internal);
    put32(bytes + 100, HEADER);
    if (backing) {
        put32(bytes + 12, HEADER + 8);
        put32(bytes + 16, strlen(backing));
        memcpy(bytes + HEADER + 8, backing, strlen(backing));
    }
    g_file_set_contents(path, (const char *)bytes, sizeof(bytes), &error);
    g_assert_no_error(error);
    return path;
}

static void
age(const char *path)
{
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static virSnapSurveyed *
look(fixture *f, const char *path, const char *format)
{
    virSnapSurveyItem item = { path, format };
    g_autoptr(GPtrArray) all = virSnapSurveyLook(f->survey, &item, 1);

    g_assert_cmpuint(all->len, ==, 1);
    g_ptr_array_set_free_func(all, NULL);
    return g_ptr_array_index(all, 0);
}

static void
assertBelow(fixture *f, const char *path, const char *format, const char *expected)
{
    g_autoptr(virSnapSurveyed) found = look(f, path, format);
    const virSnapSurveyName *name;

    g_assert_null(found->fault);
    g_assert_cmpuint(found->below->len, ==, expected ? 1 : 0);
    if (!expected)
        return;
    name = g_ptr_array_index(found->below, 0);
    g_assert_cmpstr(name->path, ==, expected);
    g_assert_true(name->is_backing);
}

static void
testFormats(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = makeImage(f, "top", "/images/base", 0);

    assertBelow(f, path, "qcow2", "/images/base");
    assertBelow(f, path, NULL, "/images/base");
    /* a guest's own bytes name nothing */
    assertBelow(f, path, "raw", NULL);
}

static void
testBeside(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = makeImage(f, "top", "base", 0);
    g_autofree char *base = g_build_filename(f->folder, "base", NULL);

    assertBelow(f, path, "qcow2", base);
}

static void
testInternal(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = makeImage(f, "top", NULL, 3);
    g_autoptr(virSnapSurveyed) found = look(f, path, "qcow2");

    g_assert_cmpuint(found->internal, ==, 3);
}

/* One file by two names is one image; two files are two. */
static void
testKeys(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = makeImage(f, "one", NULL, 0);
    g_autofree char *other = makeImage(f, "other", NULL, 0);
    g_autofree char *again = g_build_filename(f->folder, "again", NULL);
    g_autofree char *away = g_build_filename(f->folder, "away", NULL);
    g_autoptr(virSnapSurveyed) one = look(f, path, "raw");
    g_autoptr(virSnapSurveyed) two = look(f, other, "raw");
    g_autoptr(virSnapSurveyed) linked = NULL;
    g_autoptr(virSnapSurveyed) absent = look(f, away, "qcow2");

    g_assert_cmpint(symlink(path, again), ==, 0);
    linked = look(f, again, "raw");
    g_assert_cmpstr(one->key, ==, linked->key);
    g_assert_cmpstr(one->key, !=, two->key);
    g_assert_cmpstr(absent->key, ==, away);
    g_assert_null(absent->fault);
    g_assert_false(absent->lost);
}

/* What was not touched is not opened: here it is known again although what is in it has
 * changed behind its stamps. */
static void
testKnownAgain(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = makeImage(f, "top", "/images/base", 0);
    struct stat st;

    assertBelow(f, path, "qcow2", "/images/base");
    g_unlink(path);
    g_free(makeImage(f, "top", "/images/else", 0));
    assertBelow(f, path, "qcow2", "/images/else");

    /* its times are of long ago but for that of its last change, which can't be set */
    age(path);
    g_assert_cmpint(stat(path, &st), ==, 0);
    while (g_get_real_time() / G_USEC_PER_SEC < st.st_ctim.tv_sec + 3)
        g_usleep(50000);
    assertBelow(f, path, "qcow2", "/images/else");

    /* the same times, size and inode, and another change time */
    {
        int fd = open(path, O_WRONLY);

        g_assert_cmpint(pwrite(fd, "/images/more", 12, HEADER + 8), ==, 12);
        close(fd);
        age(path);
    }
    assertBelow(f, path, "qcow2", "/images/more");
}

static void
testDevices(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virSnapSurveyed) null = look(f, "/dev/null", "qcow2");
    g_autofree char *folder = g_build_filename(f->folder, "folder", NULL);
    g_autoptr(virSnapSurveyed) found = NULL;

    /* nothing that could be an image */
    g_assert_null(null->fault);
    g_assert_cmpuint(null->below->len, ==, 0);
    g_assert_cmpint(mkdir(folder, 0700), ==, 0);
    found = look(f, folder, NULL);
    g_assert_null(found->fault);
    g_assert_cmpuint(found->below->len, ==, 0);
}

static void
testUnreadable(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virSnapSurveyed) found = look(f, "/proc/self/mem", "qcow2");

    g_assert_nonnull(found->fault);
    g_assert_nonnull(strstr(found->fault, "'/proc/self/mem'"));
}

static void
testFolder(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *one = makeImage(f, "one", NULL, 0);
    g_autofree char *two = makeImage(f, "two", NULL, 0);
    g_autofree char *folder = g_build_filename(f->folder, "folder", NULL);
    g_autofree char *away = g_build_filename(f->folder, "away", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = NULL;
    g_autoptr(GPtrArray) none = NULL;

    g_assert_cmpint(mkdir(folder, 0700), ==, 0);
    files = virSnapSurveyFolder(f->folder, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(files->len, ==, 2);
    g_assert_true(g_ptr_array_find_with_equal_func(files, one, g_str_equal, NULL));
    g_assert_true(g_ptr_array_find_with_equal_func(files, two, g_str_equal, NULL));

    none = virSnapSurveyFolder(away, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_null(virSnapSurveyFolder(one, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

#define ADD(name, func) \
    g_test_add("/virsnapsurvey/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("formats", testFormats);
    ADD("beside", testBeside);
    ADD("internal", testInternal);
    ADD("keys", testKeys);
    ADD("known-again", testKnownAgain);
    ADD("devices", testDevices);
    ADD("unreadable", testUnreadable);
    ADD("folder", testFolder);
    return g_test_run();
}
