/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * domain_conf.c: what a revert reads of, and changes in, <domain>
 *
 * A definition holds far more than a revert knows of, and all of that must
 * come back as it was. So a definition stays a tree of XML from which a few
 * facts are read and in which a few nodes are changed; it is never parsed into
 * a structure and formatted anew.
 */

#include "config.h"

#include "domain_conf.h"
#include "virsnaperror.h"

#define OVERLAYS_XPATH \
    "/domain/metadata/*[local-name()='overlays' and namespace-uri()='" \
    VIR_DOMAIN_SNAPSHOT_REVERT_NS "']"
#define OVERLAY_XPATH \
    OVERLAYS_XPATH "/*[local-name()='overlay' and namespace-uri()='" \
    VIR_DOMAIN_SNAPSHOT_REVERT_NS "']"

void
virDomainImageFree(virDomainImage *image)
{
    if (!image)
        return;

    g_free(image->file);
    g_free(image->format);
    g_free(image->data_file);
    g_free(image);
}

static void
domainDiskFree(void *opaque)
{
    virDomainDisk *disk = opaque;

    g_free(disk->target);
    g_free(disk->device);
    g_free(disk->type);
    g_free(disk->format);
    g_free(disk->file);
    g_free(disk->dev);
    g_free(disk->pool);
    g_free(disk->volume);
    g_ptr_array_unref(disk->chain);
    g_free(disk);
}

static void
domainDropNode(xmlNode *node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void
domainDropChildren(xmlNode *node, const char *name)
{
    xmlNode *child;

    while ((child = virSnapXMLChild(node, name)))
        domainDropNode(child);
}

static void
domainDropNodes(xmlDoc *def, const char *xpath)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(def, xpath);

    for (guint i = 0; i < nodes->len; i++)
        domainDropNode(g_ptr_array_index(nodes, i));
}

/* The first child called name, made where there is none. */
static xmlNode *
domainNeedChild(xmlNode *node, const char *name)
{
    xmlNode *child = virSnapXMLChild(node, name);

    return child ? child :
        xmlNewChild(node, NULL, (const xmlChar *)name, NULL);
}

static void
domainSetText(xmlNode *node, const char *text)
{
    xmlNodeSetContent(node, NULL);
    /* this one, unlike the call above, takes "&" for what it is */
    xmlNodeAddContent(node, (const xmlChar *)text);
}

static gboolean
domainHasDescendant(const xmlNode *node, const char *name)
{
    if (virSnapXMLChild(node, name))
        return TRUE;

    for (xmlNode *n = virSnapXMLNext(node->children, NULL); n;
         n = virSnapXMLNext(n->next, NULL)) {
        if (domainHasDescendant(n, name))
            return TRUE;
    }

    return FALSE;
}

static void
domainReadChain(virDomainDisk *disk, const xmlNode *node)
{
    while ((node = virSnapXMLChild(node, "backingStore"))) {
        g_autofree char *type = virSnapXMLProp(node, "type");
        g_autofree char *file = virSnapXMLChildProp(node, "source", "file");
        virDomainImage *image;

        if (!virSnapXMLNext(node->children, NULL)) {
            disk->chain_ends = TRUE;
            return;
        }

        if (g_strcmp0(type, "file") != 0 || !file)
            return;

        image = g_new0(virDomainImage, 1);
        image->file = g_steal_pointer(&file);
        image->format = virSnapXMLChildProp(node, "format", "type");
        g_ptr_array_add(disk->chain, image);
    }
}

/* 'requisite' drops a medium that is missing at a restore, though not at a boot. */
static gboolean
domainIsOptional(const xmlNode *node)
{
    g_autofree char *policy = virSnapXMLChildProp(node, "source", "startupPolicy");

    return g_strcmp0(policy, "optional") == 0;
}

static virDomainDisk *
domainReadDisk(const xmlNode *node, GError **error)
{
    g_autofree char *target = virSnapXMLChildProp(node, "target", "dev");
    virDomainDisk *disk;

    if (!target) {
        g_set_error_literal(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                            _("a disk of the domain has no target"));
        return NULL;
    }

    disk = g_new0(virDomainDisk, 1);
    disk->target = g_steal_pointer(&target);
    disk->chain = 
        g_ptr_array_new_with_free_func((GDestroyNotify)virDomainImageFree);

    disk->device = virSnapXMLProp(node, "device");
    if (!disk->device)
        disk->device = g_strdup("disk");

    disk->type = virSnapXMLProp(node, "type");
    if (!disk->type)
        disk->type = g_strdup("file");

    disk->format = virSnapXMLChildProp(node, "driver", "type");
    if (g_str_equal(disk->type, "file"))
        disk->file = virSnapXMLChildProp(node, "source", "file");
    else if (g_str_equal(disk->type, "block"))
        disk->dev = virSnapXMLChildProp(node, "source", "dev");
    disk->pool = virSnapXMLChildProp(node, "source", "pool");
    disk->volume = virSnapXMLChildProp(node, "source", "volume");

    disk->readonly = virSnapXMLChild(node, "readonly") != NULL;
    disk->shareable = virSnapXMLChild(node, "shareable") != NULL;
    disk->encrypted = domainHasDescendant(node, "encryption");
    disk->optional = domainIsOptional(node);
    disk->sliced = domainHasDescendant(node, "slices");
    domainReadChain(disk, node);
    return disk;
}

GPtrArray *
virDomainDefGetDisks(xmlDoc *def, GError **error)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(domainDiskFree);
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(def, "/domain/devices/disk");

    for (guint i = 0; i < nodes->len; i++) {
        virDomainDisk *disk = domainReadDisk(g_ptr_array_index(nodes, i), error);

        if (!disk)
            return NULL;
        g_ptr_array_add(disks, disk);
    }

    return g_steal_pointer(&disks);
}

virDomainDisk *
virDomainDisksFind(GPtrArray *disks, const char *name)
{
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (g_str_equal(disk->target, name))
            return disk;
    }

    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (g_strcmp0(disk->file, name) == 0)
            return disk;
    }

    return NULL;
}

static xmlNode *
domainFindDisk(xmlDoc *def, const char *target)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(def, "/domain/devices/disk");

    for (guint i = 0; i < nodes->len; i++) {
        xmlNode *node = g_ptr_array_index(nodes, i);
        g_autofree char *dev = virSnapXMLChildProp(node, "target", "dev");

        if (g_strcmp0(dev, target) == 0)
            return node;
    }

    return NULL;
}

/* What stays says how the host treats the disk's file, whichever that is; all
 * else describes the one image that is being left. */
static void
domainResetSource(xmlNode *source)
{
    xmlNode *child = source->children;
    xmlAttr *attr = source->properties;

    while (child) {
        xmlNode *next = child->next;

        if (!g_str_equal((const char *)child->name, "seclabel"))
            domainDropNode(child);
        child = next;
    }

    while (attr) {
        xmlAttr *next = attr->next;

        if (!g_str_equal((const char *)attr->name, "startupPolicy"))
            xmlRemoveProp(attr);
        attr = next;
    }
}

gboolean
virDomainDefSetDiskFile(xmlDoc *def, const char *target, const char *file)
{
    xmlNode *disk = domainFindDisk(def, target);
    xmlNode *source;

    if (!disk)
        return FALSE;

    domainDropChildren(disk, "backingStore");
    domainDropChildren(disk, "mirror");
    /* older definitions have these beside <source>, not in it */
    domainDropChildren(disk, "auth");
    domainDropChildren(disk, "encryption");

    xmlSetProp(disk, (const xmlChar *)"type", (const xmlChar *)"file");
    xmlSetProp(domainNeedChild(disk, "driver"), (const xmlChar *)"type",
               (const xmlChar *)"qcow2");

    source = domainNeedChild(disk, "source");
    domainResetSource(source);
    xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)file);
    return TRUE;
}

/* <NAME type='file'><format/><source/></NAME> */
static xmlNode *
domainAddImage(xmlNode *node, const char *name, const char *format, const char *file,
               xmlNode **ret_source)
{
    xmlNode *image = xmlNewChild(node, NULL, (const xmlChar *)name, NULL);
    xmlNode *source;

    xmlNewProp(image, (const xmlChar *)"type", (const xmlChar *)"file");
    xmlNewProp(xmlNewChild(image, NULL, (const xmlChar *)"format", NULL),
               (const xmlChar *)"type", (const xmlChar *)format);
    source = xmlNewChild(image, NULL, (const xmlChar *)"source", NULL);
    xmlNewProp(source, (const xmlChar *)"file", (const xmlChar *)file);
    if (ret_source)
        *ret_source = source;
    return image;
}

gboolean
virDomainDefSetDiskChain(xmlDoc *def, const char *target, GPtrArray *chain)
{
    xmlNode *node = domainFindDisk(def, target);

    if (!node)
        return FALSE;

    domainDropChildren(node, "backingStore");
    for (guint i = 0; i < chain->len; i++) {
        const virDomainImage *image = g_ptr_array_index(chain, i);
        xmlNode *source;

        node = domainAddImage(node, "backingStore", image->format, image->file, &source);
        if (image->data_file)
            domainAddImage(source, "dataStore", "raw", image->data_file, NULL);
    }
    xmlNewChild(node, NULL, (const xmlChar *)"backingStore", NULL);
    return TRUE;
}

gboolean
virDomainDefCopyDisk(xmlDoc *def, xmlDoc *from, const char *target)
{
    xmlNode *old = domainFindDisk(def, target);
    xmlNode *disk = domainFindDisk(from, target);

    if (!old || !disk)
        return FALSE;

    xmlReplaceNode(old, xmlDocCopyNode(disk, def, 1));
    xmlFreeNode(old);
    return TRUE;
}

gboolean
virDomainDefCopyDiskSource(xmlDoc *def, xmlDoc *from, const char *target)
{
    static const char *const parts[] = { "source", "backingStore", "auth",
                                         "encryption", "mirror" };
    xmlNode *disk = domainFindDisk(def, target);
    xmlNode *other = domainFindDisk(from, target);
    g_autofree char *type = NULL;
    g_autofree char *format = NULL;

    if (!disk || !other)
        return FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        domainDropChildren(disk, parts[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(parts) - 1; i++) {
        xmlNode *part = virSnapXMLChild(other, parts[i]);

        if (part)
            xmlAddChild(disk, xmlDocCopyNode(part, def, 1));
    }

    type = virSnapXMLProp(other, "type");
    format = virSnapXMLChildProp(other, "driver", "type");
    xmlSetProp(disk, (const xmlChar *)"type",
               (const xmlChar *)(type ? type : "file"));
    xmlSetProp(domainNeedChild(disk, "driver"), (const xmlChar *)"type",
               (const xmlChar *)(format ? format : "raw"));
    return TRUE;
}

char *
virDomainDefGetText(xmlDoc *def, const char *element)
{
    const xmlNode *node = virSnapXMLChild(xmlDocGetRootElement(def), element);

    return node ? virSnapXMLText(node) : NULL;
}

void
virDomainDefSetName(xmlDoc *def, const char *name)
{
    domainSetText(domainNeedChild(xmlDocGetRootElement(def), "name"), name);
}

void
virDomainDefRenewGenID(xmlDoc *def)
{
    xmlNode *genid = virSnapXMLChild(xmlDocGetRootElement(def), "genid");
    g_autofree char *uuid = g_uuid_string_random();

    if (genid)
        domainSetText(genid, uuid);
}

void
virDomainDefMakeInactive(xmlDoc *def)
{
    xmlUnsetProp(xmlDocGetRootElement(def), (const xmlChar *)"id");

    /* the outermost ones alone: the others go with them */
    domainDropNodes(def, "/domain/devices//backingStore"
                    "[not(ancestor::backingStore)]");
    domainDropNodes(def, "/domain/devices//alias"
                    "[not(starts-with(@name, 'ua-'))]");
    domainDropNodes(def, "/domain/seclabel[@type = 'dynamic']/label");
    domainDropNodes(def, "/domain/seclabel[@type = 'dynamic']/imagelabel");
}

GHashTable *
virDomainDefGetOverlays(xmlDoc *def)
{
    GHashTable *overlays = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                 g_free, g_free);
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(def, OVERLAY_XPATH);

    for (guint i = 0; i < nodes->len; i++) {
        xmlNode *node = g_ptr_array_index(nodes, i);
        g_autofree char *disk = virSnapXMLProp(node, "disk");
        g_autofree char *file = virSnapXMLProp(node, "file");

        if (disk && file)
            g_hash_table_insert(overlays, g_steal_pointer(&disk),
                                g_steal_pointer(&file));
    }

    return overlays;
}

void
virDomainDefSetOverlays(xmlDoc *def, GHashTable *overlays, const char *revert)
{
    xmlNode *metadata = domainNeedChild(xmlDocGetRootElement(def), "metadata");
    g_autoptr(GList) targets =
        g_list_sort(g_hash_table_get_keys(overlays), (GCompareFunc)g_strcmp0);
    xmlNode *node;
    xmlNs *ns;

    domainDropNodes(def, OVERLAYS_XPATH);

    node = xmlNewChild(metadata, NULL, (const xmlChar *)"overlays", NULL);
    ns = xmlNewNs(node, (const xmlChar *)VIR_DOMAIN_SNAPSHOT_REVERT_NS,
                  (const xmlChar *)"snapshotrevert");
    xmlSetNs(node, ns);
    xmlNewProp(node, (const xmlChar *)"revert", (const xmlChar *)revert);

    for (GList *l = targets; l; l = l->next) {
        xmlNode *overlay = xmlNewChild(node, ns, (const xmlChar *)"overlay", NULL);
        const char *file = g_hash_table_lookup(overlays, l->data);

        xmlNewProp(overlay, (const xmlChar *)"disk", l->data);
        xmlNewProp(overlay, (const xmlChar *)"file", (const xmlChar *)file);
    }
}

char *
virDomainDefGetRevert(xmlDoc *def)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(def, OVERLAYS_XPATH);

    return nodes->len > 0 ?
        virSnapXMLProp(g_ptr_array_index(nodes, 0), "revert") : NULL;
}
