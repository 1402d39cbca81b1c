/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_name.h: generated names of overlays
 */

#pragma once

#include <glib.h>

/* "/images/disk.qcow2" and "snap1" make "/images/disk.snap1-1": the stem of the
 * image that holds the snapshot's state, the snapshot's name and the smallest
 * number for which the path neither exists nor is in `taken`, a set of paths.
 * The caller frees it with g_free(). */
char *qemuSnapshotNameGenerate(const char *base, const char *snapshot,
                               GHashTable *taken, GError **error);
