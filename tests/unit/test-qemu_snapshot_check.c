/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_check.c: risks and missing files, before anything is stopped
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_check.h"
#include "qemu_snapshot_libvirt.h"
#include "testdomain.h"
#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapqcow2.h"
#include "virsnapstorage.h"

#define NEXT TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1"))
#define THEN TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2"))
#define DISKS "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<driver type='qcow2'/><source file='/i/a.s1'/></disk></disks>"

typedef struct _fixture fixture;
struct _fixture {
    testDomain test;
    qemuSnapshotSource *source;
    qemuSnapshotPlan *plan;
    qemuSnapshotPlanDisk *disk;
};

/* What libvirt says of jobs, in the place of its functions: the test driver has none. */
static int job_type;
static int block_jobs;
static int native_code;   /* of the error; 0: none */

int
virDomainGetJobInfo(virDomainPtr dom G_GNUC_UNUSED, virDomainJobInfoPtr info)
{
    memset(info, 0, sizeof(*info));
    info->type = job_type;
    return 0;
}

int
virDomainGetBlockJobInfo(virDomainPtr dom G_GNUC_UNUSED, const char *disk,
                         virDomainBlockJobInfoPtr info G_GNUC_UNUSED,
                         unsigned int flags G_GNUC_UNUSED)
{
    g_assert_cmpstr(disk, ==, "vda");
    return block_jobs;
}

char *
virConnectDomainXMLToNative(virConnectPtr conn G_GNUC_UNUSED, const char *format,
                            const char *xml, unsigned int flags G_GNUC_UNUSED)
{
    g_assert_cmpstr(format, ==, "qemu-argv");
    return native_code && g_str_equal(xml, "bad") ? NULL : strdup("qemu");
}

virErrorPtr
virGetLastError(void)
{
    static virError error;

    error.code = native_code;
    error.message = (char *)"the reason";
    return native_code ? &error : NULL;
}

static void
addImage(fixture *f, const char *file)
{
    virSnapImage *image = g_new0(virSnapImage, 1);

    image->file = g_strdup(file);
    image->format = g_strdup("qcow2");
    image->key = virSnapFileKey(file);
    g_ptr_array_add(f->disk->chain, image);
}

static void
readSource(fixture *f)
{
    qemuSnapshotRequest request = testDomainRequest(&f->test, "s1", 0);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&f->source, qemuSnapshotSourceFree);
    f->source = qemuSnapshotSourceRead(f->test.conn, NULL, &request, &error);
    g_assert_no_error(error);
    f->source->has_short_chains = FALSE;
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    job_type = VIR_DOMAIN_JOB_NONE;
    block_jobs = native_code = 0;
    testDomainSetUp(&f->test, NEXT);
    testDomainSnapshot(&f->test, "s1", "shutoff", DISKS THEN);
    g_assert_cmpint(virDomainCreate(f->test.dom), ==, 0);
    readSource(f);

    f->plan = qemuSnapshotPlanNewEmpty();
    f->plan->dom = f->test.dom;
    virDomainRef(f->plan->dom);
    f->plan->domain = g_strdup(TEST_DOMAIN);
    f->plan->snapshot = g_strdup("s1");
    f->disk = g_new0(qemuSnapshotPlanDisk, 1);
    f->disk->target = g_strdup("vda");
    f->disk->chain = g_ptr_array_new_with_free_func((GDestroyNotify)virSnapImageFree);
    addImage(f, "/i/a.qcow2");
    addImage(f, "/i/base.qcow2");
    g_ptr_array_add(f->plan->disks, f->disk);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotPlanFree(f->plan);
    qemuSnapshotSourceFree(f->source);
    testDomainTearDown(&f->test);
}

/* message: NULL where it is good. A pointer, as the arguments come in any order. */
static void
assertResult(gboolean good, GError **error, int code, const char *message)
{
    g_assert_cmpint(good, ==, message == NULL);
    if (good) {
        g_assert_no_error(*error);
        return;
    }

    g_assert_error(*error, VIR_SNAP_ERROR, code);
    if (!strstr((*error)->message, message))
        g_error("'%s' is not in '%s'", message, (*error)->message);
}

static void
testBusy(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        int job;
        int block;
        int code;
        const char *message;
    } cases[] = {
        { VIR_DOMAIN_JOB_NONE, 0, 0, NULL },
        { VIR_DOMAIN_JOB_COMPLETED, 0, 0, NULL },
        { VIR_DOMAIN_JOB_BOUNDED, 0, VIR_ERR_OPERATION_INVALID, "'" TEST_DOMAIN "'" },
        { VIR_DOMAIN_JOB_UNBOUNDED, 0, VIR_ERR_OPERATION_INVALID, "abort it" },
        { VIR_DOMAIN_JOB_NONE, 1, VIR_ERR_BLOCK_COPY_ACTIVE, "disk 'vda'" },
        { VIR_DOMAIN_JOB_NONE, -1, 0, NULL },   /* there is no such disk any more */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        job_type = cases[i].job;
        block_jobs = cases[i].block;
        assertResult(qemuSnapshotCheckBusy(f->source, &error), &error, cases[i].code,
                     cases[i].message);
    }

    f->source->active = FALSE;
    job_type = VIR_DOMAIN_JOB_BOUNDED;
    g_assert_true(qemuSnapshotCheckBusy(f->source, NULL));
}

static void
testManagedSave(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(qemuSnapshotCheckRisks(f->plan, f->source, NULL));
    f->source->managed_save = TRUE;
    assertResult(qemuSnapshotCheckRisks(f->plan, f->source, &error), &error,
                 VIR_ERR_SNAPSHOT_REVERT_RISKY, "managed save");
}

/* On what the snapshot's state is in, now or when next started, wherever in the chain. */
static void
testDirect(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        const char *now;
        const char *next;
        const char *message;
    } cases[] = {
        { TEST_DEFINITION(TEST_DISK("vda", "/i/a.s1")), NEXT, NULL },
        { TEST_DEFINITION(TEST_DISK("vda", "/i/a.qcow2")), NEXT, "'/i/a.qcow2'" },
        { NEXT, TEST_DEFINITION(TEST_DISK("vda", "/i/base.qcow2")), "'/i/base.qcow2'" },
        { NEXT, TEST_DEFINITION(TEST_DISK("vdb", "/i/a.qcow2")), NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(virDomainDestroy(f->test.dom), ==, 0);
        testDomainDefine(&f->test, cases[i].now);
        g_assert_cmpint(virDomainCreate(f->test.dom), ==, 0);
        testDomainDefine(&f->test, cases[i].next);
        readSource(f);
        assertResult(qemuSnapshotCheckRisks(f->plan, f->source, &error), &error,
                     VIR_ERR_SNAPSHOT_REVERT_RISKY, cases[i].message);
    }
}

static void
testChains(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        guint len;           /* without the new overlay */
        gboolean limited;
        qemuSnapshotStart start;
        const char *message;
    } cases[] = {
        { 24, TRUE, QEMU_SNAPSHOT_START_BOOT, NULL },
        { 25, TRUE, QEMU_SNAPSHOT_START_BOOT, "chain of 26 images" },
        { 25, TRUE, QEMU_SNAPSHOT_START_NONE, NULL },
        { 25, FALSE, QEMU_SNAPSHOT_START_BOOT, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        while (f->disk->chain->len < cases[i].len)
            addImage(f, "/i/below.qcow2");
        f->source->has_short_chains = cases[i].limited;
        f->plan->start = cases[i].start;
        assertResult(qemuSnapshotCheckRisks(f->plan, f->source, &error), &error,
                     VIR_ERR_SNAPSHOT_REVERT_RISKY, cases[i].message);
    }
}

/* Of that converter only errors about the configuration count. */
static void
testConfig(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        gboolean active;
        qemuSnapshotStart start;
        const char *new_xml;
        const char *restore_xml;
        int code;             /* of the converter */
        const char *message;
    } cases[] = {
        { TRUE, QEMU_SNAPSHOT_START_BOOT, "good", NULL, VIR_ERR_XML_ERROR, NULL },
        { TRUE, QEMU_SNAPSHOT_START_BOOT, "bad", NULL, VIR_ERR_XML_ERROR,
          "can't be started on this host" },
        { TRUE, QEMU_SNAPSHOT_START_NONE, "bad", NULL, VIR_ERR_CONFIG_UNSUPPORTED,
          "can't be defined on this host" },
        { FALSE, QEMU_SNAPSHOT_START_NONE, "bad", NULL, VIR_ERR_XML_ERROR, NULL },
        { FALSE, QEMU_SNAPSHOT_START_BOOT, "bad", NULL, VIR_ERR_XML_DETAIL, "started" },
        { FALSE, QEMU_SNAPSHOT_START_RESTORE, "good", "bad", VIR_ERR_XML_ERROR,
          "started" },
        { TRUE, QEMU_SNAPSHOT_START_BOOT, "bad", NULL, VIR_ERR_INTERNAL_ERROR, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        f->plan->active = cases[i].active;
        f->plan->start = cases[i].start;
        g_free(f->plan->new_xml);
        g_free(f->plan->restore_xml);
        f->plan->new_xml = g_strdup(cases[i].new_xml);
        f->plan->restore_xml = g_strdup(cases[i].restore_xml);
        native_code = cases[i].code;
        assertResult(qemuSnapshotCheckConfig(f->plan, &error), &error, cases[i].code,
                     cases[i].message);
    }
    native_code = 0;
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_check/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("busy", testBusy);
    ADD("managed-save", testManagedSave);
    ADD("direct", testDirect);
    ADD("chains", testChains);
    ADD("config", testConfig);
    return g_test_run();
}
