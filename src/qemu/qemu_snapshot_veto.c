/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto.c: whether libvirt may delete a snapshot
 *
 * libvirt deletes an external snapshot by committing its overlay into the image
 * below, which holds the snapshot's state, and removing the overlay. It looks at the
 * chain that the domain stands on now and at no other: what stands on the lower image
 * but not by way of the overlay is changed without a word, and what else stands on the
 * overlay loses it. After a revert there is such another branch.
 *
 * So each chain that something needs, as it is now, is held against what the commit
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

#include <string.h>

#include "qemu_snapshot_veto.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_metadata.h"
#include "qemu_snapshot_tree.h"
#include "qemu_snapshot_witness.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"
#include "virsnapfile.h"

/* A chain that must show the same as before. */
typedef struct _deleteChain deleteChain;
struct _deleteChain {
    GPtrArray *images;      /* file keys, from the top */
    char *file;             /* name of the topmost; NULL: it has none */
    char *owner;            /* as it is called in messages */
    gboolean own;           /* the domain's own, or of its snapshots */
    char *snapshot;         /* NULL: not one's */
    gboolean internal;      /* its state is kept within the topmost image */
};

typedef struct _deleteState deleteState;
struct _deleteState {
    virDomainPtr dom;
    const char *snapshot;   /* that the call names */
    GPtrArray *infos;       /* of virDomainSnapshotInfo: the domain's snapshots */
    GHashTable *deleted;    /* set of names */
    GPtrArray *chains;      /* of deleteChain */
    GPtrArray *disks;       /* of the definition that libvirt works on */
    gboolean removes_states;       /* what this libvirt does; see there */
    gboolean merges_above_state;
    gboolean spares_internal;
};

static void
deleteChainFree(void *opaque)
{
    deleteChain *chain = opaque;

    g_ptr_array_unref(chain->images);
    g_free(chain->file);
    g_free(chain->owner);
    g_free(chain->snapshot);
    g_free(chain);
}

static void
deleteStateClear(deleteState *state)
{
    g_clear_pointer(&state->dom, virDomainFree);
    g_clear_pointer(&state->infos, g_ptr_array_unref);
    g_clear_pointer(&state->deleted, g_hash_table_unref);
    g_clear_pointer(&state->chains, g_ptr_array_unref);
    g_clear_pointer(&state->disks, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(deleteState, deleteStateClear)

/* What there is */

static GPtrArray *
readChain(const deleteState *state, const virDomainDisk *disk, const char *owner,
          GError **error)
{
    g_autoptr(GError) cause = NULL;
    GPtrArray *images =
        qemuSnapshotReadChain(virDomainGetConnect(state->dom), disk, &cause);

    if (!images)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': it can't be told what disk '%s' of "
                      "%s stands on: %s"), state->snapshot, disk->target, owner,
                    cause->message);
    return images;
}

static gboolean
addChains(deleteState *state, GPtrArray *disks, const char *owner, gboolean own,
          const virDomainSnapshotInfo *info, GError **error)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) images = readChain(state, disk, owner, error);
        deleteChain *chain;

        if (!images)
            return FALSE;
        if (images->len == 0)
            continue;
        chain = g_new0(deleteChain, 1);
        chain->images = g_steal_pointer(&images);
        chain->file = g_strdup(disk->file ? disk->file : disk->dev);
        chain->owner = g_strdup(owner);
        chain->own = own;
        chain->snapshot = info ? g_strdup(info->name) : NULL;
        chain->internal = info &&
            virDomainSnapshotInfoGetLocation(info, disk->target, disk->file) ==
            VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL;
        g_ptr_array_add(state->chains, chain);
    }

    return TRUE;
}

static gboolean
addSnapshot(deleteState *state, const virDomainSnapshotInfo *info, const char *domain,
            gboolean own, GError **error)
{
    g_autofree char *owner = own ?
        g_strdup_printf(_("snapshot '%s'"), info->name) :
        g_strdup_printf(_("snapshot '%s' of domain '%s'"), info->name, domain);

    for (int inactive = 0; inactive < 2; inactive++) {
        g_autoptr(GPtrArray) disks =
            virDomainSnapshotInfoGetDisks(info, inactive, error);

        if (!disks || !addChains(state, disks, owner, own, info, error))
            return FALSE;
    }

    return TRUE;
}

static gboolean
addDomain(deleteState *state, virDomainPtr dom, GPtrArray *infos, gboolean own,
          GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *owner = g_strdup_printf(_("domain '%s'"), name);
    unsigned int last = virDomainIsActive(dom) == 0 ? 0 : VIR_DOMAIN_XML_INACTIVE;

    for (unsigned int flags = 0; flags <= last; flags += VIR_DOMAIN_XML_INACTIVE) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(dom, flags, NULL, error);

        if (!disks || !addChains(state, disks, owner, own, NULL, error))
            return FALSE;
        if (own && flags == 0)
            state->disks = g_steal_pointer(&disks);
    }

    for (guint i = 0; i < infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);

        if (own && g_hash_table_contains(state->deleted, info->name))
            continue;
        if (!addSnapshot(state, info, name, own, error))
            return FALSE;
    }

    return TRUE;
}

static gboolean
addOther(virDomainPtr dom, void *opaque, GError **error)
{
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(dom, error);

    return infos && addDomain(opaque, dom, infos, FALSE, error);
}

/* What goes */

static gboolean
isDescendant(const deleteState *state, const char *name, const char *ancestor)
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
chooseDeleted(deleteState *state, const qemuSnapshotRequest *request)
{
    gboolean children = request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                                          VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY);

    state->deleted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!(request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY))
        g_hash_table_add(state->deleted, g_strdup(request->snapshot));

    for (guint i = 0; children && i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (isDescendant(state, info->name, request->snapshot))
            g_hash_table_add(state->deleted, g_strdup(info->name));
    }
}

/* Whether it is so */

static const char *
imageAt(const deleteChain *chain, guint index)
{
    return index < chain->images->len ? g_ptr_array_index(chain->images, index) : NULL;
}

static gboolean
findImage(const deleteChain *chain, const char *key, guint *ret_index)
{
    return key && g_ptr_array_find_with_equal_func(chain->images, key, g_str_equal,
                                                   ret_index);
}

/* What one commit does. */
typedef struct _deleteCommit deleteCommit;
struct _deleteCommit {
    const char *snapshot;    /* that is deleted */
    const char *file;        /* the overlay, by name */
    const char *overlay;     /* keys: removed; NULL: nothing is */
    const char *above;       /* gets a new backing image; NULL: nothing is there */
    const char *base;        /* written to; NULL: not in the chain, so not committed */
};

/* The overlay goes: those right above it in the domain's own chain are told, and so
 * are the snapshots below the deleted one whose state is in it. */
static gboolean
losesOverlay(const deleteState *state, const deleteChain *chain,
             const deleteCommit *commit, guint at)
{
    if (!commit->base || (chain->internal && at == 0))
        return TRUE;
    if (at > 0)
        return g_strcmp0(imageAt(chain, at - 1), commit->above) != 0;

    return !chain->own || (chain->snapshot ?
                           !isDescendant(state, chain->snapshot, commit->snapshot) :
                           commit->above != NULL);
}

typedef enum {
    CHAIN_IS_UNTOUCHED,
    CHAIN_LOSES_OVERLAY,
    CHAIN_IS_CHANGED,
} chainFate;

static chainFate
foresee(const deleteState *state, const deleteChain *chain, const deleteCommit *commit)
{
    guint at;

    if (findImage(chain, commit->overlay, &at))
        return losesOverlay(state, chain, commit, at) ? CHAIN_LOSES_OVERLAY :
            CHAIN_IS_UNTOUCHED;

    /* an internal one is in its image, whatever else is written there */
    if (!findImage(chain, commit->base, &at) || (chain->internal && at == 0))
        return CHAIN_IS_UNTOUCHED;

    return CHAIN_IS_CHANGED;
}

static void
addOwner(GString *owners, const char *owner)
{
    if (strstr(owners->str, owner))
        return;
    if (owners->len > 0)
        g_string_append(owners, ", ");
    g_string_append(owners, owner);
}

static void
setNeeded(GError **error, const char *snapshot, const char *file, const GString *owners)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                _("cannot delete snapshot '%s': image '%s' would be removed, which is "
                  "needed by %s"), snapshot, file, owners->str);
}

static gboolean
checkCommit(const deleteState *state, const deleteCommit *commit, GError **error)
{
    g_autoptr(GString) losers = g_string_new(NULL);
    g_autoptr(GString) changed = g_string_new(NULL);

    for (guint i = 0; i < state->chains->len; i++) {
        const deleteChain *chain = g_ptr_array_index(state->chains, i);
        chainFate fate = foresee(state, chain, commit);

        if (fate != CHAIN_IS_UNTOUCHED)
            addOwner(fate == CHAIN_LOSES_OVERLAY ? losers : changed, chain->owner);
    }

    if (changed->len > 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot delete snapshot '%s': image '%s' would be merged into the "
                      "one below it, which is needed as it is by %s"), commit->snapshot,
                    commit->file, changed->str);
    else if (losers->len > 0)
        setNeeded(error, commit->snapshot, commit->file, losers);

    return changed->len == 0 && losers->len == 0;
}

static void
setCommit(deleteCommit *commit, const deleteChain *now, guint at)
{
    commit->overlay = imageAt(now, at);
    commit->above = at > 0 ? imageAt(now, at - 1) : NULL;
    commit->base = imageAt(now, at + 1);
}

/* The chain of one of its disks; empty where there is none, or on none of this host. */
static GPtrArray *
readChainOf(const deleteState *state, GPtrArray *disks, const char *name,
            const char *owner, GError **error)
{
    const virDomainDisk *disk = virDomainDisksFind(disks, name);

    return disk ? readChain(state, disk, owner, error) : g_ptr_array_new();
}

static gboolean
hasChildren(const deleteState *state, const char *name)
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
setNotInChain(const deleteState *state, const deleteCommit *commit, GError **error)
{
    const char *domain = virDomainGetName(state->dom);

    if (hasChildren(state, commit->snapshot))
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

/* The overlay that the snapshot names is merged, wherever it is in the domain's chain. */
static gboolean
checkRecorded(const deleteState *state, const virDomainSnapshotInfo *info,
              const virDomainSnapshotDisk *entry, const deleteChain *now, GError **error)
{
    const char *file = entry->file ? entry->file : entry->dev;
    g_autofree char *key = virSnapFileKey(file);
    deleteCommit commit = { .snapshot = info->name, .file = file, .overlay = key };
    guint at;

    if (findImage(now, key, &at))
        setCommit(&commit, now, at);
    if (!checkCommit(state, &commit, error))
        return FALSE;
    if (commit.base || now->images->len == 0)
        return TRUE;

    setNotInChain(state, &commit, error);
    return FALSE;
}

static const char *
imageName(const deleteState *state, const char *key, const char *otherwise)
{
    for (guint i = 0; i < state->chains->len; i++) {
        const deleteChain *chain = g_ptr_array_index(state->chains, i);

        if (chain->file && g_strcmp0(imageAt(chain, 0), key) == 0)
            return chain->file;
    }

    return otherwise;
}

/* What is right above the snapshot's state is merged, whatever the snapshot names. Where
 * the domain does not stand on that state, libvirt refuses by itself. */
static gboolean
checkAboveState(const deleteState *state, const virDomainSnapshotInfo *info,
                const virDomainSnapshotDisk *entry, GPtrArray *then_disks,
                const deleteChain *now, GError **error)
{
    g_autoptr(GPtrArray) then =
        readChainOf(state, then_disks, entry->name, _("the snapshot"), error);
    deleteCommit commit = { .snapshot = info->name };
    guint at;

    if (!then)
        return FALSE;
    if (then->len == 0 || !findImage(now, then->pdata[0], &at) || at == 0)
        return TRUE;

    setCommit(&commit, now, at - 1);
    commit.file = imageName(state, commit.overlay, entry->file ? entry->file : entry->dev);
    return checkCommit(state, &commit, error);
}

static gboolean
checkOverlay(const deleteState *state, const virDomainSnapshotInfo *info,
             const virDomainSnapshotDisk *entry, GPtrArray *then_disks, GError **error)
{
    g_autoptr(GPtrArray) images =
        readChainOf(state, state->disks, entry->name, _("the domain"), error);
    deleteChain now = { .images = images };

    if (!images)
        return FALSE;
    if (!entry->file && !entry->dev)
        return TRUE;

    return state->merges_above_state ?
        checkAboveState(state, info, entry, then_disks, &now, error) :
        checkRecorded(state, info, entry, &now, error);
}

/* An overlay that a revert left in its place stands on the state, too. */
static gboolean
addKeptOverlay(GString *owners, const virDomainSnapshotDisk *entry, const char *key,
               GError **error)
{
    g_autofree char *owner = g_strdup_printf(_("overlay '%s'"), entry->file);
    g_autoptr(GPtrArray) images = qemuSnapshotReadOverlayChain(entry->file, error);
    deleteChain kept = { .images = images };
    guint at;

    if (!images)
        return FALSE;
    if (findImage(&kept, key, &at))
        addOwner(owners, owner);
    return TRUE;
}

/* What the image holds besides, the parent's state, would go with it. */
static gboolean
sparesState(const deleteState *state, const virDomainSnapshotInfo *info,
            const virDomainDisk *disk)
{
    const virDomainSnapshotInfo *parent =
        info->parent ? qemuSnapshotFindInfo(state->infos, info->parent) : NULL;

    return state->spares_internal && parent &&
        virDomainSnapshotInfoGetLocation(parent, disk->target, disk->file) ==
        VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL;
}

static gboolean
checkState(const deleteState *state, const virDomainSnapshotInfo *info,
           const virDomainSnapshotDisk *entry, GPtrArray *then_disks, GError **error)
{
    const virDomainDisk *disk = virDomainDisksFind(then_disks, entry->name);
    g_autoptr(GString) owners = g_string_new(NULL);
    g_autoptr(GPtrArray) then = disk ?
        readChain(state, disk, _("the snapshot"), error) : g_ptr_array_new();
    guint at;

    if (!then || then->len == 0 || sparesState(state, info, disk))
        return then != NULL;

    for (guint i = 0; i < state->chains->len; i++) {
        const deleteChain *chain = g_ptr_array_index(state->chains, i);

        if (findImage(chain, then->pdata[0], &at))
            addOwner(owners, chain->owner);
    }
    if (entry->file && !addKeptOverlay(owners, entry, then->pdata[0], error))
        return FALSE;
    if (owners->len == 0)
        return TRUE;

    setNeeded(error, info->name, disk->file ? disk->file : disk->target, owners);
    return FALSE;
}

static gboolean
isCurrent(const deleteState *state, const char *name)
{
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotLookupByName(state->dom, name, 0);

    return snap && virDomainSnapshotIsCurrent(snap, 0) == 1;
}

static gboolean
checkSnapshot(const deleteState *state, const virDomainSnapshotInfo *info, GError **error)
{
    gboolean removes_state = state->removes_states && !hasChildren(state, info->name) &&
        !isCurrent(state, info->name);
    g_autoptr(GPtrArray) then_disks = virDomainSnapshotInfoGetDisks(info, FALSE, error);

    if (!then_disks)
        return FALSE;

    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *entry = g_ptr_array_index(info->disks, i);

        if (entry->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            continue;
        if (removes_state ? !checkState(state, info, entry, then_disks, error) :
            !checkOverlay(state, info, entry, then_disks, error))
            return FALSE;
    }

    return TRUE;
}

/* Where nothing is, others need not be looked at. */
static gboolean
deletesExternal(const deleteState *state)
{
    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (g_hash_table_contains(state->deleted, info->name) &&
            virDomainSnapshotInfoIsExternal(info))
            return TRUE;
    }

    return FALSE;
}

/* All that is foreseen rests on what the domain's snapshots say that they stand on. */
static gboolean
checkWitnesses(const deleteState *state, GError **error)
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
forgetsOneAlone(const qemuSnapshotRequest *request)
{
    return !(request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                               VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY));
}

static gboolean
deleteCheck(deleteState *state, const qemuSnapshotRequest *request, GError **error)
{
    if (!(state->infos = qemuSnapshotReadInfos(state->dom, error)))
        return FALSE;

    if (request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        return !forgetsOneAlone(request) ||
            qemuSnapshotMetadataDetach(state->dom, state->infos, state->snapshot, error);

    state->chains = g_ptr_array_new_with_free_func(deleteChainFree);
    chooseDeleted(state, request);
    if (!deletesExternal(state))
        return TRUE;

    if (!checkWitnesses(state, error) ||
        !addDomain(state, state->dom, state->infos, TRUE, error) ||
        !qemuSnapshotEachDomain(virDomainGetConnect(state->dom), state->dom, addOther,
                                state, error))
        return FALSE;

    for (guint i = 0; i < state->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->infos, i);

        if (g_hash_table_contains(state->deleted, info->name) &&
            !checkSnapshot(state, info, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotVetoDelete(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                        GError **error)
{
    g_auto(deleteState) state = { .snapshot = request->snapshot };
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
        ok = deleteCheck(&state, request, error);
    } else {
        /* for one that isn't there libvirt has its own words */
        last = virGetLastError();
        ok = last && last->code == VIR_ERR_NO_DOMAIN;
        if (!ok)
            virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), request->domain);
    }

    deleteStateClear(&state);
    virConnectClose(conn);
    return ok;
}
