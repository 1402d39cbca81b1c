/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_libvirt.h: what the host has, as libvirt tells
 *
 * What a connection does not support, or can't tell, is UNKNOWN.
 */

#pragma once

#include <libvirt/libvirt.h>

#include "qemu_snapshot_preflight_need.h"

/* A network or pool that is not active is UNFIT. */
qemuSnapshotAnswer qemuSnapshotLibvirtHasNetwork(virConnectPtr conn, const char *name);
qemuSnapshotAnswer qemuSnapshotLibvirtHasPool(virConnectPtr conn, const char *name);

/* Of a pool that is active. */
qemuSnapshotAnswer qemuSnapshotLibvirtHasVolume(virConnectPtr conn, const char *pool,
                                                const char *name);
qemuSnapshotAnswer qemuSnapshotLibvirtHasFilter(virConnectPtr conn, const char *name);

/* One by its UUID or, with a type of usage, by that. UNFIT where it has no value. */
qemuSnapshotAnswer qemuSnapshotLibvirtHasSecret(virConnectPtr conn, const char *name,
                                                const char *usage_type);

/* Whether the host's processor has what the <cpu> element asks for. */
qemuSnapshotAnswer qemuSnapshotLibvirtHasCPU(virConnectPtr conn, xmlDoc *domain,
                                             const char *cpu);

/* Whether there is an swtpm for domains of that kind. */
qemuSnapshotAnswer qemuSnapshotLibvirtHasTPMEmulator(virConnectPtr conn,
                                                     xmlDoc *domain);

/* How much memory of the host a running domain has, in KiB; FALSE where it can't be told
 * at once. */
gboolean qemuSnapshotLibvirtReadMemory(virDomainPtr dom, guint64 *ret_amount);
