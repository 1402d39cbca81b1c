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

typedef struct _returnOwn returnOwn;
struct _returnOwn {
    const char *uuid;
    gboolean shareable;
};

/* Of a disk of its own that a snapshot left out, or holds inside of its image, the image
 * itself is written to all the time; and so is what the domain is on by another disk's
 * name. A disk that is meant to be shared is other domains', too. */
static gboolean
ignoreHolder(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    const returnOwn *own = opaque;

    if (holder->kind == QEMU_HOLDER_IMAGE)
        return FALSE;
    if (holder->kind == QEMU_HOLDER_PROGRAM || g_strcmp0(holder->uuid, own->uuid) != 0)
        return own->shareable;

    return place == QEMU_HOLDER_AT_TOP &&
        !(holder->kind == QEMU_HOLDER_SNAPSHOT &&
          holder->location == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL);
}

static void
setNeeded(const qemuSnapshotSource *source, const virDomainDisk *then, const char *file,
          const qemuHolder *holder, const char *who, GError **error)
{
    gboolean own = g_strcmp0(holder->uuid, source->uuid) == 0;

    if (own && holder->kind == QEMU_HOLDER_SNAPSHOT)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' no longer has, would write to '%s', "
                      "which snapshot '%s' needs"), then->target, source->name, file,
                    holder->snapshot);
    else if (own && holder->disk)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' no longer has, would write to '%s', "
                      "which its disk '%s' stands on"), then->target, source->name, file,
                    holder->disk);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' no longer has, would write to '%s', "
                      "which is needed by %s"), then->target, source->name, file, who);
}

gboolean
qemuSnapshotCheckReturn(qemuSnapshotSource *source, const virDomainDisk *then,
                        GError **error)
{
    const char *file = then->file ? then->file : then->dev;
    const returnOwn own = { .uuid = source->uuid, .shareable = then->shareable };
    qemuHoldersQuestion question = {
        .path = file, .purpose = QEMU_HOLDERS_TAKE, .uuid = source->uuid,
        .ignore = ignoreHolder, .opaque = &own,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;
    const qemuHolders *holders;

    if (!file)
        return TRUE;
    if (!(holders = qemuSnapshotSourceHolders(source, error)))
        return FALSE;

    switch (qemuHoldersAsk(holders, &question, &who, &holder)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        setNeeded(source, then, file, holder, who, error);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s', which domain '%s' no longer has, would write to '%s', "
                      "which may be needed: %s"), then->target, source->name, file, who);
        return FALSE;
    }

    return FALSE;
}
