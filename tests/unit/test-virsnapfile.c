/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapfile.c: image files: what they are, who uses them, how they are made
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnaplock.h"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *file;      /* exists, holds "content" */
    char *other;     /* does not */
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("virsnapfile-XXXXXX", NULL);
    f->file = g_build_filename(f->folder, "file", NULL);
    f->other = g_build_filename(f->folder, "other", NULL);
    g_assert_true(g_file_set_contents(f->file, "content", -1, NULL));
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_remove(f->file);
    g_remove(f->other);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->file);
    g_free(f->other);
}

static void
testKey(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *key = virSnapFileKey(f->file);
    g_autofree char *missing = virSnapFileKey(f->other);
    g_autofree char *hard = NULL;
    g_autofree char *soft = NULL;

    g_assert_cmpstr(missing, ==, f->other);
    g_assert_cmpint(link(f->file, f->other), ==, 0);
    hard = virSnapFileKey(f->other);
    g_assert_cmpstr(hard, ==, key);
    g_remove(f->other);
    g_assert_cmpint(symlink("file", f->other), ==, 0);
    soft = virSnapFileKey(f->other);
    g_assert_cmpstr(soft, ==, key);
}

/* As a caller does it: create, then name. */
static int
create(const char *path, const struct stat *like, GError **error)
{
    gboolean named = FALSE;
    int fd = virSnapFileCreate(path, like, &named, error);

    if (fd < 0 || named)
        return fd;

    if (virSnapFileLink(fd, path, error))
        return fd;
    close(fd);
    return -1;
}

static void
checkCreate(fixture *f, mode_t mode, mode_t mask)
{
    struct stat like;
    struct stat made;
    mode_t old = umask(mask);
    int fd;

    g_assert_cmpint(chmod(f->file, mode), ==, 0);
    g_assert_cmpint(stat(f->file, &like), ==, 0);
    fd = create(f->other, &like, NULL);
    umask(old);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fstat(fd, &made), ==, 0);
    g_assert_cmpuint(made.st_mode & 07777, ==, mode);
    g_assert_cmpuint(made.st_uid, ==, like.st_uid);
    g_assert_cmpuint(made.st_gid, ==, like.st_gid);
    g_assert_cmpint(made.st_size, ==, 0);
    close(fd);
    g_remove(f->other);
}

static void
testCreate(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const mode_t modes[] = { 0600, 0640, 0644, 0660, 0400 };

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        checkCreate(f, modes[i], 0);
        checkCreate(f, modes[i], 077);
    }
}

static void
testNarrowMode(void)
{
    static const struct {
        mode_t replaced;
        mode_t below;
        mode_t expected;
    } modes[] = {
        { 0644, 0600, 0600 },
        { 0600, 0644, 0600 },
        { 0644, 0640, 0640 },
        { 0640, 0644, 0640 },
        { 0644, 0644, 0644 },
        { 0666, 0000, 0600 },
        { 0644, 0622, 0600 },      /* who can write only, can't read */
        { 0755, 0604, 0705 },
        /* write-protected below: as bases and templates are */
        { 0600, 0400, 0600 },
        { 0644, 0444, 0644 },
        { 0660, 0440, 0660 },
        { 0660, 0640, 0660 },
        { 0664, 0444, 0664 },
        /* nothing is left to take the place of but a write-protected image */
        { 0444, 0444, 0644 },
        { 0400, 0400, 0600 },
        { S_IFREG | S_ISUID | 0644, S_IFREG | 0640, 0640 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++)
        g_assert_cmpuint(virSnapFileNarrowMode(modes[i].replaced, modes[i].below), ==,
                         modes[i].expected);
}

static void
testCreateExists(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    struct stat like;
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;

    g_assert_cmpint(stat(f->file, &like), ==, 0);
    g_assert_cmpint(create(f->file, &like, &error), <, 0);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_true(g_file_get_contents(f->file, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "content");
}

static void
testCreateLink(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *target = g_build_filename(f->folder, "target", NULL);
    struct stat like;

    g_assert_cmpint(stat(f->file, &like), ==, 0);
    g_assert_cmpint(symlink("target", f->other), ==, 0);
    g_assert_cmpint(create(f->other, &like, NULL), <, 0);
    g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(f->other, G_FILE_TEST_IS_SYMLINK));
}

/* One that was never named is gone with its descriptor. */
static void
testCreateUnnamed(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    gboolean named = FALSE;
    struct stat like;
    int fd;

    g_assert_cmpint(stat(f->file, &like), ==, 0);
    fd = virSnapFileCreate(f->other, &like, &named, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(g_file_test(f->other, G_FILE_TEST_EXISTS), ==, named);
    close(fd);
    g_assert_cmpint(g_file_test(f->other, G_FILE_TEST_EXISTS), ==, named);
}

static void
testID(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virSnapFileID id, linked, by_fd;
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);

    g_assert_true(virSnapFileGetID(f->file, &id));
    g_assert_true(virSnapFileGetDescriptorID(fd, &by_fd));
    close(fd);
    g_assert_cmpuint(id.inode, ==, by_fd.inode);
    g_assert_cmpint(id.born, ==, by_fd.born);
    g_assert_true(virSnapFileIs(f->file, &id));

    /* a link is another file, a file renamed is not */
    g_assert_cmpint(symlink("file", f->other), ==, 0);
    g_assert_true(virSnapFileGetID(f->other, &linked));
    g_assert_false(virSnapFileIs(f->other, &id));
    g_assert_cmpint(rename(f->file, f->other), ==, 0);
    g_assert_true(virSnapFileIs(f->other, &id));
    g_assert_false(virSnapFileIs(f->file, &id));
}

static void
checkResolved(const char *path, const char *folder, const char *name)
{
    g_autofree char *real = realpath(folder, NULL);
    g_autofree char *expected = g_build_filename(real ? real : folder, name, NULL);
    g_autofree char *resolved = virSnapFileResolve(path);

    g_assert_cmpstr(resolved, ==, expected);
}

static void
testResolve(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *through = g_build_filename(f->other, "..", "x", NULL);
    g_autofree char *inside = g_build_filename(f->other, "x", NULL);
    g_autofree char *parent = NULL;

    checkResolved(f->file, f->folder, "file");
    checkResolved("/no/such/../folder/x", "/no/folder", "x");

    /* a link to the folder itself: the way to a name, but not as the name */
    g_assert_cmpint(symlink(".", f->other), ==, 0);
    checkResolved(inside, f->folder, "x");
    checkResolved(f->other, f->folder, "other");
    parent = g_path_get_dirname(f->folder);
    checkResolved(through, parent, "x");
}

static void
testResolveMissing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const char *const cases[][2] = {
        { "/nonexistent/sub/x", "/nonexistent/sub/x" },
        { "/nonexistent/./sub/../x", "/nonexistent/x" },
        { "nonexistent/x", "/nonexistent/x" },
        { "/../nonexistent/x/", "/nonexistent/x" },
    };
    g_autofree char *below = g_build_filename(f->file, "x", NULL);
    g_autofree char *not_folder = virSnapFileResolve(below);
    g_autofree char *dangling = NULL;
    g_autofree char *through = g_build_filename(f->other, "x", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *resolved = virSnapFileResolve(cases[i][0]);

        g_assert_cmpstr(resolved, ==, cases[i][1]);
    }

    g_assert_cmpstr(not_folder, ==, below);
    g_assert_cmpint(symlink("nonexistent", f->other), ==, 0);
    dangling = virSnapFileResolve(through);
    g_assert_cmpstr(dangling, ==, through);
}

/* ".." leads to the parent of what the link before it leads to. */
static void
testBeside(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *real = realpath(f->folder, NULL);
    g_autofree char *deep = g_build_filename(f->folder, "real", "deep", NULL);
    g_autofree char *inner = g_build_filename(f->folder, "real", NULL);
    g_autofree char *image = g_build_filename(f->other, "top", NULL);
    g_autofree char *beside = virSnapFileBeside(image, "base");
    g_autofree char *dotted = virSnapFileBeside(image, ".//base");
    g_autofree char *absolute = virSnapFileBeside(image, "/a/base");
    g_autofree char *plain = g_build_filename(f->other, "base", NULL);
    g_autofree char *expected = g_build_filename(real, "real", "base", NULL);
    g_autofree char *missing = g_build_filename(real, "real", "not", "there", "base", NULL);
    g_autofree char *up = NULL;
    g_autofree char *up_missing = NULL;
    g_autofree char *key = NULL;
    g_autofree char *name = g_build_filename(f->other, "..", "base", NULL);

    g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
    g_assert_cmpint(symlink("real/deep", f->other), ==, 0);
    up = virSnapFileBeside(image, "../base");
    up_missing = virSnapFileBeside(image, "../not/there/base");
    key = virSnapFileKey(name);

    g_assert_cmpstr(beside, ==, plain);
    g_assert_cmpstr(dotted, ==, plain);
    g_assert_cmpstr(absolute, ==, "/a/base");
    g_assert_cmpstr(up, ==, expected);
    g_assert_cmpstr(up_missing, ==, missing);
    g_assert_cmpstr(key, ==, expected);
    g_rmdir(deep);
    g_rmdir(inner);
}

/* A user can't give files away, nor root without the right to. */
static void
testCreateForeign(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    struct stat like;

    g_assert_cmpint(stat(f->file, &like), ==, 0);
    like.st_uid = (uid_t)-2;
    if (geteuid() == 0) {
        int fd = create(f->other, &like, NULL);

        g_assert_cmpint(fstat(fd, &like), ==, 0);
        g_assert_cmpuint(like.st_uid, ==, (uid_t)-2);
        close(fd);
        return;
    }

    g_assert_cmpint(create(f->other, &like, NULL), <, 0);
    g_assert_false(g_file_test(f->other, G_FILE_TEST_EXISTS));
}

static void
testSyncFolder(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(virSnapFileSyncFolder(f->file, &error));
    g_assert_no_error(error);
    g_assert_false(virSnapFileSyncFolder("/nonexistent/x", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent"));
}

static gboolean
inUse(const char *file)
{
    g_autoptr(GError) error = NULL;
    gboolean in_use = 42;

    g_assert_true(virSnapLockInUse(file, &in_use, &error));
    g_assert_no_error(error);
    return in_use;
}

static void
testLock(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const struct {
        off_t byte;
        short type;
        gboolean in_use;
    } cases[] = {
        { 100, F_RDLCK, TRUE }, { 103, F_RDLCK, TRUE }, { 201, F_RDLCK, TRUE },
        { 203, F_WRLCK, TRUE }, { 0, F_WRLCK, FALSE }, { 99, F_RDLCK, FALSE },
        { 300, F_RDLCK, FALSE },
    };

    g_assert_false(inUse(f->file));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd = open(f->file, O_RDWR);
        struct flock lock = {
            .l_type = cases[i].type, .l_whence = SEEK_SET,
            .l_start = cases[i].byte, .l_len = 1,
        };

        g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
        g_assert_cmpint(inUse(f->file), ==, cases[i].in_use);
        close(fd);
        g_assert_false(inUse(f->file));
    }
}

static void
testLockMissing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    gboolean in_use = 42;

    g_assert_false(virSnapLockInUse(f->other, &in_use, &error));
    g_assert_cmpint(in_use, ==, 42);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

/* What is no image is not even opened. */
static void
testOpenForeign(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct inotify_event event;
    struct stat st;
    gboolean in_use;

    g_assert_cmpint(mkfifo(f->other, 0600), ==, 0);
    g_assert_cmpint(inotify_add_watch(watch, f->other, IN_OPEN), >=, 0);
    for (int lock = 0; lock < 2; lock++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(lock ? virSnapLockInUse(f->other, &in_use, &error) :
                       virSnapFileOpenImage(f->other, &st, &error) >= 0);
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "not a regular file"));
    }
    g_assert_cmpint(read(watch, &event, sizeof(event)), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    close(watch);
}

static void
testOpenImage(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    char content[sizeof("content")] = "";
    struct stat st;
    int fd;

    g_assert_cmpint(symlink("file", f->other), ==, 0);
    fd = virSnapFileOpenImage(f->other, &st, &error);
    g_assert_no_error(error);
    g_assert_cmpint(st.st_size, ==, strlen("content"));
    g_assert_cmpint(read(fd, content, sizeof(content)), ==, strlen("content"));
    g_assert_cmpstr(content, ==, "content");
    g_assert_cmpint(write(fd, "x", 1), ==, -1);
    close(fd);

    g_remove(f->file);
    g_assert_cmpint(virSnapFileOpenImage(f->other, &st, &error), ==, -1);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "No such file"));
}

#define ADD(name, func) \
    g_test_add("/virsnapfile/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virsnapfile/narrow-mode", testNarrowMode);
    ADD("key", testKey);
    ADD("create", testCreate);
    ADD("create-exists", testCreateExists);
    ADD("create-link", testCreateLink);
    ADD("create-unnamed", testCreateUnnamed);
    ADD("create-foreign", testCreateForeign);
    ADD("id", testID);
    ADD("resolve", testResolve);
    ADD("resolve-missing", testResolveMissing);
    ADD("beside", testBeside);
    ADD("open-foreign", testOpenForeign);
    ADD("open-image", testOpenImage);
    ADD("sync-folder", testSyncFolder);
    ADD("lock", testLock);
    ADD("lock-missing", testLockMissing);
    return g_test_run();
}
