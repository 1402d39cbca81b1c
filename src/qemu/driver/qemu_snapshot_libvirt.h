/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_libvirt.h: what differs between the versions of libvirt
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef enum {
    /* Its own virDomainRevertToSnapshot() takes external snapshots. */
    QEMU_SNAPSHOT_LIBVIRT_REVERTS,
    /* It records the overlays that a domain was reverted to in <revertDisks>, where the
     * snapshot's <disks> belong to its children, and deletes them by that. */
    QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS,
    /* Of a snapshot that is not the current one and has no children its deletion removes
     * the images that hold the snapshot's state, whatever else stands on them. */
    QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES,
    /* Its deletion merges the image that is right above the snapshot's state in the chain
     * that the domain is on; earlier ones the overlay that the snapshot records. */
    QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE,
    /* ... but not where the snapshot's parent is kept within that same image. */
    QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL,
    /* It leaves the definitions in other snapshots as they are when it deletes the metadata
     * of one alone. */
    QEMU_SNAPSHOT_LIBVIRT_KEEPS_DEFINITIONS,
    /* It can't read what QEMU says of chains of more than
     * QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAIN images, and so not start a domain on one: it
     * parses JSON with json-c, to a depth of 32. */
    QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS,
    /* A definition can name the data file of a qcow2, in <dataStore>. */
    QEMU_SNAPSHOT_LIBVIRT_DATA_STORES,
    /* virDomainRestoreParams() takes a number of channels, for a sparse memory file. */
    QEMU_SNAPSHOT_LIBVIRT_PARALLEL_RESTORE,
} qemuSnapshotLibvirtFeature;

#define QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAIN 25

/* Versions as of virConnectGetLibVersion(): 1000000 * major + 1000 * minor + release. */
gboolean qemuSnapshotLibvirtVersionHas(unsigned long version,
                                       qemuSnapshotLibvirtFeature feature);
gboolean qemuSnapshotLibvirtVersionCheck(unsigned long version, GError **error);

/* Of the libvirtd at the other end; FALSE where it can't be asked. */
gboolean qemuSnapshotLibvirtHas(virConnectPtr conn, qemuSnapshotLibvirtFeature feature);

/* Refuses one that is older than what this was ever run with. */
gboolean qemuSnapshotLibvirtCheck(virConnectPtr conn, GError **error);
