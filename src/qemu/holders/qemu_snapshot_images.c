/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_images.c: which images disks stand on
 *
 * This is for images that must not be deleted or changed while someone needs them: so
 * it finds more than a revert could work with. A disk may be a file, a block device or a
 * volume of a storage pool; its images may be encrypted or damaged, and name their
 * backing images in any way that QEMU takes. Where what a disk stands on can't be told,
 * that is said, and nothing may be deleted by such a finding.
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_images.h"
#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapimagename.h"
#include "virsnapqcow2.h"

typedef struct _chainImage chainImage;
struct _chainImage {
    char *file;
    char *format;         /* NULL: not said */
    gboolean is_data;     /* of the image that was before it */
};

/* FALSE: what is below it need not be looked for. */
typedef gboolean (*chainFunc)(const chainImage *image, const char *key, void *opaque);

static void
chainImageFree(void *opaque)
{
    chainImage *image = opaque;

    g_free(image->file);
    g_free(image->format);
    g_free(image);
}

static void
chainAdd(GPtrArray *chain, const char *file, const char *name, const char *format,
         gboolean is_data)
{
    g_autoptr(GPtrArray) paths = virSnapImageNameFiles(file, name);

    for (guint i = 0; i < paths->len; i++) {
        chainImage *image = g_new0(chainImage, 1);

        image->file = g_strdup(g_ptr_array_index(paths, i));
        image->format = g_strdup(format);
        image->is_data = is_data;
        g_ptr_array_add(chain, image);
    }
}

/* Goes down from an image, as far as headers lead. */
static gboolean
walk(const char *top, const char *format, chainFunc func, void *opaque, GError **error)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new_with_free_func(chainImageFree);

    chainAdd(chain, top, top, format ? format : "raw", FALSE);
    for (guint i = 0; i < chain->len && i < VIR_SNAP_CHAIN_MAX; i++) {
        const chainImage *image = g_ptr_array_index(chain, i);
        g_auto(virSnapImageBelow) below = { 0 };
        g_autofree char *key = virSnapFileKey(image->file);

        if (!func(image, key, opaque))
            continue;
        if (!virSnapImageReadBelow(image->file, image->format, &below, error))
            return FALSE;
        if (below.data_file)
            chainAdd(chain, image->file, below.data_file, "raw", TRUE);
        if (below.backing)
            chainAdd(chain, image->file, below.backing, below.backing_format, FALSE);
    }

    return TRUE;
}

static gboolean
isAbsent(virErrorPtr error)
{
    return error && (error->code == VIR_ERR_NO_STORAGE_POOL ||
                     error->code == VIR_ERR_NO_STORAGE_VOL);
}

static char *
volumePath(virConnectPtr conn, const virDomainDisk *disk, GError **error)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(conn, disk->pool);
    g_autoptr(virStorageVol) volume =
        pool ? virStorageVolLookupByName(pool, disk->volume) : NULL;
    char *path = volume ? virStorageVolGetPath(volume) : NULL;
    char *copy = g_strdup(path);

    if (!path && !isAbsent(virGetLastError()))
        virSnapErrorSetLibvirt(error, _("cannot find volume '%s' of storage pool '%s'"),
                               disk->volume, disk->pool);
    free(path);
    return copy;
}

/* NULL without an error: it is on none of this host. */
static char *
diskPath(virConnectPtr conn, const virDomainDisk *disk, GError **error)
{
    if (disk->file || disk->dev)
        return g_strdup(disk->file ? disk->file : disk->dev);

    return disk->pool && disk->volume ? volumePath(conn, disk, error) : NULL;
}

/* All in one table */

qemuSnapshotImages *
qemuSnapshotImagesNew(virConnectPtr conn)
{
    qemuSnapshotImages *images = g_new0(qemuSnapshotImages, 1);

    images->conn = conn;
    images->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    images->read = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return images;
}

void
qemuSnapshotImagesFree(qemuSnapshotImages *images)
{
    if (!images)
        return;

    g_hash_table_unref(images->owners);
    g_hash_table_unref(images->read);
    g_free(images->unknown);
    g_free(images);
}

static void
addOwner(qemuSnapshotImages *images, const char *key, const char *owner)
{
    if (!g_hash_table_contains(images->owners, key))
        g_hash_table_insert(images->owners, g_strdup(key), g_strdup(owner));
}

typedef struct _imagesAdding imagesAdding;
struct _imagesAdding {
    qemuSnapshotImages *images;
    const char *owner;
};

/* Where many stand on the same images, each is read once for each format that it is taken
 * for and each folder that it is found in, where a relative name in its header begins. */
static gboolean
addImage(const chainImage *image, const char *key, void *opaque)
{
    const imagesAdding *adding = opaque;
    g_autofree char *folder = g_path_get_dirname(image->file);
    g_autofree char *folder_key = virSnapFileKey(folder);

    addOwner(adding->images, key, adding->owner);
    return g_hash_table_add(adding->images->read,
                            g_strjoin(":", image->format ? image->format : "",
                                      folder_key, key, NULL));
}

static void
addDisk(qemuSnapshotImages *images, const virDomainDisk *disk, const char *owner)
{
    imagesAdding adding = { .images = images, .owner = owner };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = diskPath(images->conn, disk, &error);
    gboolean known = !error && (!path ||
                                walk(path, disk->format, addImage, &adding, &error));

    for (guint i = 0; i < disk->chain->len; i++) {
        const virDomainImage *image = g_ptr_array_index(disk->chain, i);

        known = walk(image->file, image->format, addImage, &adding,
                     error ? NULL : &error) && known;
    }

    /* the definition of one that runs tells the whole chain */
    if (!known && !disk->chain_ends && !images->unknown)
        images->unknown = g_strdup_printf(_("it can't be told what disk '%s' of '%s' "
                                            "stands on: %s"), disk->target, owner,
                                          error->message);
}

void
qemuSnapshotImagesAddDisks(qemuSnapshotImages *images, GPtrArray *disks,
                           const char *owner)
{
    for (guint i = 0; i < disks->len; i++)
        addDisk(images, g_ptr_array_index(disks, i), owner);
}

const char *
qemuSnapshotImagesUnknown(const qemuSnapshotImages *images)
{
    return images ? images->unknown : NULL;
}

/* One after the other */

static gboolean
appendImage(const chainImage *image, const char *key, void *opaque)
{
    if (image->is_data)
        return FALSE;

    g_ptr_array_add(opaque, g_strdup(key));
    return TRUE;
}

static void
appendKnown(GPtrArray *keys, const virDomainDisk *disk)
{
    for (guint i = 0; i < disk->chain->len; i++) {
        const virDomainImage *image = g_ptr_array_index(disk->chain, i);

        g_ptr_array_add(keys, virSnapFileKey(image->file));
    }
}

GPtrArray *
qemuSnapshotReadChain(virConnectPtr conn, const virDomainDisk *disk, GError **error)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;
    g_autofree char *path = diskPath(conn, disk, &cause);

    if (!cause && (!path || walk(path, disk->format, appendImage, keys, &cause)))
        return g_steal_pointer(&keys);

    if (path && disk->chain_ends) {
        g_ptr_array_set_size(keys, 1);
        appendKnown(keys, disk);
        return g_steal_pointer(&keys);
    }

    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}

GPtrArray *
qemuSnapshotReadOverlayChain(const char *file, GError **error)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);

    return walk(file, "qcow2", appendImage, keys, error) ? g_steal_pointer(&keys) : NULL;
}
