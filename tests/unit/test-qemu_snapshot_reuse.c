/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_reuse.c: whether anyone needs an overlay that the caller has made
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_reuse.h"
#include "virsnaperror.h"

#define OWN "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

static const struct {
    const char *name;
    qemuHolderKind kind;
    const char *uuid;      /* NULL: there is no holder */
    gboolean lost;
    int code;              /* 0: it is free */
    const char *message;
} rows[] = {
    { "free", 0, NULL, FALSE, 0, NULL },
    { "own-snapshot", QEMU_HOLDER_SNAPSHOT, OWN, FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "snapshot 's1' needs it as it is" },
    { "others-snapshot", QEMU_HOLDER_SNAPSHOT, OTHER, FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "domain 'vm' uses it" },
    { "running", QEMU_HOLDER_RUNNING, OTHER, FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "domain 'vm' uses it" },
    { "defined", QEMU_HOLDER_DEFINED, OWN, FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "domain 'vm' uses it" },
    { "saved", QEMU_HOLDER_SAVED, OTHER, FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "domain 'vm' uses it" },
    { "program", QEMU_HOLDER_PROGRAM, "", FALSE, VIR_ERR_OPERATION_FAILED, "has it open" },
    { "image", QEMU_HOLDER_IMAGE, "", FALSE, VIR_ERR_CONFIG_UNSUPPORTED,
      "image '/i/clone' stands on it" },
    { "unknown", QEMU_HOLDER_DEFINED, OTHER, TRUE, VIR_ERR_CONFIG_UNSUPPORTED,
      "may be needed as it is, since it can't be told what disk 'vda' of domain 'vm'" },
};

static void
testRow(const void *opaque)
{
    gsize i = GPOINTER_TO_SIZE(opaque);
    g_autoptr(qemuHolders) holders = qemuHoldersNew();
    qemuHoldersImage *image = qemuHoldersNeedImage(holders, "1", "/i/made");
    g_autoptr(GError) error = NULL;
    qemuHolder *holder;

    qemuHoldersAllow(holders, "/i/made", image);
    if (rows[i].uuid) {
        holder = qemuHoldersAdd(holders, rows[i].kind);
        holder->uuid = g_strdup(rows[i].uuid);
        holder->domain = g_strdup("vm");
        holder->snapshot = g_strdup("s1");
        holder->disk = g_strdup("vda");
        if (rows[i].kind == QEMU_HOLDER_IMAGE)
            g_ptr_array_add(holder->images, qemuHoldersNeedImage(holders, "2", "/i/clone"));
        if (rows[i].lost)
            holder->lost = g_strdup("it is away");
        else
            g_ptr_array_add(holder->images, image);
    }

    g_assert_cmpint(qemuSnapshotReuseCheckFree(holders, OWN, "vdb", "/i/made", &error), ==,
                    rows[i].code == 0);
    if (rows[i].code == 0) {
        g_assert_no_error(error);
        return;
    }
    g_assert_error(error, VIR_SNAP_ERROR, rows[i].code);
    g_assert_nonnull(strstr(error->message, "disk 'vdb'"));
    if (!strstr(error->message, rows[i].message))
        g_error("%s: not in: %s", rows[i].message, error->message);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strconcat("/qemu_snapshot_reuse/", rows[i].name, NULL);

        g_test_add_data_func(name, GSIZE_TO_POINTER(i), testRow);
    }
    return g_test_run();
}
