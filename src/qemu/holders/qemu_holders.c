/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders.c: images, what each stands on, and who holds them
 */

#include "config.h"

#include "qemu_holders_priv.h"
#include "virsnaperror.h"

static void
imageFree(void *opaque)
{
    qemuHoldersImage *image = opaque;

    g_free(image->key);
    g_free(image->path);
    g_ptr_array_unref(image->below);
    g_ptr_array_unref(image->above);
    g_free(image->unread);
    g_free(image);
}

static void
holderFree(void *opaque)
{
    qemuHolder *holder = opaque;

    g_free(holder->uuid);
    g_free(holder->domain);
    g_free(holder->snapshot);
    g_free(holder->disk);
    g_ptr_array_unref(holder->images);
    g_free(holder->lost);
    g_clear_pointer(&holder->sources, g_ptr_array_unref);
    g_free(holder);
}

static void
pathFree(void *opaque)
{
    holdersPath *path = opaque;

    g_free(path->doubt);
    g_free(path->content);
    g_free(path->source);
    g_free(path);
}

qemuHolders *
qemuHoldersNew(void)
{
    qemuHolders *holders = g_new0(qemuHolders, 1);

    holders->images = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, imageFree);
    holders->list = g_ptr_array_new_with_free_func(holderFree);
    holders->paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pathFree);
    return holders;
}

void
qemuHoldersFree(qemuHolders *holders)
{
    if (!holders)
        return;

    g_ptr_array_unref(holders->list);
    g_hash_table_unref(holders->paths);
    g_hash_table_unref(holders->images);
    g_clear_pointer(&holders->origin, g_ptr_array_unref);
    g_free(holders);
}

/* Filling */

qemuHoldersImage *
qemuHoldersNeedImage(qemuHolders *holders, const char *key, const char *path)
{
    qemuHoldersImage *image = g_hash_table_lookup(holders->images, key);

    if (image)
        return image;

    image = g_new0(qemuHoldersImage, 1);
    image->key = g_strdup(key);
    image->path = g_strdup(path);
    image->below = g_ptr_array_new();
    image->above = g_ptr_array_new();
    g_hash_table_insert(holders->images, image->key, image);
    return image;
}

void
qemuHoldersImageAddBelow(qemuHoldersImage *image, qemuHoldersImage *below,
                         gboolean is_backing)
{
    if (is_backing) {
        image->ambiguous = image->ambiguous || (image->backing && image->backing != below);
        image->backing = below;
    }
    if (g_ptr_array_find(image->below, below, NULL))
        return;
    g_ptr_array_add(image->below, below);
    g_ptr_array_add(below->above, image);
}

void
qemuHoldersImageSetUnread(qemuHoldersImage *image, const char *why)
{
    if (!image->unread)
        image->unread = g_strdup(why);
}

gboolean
qemuHoldersImageIsUnread(const qemuHoldersImage *image)
{
    return image->unread != NULL;
}

qemuHolder *
qemuHoldersAdd(qemuHolders *holders, qemuHolderKind kind)
{
    qemuHolder *holder = g_new0(qemuHolder, 1);

    holder->kind = kind;
    holder->images = g_ptr_array_new();
    g_ptr_array_add(holders->list, holder);
    return holder;
}

void
qemuHoldersSetOrigin(qemuHolders *holders, GPtrArray *origin)
{
    g_clear_pointer(&holders->origin, g_ptr_array_unref);
    holders->origin = g_ptr_array_ref(origin);
}

GPtrArray *
qemuHoldersGetOrigin(const qemuHolders *holders)
{
    return holders->origin;
}

static holdersPath *
needPath(qemuHolders *holders, const char *name)
{
    holdersPath *path = g_hash_table_lookup(holders->paths, name);

    if (!path) {
        path = g_new0(holdersPath, 1);
        g_hash_table_insert(holders->paths, g_strdup(name), path);
    }

    return path;
}

void
qemuHoldersAllow(qemuHolders *holders, const char *path, qemuHoldersImage *image)
{
    needPath(holders, path)->image = image;
}

void
qemuHoldersSetDoubt(qemuHolders *holders, const char *path, const char *why)
{
    holdersPath *known = needPath(holders, path);

    if (!known->doubt)
        known->doubt = g_strdup(why);
}

void
qemuHoldersSetContent(qemuHolders *holders, const char *path, const char *why)
{
    holdersPath *known = needPath(holders, path);

    if (!known->content)
        known->content = g_strdup(why);
}

void
qemuHoldersSetStorage(qemuHolders *holders, const char *path, const char *source,
                      gboolean shared)
{
    holdersPath *known = needPath(holders, path);

    g_free(known->source);
    known->source = g_strdup(source);
    known->shared = shared;
}

/* Walking */

const char *
qemuHoldersImagePath(const qemuHoldersImage *image)
{
    return image->path;
}

const qemuHoldersImage *
qemuHoldersImageBacking(const qemuHoldersImage *image)
{
    return image->ambiguous ? NULL : image->backing;
}

const qemuHoldersImage *
qemuHoldersFind(const qemuHolders *holders, const char *path)
{
    const holdersPath *known = g_hash_table_lookup(holders->paths, path);

    return known ? known->image : NULL;
}

void
qemuHoldersReach(GPtrArray *images, GHashTable *seen, gboolean upwards)
{
    for (guint i = 0; i < images->len; i++) {
        const qemuHoldersImage *image = g_ptr_array_index(images, i);
        GPtrArray *next = upwards ? image->above : image->below;

        for (guint j = 0; j < next->len; j++) {
            if (g_hash_table_add(seen, g_ptr_array_index(next, j)))
                g_ptr_array_add(images, g_ptr_array_index(next, j));
        }
    }
}

void
qemuHoldersAddNew(GPtrArray *images, GHashTable *seen, GPtrArray *more)
{
    for (guint i = 0; i < more->len; i++) {
        if (g_hash_table_add(seen, g_ptr_array_index(more, i)))
            g_ptr_array_add(images, g_ptr_array_index(more, i));
    }
}

GPtrArray *
qemuHolderImages(const qemuHolder *holder)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    GPtrArray *images = g_ptr_array_new();

    qemuHoldersAddNew(images, seen, holder->images);
    qemuHoldersReach(images, seen, FALSE);
    return images;
}

gboolean
qemuHolderHasPair(const qemuHolder *holder, const qemuHoldersImage *upper,
                  const qemuHoldersImage *lower)
{
    g_autoptr(GPtrArray) images = qemuHolderImages(holder);

    return g_ptr_array_find(images, upper, NULL) &&
        g_ptr_array_find(upper->below, lower, NULL);
}

const char *
qemuHolderPath(const qemuHolder *holder)
{
    return holder->images->len > 0 ?
        qemuHoldersImagePath(g_ptr_array_index(holder->images, 0)) : "";
}

char *
qemuHolderFormat(const qemuHolder *holder, const char *uuid)
{
    switch (holder->kind) {
    case QEMU_HOLDER_RUNNING:
    case QEMU_HOLDER_DEFINED:
    case QEMU_HOLDER_SAVED:
        return g_strdup_printf(_("domain '%s'"), holder->domain);
    case QEMU_HOLDER_SNAPSHOT:
        return g_strcmp0(holder->uuid, uuid) == 0 ?
            g_strdup_printf(_("snapshot '%s'"), holder->snapshot) :
            g_strdup_printf(_("snapshot '%s' of domain '%s'"), holder->snapshot,
                            holder->domain);
    case QEMU_HOLDER_IMAGE:
        return g_strdup_printf(_("image '%s'"), qemuHolderPath(holder));
    case QEMU_HOLDER_PROGRAM:
        return g_strdup(_("a program that has it open"));
    }

    g_assert_not_reached();
}
