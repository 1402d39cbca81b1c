/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_memory.c: the file that holds a guest's memory
 *
 * It is only ever read. What it lacks, QEMU and libvirt notice when the old guest
 * has been stopped already, so all that can be told beforehand is looked at here.
 * The definition inside is the one whose guest ABI the memory has; a restore takes
 * that one, with other disk images in it and nothing else changed.
 */

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_snapshot_memory.h"
#include "virsnaperror.h"
#include "virsnapstoragefile.h"
#include "virsnapstorageimage.h"

static xmlDoc *
memoryReadDefinition(const qemuSnapshotSource *source, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(source->dom);
    char *xml = virDomainSaveImageGetXMLDesc(conn, source->info->memory_file,
                                             VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    xmlDoc *doc;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read memory file '%s'"),
                               source->info->memory_file);
        return NULL;
    }

    doc = virSnapXMLParse(xml, "domain", _("definition in the memory file"), error);
    free(xml);
    return doc;
}

static gboolean
memoryCheckDomain(const qemuSnapshotSource *source, xmlDoc *doc, GError **error)
{
    g_autofree char *name = virDomainDefGetText(doc, "name");
    g_autofree char *uuid = virDomainDefGetText(doc, "uuid");
    char own[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(source->dom, own) < 0 ||
        g_strcmp0(uuid, own) != 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("memory file '%s' belongs to another domain, '%s', and not to "
                      "'%s'"),
                    source->info->memory_file, name ? name : "", source->name);
    else if (g_strcmp0(name, source->name) != 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("memory file '%s' can't be restored because domain '%s' was "
                      "renamed since; rename it back to '%s' first"),
                    source->info->memory_file, source->name, name ? name : "");
    else
        return TRUE;

    return FALSE;
}

/* The disks of the file stand where those of the snapshot did, else it was made at
 * another time. */
static gboolean
memoryCheckDisks(const qemuSnapshotSource *source, xmlDoc *doc, GError **error)
{
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, error);

    if (!disks)
        return FALSE;

    for (guint i = 0; i < source->state_disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(source->state_disks, i);
        virDomainDisk *other = virDomainDisksFind(disks, disk->target);

        if (other && g_strcmp0(disk->file, other->file) == 0)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("memory file '%s' does not fit snapshot '%s': it has disk '%s' "
                      "on '%s', not on '%s'; where the image was moved, change the "
                      "path in the memory file, too, with 'virsh save-image-edit'"), source->info->memory_file,
                    source->info->name, disk->target,
                    other && other->file ? other->file : "",
                    disk->file ? disk->file : "");
        return FALSE;
    }

    return TRUE;
}

xmlDoc *
qemuSnapshotMemoryRead(const qemuSnapshotSource *source, gboolean force,
                       GError **error)
{
    const char *file = source->info->memory_file;
    g_autoptr(xmlDoc) doc = NULL;
    gboolean whole = FALSE;
    int fault;

    if (!file) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("snapshot '%s' does not name its memory file"),
                    source->info->name);
        return NULL;
    }

    if (!virSnapStorageAccess(file, F_OK, &fault, error))
        return NULL;
    if (fault == ENOENT) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("cannot open memory file '%s' of snapshot '%s': %s; where it was "
                      "moved, enter its new path by 'virsh snapshot-edit'"), file,
                    source->info->name, g_strerror(fault));
        return NULL;
    }
    if (!virSnapStorageCheckSave(file, &whole, error))
        return NULL;
    if (!whole && !force) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("memory file '%s' seems to be truncated: its end is missing"), file);
        return NULL;
    }

    if (!(doc = memoryReadDefinition(source, error)) ||
        !memoryCheckDomain(source, doc, error) ||
        !memoryCheckDisks(source, doc, error))
        return NULL;

    return g_steal_pointer(&doc);
}

static gboolean
isLater(const struct stat *st, const struct stat *than)
{
    return st->st_mtim.tv_sec > than->st_mtim.tv_sec ||
        (st->st_mtim.tv_sec == than->st_mtim.tv_sec &&
         st->st_mtim.tv_nsec > than->st_mtim.tv_nsec);
}

/* Whether the file has been written to since `than` was, as far as times tell. */
static gboolean
isNewer(const char *file, const struct stat *than, gboolean *ret_newer, GError **error)
{
    struct stat st;
    int fault;

    if (!virSnapStorageStat(file, &st, &fault, error))
        return FALSE;

    *ret_newer = !fault && isLater(&st, than);
    return TRUE;
}

/* Where the disk is today: an image that a snapshot left out stays in use. */
static const char *
presentFile(const qemuSnapshotSource *source, const virDomainDisk *disk)
{
    virDomainDisk *next = virDomainDisksFind(source->next_disks, disk->target);

    return next && next->file ? next->file : disk->file;
}

gboolean
qemuSnapshotMemoryCheckDisks(const qemuSnapshotSource *source, GError **error)
{
    struct stat memory;
    int fault;

    if (!virSnapStorageStat(source->info->memory_file, &memory, &fault, error))
        return FALSE;
    if (fault) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, fault,
                             _("cannot look at memory file '%s'"),
                             source->info->memory_file);
        return FALSE;
    }

    for (guint i = 0; i < source->state_disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(source->state_disks, i);
        const char *file = presentFile(source, disk);
        gboolean newer = FALSE;

        if (disk->readonly || !disk->file ||
            virDomainSnapshotInfoGetLocation(source->info, disk->target, disk->file) !=
                VIR_DOMAIN_SNAPSHOT_LOCATION_NONE)
            continue;
        if (g_str_equal(file, disk->file) && !isNewer(file, &memory, &newer, error))
            return FALSE;
        if (g_str_equal(file, disk->file) && !newer)
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("disk '%s' is not part of snapshot '%s' and has changed since; "
                      "it would not be as the guest's memory, restored from '%s', "
                      "remembers it"),
                    disk->target, source->info->name, source->info->memory_file);
        return FALSE;
    }

    return TRUE;
}
