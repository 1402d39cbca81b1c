/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot_conf.c: what a revert reads of, and changes in, <domainsnapshot>
 *
 * These documents come from libvirt, which has checked them. They are read
 * strictly all the same: a snapshot that is misread is a snapshot whose images
 * are written to or deleted.
 */

#include "config.h"

#include "domain_conf.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

#define DISKS "/domainsnapshot/disks/disk"
#define REVERT_DISKS "/domainsnapshot/revertDisks/disk"

static void
snapshotDiskFree(void *opaque)
{
    virDomainSnapshotDisk *disk = opaque;

    g_free(disk->name);
    g_free(disk->type);
    g_free(disk->file);
    g_free(disk->dev);
    g_free(disk);
}

void
virDomainSnapshotInfoFree(virDomainSnapshotInfo *info)
{
    if (!info)
        return;

    g_free(info->name);
    g_free(info->parent);
    g_free(info->state);
    g_free(info->memory_file);
    g_clear_pointer(&info->disks, g_ptr_array_unref);
    g_clear_pointer(&info->revert_disks, g_ptr_array_unref);
    g_clear_pointer(&info->doc, xmlFreeDoc);
    g_free(info);
}

static gboolean
snapshotParseLocation(const char *value, virDomainSnapshotLocation *ret_location,
                      GError **error)
{
    static const char *const names[] = {
        [VIR_DOMAIN_SNAPSHOT_LOCATION_NONE] = "no",
        [VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL] = "internal",
        [VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL] = "external",
        [VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL] = "manual",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(names[i], value)) {
            *ret_location = i;
            return TRUE;
        }
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                _("the snapshot has a disk or its memory in the unknown location '%s'"), value);
    return FALSE;
}

static virDomainSnapshotDisk *
snapshotParseDisk(const xmlNode *node, GError **error)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    g_autofree char *name = virSnapXMLProp(node, "name");
    g_autofree char *type = virSnapXMLProp(node, "type");
    g_autofree char *value = virSnapXMLProp(node, "snapshot");
    virDomainSnapshotLocation location;
    virDomainSnapshotDisk *disk;

    if (!name) {
        g_set_error_literal(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                            _("a disk of the snapshot has no name"));
        return NULL;
    }

    /* where libvirt itself would decide, a source means an overlay */
    if (!value)
        value = g_strdup(source ? "external" : "internal");
    if (!snapshotParseLocation(value, &location, error))
        return NULL;

    disk = g_new0(virDomainSnapshotDisk, 1);
    disk->name = g_steal_pointer(&name);
    disk->location = location;
    disk->type = type ? g_steal_pointer(&type) : g_strdup("file");
    if (source && g_str_equal(disk->type, "file"))
        disk->file = virSnapXMLProp(source, "file");
    else if (source && g_str_equal(disk->type, "block"))
        disk->dev = virSnapXMLProp(source, "dev");
    return disk;
}

/* NULL where one is wrong. */
static GPtrArray *
snapshotParseDisks(xmlDoc *doc, const char *path, GError **error)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(doc, path);
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(snapshotDiskFree);

    for (guint i = 0; i < nodes->len; i++) {
        virDomainSnapshotDisk *disk =
            snapshotParseDisk(g_ptr_array_index(nodes, i), error);

        if (!disk)
            return NULL;
        g_ptr_array_add(disks, disk);
    }

    return g_steal_pointer(&disks);
}

static char *
snapshotChildText(const xmlNode *node, const char *name)
{
    const xmlNode *child = virSnapXMLChild(node, name);

    return child ? virSnapXMLText(child) : NULL;
}

/* A domain that ends while the snapshot waits for it is found off: libvirt then takes its
 * disks, writes no memory file, and says that there is one all the same. It does not read
 * that document again itself, neither at its next start nor to redefine the snapshot. */
static void
snapshotDropMemory(virDomainSnapshotInfo *info, xmlNode *memory)
{
    info->memory = VIR_DOMAIN_SNAPSHOT_LOCATION_NONE;
    g_clear_pointer(&info->memory_file, g_free);
    xmlUnsetProp(memory, (const xmlChar *)"file");
    xmlSetProp(memory, (const xmlChar *)"snapshot", (const xmlChar *)"no");
}

/* The state is known by now. */
static gboolean
snapshotParseMemory(virDomainSnapshotInfo *info, const xmlNode *root,
                    GError **error)
{
    xmlNode *memory = virSnapXMLChild(root, "memory");
    g_autofree char *value = NULL;

    if (!memory)
        return TRUE;

    info->memory_file = virSnapXMLProp(memory, "file");
    value = virSnapXMLProp(memory, "snapshot");
    if (!value)
        value = g_strdup(info->memory_file ? "external" : "no");
    if (!snapshotParseLocation(value, &info->memory, error))
        return FALSE;

    if (info->memory == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL &&
        g_strcmp0(info->state, "shutoff") == 0)
        snapshotDropMemory(info, memory);
    return TRUE;
}

virDomainSnapshotInfo *
virDomainSnapshotInfoParse(const char *xml, GError **error)
{
    g_autoptr(virDomainSnapshotInfo) info = g_new0(virDomainSnapshotInfo, 1);
    const xmlNode *root;
    const xmlNode *parent;

    info->doc = virSnapXMLParse(xml, "domainsnapshot", _("snapshot definition"),
                                error);
    if (!info->doc)
        return NULL;

    root = xmlDocGetRootElement(info->doc);
    if (!(info->name = snapshotChildText(root, "name"))) {
        g_set_error_literal(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                            _("the snapshot has no name"));
        return NULL;
    }

    info->state = snapshotChildText(root, "state");
    if ((parent = virSnapXMLChild(root, "parent")))
        info->parent = snapshotChildText(parent, "name");

    if (!snapshotParseMemory(info, root, error) ||
        !(info->disks = snapshotParseDisks(info->doc, DISKS, error)) ||
        !(info->revert_disks = snapshotParseDisks(info->doc, REVERT_DISKS, error)))
        return NULL;

    return g_steal_pointer(&info);
}

virDomainSnapshotLocation
virDomainSnapshotInfoGetLocation(const virDomainSnapshotInfo *info, const char *target,
                                 const char *file)
{
    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *disk = g_ptr_array_index(info->disks, i);

        if (g_str_equal(disk->name, target) || g_strcmp0(disk->name, file) == 0)
            return disk->location;
    }

    return VIR_DOMAIN_SNAPSHOT_LOCATION_NONE;
}

gboolean
virDomainSnapshotInfoIsExternal(const virDomainSnapshotInfo *info)
{
    if (info->memory == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
        return TRUE;

    for (guint i = 0; i < info->disks->len; i++) {
        virDomainSnapshotDisk *disk = g_ptr_array_index(info->disks, i);

        if (disk->location == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            return TRUE;
    }

    return FALSE;
}

xmlDoc *
virDomainSnapshotInfoGetDomain(const virDomainSnapshotInfo *info,
                               gboolean inactive)
{
    const xmlNode *root = xmlDocGetRootElement(info->doc);
    xmlNode *domain = NULL;
    xmlDoc *doc;

    if (inactive)
        domain = virSnapXMLChild(root, "inactiveDomain");
    if (!domain)
        domain = virSnapXMLChild(root, "domain");

    /* very old snapshots have a <domain> that holds the UUID alone */
    if (!domain || !virSnapXMLChild(domain, "name"))
        return NULL;

    doc = xmlNewDoc((const xmlChar *)"1.0");
    domain = xmlDocCopyNode(domain, doc, 1);
    xmlNodeSetName(domain, (const xmlChar *)"domain");
    xmlDocSetRootElement(doc, domain);
    return doc;
}

GPtrArray *
virDomainSnapshotInfoGetDisks(const virDomainSnapshotInfo *info, gboolean inactive,
                              GError **error)
{
    g_autoptr(xmlDoc) doc = virDomainSnapshotInfoGetDomain(info, inactive);

    return doc ? virDomainDefGetDisks(doc, error) : g_ptr_array_new();
}

/* What overlays has for a disk that <disks> may name by its source. */
static const char *
snapshotFindOverlay(GHashTable *overlays, GPtrArray *domain_disks,
                    const char *name)
{
    const char *file = g_hash_table_lookup(overlays, name);
    const virDomainDisk *disk;

    if (file || !domain_disks)
        return file;

    disk = virDomainDisksFind(domain_disks, name);
    return disk ? g_hash_table_lookup(overlays, disk->target) : NULL;
}

static void
snapshotDiskSetFile(xmlNode *node, const char *file)
{
    g_autofree char *type = virSnapXMLProp(node, "type");
    xmlNode *source = virSnapXMLChild(node, "source");

    /* a source of another type has nothing that a file's could keep */
    if (source && type && !g_str_equal(type, "file")) {
        xmlUnlinkNode(source);
        xmlFreeNode(source);
        source = NULL;
    }

    if (!source)
        source = xmlNewChild(node, NULL, (const xmlChar *)"source", NULL);

    xmlSetProp(node, (const xmlChar *)"type", (const xmlChar *)"file");
    xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)file);
}

static void
snapshotDiskSetNone(xmlNode *node)
{
    xmlNode *child;

    while ((child = virSnapXMLNext(node->children, NULL))) {
        xmlUnlinkNode(child);
        xmlFreeNode(child);
    }
    xmlSetProp(node, (const xmlChar *)"snapshot", (const xmlChar *)"no");
}

/* The nodes at path are those that info->disks was read from, or a copy of them. */
static void
snapshotSetOverlays(const virDomainSnapshotInfo *info, xmlDoc *doc, const char *path,
                    GHashTable *overlays)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(doc, path);
    g_autoptr(xmlDoc) domain = virDomainSnapshotInfoGetDomain(info, FALSE);
    g_autoptr(GPtrArray) domain_disks =
        domain ? virDomainDefGetDisks(domain, NULL) : NULL;

    for (guint i = 0; i < nodes->len; i++) {
        const virDomainSnapshotDisk *disk = g_ptr_array_index(info->disks, i);
        const char *file;

        if (disk->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            continue;

        file = snapshotFindOverlay(overlays, domain_disks, disk->name);
        if (file)
            snapshotDiskSetFile(g_ptr_array_index(nodes, i), file);
        else if (g_str_equal(path, REVERT_DISKS))
            snapshotDiskSetNone(g_ptr_array_index(nodes, i));
    }
}

/* Beginning as what <disks> says. libvirt deletes what this names at its own next revert,
 * so of a disk that was not reverted it must not name what the children stand on. */
static void
snapshotAddRevertDisks(const xmlNode *root)
{
    xmlNode *disks = virSnapXMLChild(root, "disks");
    xmlNode *copy = disks ? xmlCopyNode(disks, 1) : NULL;

    if (!copy)
        return;
    xmlNodeSetName(copy, (const xmlChar *)"revertDisks");
    xmlAddNextSibling(disks, copy);
}

char *
virDomainSnapshotInfoFormat(const virDomainSnapshotInfo *info,
                            virDomainSnapshotOverlays where, GHashTable *overlays)
{
    g_autoptr(xmlDoc) doc = xmlCopyDoc(info->doc, 1);
    const xmlNode *root = xmlDocGetRootElement(doc);
    xmlNode *before = virSnapXMLChild(root, "revertDisks");

    if (before) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }

    switch (where) {
    case VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE:
        break;
    case VIR_DOMAIN_SNAPSHOT_OVERLAYS_DISKS:
        snapshotSetOverlays(info, doc, DISKS, overlays);
        break;
    case VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS:
        snapshotAddRevertDisks(root);
        snapshotSetOverlays(info, doc, REVERT_DISKS, overlays);
        break;
    }

    return virSnapXMLFormat(doc, NULL);
}
