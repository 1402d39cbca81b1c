/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_ask.c: who stands on which image
 *
 * Every promise rests on this one question, so that there is one answer, in one place. It
 * is one of three: nobody, somebody, or it can't be told. What can't be told is either
 * what an image stands on, which may be any other, or where a disk's image is at all;
 * the latter concerns only what such a disk can be.
 *
 * An image that nobody's definition leads to may be a template, a clone that is not defined
 * now, or one of a domain of another host: if its header names another image, it holds
 * that all the same.
 */

#include "config.h"

#include <string.h>

#include "qemu_holders_priv.h"
#include "virsnaperror.h"

static const char *
firstUnread(GPtrArray *images)
{
    for (guint i = 0; i < images->len; i++) {
        const qemuHoldersImage *image = g_ptr_array_index(images, i);

        if (image->unread)
            return image->unread;
    }

    return NULL;
}

static char *
formatDoubt(const qemuHolder *holder, const char *why)
{
    g_autofree char *who = qemuHolderFormat(holder, NULL);

    return holder->disk ?
        g_strdup_printf(_("it can't be told what disk '%s' of %s stands on: %s"),
                        holder->disk, who, why) :
        g_strdup_printf(_("it can't be told what %s stands on: %s"), who, why);
}

/* Images that a domain, running or not, leads to. */
static GHashTable *
claimedImages(const qemuHolders *holders)
{
    GHashTable *claimed = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) images = g_ptr_array_new();

    for (guint i = 0; i < holders->list->len; i++) {
        const qemuHolder *holder = g_ptr_array_index(holders->list, i);

        if (holder->kind != QEMU_HOLDER_IMAGE && holder->kind != QEMU_HOLDER_PROGRAM)
            qemuHoldersAddNew(images, claimed, holder->images);
    }
    qemuHoldersReach(images, claimed, FALSE);

    return claimed;
}

static gboolean
isClaimed(const qemuHolder *holder, GHashTable *claimed)
{
    return holder->kind == QEMU_HOLDER_IMAGE && holder->images->len > 0 &&
        g_hash_table_contains(claimed, g_ptr_array_index(holder->images, 0));
}

/* In the order in which they were added; those of kind IMAGE whose image another holder
 * stands on, too, are left out. Ends where func returns FALSE. */
typedef gboolean (*holderFunc)(const qemuHolder *holder, void *opaque);

static void
forEach(const qemuHolders *holders, holderFunc func, void *opaque)
{
    g_autoptr(GHashTable) claimed = claimedImages(holders);
    gboolean go_on = TRUE;

    for (guint i = 0; go_on && i < holders->list->len; i++) {
        const qemuHolder *holder = g_ptr_array_index(holders->list, i);

        if (!isClaimed(holder, claimed))
            go_on = func(holder, opaque);
    }
}

/* Asking */

typedef struct _holdersAsking holdersAsking;
struct _holdersAsking {
    const qemuHoldersQuestion *question;
    const holdersPath *path;
    GHashTable *on;     /* set of images: the one in question, and all that stand on it */
    GHashTable *doubts; /* set of images: all whose chain can't be told to its end */
    GString *who;       /* those who hold it */
    const qemuHolder *holder;   /* one of them */
    char *why;          /* ... and where that can't be told, of the first */
};

static gboolean
isOwnSnapshot(const holdersAsking *asking, const qemuHolder *holder)
{
    return holder->kind == QEMU_HOLDER_SNAPSHOT &&
        g_strcmp0(holder->uuid, asking->question->uuid) == 0;
}

static void
askingAddWho(holdersAsking *asking, const qemuHolder *holder)
{
    g_autofree char *who = qemuHolderFormat(holder, asking->question->uuid);

    if (!asking->holder ||
        (isOwnSnapshot(asking, holder) && !isOwnSnapshot(asking, asking->holder)))
        asking->holder = holder;

    if (strstr(asking->who->str, who))
        return;
    if (asking->who->len > 0)
        g_string_append(asking->who, ", ");
    g_string_append(asking->who, who);
}

/* A file system may be on a part of a device. */
static gboolean
comesFrom(const char *source, GPtrArray *sources)
{
    for (guint i = 0; i < sources->len; i++) {
        if (g_str_has_prefix(source, g_ptr_array_index(sources, i)))
            return TRUE;
    }

    return FALSE;
}

/* Whether a disk whose image can't be found may stand on the one in question, or be it.
 * Where it is of a format with nothing below, or its definition says what that is, only
 * its own storage matters. */
static gboolean
lostMayBeOn(const holdersAsking *asking, const qemuHolder *holder)
{
    switch (asking->question->purpose) {
    case QEMU_HOLDERS_JUST_LEFT:
        return FALSE;
    case QEMU_HOLDERS_TAKE:
    case QEMU_HOLDERS_DELETE:
        break;
    }

    return !(holder->raw || holder->complete) || !holder->sources ||
        !asking->path->source || comesFrom(asking->path->source, holder->sources);
}

/* Those that stand on any of images, these themselves among them. */
static GHashTable *
allAbove(GPtrArray *images)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    qemuHoldersAddNew(found, seen, images);
    qemuHoldersReach(found, seen, TRUE);
    return seen;
}

static void
askingPrepare(holdersAsking *asking, const qemuHolders *holders)
{
    g_autoptr(GPtrArray) start = g_ptr_array_new();
    g_autoptr(GPtrArray) unread = g_ptr_array_new();
    GHashTableIter iter;
    void *image;

    if (asking->path->image)
        g_ptr_array_add(start, asking->path->image);
    asking->on = allAbove(start);

    g_hash_table_iter_init(&iter, holders->images);
    while (g_hash_table_iter_next(&iter, NULL, &image)) {
        if (((const qemuHoldersImage *)image)->unread)
            g_ptr_array_add(unread, image);
    }
    asking->doubts = allAbove(unread);
}

static gboolean
isAnyOf(GPtrArray *images, GHashTable *set)
{
    for (guint i = 0; i < images->len; i++) {
        if (g_hash_table_contains(set, g_ptr_array_index(images, i)))
            return TRUE;
    }

    return FALSE;
}

static gboolean
findPlace(const holdersAsking *asking, const qemuHolder *holder,
          qemuHolderPlace *ret_place)
{
    const qemuHoldersImage *top =
        holder->images->len > 0 ? g_ptr_array_index(holder->images, 0) : NULL;

    if (top && top == asking->path->image) {
        *ret_place = QEMU_HOLDER_AT_TOP;
        /* an image holds what is below it, not itself */
        return holder->kind != QEMU_HOLDER_IMAGE;
    }

    *ret_place = QEMU_HOLDER_BELOW;
    if (isAnyOf(holder->images, asking->on))
        return TRUE;

    *ret_place = QEMU_HOLDER_MAYBE;
    if (holder->lost)
        return lostMayBeOn(asking, holder);
    return !holder->complete && isAnyOf(holder->images, asking->doubts);
}

static char *
holderDoubt(const qemuHolder *holder)
{
    g_autoptr(GPtrArray) images = qemuHolderImages(holder);

    return formatDoubt(holder, holder->lost ? holder->lost : firstUnread(images));
}

static gboolean
askHolder(const qemuHolder *holder, void *opaque)
{
    holdersAsking *asking = opaque;
    const qemuHoldersQuestion *question = asking->question;
    qemuHolderPlace place;

    if (!findPlace(asking, holder, &place) ||
        (question->ignore && question->ignore(holder, place, question->opaque)))
        return TRUE;

    switch (place) {
    case QEMU_HOLDER_AT_TOP:
    case QEMU_HOLDER_BELOW:
        askingAddWho(asking, holder);
        break;
    case QEMU_HOLDER_MAYBE:
        if (!asking->why)
            asking->why = holderDoubt(holder);
        break;
    }

    return TRUE;
}

static char *
formatShared(const qemuHoldersQuestion *question)
{
    return g_strdup_printf(_("'%s' is on storage that other hosts may have, too, and what "
                             "stands on it there can't be told; if none does, add its "
                             "folder to 'exclusive_storage' in virtsnapshotd.conf"),
                           question->path);
}

qemuHoldersVerdict
qemuHoldersAsk(const qemuHolders *holders, const qemuHoldersQuestion *question,
               char **ret_who, const qemuHolder **ret_holder)
{
    const holdersPath *path = g_hash_table_lookup(holders->paths, question->path);
    g_autoptr(GString) who = g_string_new(NULL);
    holdersAsking asking = { .question = question, .path = path, .who = who };

    *ret_who = NULL;
    if (ret_holder)
        *ret_holder = NULL;
    if (!path) {
        *ret_who = g_strdup_printf(_("who needs '%s' has not been looked for"),
                                   question->path);
        return QEMU_HOLDERS_UNKNOWN;
    }

    askingPrepare(&asking, holders);
    forEach(holders, askHolder, &asking);
    g_hash_table_unref(asking.on);
    g_hash_table_unref(asking.doubts);

    if (ret_holder)
        *ret_holder = asking.holder;
    if (who->len > 0) {
        g_free(asking.why);
        *ret_who = g_strdup(who->str);
        return QEMU_HOLDERS_SOMEBODY;
    }
    if (!asking.why && path->doubt)
        asking.why = g_strdup(path->doubt);
    if (!asking.why && path->content && question->purpose != QEMU_HOLDERS_TAKE)
        asking.why = g_strdup(path->content);
    if (!asking.why && path->shared && question->purpose == QEMU_HOLDERS_DELETE)
        asking.why = formatShared(question);

    *ret_who = asking.why;
    return asking.why ? QEMU_HOLDERS_UNKNOWN : QEMU_HOLDERS_NOBODY;
}
