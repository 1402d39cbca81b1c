/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsurvey.c: what many images are, and stand on
 *
 * Before an image is deleted or written to, all that may stand on it are looked at, which
 * are those of the whole host. Most have not changed since the last time: a file is known
 * again by its inode, its size and its times, and only a new or changed one is opened.
 * Times may be as coarse as two seconds, so that what was touched just before it was
 * looked at is looked at again; and those of a block device tell nothing of its content.
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
#include "virsnapsurvey.h"

/* the coarsest time of the file systems that images are on: FAT's */
#define COARSE_SECONDS 2
/* a host has some thousand images; each costs some hundred bytes */
#define REMEMBERED_MAX 200000
#define FOLDER_MAX 100000

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

static virSnapSurveyed *
recall(virSnapSurvey *survey, const char *name, const surveyStamp *stamp)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&survey->lock);
    const surveyEntry *entry = g_hash_table_lookup(survey->entries, name);

    return entry && memcmp(&entry->stamp, stamp, sizeof(*stamp)) == 0 ?
        surveyedCopy(entry->found) : NULL;
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

static virSnapSurveyed *
lookAt(virSnapSurvey *survey, const virSnapSurveyItem *item)
{
    g_autofree char *name = entryName(item);
    virSnapSurveyed *found;
    surveyStamp stamp;
    struct stat st;

    if (stat(item->path, &st) < 0)
        return lookAbsent(item, errno);

    setStamp(&stamp, &st);
    if ((found = recall(survey, name, &stamp)))
        return found;

    found = surveyedNew();
    found->key = formatKey(&st);
    readNames(found, item);
    if (S_ISREG(st.st_mode) && !found->fault && !isFresh(&stamp))
        remember(survey, name, found, &stamp);
    return found;
}

GPtrArray *
virSnapSurveyLook(virSnapSurvey *survey, const virSnapSurveyItem *items, gsize n_items)
{
    GPtrArray *all = g_ptr_array_new_full(n_items, (GDestroyNotify)virSnapSurveyedFree);

    for (gsize i = 0; i < n_items; i++)
        g_ptr_array_add(all, lookAt(survey, &items[i]));

    return all;
}

GPtrArray *
virSnapSurveyFolder(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    DIR *stream = opendir(folder);
    const struct dirent *entry;

    if (!stream && errno == ENOENT)
        return g_steal_pointer(&files);

    while (stream && files->len < FOLDER_MAX && (errno = 0, entry = readdir(stream))) {
        if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN ||
            entry->d_type == DT_LNK)
            g_ptr_array_add(files, g_build_filename(folder, entry->d_name, NULL));
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
