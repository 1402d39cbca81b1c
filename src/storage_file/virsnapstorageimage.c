/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstorageimage.c: images and memory files, read in child processes
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapimagename.h"
#include "virsnaplock.h"
#include "virsnapstorage.h"
#include "virsnapstorageimage.h"

#define IMAGE_TYPE "(^ay^ay^aytm^aym^aym^aym^ay)"

static GVariant *
imageRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
         virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    g_autoptr(virSnapImage) image = NULL;
    const char *file, *format;

    g_variant_get(args, "(^&ay^&ay)", &file, &format);
    if (!(image = virSnapImageRead(file, format, error)))
        return NULL;

    return g_variant_new(IMAGE_TYPE, image->file, image->format, image->key, image->size,
                         image->backing, image->backing_file, image->backing_format,
                         image->data_file);
}

static const virSnapChildOp image_op = { "read image", imageRun };

virSnapImage *
virSnapStorageReadImage(const char *file, const char *format, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&image_op, file, g_variant_new("(^ay^ay)", file, format), NULL,
                           NULL, error);
    virSnapImage *image;

    if (!answer)
        return NULL;

    image = g_new0(virSnapImage, 1);
    g_variant_get(answer, IMAGE_TYPE, &image->file, &image->format, &image->key,
                  &image->size, &image->backing, &image->backing_file,
                  &image->backing_format, &image->data_file);
    return image;
}

static GVariant *
backingRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
           virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    const char *file = g_variant_get_bytestring(args);
    g_auto(virSnapImageBelow) below = { 0 };
    g_autoptr(GPtrArray) files = NULL;

    if (!virSnapImageReadBelow(file, "qcow2", &below, error))
        return NULL;

    files = below.backing ? virSnapImageNameFiles(file, below.backing) : g_ptr_array_new();
    return g_variant_new("(m^ay@aay)", below.backing,
                         g_variant_new_bytestring_array((const char *const *)files->pdata,
                                                        files->len));
}

static const virSnapChildOp backing_op = { "read image's backing", backingRun };

gboolean
virSnapStorageReadBacking(const char *file, char **ret_backing, GStrv *ret_files,
                          GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&backing_op, file, g_variant_new_bytestring(file), NULL, NULL,
                           error);

    if (!answer)
        return FALSE;

    g_variant_get(answer, "(m^ay^aay)", ret_backing, ret_files);
    return TRUE;
}

/* What is asked by a path and answered by yes or no */

static gboolean
askBoolean(const virSnapChildOp *op, const char *file, gboolean *ret_value,
           GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(op, file, g_variant_new_bytestring(file), NULL, NULL, error);

    if (!answer)
        return FALSE;

    *ret_value = g_variant_get_boolean(answer);
    return TRUE;
}

static GVariant *
blankRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
         virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    gboolean blank = FALSE;

    return virSnapImageIsBlank(g_variant_get_bytestring(args), &blank, error) ?
        g_variant_new_boolean(blank) : NULL;
}

static const virSnapChildOp blank_op = { "read image's tables", blankRun };

gboolean
virSnapStorageIsBlank(const char *file, gboolean *ret_blank, GError **error)
{
    return askBoolean(&blank_op, file, ret_blank, error);
}

static GVariant *
lockRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    gboolean in_use = FALSE;

    return virSnapLockInUse(g_variant_get_bytestring(args), &in_use, error) ?
        g_variant_new_boolean(in_use) : NULL;
}

static const virSnapChildOp lock_op = { "read locks", lockRun };

gboolean
virSnapStorageIsInUse(const char *file, gboolean *ret_in_use, GError **error)
{
    return askBoolean(&lock_op, file, ret_in_use, error);
}

static GVariant *
saveRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    gboolean whole = FALSE;

    return virSnapSaveImageCheck(g_variant_get_bytestring(args), &whole, error) ?
        g_variant_new_boolean(whole) : NULL;
}

static const virSnapChildOp save_op = { "read memory file", saveRun };

gboolean
virSnapStorageCheckSave(const char *file, gboolean *ret_whole, GError **error)
{
    return askBoolean(&save_op, file, ret_whole, error);
}

static GVariant *
kindRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    virSnapSaveImageKind kind;

    return virSnapSaveImageGetKind(g_variant_get_bytestring(args), &kind, error) ?
        g_variant_new_int32(kind) : NULL;
}

static const virSnapChildOp kind_op = { "read memory file's header", kindRun };

gboolean
virSnapStorageGetSaveKind(const char *file, virSnapSaveImageKind *ret_kind, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&kind_op, file, g_variant_new_bytestring(file), NULL, NULL,
                           error);

    if (!answer)
        return FALSE;

    *ret_kind = g_variant_get_int32(answer);
    return TRUE;
}

/* What is handed back open */

static GVariant *
openRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out, GError **error)
{
    const char *file = g_variant_get_bytestring(args);
    struct stat st;
    int fd = virSnapFileOpenImage(file, &st, error);
    int at;

    if (fd < 0)
        return NULL;

    at = virSnapFileReopen(fd, O_PATH);
    close(fd);
    if (at < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot open image '%s'"), file);
        return NULL;
    }

    out->fds[out->n++] = at;
    return g_variant_new_boolean(TRUE);
}

static const virSnapChildOp open_op = { "open image", openRun };

int
virSnapStorageOpenImage(const char *file, GError **error)
{
    virSnapDescriptors returned = { .n = 0 };
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&open_op, file, g_variant_new_bytestring(file), NULL,
                           &returned, error);

    return answer && returned.n == 1 ? returned.fds[0] : -1;
}
