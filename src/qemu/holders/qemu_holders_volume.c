/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_volume.c: where a volume of a storage pool is
 *
 * Of a pool whose volumes are files in one folder the definition tells where each of them
 * is, whether or not the pool is active. Where such a file is not there, since its file
 * system is not mounted, and of all other pools that are not active, it can't be told.
 */

#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "qemu_holders_volume.h"
#include "virsnaperror.h"
#include "virsnaplibvirt.h"
#include "virsnapstoragefile.h"
#include "virsnapxml.h"

void
qemuHoldersVolumeClear(qemuHoldersVolume *volume)
{
    g_clear_pointer(&volume->path, g_free);
    g_clear_pointer(&volume->lost, g_free);
    g_clear_pointer(&volume->sources, g_ptr_array_unref);
}

/* In the words of libvirt, which has just failed. */
static char *
lostByLibvirt(const char *pool, const char *name)
{
    const virError *last = virGetLastError();

    return g_strdup_printf(_("volume '%s' of storage pool '%s' can't be found (%s)"), name,
                           pool, last && last->message ? last->message : "");
}

static xmlNode *
firstNode(xmlDoc *doc, const char *path)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(doc, path);

    return nodes->len > 0 ? g_ptr_array_index(nodes, 0) : NULL;
}

static void
addSources(GPtrArray *sources, xmlDoc *doc, const char *path, const char *attribute,
           const char *host)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(doc, path);

    for (guint i = 0; i < nodes->len; i++) {
        g_autofree char *value =
            virSnapXMLProp(g_ptr_array_index(nodes, i), attribute);

        if (value)
            g_ptr_array_add(sources, host ? g_strdup_printf("%s:%s", host, value) :
                            g_steal_pointer(&value));
    }
}

/* As they are named in the list of mounts. */
static GPtrArray *
poolSources(xmlDoc *doc)
{
    GPtrArray *sources = g_ptr_array_new_with_free_func(g_free);
    xmlNode *node = firstNode(doc, "/pool/source/host");
    g_autofree char *host = node ? virSnapXMLProp(node, "name") : NULL;

    addSources(sources, doc, "/pool/source/device", "path", NULL);
    if (host)
        addSources(sources, doc, "/pool/source/dir", "path", host);
    return sources;
}

/* Of a kind whose volumes are in one folder by their names; NULL of others. */
static char *
pathByDefinition(xmlDoc *doc, const char *name)
{
    static const char *const kinds[] = { "dir", "fs", "netfs", "logical", NULL };
    g_autofree char *type = virSnapXMLProp(xmlDocGetRootElement(doc), "type");
    xmlNode *target = firstNode(doc, "/pool/target/path");
    g_autofree char *folder = target ? virSnapXMLText(target) : NULL;

    if (!type || !folder || !g_strv_contains(kinds, type))
        return NULL;

    return g_build_filename(folder, name, NULL);
}

/* A folder is where it is whether or not the pool is active; the others are brought
 * there by its start. */
static gboolean
isBroughtByStart(xmlDoc *doc)
{
    g_autofree char *type = virSnapXMLProp(xmlDocGetRootElement(doc), "type");

    return g_strcmp0(type, "dir") != 0;
}

static char *
pathByLibvirt(virStoragePoolPtr pool, const char *name)
{
    g_autoptr(virStorageVol) volume = virStorageVolLookupByName(pool, name);
    char *path = volume ? virStorageVolGetPath(volume) : NULL;
    char *copy = g_strdup(path);

    free(path);
    return copy;
}

/* What does not answer is not known to be there. */
static gboolean
isThere(const char *path)
{
    int fault;

    return virSnapStorageAccess(path, F_OK, &fault, NULL) && !fault;
}

static void
findInPool(virStoragePoolPtr pool, const char *pool_name, const char *name, xmlDoc *doc,
           qemuHoldersVolume *ret_volume)
{
    gboolean active = virStoragePoolIsActive(pool) == 1;

    ret_volume->path = pathByDefinition(doc, name);
    if (ret_volume->path && (active || !isBroughtByStart(doc) ||
                             isThere(ret_volume->path)))
        return;

    g_clear_pointer(&ret_volume->path, g_free);
    if (active && (ret_volume->path = pathByLibvirt(pool, name)))
        return;

    ret_volume->lost = active ? lostByLibvirt(pool_name, name) :
        g_strdup_printf(_("storage pool '%s', whose volume '%s' it is on, is not active"),
                        pool_name, name);
    ret_volume->sources = poolSources(doc);
}

void
qemuHoldersVolumeFind(virConnectPtr conn, const char *pool_name, const char *name,
                      qemuHoldersVolume *ret_volume)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(conn, pool_name);
    char *xml = pool ? virStoragePoolGetXMLDesc(pool, 0) : NULL;
    g_autoptr(xmlDoc) doc = NULL;

    if (!xml) {
        ret_volume->lost = lostByLibvirt(pool_name, name);
        return;
    }

    doc = virSnapXMLParse(xml, "pool", _("definition of a storage pool"), NULL);
    free(xml);
    if (doc)
        findInPool(pool, pool_name, name, doc, ret_volume);
    else
        ret_volume->lost = g_strdup_printf(_("the definition of storage pool '%s' can't "
                                             "be understood"), pool_name);
}
