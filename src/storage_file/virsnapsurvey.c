/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsurvey.c: what many images are, and stand on
 *
 * Before an image is deleted or written to, all that may stand on it are looked at, which
 * are those of the whole host. Most have not changed since the last time: a file is known
 * again by its inode, its size and its times, and only a new or changed one is opened.
 * Times may be as coarse as two seconds, so that what was touched just before it was
 * looked at is looked at again; and those of a block device tell nothing of its content.
 *
 * What is looked at may be on a storage that does not answer. So a child looks, at many in
 * one go, and is told by which stamps they are known; what is known is kept here.
 */

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnaphandover.h"
#include "virsnapimagename.h"
#include "virsnapqcow2.h"
#include "virsnapstorage.h"
#include "virsnapsurvey.h"

/* the coarsest time of the file systems that images are on: FAT's */
#define COARSE_SECONDS 2
/* a host has some thousand images; each costs some hundred bytes */
#define REMEMBERED_MAX 200000
#define FOLDER_MAX 100000
/* format, path, the stamp that it is known by, if any */
#define ASK_TYPE "(m^ay^ay@ay)"
/* nothing where it has that stamp; else key, fault, lost, internal, what is below, and the
 * stamp to remember it by, if any */
#define BELOW_TYPE "(^aym^ayb)"
#define FOUND_TYPE "(^aym^aybu@a(aymayb)@ay)"
#define FOUND_SIGNATURE "(aymaybua(aymayb)ay)"

typedef struct _surveyStamp surveyStamp;
struct _surveyStamp {
    guint64 device;
    guint64 inode;
    gint64 size;
    struct timespec modified;
    struct timespec changed;
};

typedef struct _surveyEntry surveyEntry;
struct _surveyEntry {
    virSnapSurveyed *found;
    surveyStamp stamp;
};

struct _virSnapSurvey {
    GMutex lock;
    GHashTable *entries;   /* format and path -> surveyEntry */
};

static void
nameFree(void *opaque)
{
    virSnapSurveyName *name = opaque;

    g_free(name->path);
    g_free(name->format);
    g_free(name);
}

void
virSnapSurveyedFree(virSnapSurveyed *found)
{
    if (!found)
        return;

    g_free(found->key);
    g_ptr_array_unref(found->below);
    g_free(found->fault);
    g_free(found);
}

static virSnapSurveyed *
surveyedNew(void)
{
    virSnapSurveyed *found = g_new0(virSnapSurveyed, 1);

    found->below = g_ptr_array_new_with_free_func(nameFree);
    return found;
}

static void
surveyedAddBelow(virSnapSurveyed *found, const char *path, const char *format,
                 gboolean is_backing)
{
    virSnapSurveyName *name = g_new0(virSnapSurveyName, 1);

    name->path = g_strdup(path);
    name->format = g_strdup(format);
    name->is_backing = is_backing;
    g_ptr_array_add(found->below, name);
}

static virSnapSurveyed *
surveyedCopy(const virSnapSurveyed *from)
{
    virSnapSurveyed *found = surveyedNew();

    found->key = g_strdup(from->key);
    found->fault = g_strdup(from->fault);
    found->lost = from->lost;
    found->internal = from->internal;
    for (guint i = 0; i < from->below->len; i++) {
        const virSnapSurveyName *name = g_ptr_array_index(from->below, i);

        surveyedAddBelow(found, name->path, name->format, name->is_backing);
    }

    return found;
}

static void
entryFree(void *opaque)
{
    surveyEntry *entry = opaque;

    virSnapSurveyedFree(entry->found);
    g_free(entry);
}

virSnapSurvey *
virSnapSurveyNew(void)
{
    virSnapSurvey *survey = g_new0(virSnapSurvey, 1);

    g_mutex_init(&survey->lock);
    survey->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entryFree);
    return survey;
}

void
virSnapSurveyFree(virSnapSurvey *survey)
{
    if (!survey)
        return;

    g_hash_table_unref(survey->entries);
    g_mutex_clear(&survey->lock);
    g_free(survey);
}

/* One image */

static void
addNames(virSnapSurveyed *found, const char *path, const char *name, const char *format,
         gboolean is_backing)
{
    g_autoptr(GPtrArray) files = virSnapImageNameFiles(path, name);

    for (guint i = 0; i < files->len; i++)
        surveyedAddBelow(found, g_ptr_array_index(files, i), format, is_backing);
}

static void
readNames(virSnapSurveyed *found, const virSnapSurveyItem *item)
{
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GError) error = NULL;

    if (!virSnapImageReadBelow(item->path, item->format, &below, &error)) {
        found->fault = g_strdup(error->message);
        return;
    }

    found->internal = below.internal;
    if (below.data_file)
        addNames(found, item->path, below.data_file, "raw", FALSE);
    if (below.backing)
        addNames(found, item->path, below.backing, below.backing_format, TRUE);
}

/* A device is one whatever node it goes by. */
static char *
formatKey(const struct stat *st)
{
    return S_ISBLK(st->st_mode) ?
        g_strdup_printf("block:%u:%u", major(st->st_rdev), minor(st->st_rdev)) :
        g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                        (guint64)st->st_dev, (guint64)st->st_ino);
}

static void
setStamp(surveyStamp *stamp, const struct stat *st)
{
    memset(stamp, 0, sizeof(*stamp));
    stamp->device = st->st_dev;
    stamp->inode = st->st_ino;
    stamp->size = st->st_size;
    stamp->modified = st->st_mtim;
    stamp->changed = st->st_ctim;
}

/* Whether a change right after this could leave the same stamp. */
static gboolean
isFresh(const surveyStamp *stamp)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    return stamp->modified.tv_sec > now - COARSE_SECONDS ||
        stamp->changed.tv_sec > now - COARSE_SECONDS;
}

static char *
entryName(const virSnapSurveyItem *item)
{
    return g_strconcat(item->format ? item->format : "", ":", item->path, NULL);
}

/* FALSE: it is not known. */
static gboolean
recall(virSnapSurvey *survey, const char *name, virSnapSurveyed **ret_found,
       surveyStamp *ret_stamp)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&survey->lock);
    const surveyEntry *entry = g_hash_table_lookup(survey->entries, name);

    if (!entry)
        return FALSE;

    *ret_found = surveyedCopy(entry->found);
    *ret_stamp = entry->stamp;
    return TRUE;
}

static void
remember(virSnapSurvey *survey, const char *name, const virSnapSurveyed *found,
         const surveyStamp *stamp)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&survey->lock);
    surveyEntry *entry = g_new0(surveyEntry, 1);

    entry->found = surveyedCopy(found);
    entry->stamp = *stamp;
    if (g_hash_table_size(survey->entries) >= REMEMBERED_MAX)
        g_hash_table_remove_all(survey->entries);
    g_hash_table_replace(survey->entries, g_strdup(name), entry);
}

/* What is not there, or on a way that leads nowhere, has nothing below it. */
static virSnapSurveyed *
lookAbsent(const virSnapSurveyItem *item, int why)
{
    virSnapSurveyed *found = surveyedNew();

    found->key = virSnapFileResolve(item->path);
    if (why == ENOENT || why == ENOTDIR || why == ELOOP || why == ENAMETOOLONG)
        return found;

    found->lost = TRUE;
    found->fault = g_strdup_printf(_("cannot look at image '%s' (%s)"), item->path,
                                   g_strerror(why));
    return found;
}

/* NULL: it has the stamp that it is known by. *ret_remember: it may be known by that. */
static virSnapSurveyed *
lookAt(const virSnapSurveyItem *item, const surveyStamp *known, surveyStamp *ret_stamp,
       gboolean *ret_remember)
{
    virSnapSurveyed *found;
    struct stat st;

    *ret_remember = FALSE;
    if (stat(item->path, &st) < 0)
        return lookAbsent(item, errno);

    setStamp(ret_stamp, &st);
    if (known && memcmp(known, ret_stamp, sizeof(*known)) == 0)
        return NULL;

    found = surveyedNew();
    found->key = formatKey(&st);
    readNames(found, item);
    *ret_remember = S_ISREG(st.st_mode) && !found->fault && !isFresh(ret_stamp);
    return found;
}

/* On its way */

static GVariant *
formatStamp(const surveyStamp *stamp)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, stamp,
                                     stamp ? sizeof(*stamp) : 0, 1);
}

/* Both ends are one program. */
static gboolean
parseStamp(GVariant *bytes, surveyStamp *ret_stamp)
{
    gsize len;
    const void *data = g_variant_get_fixed_array(bytes, &len, 1);

    if (len != sizeof(*ret_stamp))
        return FALSE;

    memcpy(ret_stamp, data, len);
    return TRUE;
}

static GVariant *
formatFound(const virSnapSurveyed *found, const surveyStamp *stamp)
{
    g_auto(GVariantBuilder) below = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(aymayb)"));

    for (guint i = 0; i < found->below->len; i++) {
        const virSnapSurveyName *name = g_ptr_array_index(found->below, i);

        g_variant_builder_add(&below, BELOW_TYPE, name->path, name->format,
                              name->is_backing);
    }

    return g_variant_new(FOUND_TYPE, found->key, found->fault, found->lost,
                         (guint32)found->internal, g_variant_builder_end(&below),
                         formatStamp(stamp));
}

static virSnapSurveyed *
parseFound(GVariant *text, gboolean *ret_remember, surveyStamp *ret_stamp)
{
    virSnapSurveyed *found = surveyedNew();
    g_autoptr(GVariant) below = NULL;
    g_autoptr(GVariant) stamp = NULL;
    const char *path, *format;
    gboolean is_backing;
    GVariantIter iter;

    g_variant_get(text, FOUND_TYPE, &found->key, &found->fault, &found->lost,
                  &found->internal, &below, &stamp);
    g_variant_iter_init(&iter, below);
    while (g_variant_iter_next(&iter, "(^&aym^&ayb)", &path, &format, &is_backing))
        surveyedAddBelow(found, path, format, is_backing);

    *ret_remember = parseStamp(stamp, ret_stamp);
    return found;
}

static GVariant *
lookRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    g_autoptr(virSnapSurveyed) found = NULL;
    g_autoptr(GVariant) bytes = NULL;
    surveyStamp known, stamp;
    virSnapSurveyItem item;
    gboolean remember;

    g_variant_get(args, "(m^&ay^&ay@ay)", &item.format, &item.path, &bytes);
    found = lookAt(&item, parseStamp(bytes, &known) ? &known : NULL, &stamp, &remember);
    return g_variant_new_maybe(G_VARIANT_TYPE(FOUND_SIGNATURE),
                               found ? formatFound(found, remember ? &stamp : NULL) : NULL);
}

static const virSnapChildOp look_op = { "look at image", lookRun };

/* Many */

typedef struct _surveyLook surveyLook;
struct _surveyLook {
    virSnapSurvey *survey;
    const virSnapSurveyItem *items;
    char **names;
    virSnapSurveyed **all;     /* of those that are known: as they are known, till then */
};

/* One on a storage that does not answer might be any image. */
static virSnapSurveyed *
lostNew(const char *path, const GError *error)
{
    virSnapSurveyed *found = surveyedNew();

    found->key = g_strdup(path);
    found->lost = TRUE;
    found->fault = g_strdup_printf(_("cannot look at image '%s' (%s)"), path,
                                   error->message);
    return found;
}

static void
lookTake(gsize number, GVariant *result, const GError *error, void *opaque)
{
    surveyLook *look = opaque;
    g_autoptr(GVariant) text = result ? g_variant_get_maybe(result) : NULL;
    virSnapSurveyed *found;
    gboolean remembered = FALSE;
    surveyStamp stamp;

    /* as it was */
    if (result && !text)
        return;

    found = text ? parseFound(text, &remembered, &stamp) :
        lostNew(look->items[number].path, error);
    virSnapSurveyedFree(look->all[number]);
    look->all[number] = found;
    if (remembered)
        remember(look->survey, look->names[number], found, &stamp);
}

static GVariant *
lookFormat(surveyLook *look, gsize number)
{
    const virSnapSurveyItem *item = &look->items[number];
    surveyStamp stamp;
    gboolean known;

    look->names[number] = entryName(item);
    known = recall(look->survey, look->names[number], &look->all[number], &stamp);
    return g_variant_new(ASK_TYPE, item->format, item->path,
                         formatStamp(known ? &stamp : NULL));
}

GPtrArray *
virSnapSurveyLook(virSnapSurvey *survey, const virSnapSurveyItem *items, gsize n_items)
{
    GPtrArray *all = g_ptr_array_new_full(n_items, (GDestroyNotify)virSnapSurveyedFree);
    g_autofree virSnapStorageItem *asked = g_new0(virSnapStorageItem, n_items);
    g_auto(GStrv) names = g_new0(char *, n_items + 1);
    surveyLook look = { survey, items, names, NULL };

    g_ptr_array_set_size(all, n_items);
    look.all = (virSnapSurveyed **)all->pdata;
    for (gsize i = 0; i < n_items; i++) {
        asked[i].path = items[i].path;
        asked[i].args = g_variant_ref_sink(lookFormat(&look, i));
    }

    virSnapStorageReadMany(&look_op, asked, n_items, lookTake, &look);
    for (gsize i = 0; i < n_items; i++)
        g_variant_unref(asked[i].args);
    return all;
}

/* Folders */

/* Their names. */
static GPtrArray *
listFolder(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    DIR *stream = opendir(folder);
    const struct dirent *entry;

    if (!stream && errno == ENOENT)
        return g_steal_pointer(&files);

    while (stream && files->len < FOLDER_MAX && (errno = 0, entry = readdir(stream))) {
        if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN ||
            entry->d_type == DT_LNK)
            g_ptr_array_add(files, g_strdup(entry->d_name));
    }

    if (files->len == FOLDER_MAX)
        errno = EFBIG;
    if (!stream || errno != 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot list the files in folder '%s'"), folder);
        g_clear_pointer(&files, g_ptr_array_unref);
    }
    if (stream)
        closedir(stream);
    return g_steal_pointer(&files);
}

static GVariant *
folderRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
          virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    g_autoptr(GPtrArray) files = listFolder(g_variant_get_bytestring(args), error);

    return files ? g_variant_new_bytestring_array((const char *const *)files->pdata,
                                                  files->len) : NULL;
}

static const virSnapChildOp folder_op = { "list folder", folderRun };

GPtrArray *
virSnapSurveyFolder(const char *folder, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&folder_op, folder, g_variant_new_bytestring(folder), NULL,
                           NULL, error);
    g_autofree const char **names = NULL;
    GPtrArray *files;
    gsize n;

    if (!answer)
        return NULL;

    files = g_ptr_array_new_with_free_func(g_free);
    names = g_variant_get_bytestring_array(answer, &n);
    for (gsize i = 0; i < n; i++)
        g_ptr_array_add(files, g_build_filename(folder, names[i], NULL));
    return files;
}
