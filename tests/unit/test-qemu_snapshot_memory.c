/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_memory.c: memory files that belong to a snapshot, and others
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_snapshot_memory.h"
#include "testdomain.h"
#include "virsnaperror.h"
#include "virsnapstorage.h"

#define OTHER_UUID "c7a5fdbd-edaf-9455-926a-d65c16db1810"
#define HEADER_LEN 92

typedef struct _fixture fixture;
struct _fixture {
    testDomain test;
    char *folder;
    char *memory;
    char *image;      /* of vdb, which the snapshot left out */
    char *moved;      /* another that vdb may be on */
    qemuSnapshotSource *source;
};

/* the definition in the memory file; its header is checked by another module */
static const char *definition;

char *
virDomainSaveImageGetXMLDesc(virConnectPtr conn, const char *file, unsigned int flags)
{
    g_assert_nonnull(conn);
    g_assert_true(g_str_has_suffix(file, "/s1.mem"));
    g_assert_cmpuint(flags, ==, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    return strdup(definition);
}

/* tail: what is at the end, behind the stream */
static void
writeMemory(fixture *f, const char *tail, gsize len)
{
    g_autoptr(GByteArray) image = g_byte_array_new();
    guint8 header[HEADER_LEN] = "LibvirtQemudSave";
    const guint32 version = 2;
    const guint32 xml_len = 9;

    memcpy(header + 16, &version, sizeof(version));
    memcpy(header + 20, &xml_len, sizeof(xml_len));
    g_byte_array_append(image, header, sizeof(header));
    g_byte_array_append(image, (const guint8 *)"<domain/>", xml_len);
    g_byte_array_append(image, (const guint8 *)tail, len);
    g_assert_true(g_file_set_contents(f->memory, (const char *)image->data, image->len,
                                      NULL));
}

static char *
diskXML(const char *target, const char *file)
{
    return g_strdup_printf("<disk type='file' device='disk'>"
                           "<driver name='qemu' type='qcow2'/><source file='%s'/>"
                           "<target dev='%s' bus='virtio'/></disk>", file, target);
}

static char *
domainXML(const char *name, const char *uuid, const char *vda, const char *vdb)
{
    g_autofree char *first = diskXML("vda", vda);
    g_autofree char *second = diskXML("vdb", vdb);

    return g_strdup_printf("<domain type='test'><name>%s</name><uuid>%s</uuid>"
                           "<memory unit='KiB'>1024</memory><vcpu>1</vcpu>"
                           "<os><type>hvm</type></os><devices>%s%s</devices></domain>",
                           name, uuid, first, second);
}

static void
readSource(fixture *f)
{
    qemuSnapshotRequest request = testDomainRequest(&f->test, "s1", 0);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&f->source, qemuSnapshotSourceFree);
    f->source = qemuSnapshotSourceRead(f->test.conn, NULL, &request, &error);
    g_assert_no_error(error);
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *now = NULL;
    g_autofree char *then = NULL;
    g_autofree char *inner = NULL;

    f->folder = g_dir_make_tmp("memory.XXXXXX", NULL);
    f->memory = g_build_filename(f->folder, "s1.mem", NULL);
    f->image = g_build_filename(f->folder, "b.qcow2", NULL);
    f->moved = g_build_filename(f->folder, "moved.qcow2", NULL);
    g_assert_true(g_file_set_contents(f->image, "", 0, NULL));
    g_assert_true(g_file_set_contents(f->moved, "", 0, NULL));
    writeMemory(f, "stream\006\0\0\0\002{}", 13);

    now = domainXML(TEST_DOMAIN, TEST_UUID, "/i/a.s1", f->image);
    then = domainXML(TEST_DOMAIN, TEST_UUID, "/i/a.qcow2", f->image);
    inner = g_strdup_printf("<memory snapshot='external' file='%s'/>"
                            "<disks><disk name='vda' snapshot='external' type='file'>"
                            "<driver type='qcow2'/><source file='/i/a.s1'/></disk>"
                            "<disk name='vdb' snapshot='no'/></disks>%s", f->memory,
                            then);
    testDomainSetUp(&f->test, now);
    testDomainSnapshot(&f->test, "s1", "running", inner);
    readSource(f);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotSourceFree(f->source);
    testDomainTearDown(&f->test);
    g_remove(f->memory);
    g_remove(f->image);
    g_remove(f->moved);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->memory);
    g_free(f->image);
    g_free(f->moved);
}

static void
assertRefused(fixture *f, gboolean force, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(qemuSnapshotMemoryRead(f->source, force, &error));
    g_assert_error(error, VIR_SNAP_ERROR, code);
    if (!strstr(error->message, message))
        g_error("'%s' is not in '%s'", message, error->message);
}

static void
testDefinition(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        const char *name;
        const char *uuid;
        const char *vda;
        int code;           /* 0: accepted */
        const char *message;
    } cases[] = {
        { TEST_DOMAIN, TEST_UUID, "/i/a.qcow2", 0, NULL },
        { TEST_DOMAIN, OTHER_UUID, "/i/a.qcow2", VIR_ERR_OPERATION_FAILED,
          "belongs to another domain" },
        { "oldname", TEST_UUID, "/i/a.qcow2", VIR_ERR_OPERATION_UNSUPPORTED,
          "rename it back to 'oldname' first" },
        { TEST_DOMAIN, TEST_UUID, "/i/a.s7", VIR_ERR_OPERATION_FAILED,
          "it has disk 'vda' on '/i/a.s7', not on '/i/a.qcow2'" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml =
            domainXML(cases[i].name, cases[i].uuid, cases[i].vda, f->image);
        g_autoptr(xmlDoc) doc = NULL;
        g_autoptr(GError) error = NULL;

        definition = xml;
        if (cases[i].code) {
            assertRefused(f, FALSE, cases[i].code, cases[i].message);
            continue;
        }
        doc = qemuSnapshotMemoryRead(f->source, FALSE, &error);
        g_assert_no_error(error);
        g_assert_nonnull(doc);
    }
}

/* Where it was cut off, force may try; where it is no memory file at all, it may not. */
static void
testFile(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *xml = domainXML(TEST_DOMAIN, TEST_UUID, "/i/a.qcow2", f->image);
    g_autoptr(xmlDoc) doc = NULL;

    definition = xml;
    writeMemory(f, "stream", 6);
    assertRefused(f, FALSE, VIR_ERR_SNAPSHOT_REVERT_RISKY, "truncated");
    doc = qemuSnapshotMemoryRead(f->source, TRUE, NULL);
    g_assert_nonnull(doc);

    g_assert_true(g_file_set_contents(f->memory, "something else", -1, NULL));
    assertRefused(f, TRUE, VIR_ERR_OPERATION_FAILED, "s1.mem");
    g_remove(f->memory);
    assertRefused(f, TRUE, VIR_ERR_OPERATION_FAILED, "s1.mem");
}

static void
setTime(const char *file, time_t seconds, long nanoseconds)
{
    struct timespec times[2] = {
        { .tv_sec = seconds, .tv_nsec = nanoseconds },
        { .tv_sec = seconds, .tv_nsec = nanoseconds },
    };

    g_assert_cmpint(utimensat(AT_FDCWD, file, times, 0), ==, 0);
}

/* A disk that was left out must be as the memory knows it. */
static void
testLeftOut(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const struct {
        time_t seconds;      /* of the image; the memory file has 1000.5 */
        long nanoseconds;
        gboolean moved;      /* the disk is on another image today */
        gboolean good;
    } cases[] = {
        { 999, 999999999, FALSE, TRUE },
        { 1000, 500000000, FALSE, TRUE },
        { 1000, 500000001, FALSE, FALSE },
        { 1001, 0, FALSE, FALSE },
        { 999, 0, TRUE, FALSE },
    };

    setTime(f->memory, 1000, 500000000);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *image = cases[i].moved ? f->moved : f->image;
        g_autofree char *xml = domainXML(TEST_DOMAIN, TEST_UUID, "/i/a.s1", image);
        g_autoptr(GError) error = NULL;

        testDomainDefine(&f->test, xml);
        readSource(f);
        setTime(image, cases[i].seconds, cases[i].nanoseconds);
        g_assert_cmpint(qemuSnapshotMemoryCheckDisks(f->source, &error), ==,
                        cases[i].good);
        if (!cases[i].good) {
            g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY);
            g_assert_nonnull(strstr(error->message, "'vdb'"));
        }
    }
}

static void
testLeftOutGone(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_remove(f->memory);
    g_assert_false(qemuSnapshotMemoryCheckDisks(f->source, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_memory/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    ADD("definition", testDefinition);
    ADD("file", testFile);
    ADD("left-out", testLeftOut);
    ADD("left-out-gone", testLeftOutGone);
    return g_test_run();
}
