/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_return.c: disks that a domain has no more and a revert brings back
 *
 * A disk that the snapshot left out keeps its present image. Where the domain has it no
 * more there is none: it comes back directly on the image that it had, and the guest
 * writes to that. It may be what others stand on by now, which is never right, whatever
 * the caller knows.
 */

#include "config.h"

#include "qemu_snapshot_return.h"
#include "virsnaperror.h"
#include "virsnapstoragefile.h"

typedef struct _returnSearch returnSearch;
struct _returnSearch {
    virConnectPtr conn;
    const char *key;                     /* of the image */
    const virDomainSnapshotInfo *info;   /* whose definition it is; NULL: no snapshot's */
};

/* The first of the disks that would not bear that the image is written to, as it is below
 * its own or an external state is in it; NULL: none. Of a disk that a snapshot left out,
 * or holds inside of its image, the image itself is written to all the time. */
static gboolean
findAbove(const returnSearch *search, GPtrArray *disks, const virDomainDisk **ret_disk,
          GError **error)
{
    *ret_disk = NULL;
    for (guint i = 0; i < disks->len && !*ret_disk; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) chain = qemuSnapshotReadChain(search->conn, disk, error);
        gboolean external = search->info &&
            virDomainSnapshotInfoGetLocation(search->info, disk->target, disk->file) ==
            VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL;
        guint at;

        if (!chain)
            return FALSE;
        if (g_ptr_array_find_with_equal_func(chain, search->key, g_str_equal, &at) &&
            (at > 0 || external))
            *ret_disk = disk;
    }

    return TRUE;
}

static gboolean
checkSnapshot(const qemuSnapshotSource *source, const virDomainDisk *then,
              returnSearch *search, const virDomainSnapshotInfo *info, GError **error)
{
    search->info = info;
    for (int inactive = 0; inactive < 2; inactive++) {
        g_autoptr(GPtrArray) disks =
            virDomainSnapshotInfoGetDisks(info, inactive, error);
        const virDomainDisk *above;

        if (!disks || !findAbove(search, disks, &above, error))
            return FALSE;
        if (!above)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' has no more, would write to '%s', "
                      "which snapshot '%s' needs"), then->target, source->name,
                    then->file ? then->file : then->dev, info->name);
        return FALSE;
    }

    return TRUE;
}

/* Of a disk that the domain got since, by another name, the files are not touched. */
static gboolean
checkDomain(const qemuSnapshotSource *source, const virDomainDisk *then,
            returnSearch *search, GPtrArray *disks, GError **error)
{
    const virDomainDisk *above;

    search->info = NULL;
    if (!findAbove(search, disks, &above, error))
        return FALSE;
    if (!above)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("disk '%s', which domain '%s' has no more, would write to '%s', which "
                  "its disk '%s' stands on"), then->target, source->name,
                then->file ? then->file : then->dev, above->target);
    return FALSE;
}

static gboolean
checkOthers(const qemuSnapshotSource *source, const virDomainDisk *then, const char *key,
            GError **error)
{
    g_autoptr(qemuSnapshotImages) others =
        qemuSnapshotReadDomains(virDomainGetConnect(source->dom), source->dom, error);
    const char *file = then->file ? then->file : then->dev;
    const char *owner = others ? g_hash_table_lookup(others->owners, key) : NULL;

    if (owner)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' has no more, would write to '%s', "
                      "which domain '%s' or one of its snapshots needs"), then->target,
                    source->name, file, owner);
    else if (others && others->unknown)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' has no more, would write to '%s', "
                      "which may be needed: %s"), then->target, source->name, file,
                    others->unknown);

    return others && !owner && !others->unknown;
}

gboolean
qemuSnapshotCheckReturn(const qemuSnapshotSource *source, const virDomainDisk *then,
                        GError **error)
{
    const char *file = then->file ? then->file : then->dev;
    g_autofree char *key = file ? virSnapStorageKey(file, error) : NULL;
    returnSearch search = { .conn = virDomainGetConnect(source->dom), .key = key };

    if (!file || !key)
        return !file;

    for (guint i = 0; i < source->tree->infos->len; i++) {
        if (!checkSnapshot(source, then, &search,
                           g_ptr_array_index(source->tree->infos, i), error))
            return FALSE;
    }

    return checkDomain(source, then, &search, source->now_disks, error) &&
        checkDomain(source, then, &search, source->next_disks, error) &&
        (then->shareable || checkOthers(source, then, key, error));
}
