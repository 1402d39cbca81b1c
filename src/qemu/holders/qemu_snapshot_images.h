/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_images.h: which images disks stand on
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "domain_conf.h"

/* Images and who needs them. */
typedef struct _qemuSnapshotImages qemuSnapshotImages;
struct _qemuSnapshotImages {
    virConnectPtr conn;
    GHashTable *owners;   /* file key -> owner; see virSnapFileKey() */
    GHashTable *read;     /* set of format, folder key and file key */
    char *unknown;        /* why not all of them could be found; NULL: they were */
};

qemuSnapshotImages *qemuSnapshotImagesNew(virConnectPtr conn);
void qemuSnapshotImagesFree(qemuSnapshotImages *images);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotImages, qemuSnapshotImagesFree)

/* Adds all that the disks (virDomainDisk) stand on: whole chains, and data files. */
void qemuSnapshotImagesAddDisks(qemuSnapshotImages *images, GPtrArray *disks,
                                const char *owner);

/* What else may need an image: NULL where all is known. Those who are going to write to an
 * image, rename or remove it take what can't be told for a need of theirs: a disk whose
 * images can't be found may stand on any. */
const char *qemuSnapshotImagesUnknown(const qemuSnapshotImages *images);

/* The file keys of the disk's image and of all below it, from the top; empty where it is
 * on none of this host. NULL where that can't be told. */
GPtrArray *qemuSnapshotReadChain(virConnectPtr conn, const virDomainDisk *disk,
                                 GError **error);

/* The same of an overlay. */
GPtrArray *qemuSnapshotReadOverlayChain(const char *file, GError **error);
