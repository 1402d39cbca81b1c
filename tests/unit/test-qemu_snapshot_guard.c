/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_guard.c: what someone else did to a domain is noticed
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_guard.h"
#include "testdomain.h"
#include "virsnaperror.h"
#include "virsnapstorage.h"

#define NEXT TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1"))
#define OTHER TEST_DEFINITION(TEST_DISK("vda", "/i/other"))
#define SNAPSHOT(file) "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<driver type='qcow2'/><source file='" file "'/></disk></disks>" \
    TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2"))

typedef struct _guardCase guardCase;
struct _guardCase {
    const char *name;
    gboolean running;                  /* when the guard is made */
    void (*change)(testDomain *test);
    const char *message;               /* NULL: it is no change */
};

static void
changeNothing(testDomain *test G_GNUC_UNUSED)
{
}

static void
changeStart(testDomain *test)
{
    g_assert_cmpint(virDomainCreate(test->dom), ==, 0);
}

static void
changeStop(testDomain *test)
{
    g_assert_cmpint(virDomainDestroy(test->dom), ==, 0);
}

static void
changeRestart(testDomain *test)
{
    changeStop(test);
    changeStart(test);
}

static void
changePause(testDomain *test)
{
    g_assert_cmpint(virDomainSuspend(test->dom), ==, 0);
}

static void
changeSave(testDomain *test)
{
    g_assert_cmpint(virDomainManagedSave(test->dom, 0), ==, 0);
}

static void
changeDefinition(testDomain *test)
{
    testDomainDefine(test, OTHER);
}

static void
changeTakeSnapshot(testDomain *test)
{
    testDomainSnapshot(test, "new", "shutoff", SNAPSHOT("/i/a.new"));
}

static void
changeDeleteSnapshot(testDomain *test)
{
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotLookupByName(test->dom, "s2", 0);

    g_assert_nonnull(snap);
    g_assert_cmpint(virDomainSnapshotDelete(snap, 0), ==, 0);
}

/* As many as before. */
static void
changeReplaceSnapshot(testDomain *test)
{
    changeDeleteSnapshot(test);
    changeTakeSnapshot(test);
}

static const guardCase cases[] = {
    { "nothing-off", FALSE, changeNothing, NULL },
    { "nothing-running", TRUE, changeNothing, NULL },
    { "stopped", TRUE, changeStop, NULL },
    { "paused", TRUE, changePause, NULL },
    { "started", FALSE, changeStart, "was started by someone else" },
    { "restarted", TRUE, changeRestart, "someone else restarted" },
    { "saved", TRUE, changeSave, "was saved by someone else" },
    { "defined-off", FALSE, changeDefinition, "changed the definition" },
    { "defined-running", TRUE, changeDefinition, "changed the definition" },
    { "snapshot-taken", FALSE, changeTakeSnapshot, "snapshot" },
    { "snapshot-deleted", TRUE, changeDeleteSnapshot, "snapshot" },
    { "snapshot-replaced", FALSE, changeReplaceSnapshot, "snapshot" },
};

static qemuSnapshotGuard *
newGuard(testDomain *test, gboolean running)
{
    qemuSnapshotRequest request;
    g_autoptr(qemuSnapshotSource) source = NULL;
    g_autoptr(GError) error = NULL;

    testDomainSetUp(test, NEXT);
    testDomainSnapshot(test, "s1", "shutoff", SNAPSHOT("/i/a.s1"));
    testDomainSnapshot(test, "s2", "shutoff", SNAPSHOT("/i/a.s2"));
    if (running)
        changeStart(test);

    request = testDomainRequest(test, "s1", 0);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);
    g_assert_no_error(error);
    return qemuSnapshotGuardNew(source);
}

static void
testCase(const void *opaque)
{
    const guardCase *c = opaque;
    testDomain test = { 0 };
    g_autoptr(qemuSnapshotGuard) guard = newGuard(&test, c->running);
    g_autoptr(GError) error = NULL;
    gboolean same;

    c->change(&test);
    same = qemuSnapshotGuardCheck(guard, &error);

    g_assert_cmpint(same, ==, c->message == NULL);
    if (c->message) {
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(error->message, "'" TEST_DOMAIN "'"));
        if (!strstr(error->message, c->message))
            g_error("%s: %s", c->name, error->message);
    } else {
        g_assert_no_error(error);
    }
    testDomainTearDown(&test);
}

/* What we did ourselves is none; what others do after that is. */
static void
testRenew(void)
{
    testDomain test = { 0 };
    g_autoptr(qemuSnapshotGuard) guard = newGuard(&test, FALSE);
    g_autoptr(GError) error = NULL;

    changeDefinition(&test);
    g_assert_true(qemuSnapshotGuardRenew(guard, &error));
    g_assert_true(qemuSnapshotGuardCheck(guard, &error));
    g_assert_no_error(error);
    testDomainDefine(&test, NEXT);
    g_assert_false(qemuSnapshotGuardCheck(guard, &error));
    testDomainTearDown(&test);
}

static void
testGone(void)
{
    testDomain test = { 0 };
    g_autoptr(qemuSnapshotGuard) guard = newGuard(&test, FALSE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) other = NULL;

    g_assert_cmpint(virDomainUndefineFlags(test.dom,
                                           VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA), ==,
                    0);
    g_assert_false(qemuSnapshotGuardCheck(guard, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    g_assert_false(qemuSnapshotGuardRenew(guard, &other));
    g_assert_error(other, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    testDomainTearDown(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/qemu_snapshot_guard/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testCase);
    }
    g_test_add_func("/qemu_snapshot_guard/renew", testRenew);
    g_test_add_func("/qemu_snapshot_guard/gone", testGone);
    return g_test_run();
}
