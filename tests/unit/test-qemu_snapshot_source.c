/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_source.c: what is read of a domain, and what can't be reverted to
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_source.h"
#include "testdomain.h"
#include "virsnaperror.h"
#include "virsnapstorage.h"

#define NEXT TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1") TEST_DISK("vdb", "/i/b.s1"))
#define THEN TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2") \
                             TEST_DISK("vdb", "/i/b.qcow2"))
#define THEN_NEXT TEST_DEFINITION_OF("inactiveDomain", TEST_DOMAIN, TEST_UUID, \
                                     TEST_DISK("vda", "/i/a.qcow2"))
#define DISKS "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<driver type='qcow2'/><source file='/i/a.s1'/></disk>" \
    "<disk name='vdb' snapshot='no'/></disks>"
#define MEMORY "<memory snapshot='external' file='/i/s1.mem'/>"

static void
setUp(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    testDomainSetUp(test, NEXT);
}

static void
tearDown(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    testDomainTearDown(test);
}

static const char *
fileOf(GPtrArray *disks, const char *target)
{
    virDomainDisk *disk = virDomainDisksFind(disks, target);

    return disk ? disk->file : NULL;
}

static void
testOff(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request = testDomainRequest(test, "s1", 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotSource) source = NULL;

    testDomainSnapshot(test, "s1", "shutoff", DISKS THEN);
    testDomainSnapshot(test, "s2", "shutoff", "<parent><name>s1</name></parent>"
                       DISKS NEXT);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(source->name, ==, TEST_DOMAIN);
    g_assert_cmpstr(source->info->name, ==, "s1");
    g_assert_false(source->active || source->paused || source->transient ||
                   source->managed_save);
    g_assert_cmpint(source->now_id, ==, 0);
    g_assert_cmpuint(source->tree->infos->len, ==, 2);
    g_assert_true(source->tree->has_children);
    g_assert_cmpstr(fileOf(source->then_disks, "vda"), ==, "/i/a.qcow2");
    g_assert_cmpstr(fileOf(source->state_disks, "vdb"), ==, "/i/b.qcow2");
    g_assert_cmpstr(fileOf(source->now_disks, "vda"), ==, "/i/a.s1");
    g_assert_cmpstr(fileOf(source->next_disks, "vdb"), ==, "/i/b.s1");
    g_assert_nonnull(strstr(source->next_xml, "/i/b.s1"));
    g_assert_null(source->memory_doc);
}

/* Its definition may have been changed since it was started, now as well as then. */
static void
testRunning(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request = testDomainRequest(test, "s1", 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotSource) source = NULL;

    testDomainSnapshot(test, "s1", "running", DISKS MEMORY THEN THEN_NEXT);
    g_assert_cmpint(virDomainCreate(test->dom), ==, 0);
    g_assert_cmpint(virDomainSuspend(test->dom), ==, 0);
    testDomainDefine(test, THEN);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);

    g_assert_no_error(error);
    g_assert_true(source->active && source->paused);
    g_assert_cmpint(source->now_id, >, 0);
    g_assert_cmpstr(fileOf(source->now_disks, "vda"), ==, "/i/a.s1");
    g_assert_cmpstr(fileOf(source->next_disks, "vda"), ==, "/i/a.qcow2");
    g_assert_cmpstr(fileOf(source->state_disks, "vdb"), ==, "/i/b.qcow2");
    g_assert_null(fileOf(source->then_disks, "vdb"));
    g_assert_cmpstr(source->info->memory_file, ==, "/i/s1.mem");
    g_assert_false(source->tree->has_children);
}

static void
testTransient(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request = testDomainRequest(test, "s1", 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotSource) source = NULL;

    testDomainSnapshot(test, "s1", "disk-snapshot", DISKS THEN);
    g_assert_cmpint(virDomainCreate(test->dom), ==, 0);
    g_assert_cmpint(virDomainUndefineFlags(test->dom,
                                           VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA), ==,
                    0);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);
    g_assert_no_error(error);
    g_assert_true(source->transient && source->active && !source->paused);
}

static void
testManagedSave(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request = testDomainRequest(test, "s1", 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotSource) source = NULL;

    testDomainSnapshot(test, "s1", "shutoff", DISKS THEN);
    g_assert_cmpint(virDomainCreate(test->dom), ==, 0);
    g_assert_cmpint(virDomainManagedSave(test->dom, 0), ==, 0);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);
    g_assert_no_error(error);
    g_assert_true(source->managed_save && !source->active);
}

static const struct {
    const char *name;
    const char *snapshot;
    const char *state;     /* NULL: no snapshot is taken */
    const char *inner;
    unsigned int flags;
    int code;              /* 0: accepted */
    const char *message;
} cases[] = {
    { "another-name", "s9", "shutoff", DISKS THEN, 0, VIR_ERR_NO_DOMAIN_SNAPSHOT,
      "'" TEST_DOMAIN "' has no snapshot 's9'" },
    { "none-at-all", "s1", NULL, NULL, 0, VIR_ERR_NO_DOMAIN_SNAPSHOT, "'s1'" },
    { "disks-of-a-running-one", "s1", "disk-snapshot", DISKS THEN, 0, 0, NULL },
    { "paused-with-memory", "s1", "paused", DISKS MEMORY THEN, 0, 0, NULL },
    { "crashed", "s1", "crashed", "<memory snapshot='no'/>" DISKS THEN, 0, 0, NULL },
    { "internal", "s1", "running", "<memory snapshot='internal'/>" THEN, 0,
      VIR_ERR_CONFIG_UNSUPPORTED, "'s1' is an internal one" },
    { "state-of-no-use", "s1", "blocked", "<memory snapshot='no'/>" DISKS THEN, 0,
      VIR_ERR_OPERATION_UNSUPPORTED, "'s1' was taken in state 'blocked'" },
    { "off-with-memory", "s1", "crashed", DISKS MEMORY THEN, 0,
      VIR_ERR_CONFIG_UNSUPPORTED, "has a memory file but was taken in state 'crashed'" },
    { "running-without-memory", "s1", "running", "<memory snapshot='no'/>" DISKS THEN, 0,
      VIR_ERR_CONFIG_UNSUPPORTED, "'s1' was taken in state 'running' but lacks" },
};

static void
testCase(testDomain *test, const void *opaque)
{
    gsize i = GPOINTER_TO_SIZE(opaque);
    qemuSnapshotRequest request =
        testDomainRequest(test, cases[i].snapshot, cases[i].flags);
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotSource) source = NULL;

    if (cases[i].state)
        testDomainSnapshot(test, "s1", cases[i].state, cases[i].inner);
    source = qemuSnapshotSourceRead(test->conn, NULL, &request, &error);

    if (cases[i].code == 0) {
        g_assert_no_error(error);
        g_assert_nonnull(source);
        return;
    }

    g_assert_null(source);
    g_assert_error(error, VIR_SNAP_ERROR, cases[i].code);
    if (!strstr(error->message, cases[i].message))
        g_error("%s: %s", cases[i].name, error->message);
}

static void
testDomainGone(testDomain *test, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotRequest request = testDomainRequest(test, "s1", 0);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(virDomainUndefine(test->dom), ==, 0);
    g_assert_null(qemuSnapshotSourceRead(test->conn, NULL, &request, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    g_assert_nonnull(strstr(error->message, "'" TEST_DOMAIN "'"));
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_source/" name, testDomain, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("off", testOff);
    ADD("running", testRunning);
    ADD("transient", testTransient);
    ADD("managed-save", testManagedSave);
    ADD("domain-gone", testDomainGone);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/qemu_snapshot_source/%s", cases[i].name);

        g_test_add(path, testDomain, GSIZE_TO_POINTER(i), setUp, testCase, tearDown);
    }
    return g_test_run();
}
