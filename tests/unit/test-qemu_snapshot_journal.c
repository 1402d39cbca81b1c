/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_journal.c: what is written is what is read, or nothing is
 */

#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu_snapshot_journal.h"
#include "virsnaperror.h"

#define UUID_TEXT "6695eb01-f6a4-8304-79aa-97f2502e193f"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *file;
    virConnectPtr conn;
    qemuSnapshotPlan *plan;
    unsigned char uuid[VIR_UUID_BUFLEN];
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotPlanDisk *disk = g_new0(qemuSnapshotPlanDisk, 1);
    qemuSnapshotPlanDiscard *discard = g_new0(qemuSnapshotPlanDiscard, 1);

    f->folder = g_dir_make_tmp("journal.XXXXXX", NULL);
    f->file = g_build_filename(f->folder, UUID_TEXT ".journal", NULL);
    /* libvirt's own domain for tests, in this process */
    f->conn = virConnectOpen("test:///default");
    g_assert_nonnull(f->conn);

    f->plan = qemuSnapshotPlanNewEmpty();
    f->plan->dom = virDomainLookupByUUIDString(f->conn, UUID_TEXT);
    g_assert_nonnull(f->plan->dom);
    g_assert_cmpint(virDomainGetUUID(f->plan->dom, f->uuid), ==, 0);
    f->plan->id = g_strdup("id");
    f->plan->domain = g_strdup("test");
    f->plan->snapshot = g_strdup("a \"b\" \n ü");
    f->plan->old_xml = g_strdup("<old/>");
    f->plan->new_xml = g_strdup("<new/>");
    f->plan->snapshot_xml = g_strdup("<snapshot/>");
    f->plan->active = TRUE;
    f->plan->reset_nvram = TRUE;
    f->plan->start = QEMU_SNAPSHOT_START_BOOT;

    disk->target = g_strdup("vda");
    disk->overlay = g_strdup("/i/a.1");
    disk->file = g_strdup("/i/.a.1.revert-new");
    disk->kept = g_strdup("/i/.a.1.revert-old");
    disk->in_place = TRUE;
    disk->id.inode = G_MAXUINT64;
    disk->id.born = 1795437681123456789;
    disk->old_id.inode = 7;
    g_ptr_array_add(f->plan->disks, disk);

    discard->disk = g_strdup("vda");
    discard->file = g_strdup("/i/a.0");
    discard->id.inode = 8;
    discard->id.born = 9;
    g_ptr_array_add(f->plan->discards, discard);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *damaged = g_strdup_printf("%s.damaged", f->file);

    g_unlink(f->file);
    g_unlink(damaged);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    qemuSnapshotPlanFree(f->plan);
    virConnectClose(f->conn);
    g_free(f->file);
    g_free(f->folder);
}

static void
create(fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(qemuSnapshotJournal) journal =
        qemuSnapshotJournalCreate(f->folder, f->plan, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(qemuSnapshotJournalFile(journal), ==, f->file);
}

static qemuSnapshotJournal *
readBack(fixture *f, qemuSnapshotPlan **ret_plan, GError **error)
{
    qemuSnapshotJournal *journal = NULL;

    if (!qemuSnapshotJournalRead(f->folder, f->uuid, &journal, ret_plan, error))
        g_assert_null(journal);
    return journal;
}

/* As a child has that may still carry out a change; it outlives who wrote the journal. */
static void
testHeld(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuSnapshotJournal *journal = qemuSnapshotJournalCreate(f->folder, f->plan, NULL);
    int fd = dup(qemuSnapshotJournalHold(journal)->fd);
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GError) error = NULL;

    qemuSnapshotJournalFree(journal);
    g_assert_null(readBack(f, &plan, &error));
    g_assert_null(plan);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    g_assert_nonnull(strstr(error->message, "waits for storage at '/"));
    g_assert_nonnull(strstr(error->message, f->plan->domain));

    close(fd);
    journal = readBack(f, &plan, NULL);
    g_assert_nonnull(journal);
    qemuSnapshotJournalFree(journal);
}

/* What writes to the overlays has not ended, until it has. */
static void
testProcess(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GError) error = NULL;
    qemuSnapshotJournal *journal;
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    journal = qemuSnapshotJournalCreate(f->folder, f->plan, NULL);
    g_assert_true(qemuSnapshotJournalAddProcess(journal, pid, NULL));
    g_assert_true(qemuSnapshotJournalAdd(journal, QEMU_SNAPSHOT_RECORD_STOP, NULL));
    qemuSnapshotJournalFree(journal);
    g_assert_null(readBack(f, &plan, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);

    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    journal = readBack(f, &plan, NULL);
    g_assert_nonnull(journal);
    g_assert_true(qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_STOP));
    qemuSnapshotJournalFree(journal);
}

static void
testThereAndBack(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GError) error = NULL;
    const qemuSnapshotPlanDisk *disk;
    const qemuSnapshotPlanDiscard *discard;
    struct stat st;

    create(f);
    g_assert_cmpint(stat(f->file, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);

    journal = readBack(f, &plan, &error);
    g_assert_no_error(error);
    g_assert_true(qemuSnapshotJournalIsOfThisBoot(journal));
    g_assert_cmpstr(plan->id, ==, f->plan->id);
    g_assert_cmpstr(plan->domain, ==, f->plan->domain);
    g_assert_cmpstr(plan->snapshot, ==, f->plan->snapshot);
    g_assert_cmpstr(plan->old_xml, ==, "<old/>");
    g_assert_cmpstr(plan->new_xml, ==, "<new/>");
    g_assert_cmpstr(plan->snapshot_xml, ==, "<snapshot/>");
    g_assert_null(plan->memory_file);
    g_assert_true(plan->active);
    g_assert_false(plan->transient);
    g_assert_true(plan->reset_nvram);
    g_assert_cmpint(plan->start, ==, QEMU_SNAPSHOT_START_BOOT);

    g_assert_cmpuint(plan->disks->len, ==, 1);
    disk = g_ptr_array_index(plan->disks, 0);
    g_assert_cmpstr(disk->target, ==, "vda");
    g_assert_cmpstr(disk->overlay, ==, "/i/a.1");
    g_assert_cmpstr(disk->file, ==, "/i/.a.1.revert-new");
    g_assert_cmpstr(disk->kept, ==, "/i/.a.1.revert-old");
    g_assert_true(disk->in_place);
    g_assert_false(disk->reused);
    g_assert_cmpuint(disk->id.inode, ==, G_MAXUINT64);
    g_assert_cmpint(disk->id.born, ==, 1795437681123456789);
    g_assert_cmpuint(disk->old_id.inode, ==, 7);

    g_assert_cmpuint(plan->discards->len, ==, 1);
    discard = g_ptr_array_index(plan->discards, 0);
    g_assert_cmpstr(discard->file, ==, "/i/a.0");
    g_assert_cmpuint(discard->id.inode, ==, 8);
    g_assert_cmpint(discard->id.born, ==, 9);
}

static void
testRecords(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(qemuSnapshotJournal) again = NULL;
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(qemuSnapshotPlan) same = NULL;

    create(f);
    journal = readBack(f, &plan, NULL);
    for (int i = 0; i < QEMU_SNAPSHOT_RECORD_LAST; i++)
        g_assert_false(qemuSnapshotJournalHas(journal, i));
    g_assert_true(qemuSnapshotJournalAdd(journal, QEMU_SNAPSHOT_RECORD_STOP, NULL));
    g_assert_true(qemuSnapshotJournalAdd(journal, QEMU_SNAPSHOT_RECORD_STARTED, NULL));

    /* nobody else takes it up meanwhile */
    g_clear_pointer(&journal, qemuSnapshotJournalFree);
    again = readBack(f, &same, NULL);
    g_assert_false(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_PERSIST));
    g_assert_true(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_STOP));
    g_assert_false(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_START));
    g_assert_true(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_STARTED));
}

static void
append(const char *file, const char *text, gsize len)
{
    FILE *stream = fopen(file, "a");

    g_assert_cmpuint(fwrite(text, 1, len, stream), ==, len);
    g_assert_cmpint(fclose(stream), ==, 0);
}

static void
checkTorn(fixture *f, const char *text, gsize len)
{
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(qemuSnapshotJournal) again = NULL;
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(qemuSnapshotPlan) same = NULL;
    g_autoptr(GError) error = NULL;

    g_unlink(f->file);
    create(f);
    append(f->file, text, len);
    journal = readBack(f, &plan, &error);
    g_assert_no_error(error);
    g_assert_true(qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_STOP));
    g_assert_false(qemuSnapshotJournalHas(journal, QEMU_SNAPSHOT_RECORD_START));

    g_assert_true(qemuSnapshotJournalAdd(journal, QEMU_SNAPSHOT_RECORD_START, NULL));
    /* nobody else takes it up meanwhile */
    g_clear_pointer(&journal, qemuSnapshotJournalFree);
    again = readBack(f, &same, &error);
    g_assert_no_error(error);
    g_assert_true(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_STOP));
    g_assert_true(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_START));
    g_assert_false(qemuSnapshotJournalHas(again, QEMU_SNAPSHOT_RECORD_STARTED));
}

/* The power failed while a record was written; the next one is whole again. */
static void
testTornRecord(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    checkTorn(f, "stop\nsta", 8);
    checkTorn(f, "stop\n\0\0\0\0\0\0", 11);
    checkTorn(f, "stop\nsta\0\0\0", 11);
}

static void
checkDamaged(fixture *f, const char *text, gsize len)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(f->file, text, len, NULL));
    g_assert_null(readBack(f, &plan, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, ".damaged"));
    g_assert_null(plan);
    g_assert_false(g_file_test(f->file, G_FILE_TEST_EXISTS));
}

/* Every byte counts up to the records: none may be missing, none be another. */
static void
testDamaged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *text = NULL;
    gsize len;

    create(f);
    g_assert_true(g_file_get_contents(f->file, &text, &len, NULL));
    for (gsize i = 0; i < len; i += 7) {
        char byte = text[i];

        checkDamaged(f, text, i);
        text[i] ^= 1;
        checkDamaged(f, text, len);
        text[i] = '\0';
        checkDamaged(f, text, len);
        text[i] = byte;
    }
}

static void
testUnknownRecord(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *text = NULL;
    g_autofree char *more = NULL;

    create(f);
    g_assert_true(g_file_get_contents(f->file, &text, NULL, NULL));
    more = g_strconcat(text, "stop\nunknown\n", NULL);
    checkDamaged(f, more, strlen(more));
}

/* Zeros are what the power failure left of the end, not of what is followed by more. */
static void
testZerosBetween(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GString) more = NULL;
    g_autofree char *text = NULL;

    create(f);
    g_assert_true(g_file_get_contents(f->file, &text, NULL, NULL));
    more = g_string_new(text);
    g_string_append_len(more, "\0\0\0\0\0stop\n", 10);
    checkDamaged(f, more->str, more->len);
}

static void
checkForeign(fixture *f)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GError) error = NULL;

    errno = 0;
    g_assert_null(readBack(f, &plan, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, f->file));
    g_assert_nonnull(strstr(error->message, "not a regular file of at most"));
    g_unlink(f->file);
}

static void
testForeign(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpint(mkfifo(f->file, 0600), ==, 0);
    checkForeign(f);
    g_assert_true(g_file_set_contents(f->file, "", 0, NULL));
    g_assert_cmpint(truncate(f->file, G_MAXINT), ==, 0);
    checkForeign(f);
}

static void
testNone(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GPtrArray) uuids = qemuSnapshotJournalList(f->folder);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(uuids->len, ==, 0);
    g_assert_null(readBack(f, &plan, &error));
    g_assert_no_error(error);
}

static void
testListAndClear(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuSnapshotJournal) journal = NULL;
    g_autoptr(qemuSnapshotPlan) plan = NULL;
    g_autoptr(GPtrArray) uuids = NULL;
    g_autofree char *other = g_build_filename(f->folder, "other", NULL);

    create(f);
    g_assert_true(g_file_set_contents(other, "", 0, NULL));
    uuids = qemuSnapshotJournalList(f->folder);
    g_assert_cmpuint(uuids->len, ==, 1);
    g_assert_cmpmem(g_bytes_get_data(uuids->pdata[0], NULL), VIR_UUID_BUFLEN, f->uuid,
                    VIR_UUID_BUFLEN);
    g_unlink(other);

    journal = readBack(f, &plan, NULL);
    g_assert_true(qemuSnapshotJournalClear(journal, NULL));
    g_assert_false(g_file_test(f->file, G_FILE_TEST_EXISTS));
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_journal/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("there-and-back", testThereAndBack);
    ADD("held", testHeld);
    ADD("process", testProcess);
    ADD("records", testRecords);
    ADD("torn-record", testTornRecord);
    ADD("damaged", testDamaged);
    ADD("unknown-record", testUnknownRecord);
    ADD("foreign", testForeign);
    ADD("zeros-between", testZerosBetween);
    ADD("none", testNone);
    ADD("list-and-clear", testListAndClear);
    return g_test_run();
}
