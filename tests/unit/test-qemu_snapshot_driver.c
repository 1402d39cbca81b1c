/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_driver.c: one operation for each domain at a time, one connection
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_driver.h"
#include "virsnaperror.h"

typedef struct _fixture fixture;
struct _fixture {
    qemuSnapshotDriver *driver;
    GMutex mutex;
    GString *order;      /* of what happened, under the mutex */
};

static const unsigned char one[VIR_UUID_BUFLEN] = { 1 };
static const unsigned char two[VIR_UUID_BUFLEN] = { 1, [VIR_UUID_BUFLEN - 1] = 2 };

static void
setUp(fixture *f, const void *uri)
{
    const qemuHoldersFolders folders = {
        .definitions = (char *)"/nonexistent", .snapshots = (char *)"/nonexistent",
    };

    f->driver = qemuSnapshotDriverNew(uri ? uri : "test:///default", "/no/qsd", 7,
                                      "/state", &folders, NULL);
    g_mutex_init(&f->mutex);
    f->order = g_string_new(NULL);
}

static void
tearDown(fixture *f, const void *uri G_GNUC_UNUSED)
{
    qemuSnapshotDriverFree(f->driver);
    g_mutex_clear(&f->mutex);
    g_string_free(f->order, TRUE);
}

static void
note(fixture *f, const char *what)
{
    g_mutex_lock(&f->mutex);
    g_string_append(f->order, what);
    g_mutex_unlock(&f->mutex);
}

static void
testLocks(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_false(qemuSnapshotDriverHasLocks(f->driver));
    qemuSnapshotDriverLock(f->driver, one);
    g_assert_true(qemuSnapshotDriverIsLocked(f->driver, one));
    g_assert_false(qemuSnapshotDriverTryLock(f->driver, one));

    /* others go on, however alike */
    g_assert_false(qemuSnapshotDriverIsLocked(f->driver, two));
    g_assert_true(qemuSnapshotDriverTryLock(f->driver, two));
    qemuSnapshotDriverUnlock(f->driver, one);
    g_assert_false(qemuSnapshotDriverIsLocked(f->driver, one));
    g_assert_true(qemuSnapshotDriverHasLocks(f->driver));
    qemuSnapshotDriverUnlock(f->driver, two);
    g_assert_false(qemuSnapshotDriverHasLocks(f->driver));
    g_assert_true(qemuSnapshotDriverTryLock(f->driver, one));
    qemuSnapshotDriverUnlock(f->driver, one);
}

static void *
lockToo(void *opaque)
{
    fixture *f = opaque;

    qemuSnapshotDriverLock(f->driver, one);
    note(f, "second ");
    qemuSnapshotDriverUnlock(f->driver, one);
    return NULL;
}

/* Whether or not the other thread has come to the lock by then, it is not through. */
static void
testLockWaits(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    GThread *thread;

    qemuSnapshotDriverLock(f->driver, one);
    thread = g_thread_new("second", lockToo, f);
    note(f, "first ");
    qemuSnapshotDriverUnlock(f->driver, one);
    g_thread_join(thread);
    g_assert_cmpstr(f->order->str, ==, "first second ");
}

static void
unlocked(void *opaque)
{
    fixture *f = opaque;

    note(f, qemuSnapshotDriverHasLocks(f->driver) ? "held " : "free ");
}

static void
testOnUnlock(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotDriverOnUnlock(f->driver, unlocked, f);
    qemuSnapshotDriverLock(f->driver, one);
    qemuSnapshotDriverLock(f->driver, two);
    g_assert_cmpstr(f->order->str, ==, "");
    qemuSnapshotDriverUnlock(f->driver, one);
    qemuSnapshotDriverUnlock(f->driver, two);
    g_assert_cmpstr(f->order->str, ==, "held free ");
}

static void
testConnect(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    virConnectPtr first = qemuSnapshotDriverConnect(f->driver, &error);
    virConnectPtr second = qemuSnapshotDriverConnect(f->driver, &error);
    virConnectPtr own = qemuSnapshotDriverOpen(f->driver, &error);

    g_assert_no_error(error);
    g_assert_nonnull(first);
    g_assert_true(first == second);
    g_assert_nonnull(own);
    g_assert_true(own != first);
    virConnectClose(first);
    virConnectClose(second);
    virConnectClose(own);
}

static void
testConnectFails(fixture *f, const void *uri)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(qemuSnapshotDriverConnect(f->driver, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == VIR_SNAP_ERROR);
    g_assert_nonnull(strstr(error->message, uri));
    g_assert_false(qemuSnapshotDriverCanRevertExternal(f->driver));
}

static void
testValues(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(qemuSnapshotDriverStateFolder(f->driver), ==, "/state");
    g_assert_cmpuint(qemuSnapshotDriverStorageTimeout(f->driver), ==, 7);
    g_assert_true(g_str_has_suffix(qemuSnapshotDriverSchema(f->driver),
                                   "/domainsnapshotrevert.rng"));
    /* a libvirt whose folders are elsewhere has to do without */
    g_assert_true(qemuSnapshotDriverSync(f->driver, "vm", &error));
    g_assert_no_error(error);
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

#define ADD(name, uri, func) \
    g_test_add("/qemu_snapshot_driver/" name, fixture, uri, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    ADD("locks", NULL, testLocks);
    ADD("lock-waits", NULL, testLockWaits);
    ADD("on-unlock", NULL, testOnUnlock);
    ADD("connect", NULL, testConnect);
    ADD("connect-fails", "test:///nonexistent/host.xml", testConnectFails);
    ADD("values", NULL, testValues);
    return g_test_run();
}
