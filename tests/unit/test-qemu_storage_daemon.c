/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_storage_daemon.c: overlays made by a real daemon, and by bad ones
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_storage_daemon.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"
#include "virsnapstorage.h"

#define BINARY "qemu-storage-daemon"
#define DISKS 4
#define SIZE (1024 * 1024)
#define TIMEOUT 20

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *paths[DISKS];
    char *names[DISKS];
    qemuStorageOverlay overlays[DISKS];
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *raw = NULL;

    f->folder = g_dir_make_tmp("qemu_storage_daemon-XXXXXX", NULL);
    raw = g_build_filename(f->folder, "raw", NULL);
    g_assert_true(g_file_set_contents(raw, "not an image", -1, NULL));
    g_assert_cmpint(truncate(raw, SIZE), ==, 0);

    for (int i = 0; i < DISKS; i++) {
        qemuStorageOverlay *overlay = &f->overlays[i];
        g_autofree char *name = g_strdup_printf("overlay%d", i);

        f->names[i] = g_strdup_printf("vd%c", 'a' + i);
        f->paths[i] = g_build_filename(f->folder, name, NULL);
        overlay->disk = f->names[i];
        overlay->file = f->paths[i];
        overlay->fd = open(overlay->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        g_assert_cmpint(overlay->fd, >=, 0);
        overlay->chain = virSnapImageReadChain(virSnapImageRead, raw, "raw", NULL, FALSE, NULL);
        g_assert_nonnull(overlay->chain);
    }
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
    for (int i = 0; i < DISKS; i++) {
        close(f->overlays[i].fd);
        g_ptr_array_unref(f->overlays[i].chain);
        g_free(f->names[i]);
        g_free(f->paths[i]);
    }
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
}

static gboolean
noDaemon(void)
{
    g_autofree char *path = g_find_program_in_path(BINARY);

    if (!path)
        g_test_skip("no " BINARY);
    return !path;
}

static gboolean
make(fixture *f, const char *binary, gsize from, gsize n, unsigned int timeout,
     GError **error)
{
    qemuStorageDaemon *daemon = qemuStorageDaemonStart(binary, error);
    gboolean ok;

    if (!daemon)
        return FALSE;
    ok = qemuStorageDaemonBegin(daemon, f->overlays + from, n, timeout, error) &&
        qemuStorageDaemonCreate(daemon, error) &&
        qemuStorageDaemonVerify(daemon, error);
    qemuStorageDaemonWait(daemon);
    qemuStorageDaemonStop(daemon);
    return ok;
}

static void
checkOverlay(fixture *f, gsize disk, const char *base, const char *format)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(virSnapImage) image =
        virSnapImageRead(f->paths[disk], "qcow2", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(image->size, ==, SIZE);
    g_assert_cmpstr(image->backing, ==, base);
    g_assert_cmpstr(image->backing_format, ==, format);
}

static const char *
base(fixture *f, gsize disk)
{
    return ((virSnapImage *)g_ptr_array_index(f->overlays[disk].chain, 0))->file;
}

/* overlay 0 becomes the qcow2 base of `disk` */
static void
standOnFirst(fixture *f, gsize disk)
{
    g_ptr_array_unref(f->overlays[disk].chain);
    f->overlays[disk].chain =
        virSnapImageReadChain(virSnapImageRead, f->paths[0], "qcow2", NULL, FALSE, NULL);
    g_assert_cmpuint(f->overlays[disk].chain->len, ==, 2);
}

static void
testOne(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (noDaemon())
        return;
    make(f, BINARY, 0, 1, TIMEOUT, &error);
    g_assert_no_error(error);
    checkOverlay(f, 0, base(f, 0), "raw");

    standOnFirst(f, 1);
    make(f, BINARY, 1, 1, TIMEOUT, &error);
    g_assert_no_error(error);
    checkOverlay(f, 1, f->paths[0], "qcow2");
}

static void
testFour(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (noDaemon())
        return;
    make(f, BINARY, 0, DISKS, TIMEOUT, &error);
    g_assert_no_error(error);
    for (int i = 0; i < DISKS; i++)
        checkOverlay(f, i, base(f, i), "raw");
}

/* The chain says qcow2 of a raw base: the disk with it is named, no other. */
static void
testOtherFormat(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    virSnapImage *image = g_ptr_array_index(f->overlays[2].chain, 0);
    g_autoptr(GError) error = NULL;

    if (noDaemon())
        return;
    g_free(image->format);
    image->format = g_strdup("qcow2");
    g_assert_false(make(f, BINARY, 0, DISKS, TIMEOUT, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "'vdc'"));
    g_assert_null(strstr(error->message, "'vda'"));
}

static void
testBaseMissing(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (noDaemon())
        return;
    g_assert_cmpint(g_remove(base(f, 0)), ==, 0);
    g_assert_false(make(f, BINARY, 1, 1, TIMEOUT, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "'vdb'"));
}

/* It is told of descriptors, and its reasons name them; ours name files. */
static void
testNamesFiles(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *number = g_strdup_printf("'%d'", f->overlays[1].fd);
    g_autofree char *quoted = g_strdup_printf("open '%s'", f->paths[1]);

    if (noDaemon())
        return;
    close(f->overlays[1].fd);
    g_assert_cmpint(open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ==,
                    f->overlays[1].fd);
    g_assert_false(make(f, BINARY, 1, 1, TIMEOUT, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, quoted));
    g_assert_null(strstr(error->message, number));
}

static void
testNoBinary(fixture *f G_GNUC_UNUSED, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(qemuStorageDaemonStart("/nonexistent/daemon", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "/nonexistent/daemon"));
}

static void
testEndsAtOnce(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(make(f, "/bin/true", 0, 1, TIMEOUT, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

/* A chain of so many images, of which the lowest is the raw base of `disk`. */
static void
standOnMany(fixture *f, gsize disk, guint n)
{
    qemuStorageOverlay *overlay = &f->overlays[disk];
    g_autoptr(GError) error = NULL;
    g_autofree char *top = g_strdup(base(f, disk));
    const char *format = "raw";

    for (guint i = 1; i < n; i++) {
        g_autofree char *file = g_strdup_printf("%s.%u", f->paths[disk], i);
        const char *argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", top,
                               "-F", format, file, "1M", NULL };

        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                                   NULL, NULL, NULL, NULL, &error));
        g_free(top);
        top = g_steal_pointer(&file);
        format = "qcow2";
    }

    g_ptr_array_unref(overlay->chain);
    overlay->chain = virSnapImageReadChain(virSnapImageRead, top, format, NULL, FALSE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(overlay->chain->len, ==, n);
}

/* Several stand on one image, and one of them takes it for another format. */
static void
testShared(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    if (noDaemon())
        return;
    make(f, BINARY, 0, 1, TIMEOUT, &error);
    g_assert_no_error(error);
    standOnFirst(f, 1);
    standOnFirst(f, 2);
    g_ptr_array_unref(f->overlays[3].chain);
    f->overlays[3].chain = virSnapImageReadChain(virSnapImageRead, f->paths[0], "raw", NULL, FALSE, NULL);
    make(f, BINARY, 1, 3, TIMEOUT, &error);
    g_assert_no_error(error);
    checkOverlay(f, 1, f->paths[0], "qcow2");
    checkOverlay(f, 2, f->paths[0], "qcow2");
}

/* Each image of a chain is opened, in the format that the chain states, and can't be
 * while someone writes to it. */
static void
testEachImage(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    virSnapImage *image;
    struct flock lock = { .l_type = F_WRLCK, .l_start = 201, .l_len = 1 };
    int fd;

    if (noDaemon())
        return;
    standOnMany(f, 1, 20);
    make(f, BINARY, 1, 1, TIMEOUT, &error);
    g_assert_no_error(error);

    /* QEMU's mark of one that does not share that it writes */
    image = g_ptr_array_index(f->overlays[1].chain, 10);
    fd = open(image->file, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
    g_assert_cmpint(ftruncate(f->overlays[1].fd, 0), ==, 0);
    g_assert_false(make(f, BINARY, 1, 1, TIMEOUT, &error));
    g_assert_nonnull(strstr(error->message, "'vdb'"));
    g_assert_nonnull(strstr(error->message, "lock"));
    g_clear_error(&error);
    close(fd);

    image = g_ptr_array_index(f->overlays[1].chain, 19);
    g_free(image->format);
    image->format = g_strdup("qcow2");
    g_assert_cmpint(ftruncate(f->overlays[1].fd, 0), ==, 0);
    g_assert_false(make(f, BINARY, 1, 1, TIMEOUT, &error));
    g_assert_nonnull(strstr(error->message, "'vdb'"));
    g_assert_nonnull(strstr(error->message, "qcow2 format"));
}

static char *
script(fixture *f, const char *text)
{
    char *path = g_build_filename(f->folder, "script", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(chmod(path, 0700), ==, 0);
    return path;
}

static void
testSaysWhy(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = script(f, "#!/bin/sh\necho 'out of luck' >&2\nexit 1\n");
    g_autoptr(GError) error = NULL;

    g_assert_false(make(f, path, 0, 1, TIMEOUT, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "out of luck"));
}

static guint
countText(const char *text, const char *part)
{
    guint n = 0;

    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

/* What it has to read, byte by byte, grows with the number of images and no faster. */
static void
testSaysNoMore(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = script(f, "#!/bin/sh\nexec cat <&3 >$0.said\n");
    g_autofree char *said = g_strconcat(path, ".said", NULL);
    gsize lengths[2];

    if (noDaemon())
        return;
    for (int i = 0; i < 2; i++) {
        g_autofree char *text = NULL;

        standOnMany(f, i, i ? 80 : 40);
        g_assert_false(make(f, path, i, 1, 1, NULL));
        g_assert_true(g_file_get_contents(said, &text, &lengths[i], NULL));
        /* the uppermost eight wait for the overlay; one is for what they stand on */
        g_assert_cmpuint(countText(text, "blockdev-add"), ==, (i ? 9 : 4) + 1);
        g_assert_cmpuint(countText(text, "blockdev-del"), ==, i ? 9 : 4);
        g_assert_cmpuint(countText(text, "blockdev-create"), ==, 1);
    }
    g_assert_cmpuint(lengths[1], <, 2 * lengths[0] + 1000);
    g_assert_cmpuint(lengths[1], <, 80 * 100);
}

/* It is given up after its time, and what it started is killed with it. */
static void
testHangs(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *path = script(f, "#!/bin/sh\nsleep 60 >$0.fifo\nexit 1\n");
    g_autofree char *fifo = g_strconcat(path, ".fifo", NULL);
    struct pollfd pfd = { .events = POLLIN };
    gint64 start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    pfd.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_false(make(f, path, 0, 1, 1, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 15 * G_USEC_PER_SEC);
    /* the other end closes when "sleep" has ended */
    g_assert_cmpint(poll(&pfd, 1, 10000), ==, 1);
    g_assert_cmpint(pfd.revents, ==, POLLHUP);
    close(pfd.fd);
}

#define ADD(name, func) \
    g_test_add("/qemu_storage_daemon/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("one", testOne);
    ADD("four", testFour);
    ADD("other-format", testOtherFormat);
    ADD("base-missing", testBaseMissing);
    ADD("shared", testShared);
    ADD("each-image", testEachImage);
    ADD("says-no-more", testSaysNoMore);
    ADD("names-files", testNamesFiles);
    ADD("no-binary", testNoBinary);
    ADD("ends-at-once", testEndsAtOnce);
    ADD("says-why", testSaysWhy);
    ADD("hangs", testHangs);
    return g_test_run();
}
