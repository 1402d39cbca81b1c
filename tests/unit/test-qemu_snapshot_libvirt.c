/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_libvirt.c: what each version of libvirt can do
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_libvirt.h"
#include "virsnaperror.h"

static void
testFeatures(void)
{
    g_assert_false(qemuSnapshotLibvirtVersionHas(9000000,
                                                 QEMU_SNAPSHOT_LIBVIRT_REVERTS));
    g_assert_false(qemuSnapshotLibvirtVersionHas(9008000,
                                                 QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS));
    g_assert_true(qemuSnapshotLibvirtVersionHas(9009000,
                                                QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS));
    g_assert_true(qemuSnapshotLibvirtVersionHas(11003000,
                                                QEMU_SNAPSHOT_LIBVIRT_REVERTS));
    g_assert_false(qemuSnapshotLibvirtVersionHas(9000000,
                                                 QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES));
    g_assert_true(qemuSnapshotLibvirtVersionHas(9009000,
                                                QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES));
    g_assert_false(qemuSnapshotLibvirtVersionHas(
                       9000000, QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE));
    g_assert_true(qemuSnapshotLibvirtVersionHas(
                      9009000, QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE));
    g_assert_false(qemuSnapshotLibvirtVersionHas(
                       9009000, QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL));
    g_assert_true(qemuSnapshotLibvirtVersionHas(
                      11003000, QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL));
    g_assert_true(qemuSnapshotLibvirtVersionHas(11003000,
                                                QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS));
    g_assert_false(qemuSnapshotLibvirtVersionHas(9000000,
                                                 QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS));
    g_assert_true(qemuSnapshotLibvirtVersionHas(11010000,
                                                QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS));
    g_assert_false(qemuSnapshotLibvirtVersionHas(12000000,
                                                 QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS));
}

static void
testOldest(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(qemuSnapshotLibvirtVersionCheck(9000000, &error));
    g_assert_no_error(error);
    g_assert_false(qemuSnapshotLibvirtVersionCheck(8010002, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "8.10.2"));
    g_assert_nonnull(strstr(error->message, "9.0.0"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_libvirt/features", testFeatures);
    g_test_add_func("/qemu_snapshot_libvirt/oldest", testOldest);
    return g_test_run();
}
