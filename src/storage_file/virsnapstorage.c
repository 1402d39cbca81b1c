/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstorage.c: access to storage that may never answer
 *
 * The daemon itself never touches a storage: a child does it, which is given up when its
 * time is over. It is not killed then, which would be of no use where it hangs, and its
 * end is what tells that the storage answers again. Until then nothing more is asked of
 * that mount: each question would cost its asker the time, and us one child more.
 *
 * The descriptors of images that the daemon keeps are such as name a file without opening
 * it (O_PATH): to close any other may take a call to the storage as well.
 */

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnaphandover.h"
#include "virsnapmounts.h"
#include "virsnapstorage.h"

/* The look for the mount is added to the time of a call, once for each that hangs. */
#define LOCATE_SECONDS 2
/* as the kernel has it */
#define LINKS_MAX 40
/* that many items are told to a child at a time */
#define ITEMS_MAX 512

typedef struct _storageHanging storageHanging;
struct _storageHanging {
    virSnapChild *child;    /* the witness */
    char *point;            /* of the mount, and which it is */
    char *mount;
    char *folder;           /* the name of it that was asked by: a link may lead there */
};

/* As the mounts are, it is the process's. */
static struct {
    gint64 timeout;         /* microseconds */
    GMutex lock;            /* never held for long */
    GPtrArray *hanging;     /* of storageHanging */
} storage;

static void
hangingFree(void *opaque)
{
    storageHanging *hanging = opaque;

    virSnapChildFree(hanging->child);
    g_free(hanging->point);
    g_free(hanging->mount);
    g_free(hanging->folder);
    g_free(hanging);
}

gboolean
virSnapStorageInit(unsigned int timeout, GError **error)
{
    storage.timeout = timeout * G_USEC_PER_SEC;
    storage.hanging = g_ptr_array_new_with_free_func(hangingFree);
    return virSnapChildInit(error);
}

static gboolean
setSilent(const char *point, GError **error)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("storage at '%s' does not answer"), point);
    return FALSE;
}

/* What is known to hang */

/* What has been mounted there since is not what hangs. */
static gboolean
hangingHas(const storageHanging *hanging, const char *path)
{
    gboolean by_name = virSnapMountsIsInside(path, hanging->folder);
    g_autoptr(virSnapMounts) mounts = NULL;
    const virSnapMount *mount;

    if (!by_name && !virSnapMountsIsInside(path, hanging->point))
        return FALSE;

    mounts = virSnapMountsRead();
    mount = virSnapMountsFind(mounts, by_name ? hanging->point : path);
    return mount && g_str_equal(mount->id, hanging->mount);
}

/* Whether it is one of several that do, which is worth no line in the log. */
static gboolean
storageIsKnown(const storageHanging *one)
{
    for (guint i = 0; i < storage.hanging->len; i++) {
        const storageHanging *other = g_ptr_array_index(storage.hanging, i);

        if (other != one && g_str_equal(other->mount, one->mount))
            return TRUE;
    }

    return FALSE;
}

static gboolean
storageCheck(const char *path, GError **error)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&storage.lock);
    g_autofree char *full = NULL;

    for (guint i = storage.hanging ? storage.hanging->len : 0; i-- > 0;) {
        const storageHanging *hanging = g_ptr_array_index(storage.hanging, i);

        if (!virSnapChildHasEnded(hanging->child))
            continue;
        if (!storageIsKnown(hanging))
            g_message(_("storage at '%s' answers again"), hanging->point);
        g_ptr_array_remove_index_fast(storage.hanging, i);
    }

    if (!storage.hanging || storage.hanging->len == 0)
        return TRUE;

    full = g_canonicalize_filename(path, "/");
    for (guint i = 0; i < storage.hanging->len; i++) {
        const storageHanging *hanging = g_ptr_array_index(storage.hanging, i);

        if (hangingHas(hanging, full))
            return setSilent(hanging->point, error);
    }

    return TRUE;
}

static void
storageRemember(virSnapChild *child, const char *at, const char *path, GError **error)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&storage.lock);
    g_autofree char *full = g_canonicalize_filename(path, "/");
    g_autoptr(virSnapMounts) mounts = virSnapMountsRead();
    const virSnapMount *mount = virSnapMountsFind(mounts, at);
    storageHanging *hanging = g_new0(storageHanging, 1);

    hanging->child = child;
    hanging->folder = g_path_get_dirname(full);
    hanging->point = g_strdup(mount ? mount->point : hanging->folder);
    hanging->mount = g_strdup(mount ? mount->id : "");
    if (!storageIsKnown(hanging))
        g_warning(_("storage at '%s' does not answer"), hanging->point);
    g_ptr_array_add(storage.hanging, hanging);
    setSilent(hanging->point, error);
}

/* Where a path leads */

static GVariant *
linkRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    char target[PATH_MAX];
    ssize_t n = readlink(g_variant_get_bytestring(args), target, sizeof(target) - 1);

    target[MAX(n, 0)] = '\0';
    return g_variant_new_bytestring(target);
}

static const virSnapChildOp link_op = { "read link", linkRun };

/* NULL: it hangs. An empty one: it is none. */
static char *
locateStep(const char *path)
{
    gint64 deadline = g_get_monotonic_time() + LOCATE_SECONDS * G_USEC_PER_SEC;
    virSnapChild *child = virSnapChildTake(NULL);
    virSnapDescriptors none = { .n = 0 };
    g_autoptr(GVariant) target = NULL;
    virSnapChildWireResult result;

    if (!child)
        return g_strdup("");

    result = virSnapChildAsk(child, &link_op, FALSE, g_variant_new_bytestring(path), NULL,
                             deadline);
    if (result == VIR_SNAP_CHILD_WIRE_DONE)
        result = virSnapChildAnswer(child, &target, &none, NULL, deadline);
    if (result == VIR_SNAP_CHILD_WIRE_DONE)
        virSnapChildGiveBack(child);
    else
        virSnapChildFree(child);

    if (result == VIR_SNAP_CHILD_WIRE_LATE)
        return NULL;
    return g_strdup(target ? g_variant_get_bytestring(target) : "");
}

static void
pushParts(GQueue *parts, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);

    for (gsize i = g_strv_length(names); i-- > 0;) {
        if (*names[i] && !g_str_equal(names[i], "."))
            g_queue_push_head(parts, g_strdup(names[i]));
    }
}

/* The path without links as far as it does not hang, with one name more: by that its
 * mount can be told from the list of mounts. */
static char *
storageLocate(const char *path)
{
    g_autoptr(GQueue) parts = g_queue_new();
    g_autofree char *at = g_strdup("/");
    gboolean hangs = FALSE;
    guint links = 0;
    char *part;

    pushParts(parts, path);
    while ((part = g_queue_pop_head(parts))) {
        g_autofree char *name = part;
        g_autofree char *next = g_str_equal(name, "..") ? g_path_get_dirname(at) :
            g_build_filename(at, name, NULL);
        g_autofree char *target = hangs ? g_strdup("") : locateStep(next);

        if (!target) {
            hangs = TRUE;
            g_queue_clear_full(parts, g_free);
        }
        if (target && *target && links++ < LINKS_MAX) {
            pushParts(parts, target);
            if (!g_path_is_absolute(target))
                continue;
            g_free(next);
            next = g_strdup("/");
        }
        g_free(at);
        at = g_steal_pointer(&next);
    }

    return g_steal_pointer(&at);
}

static void
storageGiveUp(virSnapChild *child, const char *path, GError **error)
{
    const char *is_at = virSnapChildIsAt(child);
    g_autofree char *asked = g_strdup(is_at ? is_at : path);
    g_autofree char *at = NULL;

    virSnapChildHasEnded(child);   /* so that it knows */
    at = storageLocate(asked);
    storageRemember(child, at, asked, error);
}

/* Until it is the answer. What hangs already is not waited for once more. */
static virSnapChildWireResult
storageAnswer(virSnapChild *child, GVariant **ret_result,
              virSnapDescriptors *ret_descriptors, GError **ret_failure, gint64 deadline)
{
    virSnapChildWireResult result;

    do {
        result = virSnapChildAnswer(child, ret_result, ret_descriptors, ret_failure,
                                    deadline);
        if (!result && virSnapChildIsAt(child) &&
            !storageCheck(virSnapChildIsAt(child), NULL))
            result = VIR_SNAP_CHILD_WIRE_LATE;
    } while (!result && virSnapChildIsAt(child));

    return result;
}

/* Requests */

static void
storageSetGone(const virSnapChildOp *op, const char *path, GError **error)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR,
                _("the process that accessed '%s' for virtsnapshotd (%s) ended "
                  "unexpectedly"), path, op->name);
}

static virSnapChildWireResult
storageAsk(virSnapChild *child, const virSnapChildOp *op, GVariant *args,
           const virSnapDescriptors *descriptors, GVariant **ret_result,
           virSnapDescriptors *ret_descriptors, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + storage.timeout;
    virSnapChildWireResult result =
        virSnapChildAsk(child, op, FALSE, args, descriptors, deadline);

    if (result == VIR_SNAP_CHILD_WIRE_DONE)
        result = storageAnswer(child, ret_result, ret_descriptors, error, deadline);
    return result;
}

static GVariant *
storageCall(const virSnapChildOp *op, const char *path, GVariant *args,
            const virSnapDescriptors *descriptors, virSnapDescriptors *ret_descriptors,
            gboolean *ret_pending, GError **error)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(args);
    virSnapDescriptors none = { .n = 0 };
    virSnapDescriptors *returned = ret_descriptors ? ret_descriptors : &none;
    GVariant *answer = NULL;
    virSnapChild *child;

    if (!storageCheck(path, error) || !(child = virSnapChildTake(error)))
        return NULL;

    switch (storageAsk(child, op, sunk, descriptors, &answer, returned, error)) {
    case VIR_SNAP_CHILD_WIRE_DONE:
        virSnapChildGiveBack(child);
        break;
    case VIR_SNAP_CHILD_WIRE_LATE:
        *ret_pending = TRUE;
        storageGiveUp(child, path, error);
        break;
    case VIR_SNAP_CHILD_WIRE_GONE:
        virSnapChildFree(child);
        storageSetGone(op, path, error);
        break;
    }

    return answer;
}

GVariant *
virSnapStorageRead(const virSnapChildOp *op, const char *path, GVariant *args,
                   const virSnapDescriptors *descriptors,
                   virSnapDescriptors *ret_descriptors, GError **error)
{
    gboolean pending = FALSE;

    return storageCall(op, path, args, descriptors, ret_descriptors, &pending, error);
}

GVariant *
virSnapStorageChange(virSnapStorageHold *hold, const virSnapChildOp *op,
                     const char *path, GVariant *args,
                     const virSnapDescriptors *descriptors,
                     virSnapDescriptors *ret_descriptors, GError **error)
{
    virSnapDescriptors all = { .n = 0 };
    gboolean pending = FALSE;
    GVariant *answer;

    if (descriptors)
        all = *descriptors;
    g_assert(all.n < VIR_SNAP_DESCRIPTORS_MAX);
    if (hold && hold->fd >= 0)
        all.fds[all.n++] = hold->fd;

    answer = storageCall(op, path, args, &all, ret_descriptors, &pending, error);
    if (hold && pending)
        hold->pending = TRUE;
    return answer;
}

/* Many */

typedef struct _storageMany storageMany;
struct _storageMany {
    const virSnapChildOp *op;
    const virSnapStorageItem *items;
    gsize n_items;
    gsize next;               /* not told to a child yet */
    GArray *told;             /* numbers of items that one was told of */
    virSnapStorageItemFunc func;
    void *opaque;
};

/* Tells a child of the items to come but for those that would hang. */
static GVariant *
manyFormat(storageMany *many)
{
    g_auto(GVariantBuilder) builder =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("av"));
    g_autoptr(GArray) again = g_steal_pointer(&many->told);

    many->told = g_array_new(FALSE, FALSE, sizeof(gsize));
    for (guint i = 0; many->told->len < ITEMS_MAX &&
         (i < again->len || many->next < many->n_items); i++) {
        gsize number = i < again->len ? g_array_index(again, gsize, i) : many->next++;
        g_autoptr(GError) error = NULL;

        if (storageCheck(many->items[number].path, &error)) {
            g_array_append_val(many->told, number);
            g_variant_builder_add(&builder, "v", many->items[number].args);
        } else {
            many->func(number, NULL, error, many->opaque);
        }
    }

    return g_variant_builder_end(&builder);
}

/* Takes what the child answers; items that it does not come to stay in `told`. */
static gboolean
manyTake(storageMany *many, virSnapChild *child, guint *ret_taken, GError **ret_fault)
{
    for (*ret_taken = 0; *ret_taken < many->told->len; (*ret_taken)++) {
        gint64 deadline = g_get_monotonic_time() + storage.timeout;
        gsize number = g_array_index(many->told, gsize, *ret_taken);
        virSnapDescriptors none = { .n = 0 };
        g_autoptr(GVariant) answer = NULL;
        g_autoptr(GError) failure = NULL;

        switch (storageAnswer(child, &answer, &none, &failure, deadline)) {
        case VIR_SNAP_CHILD_WIRE_DONE:
            many->func(number, answer, failure, many->opaque);
            continue;
        case VIR_SNAP_CHILD_WIRE_LATE:
            storageGiveUp(child, many->items[number].path, ret_fault);
            return FALSE;
        case VIR_SNAP_CHILD_WIRE_GONE:
            virSnapChildFree(child);
            storageSetGone(many->op, many->items[number].path, ret_fault);
            return FALSE;
        }
    }

    virSnapChildGiveBack(child);
    return TRUE;
}

static void
manyAsk(storageMany *many)
{
    g_autoptr(GVariant) args = g_variant_ref_sink(manyFormat(many));
    gint64 deadline = g_get_monotonic_time() + storage.timeout;
    g_autoptr(GError) fault = NULL;
    virSnapChild *child;
    guint taken = 0;
    gboolean ok;

    if (many->told->len == 0)
        return;

    if ((child = virSnapChildTake(&fault))) {
        /* where it does not listen it does not answer either */
        virSnapChildAsk(child, many->op, TRUE, args, NULL, deadline);
        ok = manyTake(many, child, &taken, &fault);
    } else {
        ok = FALSE;
    }

    /* the one that it did not come back from */
    if (!ok)
        many->func(g_array_index(many->told, gsize, taken++), NULL, fault, many->opaque);
    g_array_remove_range(many->told, 0, taken);
}

void
virSnapStorageReadMany(const virSnapChildOp *op, const virSnapStorageItem *items,
                       gsize n_items, virSnapStorageItemFunc func, void *opaque)
{
    storageMany many = {
        .op = op,
        .items = items,
        .n_items = n_items,
        .told = g_array_new(FALSE, FALSE, sizeof(gsize)),
        .func = func,
        .opaque = opaque,
    };

    while (many.next < many.n_items || many.told->len > 0)
        manyAsk(&many);
    g_array_unref(many.told);
}
