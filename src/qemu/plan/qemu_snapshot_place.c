/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_place.c: where the overlays go
 *
 * A path that anything of this domain's snapshots goes by is never used again,
 * even if no file is there: a file that comes back later, from a backup or a
 * storage that was away, would be taken for the other. The one exception is a
 * disk's own current overlay, which its user may name to have it replaced.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "libvirt-domain-snapshot.h"
#include "qemu_snapshot_name.h"
#include "qemu_snapshot_place.h"
#include "qemu_snapshot_reuse.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"
#include "virsnapstoragefile.h"

typedef struct _placeContext placeContext;
struct _placeContext {
    qemuSnapshotPlan *plan;
    qemuSnapshotSource *source;
    unsigned int flags;      /* of the public call */
    GHashTable *taken;       /* resolved path -> the disk of the plan that it is for,
                              * or "": paths that no overlay may have */
};

static gboolean
takePath(GHashTable *taken, const char *path, const char *target, GError **error)
{
    char *resolved = virSnapStorageResolve(path, error);

    if (resolved)
        g_hash_table_insert(taken, resolved, g_strdup(target));
    return resolved != NULL;
}

static void
collectDisks(GPtrArray *paths, GPtrArray *disks)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (disk->file)
            g_ptr_array_add(paths, disk->file);
    }
}

static GHashTable *
takenPaths(const qemuSnapshotSource *source, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_auto(GStrv) resolved = NULL;
    GHashTable *taken;
    GHashTableIter iter;
    void *path;

    g_hash_table_iter_init(&iter, source->tree->paths);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_ptr_array_add(paths, path);
    collectDisks(paths, source->now_disks);
    collectDisks(paths, source->next_disks);
    collectDisks(paths, source->then_disks);
    collectDisks(paths, source->state_disks);
    g_ptr_array_add(paths, NULL);

    resolved = virSnapStorageResolveAll((const char *const *)paths->pdata, error);
    if (!resolved)
        return NULL;

    taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (gsize i = 0; resolved[i]; i++)
        g_hash_table_insert(taken, g_strdup(resolved[i]), g_strdup(""));
    return taken;
}

static gboolean
isFileOf(GPtrArray *disks, const char *target, const char *path, /* resolved */
         gboolean *ret_is, GError **error)
{
    virDomainDisk *disk = virDomainDisksFind(disks, target);
    g_autofree char *file = NULL;

    *ret_is = FALSE;
    if (!disk || !disk->file)
        return TRUE;
    if (!(file = virSnapStorageResolve(disk->file, error)))
        return FALSE;

    *ret_is = g_str_equal(file, path);
    return TRUE;
}

/* A name in the same folder for the time until the switch, told from others by
 * a leading dot. */
static char *
besidePath(const char *path, const char *suffix)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *file = g_path_get_basename(path);
    g_autofree char *name = g_strdup_printf(".%s.%s", file, suffix);

    return g_build_filename(folder, name, NULL);
}

typedef struct _placeOwn placeOwn;
struct _placeOwn {
    const char *uuid;
    const char *target;
};

/* The disk itself is on it, which is left; whoever has it open, the domain's own QEMU
 * does, if it runs. */
static gboolean
ignoreDisk(const qemuHolder *holder, qemuHolderPlace place, const void *opaque)
{
    const placeOwn *own = opaque;

    switch (holder->kind) {
    case QEMU_HOLDER_RUNNING:
    case QEMU_HOLDER_DEFINED:
    case QEMU_HOLDER_SAVED:
        return place == QEMU_HOLDER_AT_TOP && g_strcmp0(holder->uuid, own->uuid) == 0 &&
            g_strcmp0(holder->disk, own->target) == 0;
    case QEMU_HOLDER_PROGRAM:
        return TRUE;
    case QEMU_HOLDER_SNAPSHOT:
    case QEMU_HOLDER_IMAGE:
        return FALSE;
    }

    return FALSE;
}

static void
setNeeded(const qemuHolder *holder, const char *uuid, const char *target, const char *path,
          GError **error)
{
    g_autofree char *who = qemuHolderFormat(holder, uuid);

    if (holder->kind == QEMU_HOLDER_SNAPSHOT && g_strcmp0(holder->uuid, uuid) == 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay of disk '%s' can't replace '%s', which "
                      "snapshot '%s' needs"), target, path, holder->snapshot);
    else if (holder->domain)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay of disk '%s' can't replace '%s', which "
                      "domain '%s' uses"), target, path, holder->domain);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay of disk '%s' can't replace '%s', which is needed by "
                      "%s"), target, path, who);
}

gboolean
qemuSnapshotPlaceCheckReplaced(const qemuHolders *holders, const char *uuid,
                               const char *target, const char *path, GError **error)
{
    const placeOwn own = { .uuid = uuid, .target = target };
    qemuHoldersQuestion question = {
        .path = path, .purpose = QEMU_HOLDERS_JUST_LEFT, .uuid = uuid,
        .ignore = ignoreDisk, .opaque = &own,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;

    switch (qemuHoldersAsk(holders, &question, &who, &holder)) {
    case QEMU_HOLDERS_NOBODY:
        return TRUE;
    case QEMU_HOLDERS_SOMEBODY:
        setNeeded(holder, uuid, target, path, error);
        return FALSE;
    case QEMU_HOLDERS_UNKNOWN:
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay of disk '%s' can't replace '%s', which may be needed: "
                      "%s"), target, path, who);
        return FALSE;
    }

    return FALSE;
}

/* The user names the overlay that the disk is on. Nothing else may need it. */
static gboolean
placeInPlace(placeContext *ctx, qemuSnapshotPlanDisk *disk, const char *path,
             GError **error)
{
    const qemuHolders *holders;

    if (ctx->flags & VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the overlay of disk '%s' can't replace the current one, "
                      "'%s', which is to be kept"), disk->target, path);
        return FALSE;
    }

    if (!(holders = qemuSnapshotSourceHolders(ctx->source, error)) ||
        !qemuSnapshotPlaceCheckReplaced(holders, ctx->source->uuid, disk->target, path,
                                        error))
        return FALSE;

    disk->in_place = TRUE;
    disk->overlay = g_strdup(path);
    disk->file = besidePath(path, "revert-new");
    disk->kept = besidePath(path, "revert-old");
    return TRUE;
}

/* Refuses the path of an image of this domain, or of another disk's overlay. */
static gboolean
checkFree(placeContext *ctx, const qemuSnapshotPlanDisk *disk, const char *path,
          const char *resolved, GError **error)
{
    const char *user = g_hash_table_lookup(ctx->taken, resolved);
    const char *owner = g_hash_table_lookup(ctx->source->tree->paths, resolved);

    if (!user)
        return TRUE;

    if (*user)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("disks '%s' and '%s' can't both have the overlay '%s'"),
                    user, disk->target, path);
    else if (owner)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay '%s' of disk '%s' would take the path of an image of "
                      "snapshot '%s'"), path, disk->target, owner);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("the overlay '%s' of disk '%s' would take the path of an image of "
                      "domain '%s'"), path, disk->target, ctx->plan->domain);
    return FALSE;
}

static gboolean
placeNamed(placeContext *ctx, qemuSnapshotPlanDisk *disk, const char *path,
           GError **error)
{
    g_autofree char *resolved = virSnapStorageResolve(path, error);
    const char *user = resolved ? g_hash_table_lookup(ctx->taken, resolved) : NULL;
    gboolean is_now, is_next;
    struct stat st;
    int fault;

    if (!resolved)
        return FALSE;
    if (ctx->flags & VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT) {
        /* an image of the domain may be one that it left and kept */
        if (user && *user && !checkFree(ctx, disk, path, resolved, error))
            return FALSE;
        return takePath(ctx->taken, path, disk->target, error) &&
            qemuSnapshotReuse(disk, ctx->source, path, error);
    }

    if (!isFileOf(ctx->source->now_disks, disk->target, resolved, &is_now, error) ||
        !isFileOf(ctx->source->next_disks, disk->target, resolved, &is_next, error))
        return FALSE;
    if (is_now && is_next)
        return placeInPlace(ctx, disk, path, error);

    if (!checkFree(ctx, disk, path, resolved, error) ||
        !virSnapStorageLstat(path, &st, &fault, error))
        return FALSE;

    if (!fault) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the overlay '%s' of disk '%s' exists already"),
                    path, disk->target);
        return FALSE;
    }
    if (fault != ENOENT) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                             _("the overlay '%s' of disk '%s' can't be made"),
                             path, disk->target);
        return FALSE;
    }

    disk->overlay = g_strdup(path);
    disk->file = g_strdup(path);
    return takePath(ctx->taken, path, disk->target, error);
}

static gboolean
placeGenerated(placeContext *ctx, qemuSnapshotPlanDisk *disk, GError **error)
{
    const virSnapImage *base = g_ptr_array_index(disk->chain, 0);

    disk->overlay = qemuSnapshotNameGenerate(base->file, ctx->plan->snapshot,
                                             ctx->taken, error);
    if (!disk->overlay)
        return FALSE;

    disk->file = g_strdup(disk->overlay);
    return takePath(ctx->taken, disk->overlay, disk->target, error);
}

static gboolean
checkFolder(const qemuSnapshotPlanDisk *disk, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(disk->overlay);
    struct stat st;
    int fault, denied;

    if (!virSnapStorageStat(folder, &st, &fault, error) ||
        !virSnapStorageAccess(folder, W_OK | X_OK, &denied, error))
        return FALSE;
    if (!fault && !S_ISDIR(st.st_mode))
        denied = ENOTDIR;
    if (!denied)
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, denied,
                         _("the overlay of disk '%s' can't be made in folder "
                           "'%s'"), disk->target, folder);
    return FALSE;
}

/* The disk of the plan that an entry of the document means. */
static qemuSnapshotPlanDisk *
matchEntry(placeContext *ctx, const char *name, GError **error)
{
    virDomainDisk *then = virDomainDisksFind(ctx->source->state_disks, name);
    qemuSnapshotPlanDisk *disk =
        then ? qemuSnapshotPlanFindDisk(ctx->plan, then->target) : NULL;

    if (!then)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("there is no disk '%s' in snapshot '%s'"), name, ctx->plan->snapshot);
    else if (!disk)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' has no external snapshot in snapshot '%s'"),
                    name, ctx->plan->snapshot);
    else if (disk->overlay) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("disk '%s' is named twice, once as '%s'"), disk->target, name);
        return NULL;
    }

    return disk;
}

/* Named overlays go first, so that no generated name takes theirs. */
static gboolean
placeDocument(placeContext *ctx, const virDomainSnapshotRevertDef *def,
              GError **error)
{
    for (guint i = 0; def && i < def->disks->len; i++) {
        virDomainSnapshotRevertDisk *entry = g_ptr_array_index(def->disks, i);

        if (entry->file)
            g_ptr_array_add(ctx->source->files, g_strdup(entry->file));
    }

    for (guint i = 0; def && i < def->disks->len; i++) {
        virDomainSnapshotRevertDisk *entry = g_ptr_array_index(def->disks, i);
        qemuSnapshotPlanDisk *disk = matchEntry(ctx, entry->name, error);

        if (!disk)
            return FALSE;
        if (entry->file && !placeNamed(ctx, disk, entry->file, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotPlace(qemuSnapshotPlan *plan, qemuSnapshotSource *source,
                  const virDomainSnapshotRevertDef *def, unsigned int flags,
                  GError **error)
{
    g_autoptr(GHashTable) taken = takenPaths(source, error);
    placeContext ctx = { plan, source, flags, taken };

    if (!taken || !placeDocument(&ctx, def, error))
        return FALSE;

    for (guint i = 0; i < plan->disks->len; i++) {
        qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (!disk->overlay && !placeGenerated(&ctx, disk, error))
            return FALSE;
        if (!disk->reused && !checkFolder(disk, error))
            return FALSE;
    }

    return TRUE;
}
