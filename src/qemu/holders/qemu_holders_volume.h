/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_volume.h: where a volume of a storage pool is
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct _qemuHoldersVolume qemuHoldersVolume;
struct _qemuHoldersVolume {
    char *path;            /* NULL: it is not known where, or on none of this host */
    char *lost;            /* why that is not known; NULL: it is */
    GPtrArray *sources;    /* lost: of char *, where its storage comes from, as mounts have
                            * it; NULL: that is not known */
};

void qemuHoldersVolumeClear(qemuHoldersVolume *volume);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(qemuHoldersVolume, qemuHoldersVolumeClear)

/* By the definition of the pool where that says it, so that a pool need not be active,
 * or by libvirt. */
void qemuHoldersVolumeFind(virConnectPtr conn, const char *pool, const char *name,
                           qemuHoldersVolume *ret_volume);
