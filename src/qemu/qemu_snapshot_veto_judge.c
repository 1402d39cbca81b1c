/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto_judge.c: what a deletion by libvirt would do to others
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
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_veto_judge.h"
#include "virsnaperror.h"

gboolean
qemuSnapshotVetoIsDescendant(const qemuSnapshotVetoFacts *state, const char *name, const char *ancestor)
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

/* What one deletion does to one disk. */
typedef struct _vetoCommit vetoCommit;
struct _vetoCommit {
    const qemuSnapshotVetoFacts *state;
    const char *snapshot;              /* that is deleted */
    const char *file;                  /* the overlay, which is removed */
    const qemuHoldersImage *overlay;
    const qemuHoldersImage *above;     /* gets a new backing image; NULL: nothing does */
    const qemuHoldersImage *base;      /* written to; NULL: not in the chain, so that
                                        * nothing is committed */
};

/* Those that go with it, and programs, which are libvirt's to find. */
static gboolean
vetoIsDeleted(const qemuSnapshotVetoFacts *state, const qemuHolder *holder)
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
            qemuSnapshotVetoIsDescendant(commit->state, holder->snapshot, commit->snapshot) :
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
vetoCheckNobody(const qemuSnapshotVetoFacts *state, const char *path, qemuHoldersIgnore ignore,
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

/* The domain's own chain of the disk, as libvirt looks at it: from the top, or what is
 * known of it. */
GPtrArray *
qemuSnapshotVetoChain(const qemuSnapshotVetoFacts *state, const char *target)
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
vetoHasChildren(const qemuSnapshotVetoFacts *state, const char *name)
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
vetoSetNotInChain(const qemuSnapshotVetoFacts *state, const vetoCommit *commit, GError **error)
{
        if (vetoHasChildren(state, commit->snapshot))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': its overlay '%s' is not among the "
                      "images that domain '%s' is on, and this libvirt can merge no "
                      "other; revert to a snapshot that stands on that overlay first"),
                    commit->snapshot, commit->file, state->domain);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': its overlay '%s' is not among the "
                      "images that domain '%s' is on, and this libvirt can merge no "
                      "other; revert to snapshot '%s' first, or delete its metadata alone "
                      "and remove the images that nothing needs then"),
                    commit->snapshot, commit->file, state->domain, commit->snapshot);
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
vetoCheckRecorded(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
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
vetoCheckAboveState(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
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
vetoCheckOverlay(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
                 const virDomainSnapshotDisk *entry, GPtrArray *then_disks, GError **error)
{
    g_autoptr(GPtrArray) chain = qemuSnapshotVetoChain(state, entry->name);

    if (!entry->file && !entry->dev)
        return TRUE;

    return state->merges_above_state ?
        vetoCheckAboveState(state, info, virDomainDisksFind(then_disks, entry->name),
                            chain, error) :
        vetoCheckRecorded(state, info, entry, chain, error);
}

/* What the image holds besides, the parent's state, would go with it. */
static gboolean
vetoSparesState(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
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
vetoCheckState(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
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
vetoCheckSnapshot(const qemuSnapshotVetoFacts *state, const virDomainSnapshotInfo *info,
                  GError **error)
{
    gboolean removes_state = state->removes_states &&
        !vetoHasChildren(state, info->name) && g_strcmp0(state->current, info->name) != 0;
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

gboolean
qemuSnapshotVetoJudge(const qemuSnapshotVetoFacts *facts, GError **error)
{
    for (guint i = 0; i < facts->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(facts->infos, i);

        if (g_hash_table_contains(facts->deleted, info->name) &&
            !vetoCheckSnapshot(facts, info, error))
            return FALSE;
    }

    return TRUE;
}
