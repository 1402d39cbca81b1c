/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_libvirt.c: what differs between the versions of libvirt
 *
 * None of it is among what virConnectGetCapabilities() tells, so that it goes by the
 * version of the libvirtd that does the work, which need not be that of the library.
 */

#include "config.h"

#include "qemu_snapshot_libvirt.h"
#include "virsnaperror.h"

/* Debian 12's; the first that deletes external snapshots */
#define OLDEST 9000000

static const struct {
    unsigned long from;
    unsigned long until;   /* the first that is different again; 0: none so far */
} features[] = {
    [QEMU_SNAPSHOT_LIBVIRT_REVERTS] = { 9009000, 0 },
    [QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS] = { 9009000, 0 },
    [QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES] = { 9009000, 0 },
    [QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE] = { 9009000, 0 },
    /* measured with 9.0 and 11.3; others were not */
    [QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL] = { 11003000, 0 },
    [QEMU_SNAPSHOT_LIBVIRT_KEEPS_DEFINITIONS] = { 11003000, 0 },
    /* measured with 11.3 and 12.8; others were not */
    [QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS] = { 11003000, 12000000 },
    [QEMU_SNAPSHOT_LIBVIRT_DATA_STORES] = { 10010000, 0 },
    [QEMU_SNAPSHOT_LIBVIRT_PARALLEL_RESTORE] = { 11002000, 0 },
};

gboolean
qemuSnapshotLibvirtVersionHas(unsigned long version, qemuSnapshotLibvirtFeature feature)
{
    return version >= features[feature].from &&
        (!features[feature].until || version < features[feature].until);
}

gboolean
qemuSnapshotLibvirtVersionCheck(unsigned long version, GError **error)
{
    if (version >= OLDEST)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("libvirt %lu.%lu.%lu is too old: external snapshots need %d.%d.%d or "
                  "later"), version / 1000000, version / 1000 % 1000, version % 1000,
                OLDEST / 1000000, OLDEST / 1000 % 1000, OLDEST % 1000);
    return FALSE;
}

gboolean
qemuSnapshotLibvirtHas(virConnectPtr conn, qemuSnapshotLibvirtFeature feature)
{
    unsigned long version;

    return virConnectGetLibVersion(conn, &version) == 0 &&
        qemuSnapshotLibvirtVersionHas(version, feature);
}

gboolean
qemuSnapshotLibvirtCheck(virConnectPtr conn, GError **error)
{
    unsigned long version;

    if (virConnectGetLibVersion(conn, &version) == 0)
        return qemuSnapshotLibvirtVersionCheck(version, error);

    virSnapErrorSetLibvirt(error, _("cannot ask libvirt for its version"));
    return FALSE;
}
