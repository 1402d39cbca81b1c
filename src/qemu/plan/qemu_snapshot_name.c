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
#include <sys/stat.h>

#include "qemu_snapshot_name.h"
#include "virsnaperror.h"
#include "virsnapfile.h"

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

static gboolean
nameIsFree(const char *path, GHashTable *taken)
{
    g_autofree char *resolved = virSnapFileResolve(path);
    struct stat st;

    return !g_hash_table_contains(taken, resolved) && lstat(path, &st) < 0;
}

char *
qemuSnapshotNameGenerate(const char *base, const char *snapshot,
                         GHashTable *taken, GError **error)
{
    g_autofree char *stem = nameStem(base);

    for (unsigned int i = 1; i <= NUMBER_MAX; i++) {
        g_autofree char *path = g_strdup_printf("%s.%s-%u", stem, snapshot, i);

        if (strchr(snapshot, '/') ||
            strlen(strrchr(path, '/') + 1) > NAME_MAX || strlen(path) >= PATH_MAX)
            break;
        if (nameIsFree(path, taken))
            return g_steal_pointer(&path);
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("no name for an overlay of '%s' can be made from that of "
                  "snapshot '%s'; name the overlay in the revert document"),
                base, snapshot);
    return NULL;
}
