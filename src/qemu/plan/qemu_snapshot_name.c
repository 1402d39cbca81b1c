/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_name.c: generated names of overlays
 *
 * libvirt names the overlay that it makes for snapshot snap1 of disk.qcow2
 * "disk.snap1": the last suffix replaced. Ours adds a number, so that
 * "disk.snap1*" are the states derived from snap1.
 */

#include "config.h"

#include <limits.h>
#include <string.h>

#include "qemu_snapshot_name.h"
#include "virsnaperror.h"
#include "virsnapstoragefile.h"

/* More overlays of one snapshot than this are a loop, not a need. */
#define NUMBER_MAX 100000

/* Without the last suffix; a leading dot does not begin one. */
static char *
nameStem(const char *base)
{
    const char *file = strrchr(base, '/') + 1;
    const char *dot = strrchr(file, '.');

    if (!dot || dot == file)
        return g_strdup(base);

    return g_strndup(base, dot - base);
}

/* `folder` is that of the path, resolved. */
static gboolean
nameIsFree(const char *path, const char *folder, GHashTable *taken, gboolean *ret_free,
           GError **error)
{
    g_autofree char *resolved =
        g_build_filename(folder, strrchr(path, '/') + 1, NULL);
    struct stat st;
    int fault = 0;

    if (!g_hash_table_contains(taken, resolved) &&
        !virSnapStorageLstat(path, &st, &fault, error))
        return FALSE;

    *ret_free = fault != 0;
    return TRUE;
}

char *
qemuSnapshotNameGenerate(const char *base, const char *snapshot,
                         GHashTable *taken, GError **error)
{
    g_autofree char *stem = nameStem(base);
    g_autofree char *resolved = virSnapStorageResolve(base, error);
    g_autofree char *folder = resolved ? g_path_get_dirname(resolved) : NULL;

    if (!folder)
        return NULL;

    for (unsigned int i = 1; i <= NUMBER_MAX; i++) {
        g_autofree char *path = g_strdup_printf("%s.%s-%u", stem, snapshot, i);
        gboolean is_free;

        if (strchr(snapshot, '/') ||
            strlen(strrchr(path, '/') + 1) > NAME_MAX || strlen(path) >= PATH_MAX)
            break;
        if (!nameIsFree(path, folder, taken, &is_free, error))
            return NULL;
        if (is_free)
            return g_steal_pointer(&path);
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("no name for an overlay of '%s' can be made from that of "
                  "snapshot '%s'; name the overlay in the revert document"),
                base, snapshot);
    return NULL;
}
