/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_place.c: whether anyone needs the overlay that is replaced
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_place.h"
#include "virsnaperror.h"

#define OWN "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

/* The disk vda of the domain OWN is on /i/now. */
static const struct {
    const char *name;
    qemuHolderKind kind;
    const char *uuid;
    const char *disk;
    gboolean above;        /* the holder is on an image above it */
    gboolean unread;       /* ... whose header can't be read */
    const char *message;   /* NULL: it may be replaced */
} rows[] = {
    { "itself", QEMU_HOLDER_RUNNING, OWN, "vda", FALSE, FALSE, NULL },
    { "its-definition", QEMU_HOLDER_DEFINED, OWN, "vda", FALSE, FALSE, NULL },
    { "its-save", QEMU_HOLDER_SAVED, OWN, "vda", FALSE, FALSE, NULL },
    { "its-program", QEMU_HOLDER_PROGRAM, "", NULL, FALSE, FALSE, NULL },
    { "its-other-disk", QEMU_HOLDER_DEFINED, OWN, "vdb", FALSE, FALSE,
      "which domain 'vm' uses" },
    { "its-disk-above", QEMU_HOLDER_DEFINED, OWN, "vda", TRUE, FALSE,
      "which domain 'vm' uses" },
    { "snapshot", QEMU_HOLDER_SNAPSHOT, OWN, "vda", FALSE, FALSE,
      "which snapshot 's1' needs" },
    { "others-snapshot", QEMU_HOLDER_SNAPSHOT, OTHER, "vda", TRUE, FALSE,
      "which domain 'vm' uses" },
    { "another", QEMU_HOLDER_DEFINED, OTHER, "vda", FALSE, FALSE, "which domain 'vm' uses" },
    { "image", QEMU_HOLDER_IMAGE, "", NULL, TRUE, FALSE,
      "which is needed by image '/i/above'" },
    { "unknown", QEMU_HOLDER_DEFINED, OTHER, "vda", FALSE, TRUE,
      "which may be needed: it can't be told what disk 'vda' of domain 'vm'" },
};

static void
testRow(const void *opaque)
{
    gsize i = GPOINTER_TO_SIZE(opaque);
    g_autoptr(qemuHolders) holders = qemuHoldersNew();
    qemuHoldersImage *now = qemuHoldersNeedImage(holders, "1", "/i/now");
    qemuHoldersImage *above = qemuHoldersNeedImage(holders, "2", "/i/above");
    qemuHolder *holder = qemuHoldersAdd(holders, rows[i].kind);
    g_autoptr(GError) error = NULL;

    qemuHoldersAllow(holders, "/i/now", now);
    if (*rows[i].uuid) {
        holder->uuid = g_strdup(rows[i].uuid);
        holder->domain = g_strdup("vm");
        holder->snapshot = g_strdup("s1");
    }
    holder->disk = g_strdup(rows[i].disk);
    if (rows[i].unread)
        qemuHoldersImageSetUnread(above, "it is damaged");
    else
        qemuHoldersImageAddBelow(above, now, TRUE);
    g_ptr_array_add(holder->images, rows[i].above || rows[i].unread ? above : now);

    g_assert_cmpint(qemuSnapshotPlaceCheckReplaced(holders, OWN, "vda", "/i/now", &error),
                    ==, rows[i].message == NULL);
    if (!rows[i].message) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "'/i/now'"));
    if (!strstr(error->message, rows[i].message))
        g_error("%s: not in: %s", rows[i].message, error->message);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strconcat("/qemu_snapshot_place/", rows[i].name, NULL);

        g_test_add_data_func(name, GSIZE_TO_POINTER(i), testRow);
    }
    return g_test_run();
}
