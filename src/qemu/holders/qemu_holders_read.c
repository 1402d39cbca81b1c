/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_read.c: finds out who stands on which image
 *
 * First what libvirt says of all domains; then what their images' headers say, each
 * looked at once, down to where nothing is below; then, for the files that will be asked
 * about, what else stands on them: images in their folders that no domain leads to, and
 * programs that have them open.
 *
 * Headers are hostile. They are looked at in the format that a definition states; what an
 * image names that only lies beside one counts for that image alone.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_holders_domain.h"
#include "qemu_holders_read.h"
#include "qemu_holders_volume.h"
#include "virsnaperror.h"
#include "virsnapmounts.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"
#include "virsnapsurvey.h"

/* far more than any host has; a header that names what another names, and so on, could go
 * on for ever else */
#define IMAGES_MAX 500000

struct _qemuHoldersReader {
    qemuHoldersCatalog *catalog;
    virSnapSurvey *survey;
    char **exclusive;
};

/* An image by a path, taken in a format. */
typedef struct _readItem readItem;
struct _readItem {
    char *path;
    char *format;              /* NULL: not said */
    gboolean loose;            /* no domain leads to it: it counts for itself alone */
    virSnapSurveyed *found;    /* NULL until it was looked at */
    qemuHoldersImage *image;
    GPtrArray *below;          /* of readItem */
};

/* A holder whose images are known once all have been looked at. */
typedef struct _readHolder readHolder;
struct _readHolder {
    qemuHolder *holder;
    GPtrArray *items;          /* of readItem, from the top */
};

typedef struct _readState readState;
struct _readState {
    qemuHoldersReader *reader;
    virConnectPtr conn;
    qemuHolders *holders;
    GHashTable *items;         /* set of readItem, by path, format and loose */
    GPtrArray *waiting;        /* of those, to be looked at */
    GPtrArray *claims;         /* of readHolder */
    GHashTable *volumes;       /* "pool/volume" -> qemuHoldersVolume */
    guint unnamed;             /* images that are no file's, so far */
};

qemuHoldersReader *
qemuHoldersReaderNew(const qemuHoldersFolders *folders, const char *const *exclusive)
{
    qemuHoldersReader *reader = g_new0(qemuHoldersReader, 1);

    reader->catalog = qemuHoldersCatalogNew(folders);
    reader->survey = virSnapSurveyNew();
    reader->exclusive = g_strdupv((char **)exclusive);
    return reader;
}

void
qemuHoldersReaderFree(qemuHoldersReader *reader)
{
    if (!reader)
        return;

    qemuHoldersCatalogFree(reader->catalog);
    virSnapSurveyFree(reader->survey);
    g_strfreev(reader->exclusive);
    g_free(reader);
}

/* Items */

static guint
itemHash(gconstpointer opaque)
{
    return g_str_hash(((const readItem *)opaque)->path);
}

static gboolean
itemEqual(gconstpointer a, gconstpointer b)
{
    const readItem *one = a;
    const readItem *other = b;

    return one->loose == other->loose && g_str_equal(one->path, other->path) &&
        g_strcmp0(one->format, other->format) == 0;
}

static void
itemFree(void *opaque)
{
    readItem *item = opaque;

    g_free(item->path);
    g_free(item->format);
    virSnapSurveyedFree(item->found);
    g_ptr_array_unref(item->below);
    g_free(item);
}

static readItem *
needItem(readState *state, const char *path, const char *format, gboolean loose)
{
    readItem wanted = { .path = (char *)path, .format = (char *)format, .loose = loose };
    readItem *item = g_hash_table_lookup(state->items, &wanted);

    if (item)
        return item;

    item = g_new0(readItem, 1);
    item->path = g_strdup(path);
    item->format = g_strdup(format);
    item->loose = loose;
    item->below = g_ptr_array_new();
    g_hash_table_add(state->items, item);
    g_ptr_array_add(state->waiting, item);
    return item;
}

static void
itemTake(readState *state, readItem *item, virSnapSurveyed *found)
{
    item->found = found;
    item->image = qemuHoldersNeedImage(state->holders, found->key, item->path);
    if (found->fault && !item->loose)
        qemuHoldersImageSetUnread(item->image, found->fault);

    for (guint i = 0; i < found->below->len; i++) {
        const virSnapSurveyName *name = g_ptr_array_index(found->below, i);

        g_ptr_array_add(item->below, needItem(state, name->path, name->format, FALSE));
    }
}

static void
lookAtWaiting(readState *state)
{
    while (state->waiting->len > 0 && g_hash_table_size(state->items) < IMAGES_MAX) {
        g_autoptr(GPtrArray) round = g_steal_pointer(&state->waiting);
        g_autofree virSnapSurveyItem *wanted = g_new0(virSnapSurveyItem, round->len);
        g_autoptr(GPtrArray) all = NULL;

        state->waiting = g_ptr_array_new();
        for (guint i = 0; i < round->len; i++) {
            const readItem *item = g_ptr_array_index(round, i);

            wanted[i].path = item->path;
            wanted[i].format = item->format;
        }

        all = virSnapSurveyLook(state->reader->survey, wanted, round->len);
        g_ptr_array_set_free_func(all, NULL);
        for (guint i = 0; i < round->len; i++)
            itemTake(state, g_ptr_array_index(round, i), g_ptr_array_index(all, i));
    }

    for (guint i = 0; i < state->waiting->len; i++) {
        readItem *item = g_ptr_array_index(state->waiting, i);

        item->image = qemuHoldersNeedImage(state->holders, item->path, item->path);
        qemuHoldersImageSetUnread(item->image, _("there are too many images to look at"));
    }
    g_ptr_array_set_size(state->waiting, 0);
}

static void
linkItems(readState *state)
{
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, state->items);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const readItem *item = key;

        for (guint i = 0; !item->loose && i < item->below->len; i++) {
            const readItem *below = g_ptr_array_index(item->below, i);

            const virSnapSurveyName *name = g_ptr_array_index(item->found->below, i);

            qemuHoldersImageAddBelow(item->image, below->image, name->is_backing);
        }
    }
}

/* Holders */

static void
readHolderFree(void *opaque)
{
    readHolder *claim = opaque;

    g_ptr_array_unref(claim->items);
    g_free(claim);
}

static readHolder *
addHolder(readState *state, qemuHolderKind kind)
{
    readHolder *claim = g_new0(readHolder, 1);

    claim->holder = qemuHoldersAdd(state->holders, kind);
    claim->items = g_ptr_array_new();
    g_ptr_array_add(state->claims, claim);
    return claim;
}

static qemuHoldersImage *
unnamedImage(readState *state, const char *what)
{
    g_autofree char *key = g_strdup_printf("unnamed:%u", state->unnamed++);

    return qemuHoldersNeedImage(state->holders, key, what);
}

static void
volumeFree(void *opaque)
{
    qemuHoldersVolumeClear(opaque);
    g_free(opaque);
}

static const qemuHoldersVolume *
findVolume(readState *state, const qemuHoldersClaim *claim)
{
    g_autofree char *name = g_strconcat(claim->pool, "/", claim->volume, NULL);
    qemuHoldersVolume *volume = g_hash_table_lookup(state->volumes, name);

    if (!volume) {
        volume = g_new0(qemuHoldersVolume, 1);
        qemuHoldersVolumeFind(state->conn, claim->pool, claim->volume, volume);
        g_hash_table_insert(state->volumes, g_steal_pointer(&name), volume);
    }

    return volume;
}

/* Where the disk's image is; NULL where that is on none of this host, or not known, as
 * the holder says then. */
static const char *
placeClaim(readState *state, qemuHolder *holder, const qemuHoldersClaim *claim)
{
    const qemuHoldersVolume *volume;

    if (claim->path)
        return claim->path;

    if (claim->pool) {
        volume = findVolume(state, claim);
        holder->lost = g_strdup(volume->lost);
        holder->sources = volume->sources ? g_ptr_array_ref(volume->sources) : NULL;
        return volume->path;
    }

    if (claim->remote && !holder->raw && !holder->complete)
        holder->lost = g_strdup(_("it is on network storage, where what an image stands on "
                                  "is not looked up"));
    return NULL;
}

static void
addClaim(readState *state, const qemuHoldersDomain *domain, const qemuHoldersClaim *claim)
{
    readHolder *added = addHolder(state, claim->kind);
    qemuHolder *holder = added->holder;
    const char *format = claim->format ? claim->format : "raw";
    const char *path;

    holder->uuid = g_strdup(domain->uuid);
    holder->domain = g_strdup(domain->name);
    holder->snapshot = g_strdup(claim->snapshot);
    holder->disk = g_strdup(claim->disk);
    holder->location = claim->location;
    holder->raw = g_str_equal(format, "raw");
    holder->complete = claim->complete;

    if ((path = placeClaim(state, holder, claim)))
        g_ptr_array_add(added->items, needItem(state, path, format, FALSE));
    else
        g_ptr_array_add(holder->images, unnamedImage(state, claim->disk));

    for (guint i = 0; i < claim->chain->len; i++) {
        const virDomainImage *image = g_ptr_array_index(claim->chain, i);

        g_ptr_array_add(added->items,
                        needItem(state, image->file,
                                 image->format ? image->format : "raw", FALSE));
    }
}

/* It may stand on anything. */
static void
addFault(readState *state, const qemuHoldersDomain *domain)
{
    qemuHolder *holder = qemuHoldersAdd(state->holders, QEMU_HOLDER_DEFINED);
    qemuHoldersImage *image = unnamedImage(state, domain->name);

    holder->uuid = g_strdup(domain->uuid);
    holder->domain = g_strdup(domain->name);
    qemuHoldersImageSetUnread(image, domain->fault);
    g_ptr_array_add(holder->images, image);
}

static void
addDomain(readState *state, const qemuHoldersDomain *domain)
{
    for (guint i = 0; i < domain->claims->len; i++)
        addClaim(state, domain, g_ptr_array_index(domain->claims, i));
    if (domain->fault)
        addFault(state, domain);
}

/* What a definition names goes for what a header that can't be read would say; but not
 * where one of these images itself can't be found, and might be any. */
static void
finishClaim(const readHolder *claim)
{
    qemuHolder *holder = claim->holder;

    for (guint i = 0; i < claim->items->len; i++) {
        const readItem *item = g_ptr_array_index(claim->items, i);

        if (i > 0 && holder->kind != QEMU_HOLDER_IMAGE) {
            const readItem *above = g_ptr_array_index(claim->items, i - 1);

            if (qemuHoldersImageIsUnread(above->image))
                qemuHoldersImageAddBelow(above->image, item->image, TRUE);
        }
        if (!item->found || item->found->lost)
            holder->complete = FALSE;
        g_ptr_array_add(holder->images, item->image);
    }
}

/* What is asked about */

static void
addLoose(readState *state, readItem *item)
{
    readHolder *claim;

    if (!item->found || (item->below->len == 0 && !item->found->fault))
        return;

    claim = addHolder(state, QEMU_HOLDER_IMAGE);
    if (item->found->fault) {
        qemuHoldersImage *image = unnamedImage(state, item->path);

        qemuHoldersImageSetUnread(image, item->found->fault);
        g_ptr_array_add(claim->holder->images, image);
    }
    g_ptr_array_add(claim->items, item);
    for (guint i = 0; i < item->below->len; i++)
        g_ptr_array_add(claim->items, g_ptr_array_index(item->below, i));
}

static void
addFolder(readState *state, const char *folder, const char *asked)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = virSnapSurveyFolder(folder, &error);
    g_autoptr(GPtrArray) items = g_ptr_array_new();

    if (!files) {
        qemuHoldersSetDoubt(state->holders, asked, error->message);
        return;
    }

    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(items, needItem(state, g_ptr_array_index(files, i), NULL, TRUE));

    lookAtWaiting(state);
    for (guint i = 0; i < items->len; i++)
        addLoose(state, g_ptr_array_index(items, i));
}

static void
addPrograms(readState *state, const char *path, qemuHoldersImage *image)
{
    g_autoptr(GError) error = NULL;
    gboolean in_use = FALSE;

    if (!virSnapStorageIsInUse(path, &in_use, &error))
        qemuHoldersSetDoubt(state->holders, path, error->message);
    if (in_use)
        g_ptr_array_add(qemuHoldersAdd(state->holders, QEMU_HOLDER_PROGRAM)->images, image);
}

static void
addStorage(readState *state, virSnapMounts *mounts, const char *path)
{
    const virSnapMount *mount = virSnapMountsFind(mounts, path);
    gboolean exclusive = FALSE;

    for (gsize i = 0; state->reader->exclusive && state->reader->exclusive[i]; i++) {
        if (virSnapMountsIsInside(path, state->reader->exclusive[i]))
            exclusive = TRUE;
    }

    qemuHoldersSetStorage(state->holders, path, mount ? mount->source : NULL,
                          mount && mount->shared && !exclusive);
}

/* Internal snapshots that libvirt knows are held by it; others are somebody's, too. */
static void
addContent(readState *state, const char *path)
{
    virSnapSurveyItem item = { .path = path, .format = "qcow2" };
    g_autoptr(GPtrArray) all = virSnapSurveyLook(state->reader->survey, &item, 1);
    const virSnapSurveyed *found = g_ptr_array_index(all, 0);
    g_autofree char *why = NULL;

    if (found->internal == 0)
        return;

    why = g_strdup_printf(_("image '%s' has internal snapshots in it, which no snapshot of "
                            "libvirt names"), path);
    qemuHoldersSetContent(state->holders, path, why);
}

/* Of what is no file of its own there is nothing more to be found. */
static void
addFile(readState *state, const char *path, qemuHoldersImage *image)
{
    g_autoptr(GError) error = NULL;
    struct stat st;
    int fault;

    if (!virSnapStorageStat(path, &st, &fault, &error)) {
        qemuHoldersSetDoubt(state->holders, path, error->message);
    } else if (!fault && S_ISREG(st.st_mode)) {
        addPrograms(state, path, image);
        addContent(state, path);
    }
}

static void
addAsked(readState *state, const char *const *asked)
{
    g_autoptr(GHashTable) folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                          NULL);
    g_autoptr(virSnapMounts) mounts = virSnapMountsRead();

    for (gsize i = 0; asked[i]; i++) {
        g_autofree char *folder = g_path_get_dirname(asked[i]);
        /* of the file itself only the identity matters */
        readItem *item = needItem(state, asked[i], "raw", FALSE);

        lookAtWaiting(state);
        qemuHoldersAllow(state->holders, asked[i], item->image);
        if (item->found && item->found->fault)
            qemuHoldersSetDoubt(state->holders, asked[i], item->found->fault);
        addStorage(state, mounts, asked[i]);
        addFile(state, asked[i], item->image);
        if (g_hash_table_add(folders, g_strdup(folder)))
            addFolder(state, folder, asked[i]);
    }
}

static gboolean
isAmong(GPtrArray *domains, const qemuHoldersDomain *domain)
{
    return domains && g_ptr_array_find(domains, domain, NULL);
}

static qemuHolders *
readAll(qemuHoldersReader *reader, virConnectPtr conn, const qemuHolders *since,
        const char *const *asked, GError **error)
{
    g_autoptr(GPtrArray) domains = qemuHoldersCatalogRead(reader->catalog, conn, error);
    g_autoptr(qemuHolders) holders = NULL;
    g_autoptr(GHashTable) items = NULL;
    g_autoptr(GHashTable) volumes = NULL;
    g_autoptr(GPtrArray) claims = NULL;
    readState state = { .reader = reader, .conn = conn };

    if (!domains)
        return NULL;

    state.holders = holders = qemuHoldersNew();
    state.items = items = g_hash_table_new_full(itemHash, itemEqual, itemFree, NULL);
    state.volumes = volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                    volumeFree);
    state.claims = claims = g_ptr_array_new_with_free_func(readHolderFree);
    state.waiting = g_ptr_array_new();
    qemuHoldersSetOrigin(holders, domains);

    for (guint i = 0; i < domains->len; i++) {
        const qemuHoldersDomain *domain = g_ptr_array_index(domains, i);

        if (!since || !isAmong(qemuHoldersGetOrigin(since), domain))
            addDomain(&state, domain);
    }
    lookAtWaiting(&state);
    addAsked(&state, asked);

    linkItems(&state);
    for (guint i = 0; i < claims->len; i++)
        finishClaim(g_ptr_array_index(claims, i));

    g_ptr_array_unref(state.waiting);
    return g_steal_pointer(&holders);
}

qemuHolders *
qemuHoldersRead(qemuHoldersReader *reader, virConnectPtr conn, const char *const *asked,
                GError **error)
{
    return readAll(reader, conn, NULL, asked, error);
}

qemuHolders *
qemuHoldersReadChanges(qemuHoldersReader *reader, virConnectPtr conn,
                       const qemuHolders *since, const char *const *asked,
                       GError **error)
{
    return readAll(reader, conn, since, asked, error);
}
