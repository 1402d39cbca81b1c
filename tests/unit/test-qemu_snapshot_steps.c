/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_steps.c: stopping a domain, and taking that back
 *
 * On libvirt's own domain for tests, in this process.
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "qemu_snapshot_steps.h"
#include "virsnaperror.h"

#define UUID_TEXT "6695eb01-f6a4-8304-79aa-97f2502e193f"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    virConnectPtr conn;
    qemuSnapshotDriver *driver;
    qemuSnapshotRevertState state;
    GPtrArray *notes;
    unsigned char uuid[VIR_UUID_BUFLEN];
};

static void
setUp(fixture *f, const void *opaque)
{
    const qemuHoldersFolders folders = { NULL };
    const gboolean *readonly = opaque;
    qemuSnapshotPlan *plan = qemuSnapshotPlanNewEmpty();
    g_autoptr(GError) error = NULL;

    f->folder = g_dir_make_tmp("steps.XXXXXX", NULL);
    f->conn = readonly ? virConnectOpenReadOnly("test:///default") :
        virConnectOpen("test:///default");
    f->driver = qemuSnapshotDriverNew("test:///default", "/nonexistent", 1, f->folder,
                                      &folders, NULL);
    plan->dom = virDomainLookupByUUIDString(f->conn, UUID_TEXT);
    g_assert_cmpint(virDomainGetUUID(plan->dom, f->uuid), ==, 0);
    plan->id = g_strdup("id");
    plan->domain = g_strdup("test");
    plan->snapshot = g_strdup("snap1");
    plan->old_xml = g_strdup("<old/>");
    plan->new_xml = g_strdup("<new/>");
    plan->snapshot_xml = g_strdup("<snapshot/>");
    plan->active = TRUE;

    f->notes = qemuSnapshotStepNotesNew();
    f->state.driver = f->driver;
    f->state.plan = plan;
    f->state.journal = qemuSnapshotJournalCreate(f->folder, plan, &error);
    g_assert_no_error(error);
    qemuSnapshotDriverLock(f->driver, f->uuid);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_true(qemuSnapshotJournalClear(f->state.journal, NULL));
    qemuSnapshotJournalFree(f->state.journal);
    qemuSnapshotPlanFree(f->state.plan);
    qemuSnapshotDriverFree(f->driver);
    g_ptr_array_unref(f->notes);
    virConnectClose(f->conn);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
}

static const qemuSnapshotStep *
find(const char *name)
{
    for (gsize i = 0; qemuSnapshotSteps[i].name; i++) {
        if (g_str_equal(qemuSnapshotSteps[i].name, name))
            return &qemuSnapshotSteps[i];
    }

    g_assert_not_reached();
}

static void
stop(fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(find("stop")->run(&f->state, &error));
    g_assert_no_error(error);
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 0);
}

/* Its one note, which has that in it. */
static void
undoStop(fixture *f, const char *note)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(find("stop")->undo(&f->state, f->notes, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(f->notes->len, ==, note != NULL);
    if (note)
        g_assert_nonnull(strstr(g_ptr_array_index(f->notes, 0), note));
}

static void
testStartedAgain(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    stop(f);
    g_assert_cmphex(f->state.events, ==, 1 << VIR_DOMAIN_EVENT_STOPPED);
    undoStop(f, "started again");
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 1);
}

/* What was never begun has nothing to take back. */
static void
testNotStopped(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(virDomainDestroy(f->state.plan->dom), ==, 0);
    undoStop(f, NULL);
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 0);
}

/* By someone, at libvirt itself, directly before it would have been stopped. */
static void
testEndedBefore(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(virDomainDestroy(f->state.plan->dom), ==, 0);
    stop(f);
    g_assert_cmphex(f->state.events, ==, 0);
    undoStop(f, "left off");
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 0);
}

/* By someone through virtsnapshotd, at any time; an undo by another process knows. */
static void
testEndedSince(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    stop(f);
    qemuSnapshotDriverNoteDestroy(f->driver, f->uuid);
    undoStop(f, "left off");
    qemuSnapshotDriverUnlock(f->driver, f->uuid);
    g_ptr_array_set_size(f->notes, 0);
    undoStop(f, "left off");
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 0);
}

/* Of one that has been locked before, or by no one. */
static void
testNoteIsOfTheLock(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotDriverNoteDestroy(f->driver, f->uuid);
    qemuSnapshotDriverUnlock(f->driver, f->uuid);
    qemuSnapshotDriverNoteDestroy(f->driver, f->uuid);
    qemuSnapshotDriverLock(f->driver, f->uuid);
    g_assert_false(qemuSnapshotDriverWasDestroyed(f->driver, f->uuid));
    stop(f);
    undoStop(f, "started again");
}

/* The reason is the one of the call that failed, and not of what was asked after it. */
static void
testCannotStop(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(find("stop")->run(&f->state, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_DENIED);
    g_assert_nonnull(strstr(error->message, "cannot stop domain 'test': "));
    g_assert_nonnull(strstr(error->message, "read only"));
    g_assert_cmpint(virDomainIsActive(f->state.plan->dom), ==, 1);
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

#define ADD(name, opaque, func) \
    g_test_add("/qemu_snapshot_steps/" name, fixture, opaque, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    static const gboolean readonly = TRUE;

    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    ADD("started-again", NULL, testStartedAgain);
    ADD("not-stopped", NULL, testNotStopped);
    ADD("ended-before", NULL, testEndedBefore);
    ADD("ended-since", NULL, testEndedSince);
    ADD("note-is-of-the-lock", NULL, testNoteIsOfTheLock);
    ADD("cannot-stop", &readonly, testCannotStop);
    return g_test_run();
}
