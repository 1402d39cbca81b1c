/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapmounts.c: what is mounted where
 *
 * Whether a storage answers must not be found out by touching it. The kernel's own list
 * tells which mount a path leads into, and whether that is of this host alone.
 */

#include "config.h"

#include <string.h>

#include "virsnapmounts.h"
#include "virsnappaths.h"

struct _virSnapMounts {
    GPtrArray *list;   /* of virSnapMount, in the order in which they were mounted */
};

static void
mountFree(void *opaque)
{
    virSnapMount *mount = opaque;

    g_free(mount->point);
    g_free(mount->id);
    g_free(mount->type);
    g_free(mount->source);
    g_free(mount);
}

void
virSnapMountsFree(virSnapMounts *mounts)
{
    if (!mounts)
        return;

    g_ptr_array_unref(mounts->list);
    g_free(mounts);
}

/* Of a FUSE file system it can't be told what is behind it. */
static gboolean
isShared(const char *type)
{
    static const char *const types[] = {
        "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs",
        "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "virtiofs", NULL
    };

    return g_strv_contains(types, type) || g_str_has_prefix(type, "fuse");
}

/* 36 35 98:0 /root /point options optional... - type source options; blanks and the
 * like are written as octal numbers. */
static void
parseLine(GPtrArray *list, const char *line)
{
    g_auto(GStrv) fields = g_strsplit(line, " ", -1);
    guint n = g_strv_length(fields);
    virSnapMount *mount;
    guint dash = 6;

    while (dash < n && !g_str_equal(fields[dash], "-"))
        dash++;
    if (dash + 2 >= n)
        return;

    mount = g_new0(virSnapMount, 1);
    mount->point = g_strcompress(fields[4]);
    mount->id = g_strdup(fields[0]);
    mount->type = g_strdup(fields[dash + 1]);
    mount->source = g_strcompress(fields[dash + 2]);
    mount->shared = isShared(mount->type);
    g_ptr_array_add(list, mount);
}

virSnapMounts *
virSnapMountsParse(const char *text)
{
    virSnapMounts *mounts = g_new0(virSnapMounts, 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    mounts->list = g_ptr_array_new_with_free_func(mountFree);
    for (gsize i = 0; lines[i]; i++)
        parseLine(mounts->list, lines[i]);
    return mounts;
}

virSnapMounts *
virSnapMountsRead(void)
{
    g_autofree char *text = NULL;

    g_file_get_contents(VIR_SNAP_PATH_MOUNTINFO, &text, NULL, NULL);
    return virSnapMountsParse(text ? text : "");
}

gboolean
virSnapMountsIsInside(const char *path, const char *folder)
{
    gsize len = strlen(folder);

    while (len > 0 && folder[len - 1] == '/')
        len--;

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The last of those that are nearest: it hides the others. */
const virSnapMount *
virSnapMountsFind(const virSnapMounts *mounts, const char *path)
{
    const virSnapMount *found = NULL;

    for (guint i = 0; i < mounts->list->len; i++) {
        const virSnapMount *mount = g_ptr_array_index(mounts->list, i);

        if (virSnapMountsIsInside(path, mount->point) &&
            (!found || strlen(mount->point) >= strlen(found->point)))
            found = mount;
    }

    return found;
}
