/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_need.c: a list of what is needed of the host
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_preflight_need.h"

static void
needFree(void *opaque)
{
    qemuSnapshotNeed *need = opaque;

    g_free(need->name);
    g_free(need->more);
    g_free(need);
}

GPtrArray *
qemuSnapshotNeedsNew(void)
{
    return g_ptr_array_new_with_free_func(needFree);
}

qemuSnapshotNeed *
qemuSnapshotNeedAdd(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind,
                    const char *name, const char *more)
{
    qemuSnapshotNeed *need;

    for (guint i = 0; i < reader->needs->len; i++) {
        need = g_ptr_array_index(reader->needs, i);
        if (need->kind == kind && g_strcmp0(need->name, name) == 0 &&
            g_strcmp0(need->more, more) == 0)
            return need;
    }

    need = g_new0(qemuSnapshotNeed, 1);
    need->kind = kind;
    need->name = g_strdup(name);
    need->more = g_strdup(more);
    g_ptr_array_add(reader->needs, need);
    return need;
}

void
qemuSnapshotNeedAddNamed(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind,
                         const char *name)
{
    if (name && *name)
        qemuSnapshotNeedAdd(reader, kind, name, NULL);
}

void
qemuSnapshotNeedAddPath(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind,
                        const char *path)
{
    if (path && g_path_is_absolute(path) && !strstr(path, "/libvirt/qemu/"))
        qemuSnapshotNeedAdd(reader, kind, path, NULL);
}

const qemuSnapshotNeed *
qemuSnapshotNeedsFind(GPtrArray *needs, qemuSnapshotNeedKind kind, const char *name)
{
    for (guint i = 0; i < needs->len; i++) {
        const qemuSnapshotNeed *need = g_ptr_array_index(needs, i);

        if (need->kind == kind && g_strcmp0(need->name, name) == 0)
            return need;
    }

    return NULL;
}

void
qemuSnapshotNeedReadElements(qemuSnapshotNeedReader *reader, const xmlNode *parent,
                             const qemuSnapshotNeedElement *elements, gsize n)
{
    for (xmlNode *node = virSnapXMLNext(parent->children, NULL); node;
         node = virSnapXMLNext(node->next, NULL)) {
        for (gsize i = 0; i < n; i++) {
            if (g_str_equal((const char *)node->name, elements[i].name))
                elements[i].read(reader, node);
        }
    }
}
