/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_need.c: a list of what is needed of the host
 */

#include "config.h"

#include "qemu_snapshot_preflight_need.h"
#include "virsnapxml.h"

static void
testAdd(void)
{
    g_autoptr(GPtrArray) needs = qemuSnapshotNeedsNew();
    qemuSnapshotNeedReader reader = { .needs = needs };
    qemuSnapshotNeed *port = qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_PORT, "1", NULL);

    /* each once, what differs in anything apart */
    g_assert_true(qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_PORT, "1", NULL) == port);
    qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_PORT, "1", "::1");
    qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_PORT, "2", NULL);
    qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_CPUS, "1", NULL);
    g_assert_cmpuint(needs->len, ==, 4);

    qemuSnapshotNeedAddNamed(&reader, QEMU_SNAPSHOT_NEED_NETWORK, NULL);
    qemuSnapshotNeedAddNamed(&reader, QEMU_SNAPSHOT_NEED_NETWORK, "");
    qemuSnapshotNeedAddPath(&reader, QEMU_SNAPSHOT_NEED_SOCKET, NULL);
    qemuSnapshotNeedAddPath(&reader, QEMU_SNAPSHOT_NEED_SOCKET, "relative");
    qemuSnapshotNeedAddPath(&reader, QEMU_SNAPSHOT_NEED_SOCKET,
                            "/var/lib/libvirt/qemu/channel/target/d/s");
    g_assert_cmpuint(needs->len, ==, 4);

    qemuSnapshotNeedAddNamed(&reader, QEMU_SNAPSHOT_NEED_NETWORK, "n");
    qemuSnapshotNeedAddPath(&reader, QEMU_SNAPSHOT_NEED_SOCKET, "/s");
    g_assert_cmpuint(needs->len, ==, 6);
}

static void
testFind(void)
{
    g_autoptr(GPtrArray) needs = qemuSnapshotNeedsNew();
    qemuSnapshotNeedReader reader = { .needs = needs };

    qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_MEMORY, NULL, NULL)->amount = 5;
    g_assert_cmpuint(qemuSnapshotNeedsFind(needs, QEMU_SNAPSHOT_NEED_MEMORY, NULL)->amount,
                     ==, 5);
    g_assert_null(qemuSnapshotNeedsFind(needs, QEMU_SNAPSHOT_NEED_MEMORY, "n"));
    g_assert_null(qemuSnapshotNeedsFind(needs, QEMU_SNAPSHOT_NEED_PORT, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_preflight_need/add", testAdd);
    g_test_add_func("/qemu_snapshot_preflight_need/find", testFind);
    return g_test_run();
}
