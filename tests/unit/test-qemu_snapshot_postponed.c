/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_postponed.c: the list of what is to be deleted later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "qemu_snapshot_postponed.h"
#include "virsnaperror.h"

#define UUID "11111111-2222-3333-4444-555555555555"

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *path;
};

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->folder = g_dir_make_tmp("postponed-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, UUID ".postponed", NULL);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_unlink(f->path);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->path);
}

static GPtrArray *
newList(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)qemuSnapshotPostponedFree);
}

static void
testRoundTrip(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const virSnapFileID id = { .inode = G_MAXUINT64, .born = -1 };
    g_autoptr(GPtrArray) list = newList();
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(GPtrArray) uuids = NULL;
    g_autoptr(GPtrArray) none = NULL;
    g_autoptr(GError) error = NULL;
    const qemuSnapshotPostponed *first;
    struct stat st;

    g_ptr_array_add(list, qemuSnapshotPostponedNew("/i/a \"b\"\n", &id, 7));
    g_ptr_array_add(list, qemuSnapshotPostponedNew("/i/c", &id, 0));
    g_assert_true(qemuSnapshotPostponedWrite(f->folder, UUID, list, &error));
    g_assert_no_error(error);
    g_assert_cmpint(stat(f->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0600);

    again = qemuSnapshotPostponedRead(f->folder, UUID);
    g_assert_cmpuint(again->len, ==, 2);
    first = g_ptr_array_index(again, 0);
    g_assert_cmpstr(first->file, ==, "/i/a \"b\"\n");
    g_assert_cmpuint(first->id.inode, ==, G_MAXUINT64);
    g_assert_cmpint(first->id.born, ==, -1);
    g_assert_cmpint(first->modified, ==, 7);

    uuids = qemuSnapshotPostponedList(f->folder);
    g_assert_cmpuint(uuids->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(uuids, 0), ==, UUID);

    g_ptr_array_set_size(list, 0);
    g_assert_true(qemuSnapshotPostponedWrite(f->folder, UUID, list, &error));
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
    none = qemuSnapshotPostponedRead(f->folder, UUID);
    g_assert_cmpuint(none->len, ==, 0);
    /* again is no harm */
    g_assert_true(qemuSnapshotPostponedWrite(f->folder, UUID, list, &error));
}

/* Whatever is wrong, nothing is deleted by it. */
static void
testDamaged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    static const char *const texts[] = {
        "", "nonsense", "{}", "[ 1 ]", "[ {} ]",
        "[ {\"file\": \"/i/a\", \"inode\": \"1\", \"born\": 1} ]",
        "[ {\"file\": \"a\", \"inode\": \"1\", \"born\": 1, \"modified\": 1} ]",
        "[ {\"file\": \"/i/a\", \"inode\": \"x\", \"born\": 1, \"modified\": 1} ]",
        "[ {\"file\": \"/i/a\", \"inode\": \"0\", \"born\": 1, \"modified\": 1} ]",
        "[ {\"file\": 1, \"inode\": \"1\", \"born\": 1, \"modified\": 1} ]",
        "[ {\"file\": \"/i/a\", \"inode\": \"1\", \"born\": 1, \"modified\": 1}, 7 ]",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GPtrArray) list = NULL;

        g_assert_true(g_file_set_contents(f->path, texts[i], -1, NULL));
        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*is damaged*");
        list = qemuSnapshotPostponedRead(f->folder, UUID);
        g_test_assert_expected_messages();
        g_assert_cmpuint(list->len, ==, 0);
    }
}

static void
testNowhere(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *away = g_build_filename(f->folder, "away", NULL);
    const virSnapFileID id = { .inode = 1 };
    g_autoptr(GPtrArray) list = newList();
    g_autoptr(GPtrArray) uuids = qemuSnapshotPostponedList(away);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(uuids->len, ==, 0);
    g_ptr_array_add(list, qemuSnapshotPostponedNew("/i/a", &id, 1));
    g_assert_false(qemuSnapshotPostponedWrite(away, UUID, list, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
}

#define ADD(name, func) \
    g_test_add("/qemu_snapshot_postponed/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("round-trip", testRoundTrip);
    ADD("damaged", testDamaged);
    ADD("nowhere", testNowhere);
    return g_test_run();
}
