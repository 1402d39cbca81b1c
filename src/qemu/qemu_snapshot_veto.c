/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto.c: whether libvirt may delete a snapshot
 *
 * libvirt deletes an external snapshot by committing an overlay into the image
 * below, which holds the snapshot's state, and removing the overlay. It looks at the
 * chain that the domain stands on now and at no other: what stands on the lower image
 * but not by way of the overlay is changed without a word, and what else stands on the
 * overlay loses it. After a revert there is such another branch.
 *
 * So all that stands on either image, as it is now, is held against what the commit
 * would do to it.
 *
 * Of a snapshot that is not the current one and has no children a libvirt that reverts
 * by itself takes its overlay for deleted, by the revert that left it; it commits
 * nothing and removes the image that holds the snapshot's state.
 *
 * Which image is merged differs by the version. The name that a snapshot records is that of
 * the overlay once made by taking it: after a revert the domain may stand on the same state
 * by way of another.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_metadata.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_veto.h"
#include "qemu_snapshot_witness.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

typedef struct _vetoState vetoState;
struct _vetoState {
    qemuSnapshotDriver *driver;
    virDomainPtr dom;
    char *uuid;
    const char *snapshot;   /* that the call names */
    GPtrArray *infos;       /* of virDomainSnapshotInfo: the domain's snapshots */
    GHashTable *deleted;    /* set of names */
    GPtrArray *disks;       /* of the definition that libvirt works on */
    GPtrArray *asked;       /* of char *: the files that are asked about */
    qemuHolders *holders;
    gboolean removes_states;       /* what this libvirt does; see there */
    gboolean merges_above_state;
    gboolean spares_internal;
};

static void
vetoStateClear(vetoState *state)
{
    g_clear_pointer(&state->dom, virDomainFree);
    g_clear_pointer(&state->uuid, g_free);
    g_clear_pointer(&state->infos, g_ptr_array_unref);
    g_clear_pointer(&state->deleted, g_hash_table_unref);
    g_clear_pointer(&state->disks, g_ptr_array_unref);
    g_clear_pointer(&state->asked, g_ptr_array_unref);
    g_clear_pointer(&state->holders, qemuHoldersFree);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(vetoState, vetoStateClear)

/* What goes */

static gboolean
vetoIsDescendant(const vetoState *state, const char *name, const char *ancestor)
{
    const virDomainSnapshotInfo *info = qemuSnapshotFindInfo(state->infos, name);

    /* no more steps than there are snapshots, whatever their parents say */
    for (guint i = 0; info && info->parent && i < state->infos->len; i++) {
        if (g_str_equal(info->parent, ancestor))
            return TRUE;
        info = qemuSnapshotFindInfo(state->infos, info->parent);
    }

    return FALSE;
}

static void
vetoChooseDeleted(vetoState *state, const qemuSnapshotRequest *request)
{
    gboolean children = request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                                          VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY);

    state->deleted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!(request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY))
        g_hash_table_add(state->deleted, g_strdup(request->snapshot));

    for (guint i = 0; children && i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (vetoIsDescendant(state, info->name, request->snapshot))
            g_hash_table_add(state->deleted, g_strdup(info->name));
    }
}

/* What one deletion does to one disk. */
typedef struct _vetoCommit vetoCommit;
struct _vetoCommit {
    const vetoState *state;
    const char *snapshot;              /* that is deleted */
    const char *file;                  /* the overlay, which is removed */
    const qemuHoldersImage *overlay;
    const qemuHoldersImage *above;     /* gets a new backing image; NULL: nothing does */
    const qemuHoldersImage *base;      /* written to; NULL: not in the chain, so that
                                        * nothing is committed */
};

/* Those that go with it, and programs, which are libvirt's to find. */
static gboolean
vetoIsDeleted(const vetoState *state, const qemuHolder *holder)
{
    return holder->kind == QEMU_HOLDER_PROGRAM ||
        (holder->kind == QEMU_HOLDER_SNAPSHOT &&
         g_strcmp0(holder->uuid, state->uuid) == 0 &&
         g_hash_table_contains(state->deleted, holder->snapshot));
}

static gboolean
vetoIsInternal(const qemuHolder *holder)
{
    return holder->kind == QEMU_HOLDER_SNAPSHOT &&
        holder->location == VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL;
}

/* The overlay goes: those right above it in the domain's own chain are told, and so
 * are the snapshots below the deleted one whose state is in it. */
static gboolean
vetoIgnoreOfOverlay(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    const vetoCommit *commit = opaque;
    gboolean own = g_strcmp0(holder->uuid, commit->state->uuid) == 0;

    if (vetoIsDeleted(commit->state, holder))
        return TRUE;

    switch (place) {
    case QEMU_HOLDER_MAYBE:
        return FALSE;
    case QEMU_HOLDER_BELOW:
        return commit->base && commit->above &&
            qemuHolderHasPair(holder, commit->above, commit->overlay);
    case QEMU_HOLDER_AT_TOP:
        if (!commit->base || vetoIsInternal(holder) || !own)
            return FALSE;
        return holder->kind == QEMU_HOLDER_SNAPSHOT ?
            vetoIsDescendant(commit->state, holder->snapshot, commit->snapshot) :
            !commit->above;
    }

    return FALSE;
}

/* The base is changed for those that stand on it but not by way of the overlay. An internal
 * state is in its image, whatever else is written there. */
static gboolean
vetoIgnoreOfBase(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    const vetoCommit *commit = opaque;

    if (vetoIsDeleted(commit->state, holder))
        return TRUE;

    switch (place) {
    case QEMU_HOLDER_MAYBE:
        return FALSE;
    case QEMU_HOLDER_BELOW:
        return qemuHolderHasPair(holder, commit->overlay, commit->base);
    case QEMU_HOLDER_AT_TOP:
        return vetoIsInternal(holder);
    }

    return FALSE;
}

static void
vetoSetUnknown(GError **error, const char *snapshot, const char *why)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                _("cannot delete snapshot '%s': %s"), snapshot, why);
}

static gboolean
vetoCheckNobody(const vetoState *state, const char *path, qemuHoldersIgnore ignore,
                const void *opaque, char **ret_who, GError **error)
{
    qemuHoldersQuestion question = {
        .path = path, .purpose = QEMU_HOLDERS_DELETE, .uuid = state->uuid,
        .ignore = ignore, .opaque = opaque,
    };
    g_autofree char *who = NULL;

    switch (qemuHoldersAsk(state->holders, &question, &who, NULL)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        *ret_who = g_steal_pointer(&who);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        vetoSetUnknown(error, state->snapshot, who);
        return FALSE;
    }

    return FALSE;
}

static void
vetoSetNeeded(GError **error, const char *snapshot, const char *file, const char *who)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                _("cannot delete snapshot '%s': image '%s' would be removed, which is "
                  "needed by %s"), snapshot, file, who);
}

static gboolean
vetoCheckCommit(const vetoCommit *commit, GError **error)
{
    g_autofree char *who = NULL;

    if (commit->base &&
        !vetoCheckNobody(commit->state, qemuHoldersImagePath(commit->base),
                         vetoIgnoreOfBase, commit, &who, error)) {
        if (who)
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("cannot delete snapshot '%s': image '%s' would be merged into "
                          "the one below it, which is needed as it is by %s"),
                        commit->snapshot, commit->file, who);
        return FALSE;
    }

    if (vetoCheckNobody(commit->state, commit->file, vetoIgnoreOfOverlay, commit, &who,
                        error))
        return TRUE;

    if (who)
        vetoSetNeeded(error, commit->snapshot, commit->file, who);
    return FALSE;
}

/* Reading */

static void
vetoAsk(vetoState *state, const char *path)
{
    if (path && !g_ptr_array_find_with_equal_func(state->asked, path, g_str_equal, NULL))
        g_ptr_array_add(state->asked, g_strdup(path));
}

static gboolean
vetoRead(vetoState *state, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(state->dom);
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (guint i = 0; i < state->asked->len; i++)
        g_ptr_array_add(list, g_ptr_array_index(state->asked, i));
    g_ptr_array_add(list, NULL);

    qemuHoldersFree(state->holders);
    state->holders = qemuHoldersRead(qemuSnapshotDriverHolders(state->driver), conn,
                                     (const char *const *)list->pdata, error);
    return state->holders != NULL;
}

/* The domain's own chain of the disk, as libvirt looks at it: from the top, or what is
 * known of it. */
static GPtrArray *
vetoOwnChain(const vetoState *state, const char *target)
{
    const virDomainDisk *disk = virDomainDisksFind(state->disks, target);
    GPtrArray *chain = g_ptr_array_new();
    const qemuHoldersImage *image = disk && (disk->file || disk->dev) ?
        qemuHoldersFind(state->holders, disk->file ? disk->file : disk->dev) : NULL;

    while (image && !g_ptr_array_find(chain, image, NULL)) {
        g_ptr_array_add(chain, (void *)image);
        image = qemuHoldersImageBacking(image);
    }

    return chain;
}

static gboolean
vetoHasChildren(const vetoState *state, const char *name)
{
    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (g_strcmp0(info->parent, name) == 0)
            return TRUE;
    }

    return FALSE;
}

/* libvirt's own words are "could not find base disk source in disk source chain". */
static void
vetoSetNotInChain(const vetoState *state, const vetoCommit *commit, GError **error)
{
    const char *domain = virDomainGetName(state->dom);

    if (vetoHasChildren(state, commit->snapshot))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': its overlay '%s' is not among the "
                      "images that domain '%s' is on, and this libvirt can merge no "
                      "other; revert to a snapshot that stands on that overlay first"),
                    commit->snapshot, commit->file, domain);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': its overlay '%s' is not among the "
                      "images that domain '%s' is on, and this libvirt can merge no "
                      "other; revert to snapshot '%s' first, or delete its metadata alone "
                      "and remove the images that nothing needs then"),
                    commit->snapshot, commit->file, domain, commit->snapshot);
}

static void
vetoSetCommit(vetoCommit *commit, GPtrArray *chain, guint at)
{
    commit->overlay = g_ptr_array_index(chain, at);
    commit->above = at > 0 ? g_ptr_array_index(chain, at - 1) : NULL;
    commit->base = at + 1 < chain->len ? g_ptr_array_index(chain, at + 1) : NULL;
}

/* The overlay that the snapshot names is merged, wherever it is in the domain's chain. */
static gboolean
vetoCheckRecorded(const vetoState *state, const virDomainSnapshotInfo *info,
                  const virDomainSnapshotDisk *entry, GPtrArray *chain, GError **error)
{
    const char *file = entry->file ? entry->file : entry->dev;
    vetoCommit commit = {
        .state = state, .snapshot = info->name, .file = file,
        .overlay = qemuHoldersFind(state->holders, file),
    };
    guint at;

    if (commit.overlay && g_ptr_array_find(chain, commit.overlay, &at))
        vetoSetCommit(&commit, chain, at);
    if (!vetoCheckCommit(&commit, error))
        return FALSE;
    if (commit.base || chain->len == 0)
        return TRUE;

    vetoSetNotInChain(state, &commit, error);
    return FALSE;
}

/* What is right above the snapshot's state is merged, whatever the snapshot names. Where
 * the domain does not stand on that state, libvirt refuses by itself. */
static gboolean
vetoCheckAboveState(const vetoState *state, const virDomainSnapshotInfo *info,
                    const virDomainDisk *then, GPtrArray *chain, GError **error)
{
    const char *file = then ? (then->file ? then->file : then->dev) : NULL;
    const qemuHoldersImage *image = file ? qemuHoldersFind(state->holders, file) : NULL;
    vetoCommit commit = { .state = state, .snapshot = info->name };
    guint at;

    if (!image || !g_ptr_array_find(chain, image, &at) || at == 0)
        return TRUE;

    vetoSetCommit(&commit, chain, at - 1);
    commit.file = qemuHoldersImagePath(commit.overlay);
    return vetoCheckCommit(&commit, error);
}

static gboolean
vetoCheckOverlay(const vetoState *state, const virDomainSnapshotInfo *info,
                 const virDomainSnapshotDisk *entry, GPtrArray *then_disks, GError **error)
{
    g_autoptr(GPtrArray) chain = vetoOwnChain(state, entry->name);

    if (!entry->file && !entry->dev)
        return TRUE;

    return state->merges_above_state ?
        vetoCheckAboveState(state, info, virDomainDisksFind(then_disks, entry->name),
                            chain, error) :
        vetoCheckRecorded(state, info, entry, chain, error);
}

/* What the image holds besides, the parent's state, would go with it. */
static gboolean
vetoSparesState(const vetoState *state, const virDomainSnapshotInfo *info,
                const virDomainDisk *disk)
{
    const virDomainSnapshotInfo *parent =
        info->parent ? qemuSnapshotFindInfo(state->infos, info->parent) : NULL;

    return state->spares_internal && parent &&
        virDomainSnapshotInfoGetLocation(parent, disk->target, disk->file) ==
        VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL;
}

static gboolean
vetoIgnoreOfState(const qemuHolder *holder, qemuHolderPlace place G_GNUC_UNUSED,
                  const void *opaque)
{
    return vetoIsDeleted(opaque, holder);
}

/* An overlay that a revert left in its place stands on the state, too: it is found as an
 * image of the folder, or by the name that the snapshot has for it. */
static gboolean
vetoCheckState(const vetoState *state, const virDomainSnapshotInfo *info,
               const virDomainSnapshotDisk *entry, GPtrArray *then_disks, GError **error)
{
    const virDomainDisk *disk = virDomainDisksFind(then_disks, entry->name);
    const char *file = disk ? (disk->file ? disk->file : disk->dev) : NULL;
    g_autofree char *who = NULL;

    if (!file || vetoSparesState(state, info, disk) ||
        vetoCheckNobody(state, file, vetoIgnoreOfState, state, &who, error))
        return TRUE;

    if (who)
        vetoSetNeeded(error, info->name, file, who);
    return FALSE;
}

static gboolean
vetoIsCurrent(const vetoState *state, const char *name)
{
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotLookupByName(state->dom, name, 0);

    return snap && virDomainSnapshotIsCurrent(snap, 0) == 1;
}

static gboolean
vetoCheckSnapshot(const vetoState *state, const virDomainSnapshotInfo *info,
                  GError **error)
{
    gboolean removes_state = state->removes_states &&
        !vetoHasChildren(state, info->name) && !vetoIsCurrent(state, info->name);
    g_autoptr(GPtrArray) then_disks = virDomainSnapshotInfoGetDisks(info, FALSE, error);

    if (!then_disks)
        return FALSE;

    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *entry = g_ptr_array_index(info->disks, i);

        if (entry->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            continue;
        if (removes_state ? !vetoCheckState(state, info, entry, then_disks, error) :
            !vetoCheckOverlay(state, info, entry, then_disks, error))
            return FALSE;
    }

    return TRUE;
}

static gboolean
vetoIsAmong(const vetoState *state, const virDomainSnapshotInfo *info)
{
    return g_hash_table_contains(state->deleted, info->name);
}

/* Where nothing external is deleted, others need not be looked at. */
static gboolean
vetoDeletesExternal(const vetoState *state)
{
    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (vetoIsAmong(state, info) && virDomainSnapshotInfoIsExternal(info))
            return TRUE;
    }

    return FALSE;
}

static gboolean
vetoAskSnapshot(vetoState *state, const virDomainSnapshotInfo *info, GError **error)
{
    g_autoptr(GPtrArray) then_disks = virDomainSnapshotInfoGetDisks(info, FALSE, error);

    if (!then_disks)
        return FALSE;

    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *entry = g_ptr_array_index(info->disks, i);
        const virDomainDisk *disk = virDomainDisksFind(then_disks, entry->name);

        if (entry->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            continue;
        vetoAsk(state, entry->file ? entry->file : entry->dev);
        if (disk)
            vetoAsk(state, disk->file ? disk->file : disk->dev);
    }

    return TRUE;
}

/* The files to be asked about are those that the snapshots name and all that the domain
 * stands on now, which its headers tell: so they are read twice, the second time with
 * little left to be done. */
static gboolean
vetoReadAll(vetoState *state, GError **error)
{
    guint before;

    state->asked = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (vetoIsAmong(state, info) && !vetoAskSnapshot(state, info, error))
            return FALSE;
    }
    for (guint i = 0; i < state->disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(state->disks, i);

        vetoAsk(state, disk->file ? disk->file : disk->dev);
    }

    if (!vetoRead(state, error))
        return FALSE;

    before = state->asked->len;
    for (guint i = 0; i < state->disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(state->disks, i);
        g_autoptr(GPtrArray) chain = vetoOwnChain(state, disk->target);

        for (guint j = 0; j < chain->len; j++)
            vetoAsk(state, qemuHoldersImagePath(g_ptr_array_index(chain, j)));
    }

    return before == state->asked->len || vetoRead(state, error);
}

/* All that is foreseen rests on what the domain's snapshots say that they stand on. */
static gboolean
vetoCheckWitnesses(const vetoState *state, GError **error)
{
    for (guint i = 0; i < state->infos->len; i++) {
        if (qemuSnapshotWitnessCheck(g_ptr_array_index(state->infos, i),
                                     VIR_ERR_OPERATION_INVALID, error))
            continue;
        g_prefix_error(error, _("cannot delete snapshot '%s': "), state->snapshot);
        return FALSE;
    }

    return TRUE;
}

/* Where those that were taken after it are deleted as well, the order does not matter. */
static gboolean
vetoForgetsOneAlone(const qemuSnapshotRequest *request)
{
    return !(request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                               VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY));
}

static gboolean
vetoCheck(vetoState *state, const qemuSnapshotRequest *request, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (!(state->infos = qemuSnapshotReadInfos(state->dom, error)))
        return FALSE;

    if (request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        return !vetoForgetsOneAlone(request) ||
            qemuSnapshotMetadataDetach(state->dom, state->infos, state->snapshot, error);

    vetoChooseDeleted(state, request);
    if (!vetoDeletesExternal(state))
        return TRUE;

    if (virDomainGetUUIDString(state->dom, uuid) == 0)
        state->uuid = g_strdup(uuid);
    if (!vetoCheckWitnesses(state, error) ||
        !(state->disks = qemuSnapshotReadDisks(state->dom, 0, NULL, error)) ||
        !vetoReadAll(state, error))
        return FALSE;

    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (vetoIsAmong(state, info) && !vetoCheckSnapshot(state, info, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotVetoDelete(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                       GError **error)
{
    g_auto(vetoState) state = { .driver = driver, .snapshot = request->snapshot };
    virConnectPtr conn;
    virErrorPtr last;
    gboolean ok;

    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    state.removes_states =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES);
    state.merges_above_state =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE);
    state.spares_internal =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL);
    if ((state.dom = virDomainLookupByUUID(conn, request->uuid))) {
        ok = vetoCheck(&state, request, error);
    } else {
        /* for one that isn't there libvirt has its own words */
        last = virGetLastError();
        ok = last && last->code == VIR_ERR_NO_DOMAIN;
        if (!ok)
            virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), request->domain);
    }

    vetoStateClear(&state);
    virConnectClose(conn);
    return ok;
}
