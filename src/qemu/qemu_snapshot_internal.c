/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_internal.c: whether libvirt may go back to an internal snapshot
 *
 * An internal snapshot is kept within the image of a disk. Going back to it rewrites what
 * that image shows, in place: whatever stands on the image, or has its state in it, shows
 * something else from then on, without a word. Only other internal snapshots of the disk,
 * which are kept beside it in the same image, are not touched.
 *
 * What the domain itself shows now is lost by any revert, so that its present chain does
 * not count.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_internal.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_recover.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

typedef struct _internalState internalState;
struct _internalState {
    qemuSnapshotDriver *driver;
    virDomainPtr dom;
    char uuid[VIR_UUID_STRING_BUFLEN];
    GPtrArray *infos;                    /* of virDomainSnapshotInfo */
    const virDomainSnapshotInfo *info;   /* the one that is gone back to */
    GPtrArray *files;                    /* of char *: the images that are rewritten */
};

static void
internalStateClear(internalState *state)
{
    g_clear_pointer(&state->dom, virDomainFree);
    g_clear_pointer(&state->infos, g_ptr_array_unref);
    g_clear_pointer(&state->files, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(internalState, internalStateClear)

/* What is rewritten */

/* No other format has internal snapshots. */
static void
internalAddFiles(internalState *state, GPtrArray *disks)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        const char *file = disk->file ? disk->file : disk->dev;

        if (!file || !g_str_equal(disk->device, "disk") || disk->readonly ||
            g_strcmp0(disk->format, "qcow2") != 0 ||
            g_ptr_array_find_with_equal_func(state->files, file, g_str_equal, NULL))
            continue;
        g_ptr_array_add(state->files, g_strdup(file));
    }
}

/* A domain that runs may be put back in its running process, on the images that it is on
 * now; one that is off, or started for it, goes by the snapshot's definition. */
static gboolean
internalChooseFiles(internalState *state, GError **error)
{
    guint known = 0;

    state->files = g_ptr_array_new_with_free_func(g_free);
    for (int inactive = 0; inactive < 2; inactive++) {
        g_autoptr(GPtrArray) disks =
            virDomainSnapshotInfoGetDisks(state->info, inactive, error);

        if (!disks)
            return FALSE;
        internalAddFiles(state, disks);
        known += disks->len;
    }

    if (known == 0 || virDomainIsActive(state->dom) != 0) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(state->dom, 0, NULL, error);

        if (!disks)
            return FALSE;
        internalAddFiles(state, disks);
    }

    return TRUE;
}

/* Who needs it */

/* The domain's present state is lost by any revert. A snapshot of its own is not touched
 * where it keeps its state of the disk beside the one that is gone back to, or keeps none. */
static gboolean
internalIgnore(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    const internalState *state = opaque;

    if (holder->kind == QEMU_HOLDER_PROGRAM)
        return TRUE;
    if (g_strcmp0(holder->uuid, state->uuid) != 0)
        return FALSE;
    if (holder->kind != QEMU_HOLDER_SNAPSHOT ||
        g_str_equal(holder->snapshot, state->info->name))
        return TRUE;

    return place == QEMU_HOLDER_AT_TOP &&
        (holder->location == VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL ||
         holder->location == VIR_DOMAIN_SNAPSHOT_LOCATION_NONE);
}

static gboolean
internalIgnoreOthers(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    return holder->kind != QEMU_HOLDER_SNAPSHOT || internalIgnore(holder, place, opaque);
}

static void
internalSetNeeded(const internalState *state, const qemuHolders *holders,
                  qemuHoldersQuestion *question, const char *who, GError **error)
{
    g_autofree char *snapshots = NULL;

    question->ignore = internalIgnoreOthers;
    switch (qemuHoldersAsk(holders, question, &snapshots, NULL)) {
    case QEMU_HOLDERS_SOMEBODY:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': image '%s' would be "
                      "rewritten, which is needed as it is by %s; delete %s first"),
                    state->info->name, question->path, who, snapshots);
        break;
    case QEMU_HOLDERS_NOBODY:
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': image '%s' would be "
                      "rewritten, which is needed as it is by %s; give that another image "
                      "first"), state->info->name, question->path, who);
        break;
    }
}

static gboolean
internalCheckFile(const internalState *state, const qemuHolders *holders, const char *file,
                  GError **error)
{
    qemuHoldersQuestion question = {
        .path = file, .purpose = QEMU_HOLDERS_TAKE, .uuid = state->uuid,
        .ignore = internalIgnore, .opaque = state,
    };
    g_autofree char *who = NULL;

    switch (qemuHoldersAsk(holders, &question, &who, NULL)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        internalSetNeeded(state, holders, &question, who, error);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': image '%s' would be "
                      "rewritten, which may be needed as it is: %s"), state->info->name,
                    file, who);
        return FALSE;
    }

    return FALSE;
}

static gboolean
internalCheck(internalState *state, const char *snapshot, GError **error)
{
    g_autoptr(qemuHolders) holders = NULL;
    g_autoptr(GPtrArray) asked = g_ptr_array_new();

    if (!(state->infos = qemuSnapshotReadInfos(state->dom, error)))
        return FALSE;
    if (!(state->info = qemuSnapshotFindInfo(state->infos, snapshot)))
        return TRUE;
    if (virDomainGetUUIDString(state->dom, state->uuid) < 0 ||
        !internalChooseFiles(state, error))
        return FALSE;

    for (guint i = 0; i < state->files->len; i++)
        g_ptr_array_add(asked, g_ptr_array_index(state->files, i));
    g_ptr_array_add(asked, NULL);
    holders = qemuHoldersRead(qemuSnapshotDriverHolders(state->driver),
                              virDomainGetConnect(state->dom),
                              (const char *const *)asked->pdata, error);
    if (!holders)
        return FALSE;

    for (guint i = 0; i < state->files->len; i++) {
        if (!internalCheckFile(state, holders, g_ptr_array_index(state->files, i), error))
            return FALSE;
    }

    return TRUE;
}

/* NULL without an error: it isn't there. */
static virDomainPtr
findDomain(virConnectPtr conn, const qemuSnapshotRequest *request, GError **error)
{
    virDomainPtr dom = virDomainLookupByUUID(conn, request->uuid);
    virErrorPtr last = dom ? NULL : virGetLastError();

    if (!dom && (!last || last->code != VIR_ERR_NO_DOMAIN))
        virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), request->domain);
    return dom;
}

gboolean
qemuSnapshotInternalCheck(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                          GError **error)
{
    virConnectPtr conn = qemuSnapshotDriverConnect(driver, error);
    g_autoptr(GError) cause = NULL;
    gboolean ok;

    if (!conn)
        return FALSE;

    {
        g_auto(internalState) state = {
            .driver = driver, .dom = findDomain(conn, request, &cause),
        };

        ok = state.dom ? internalCheck(&state, request->snapshot, &cause) : !cause;
    }
    virConnectClose(conn);

    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

static gboolean
libvirtRevert(virConnectPtr conn, const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(virDomain) dom = virDomainLookupByUUID(conn, request->uuid);
    g_autoptr(virDomainSnapshot) snap =
        dom ? virDomainSnapshotLookupByName(dom, request->snapshot, 0) : NULL;

    if (snap && virDomainRevertToSnapshot(snap, request->flags) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot revert domain '%s' to internal snapshot '%s'"),
                           request->domain, request->snapshot);
    return FALSE;
}

gboolean
qemuSnapshotInternalRevert(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                           GError **error)
{
    virConnectPtr conn;
    gboolean ok;

    if (!qemuSnapshotRecoverDomain(driver, request->uuid, error)) {
        g_prefix_error(error, _("an earlier revert of domain '%s' was broken off and can't "
                                "be finished or undone yet: "), request->domain);
        return FALSE;
    }

    if (!qemuSnapshotInternalCheck(driver, request, error) ||
        !(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    ok = libvirtRevert(conn, request, error);
    virConnectClose(conn);
    return ok;
}
