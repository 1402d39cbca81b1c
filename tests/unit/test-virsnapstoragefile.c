/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapstoragefile.c: files of a storage, in children
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapstoragefile.h"

typedef struct _testFixture testFixture;
struct _testFixture {
    char *folder;
    char *file;       /* is there */
    char *missing;
    char *link;       /* to file */
};

static void
setUp(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("test-virsnapstoragefile.XXXXXX", NULL);
    /* names need not be valid text */
    f->file = g_build_filename(f->folder, "a\xff" "b", NULL);
    f->missing = g_build_filename(f->folder, "missing", NULL);
    f->link = g_build_filename(f->folder, "link", NULL);
    g_assert_true(g_file_set_contents(f->file, "content", -1, NULL));
    g_assert_cmpint(symlink(f->file, f->link), ==, 0);
}

static void
tearDown(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    unlink(f->file);
    unlink(f->missing);
    unlink(f->link);
    g_assert_cmpint(rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->file);
    g_free(f->missing);
    g_free(f->link);
}

static void
testLooks(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    struct stat ours, theirs;
    gboolean exists, regular;
    virSnapFileID id, own;
    int fault;

    g_assert_cmpint(stat(f->file, &ours), ==, 0);
    g_assert_true(virSnapStorageStat(f->link, &theirs, &fault, NULL));
    g_assert_cmpint(fault, ==, 0);
    g_assert_cmpmem(&ours, sizeof(ours), &theirs, sizeof(theirs));
    g_assert_true(virSnapStorageStat(f->missing, &theirs, &fault, NULL));
    g_assert_cmpint(fault, ==, ENOENT);

    g_assert_true(virSnapStorageLstat(f->link, &theirs, &fault, NULL) && fault == 0);
    g_assert_true(virSnapStorageLstat(f->missing, &theirs, &fault, NULL) && fault == ENOENT);
    g_assert_true(virSnapStorageAccess(f->file, R_OK, &fault, NULL) && fault == 0);
    g_assert_true(virSnapStorageAccess(f->file, X_OK, &fault, NULL) && fault == EACCES);

    g_assert_true(virSnapStorageExists(f->file, &exists, NULL) && exists);
    g_assert_true(virSnapStorageExists(f->missing, &exists, NULL) && !exists);

    g_assert_true(virSnapFileGetID(f->file, &own));
    g_assert_true(virSnapStorageGetID(f->file, &id, &regular, NULL) && regular);
    g_assert_cmpmem(&id, sizeof(id), &own, sizeof(own));
    g_assert_true(virSnapStorageIs(f->file, &id, &exists, NULL) && exists);
    g_assert_true(virSnapStorageIs(f->link, &id, &exists, NULL) && !exists);
    g_assert_true(virSnapStorageIs(f->missing, &id, &exists, NULL) && !exists);
}

static void
testExistsNowhere(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = g_build_filename(f->missing, "x", NULL);
    g_autoptr(GError) error = NULL;
    gboolean exists;

    g_assert_false(virSnapStorageExists(path, &exists, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "cannot look for"));
}

static void
testNames(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    const char *const paths[] = { f->file, f->link, f->missing, NULL };
    g_auto(GStrv) keys = virSnapStorageKeys(paths, NULL);
    g_auto(GStrv) resolved = virSnapStorageResolveAll(paths, NULL);
    g_autofree char *key = virSnapStorageKey(f->file, NULL);
    g_autofree char *one = virSnapStorageResolve(f->link, NULL);

    for (gsize i = 0; paths[i]; i++) {
        g_autofree char *own_key = virSnapFileKey(paths[i]);
        g_autofree char *own = virSnapFileResolve(paths[i]);

        g_assert_cmpstr(keys[i], ==, own_key);
        g_assert_cmpstr(resolved[i], ==, own);
    }
    g_assert_null(keys[3]);
    g_assert_cmpstr(key, ==, keys[0]);
    g_assert_cmpstr(one, ==, resolved[1]);
}

static void
checkSync(int fd, const char *path)
{
    int pipes[2];
    virSnapDescriptors files = { .fds = { fd, fd }, .n = 2 };
    guint number;
    int fault;

    g_assert_true(virSnapStorageSync(NULL, &files, path, &number, &fault, NULL));
    g_assert_cmpint(fault, ==, 0);

    g_assert_cmpint(pipe(pipes), ==, 0);
    files.fds[1] = pipes[0];
    g_assert_true(virSnapStorageSync(NULL, &files, path, &number, &fault, NULL));
    g_assert_cmpint(fault, ==, EINVAL);
    g_assert_cmpuint(number, ==, 1);
    close(pipes[0]);
    close(pipes[1]);
}

/* It is made without a name, gets one, is made durable, renamed and removed. */
static void
testChanges(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    virSnapStorageHold hold = { .fd = -1 };
    g_autofree char *other = g_build_filename(f->folder, "other", NULL);
    g_autoptr(GError) error = NULL;
    virSnapFileID id;
    gboolean named = TRUE;
    struct stat like;
    int fault, fd;

    g_assert_cmpint(chmod(f->file, 0640), ==, 0);
    g_assert_cmpint(stat(f->file, &like), ==, 0);
    fd = virSnapStorageCreate(&hold, f->missing, &like, &named, &id, &error);
    g_assert_no_error(error);
    /* to close it never waits for the storage */
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_PATH, ==, O_PATH);
    checkSync(fd, f->missing);
    if (!named) {
        g_assert_cmpint(access(f->missing, F_OK), <, 0);
        g_assert_true(virSnapStorageName(&hold, fd, f->missing, &error));
        g_assert_false(virSnapStorageName(&hold, fd, f->missing, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    }
    close(fd);
    g_assert_true(virSnapFileIs(f->missing, &id));
    g_assert_cmpint(stat(f->missing, &like), ==, 0);
    g_assert_cmpint(like.st_mode & 0777, ==, 0640);

    g_assert_true(virSnapStorageLink(&hold, f->missing, other, &fault, NULL));
    g_assert_cmpint(fault, ==, 0);
    g_assert_true(virSnapStorageLink(&hold, f->file, other, &fault, NULL));
    g_assert_cmpint(fault, ==, EEXIST);
    g_assert_true(virSnapStorageUnlink(&hold, f->missing, &fault, NULL) && fault == 0);
    g_assert_true(virSnapStorageUnlink(&hold, f->missing, &fault, NULL));
    g_assert_cmpint(fault, ==, ENOENT);
    g_assert_true(virSnapStorageRename(&hold, other, f->missing, &fault, NULL));
    g_assert_cmpint(fault, ==, 0);
    g_assert_true(virSnapFileIs(f->missing, &id));
    g_assert_true(virSnapStorageSyncFolder(&hold, f->missing, NULL));
    g_assert_false(hold.pending);
}

static void
testCreateExists(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = g_build_filename(f->file, "x", NULL);
    g_autoptr(GError) error = NULL;
    virSnapFileID id;
    gboolean named;
    struct stat like;

    g_assert_cmpint(stat(f->file, &like), ==, 0);
    g_assert_cmpint(virSnapStorageCreate(NULL, path, &like, &named, &id, &error), ==, -1);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "cannot create overlay"));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    if (!virSnapStorageInit(60, &error))
        g_error("%s", error->message);
    g_test_add("/storagefile/looks", testFixture, NULL, setUp, testLooks, tearDown);
    g_test_add("/storagefile/exists-nowhere", testFixture, NULL, setUp, testExistsNowhere,
               tearDown);
    g_test_add("/storagefile/names", testFixture, NULL, setUp, testNames, tearDown);
    g_test_add("/storagefile/changes", testFixture, NULL, setUp, testChanges, tearDown);
    g_test_add("/storagefile/create-exists", testFixture, NULL, setUp, testCreateExists,
               tearDown);
    return g_test_run();
}
