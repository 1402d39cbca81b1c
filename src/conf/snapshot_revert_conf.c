/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot_revert_conf.c: the <domainsnapshotrevert> document
 *
 * The document comes from a client and names files that a daemon will make, so
 * everything that it alone can be refused for is refused here: whoever works
 * on a virDomainSnapshotRevertDef finds names and paths that are bounded, free
 * of control characters and, for paths, absolute, canonical and distinct. What
 * depends on the domain is for the plan to check.
 */

#include "config.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <limits.h>
#include <string.h>

#include "snapshot_revert_conf.h"
#include "virsnaperror.h"
#include "virsnapxml.h"

/* QEMU can't have as many disks as that */
#define DISKS_MAX 1024
/* enough to see what was meant, little enough for a message */
#define QUOTE_MAX 256
/* one fault makes the schema check complain on each level above it */
#define SCHEMA_ERRORS_MAX 400

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNG, xmlRelaxNGFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

static void
revertDiskFree(void *opaque)
{
    virDomainSnapshotRevertDisk *disk = opaque;

    g_free(disk->name);
    g_free(disk->file);
    g_free(disk->backing);
    g_free(disk->backing_format);
    g_free(disk);
}

static void
revertDiscardFree(void *opaque)
{
    virDomainSnapshotRevertDiscard *discard = opaque;

    g_free(discard->disk);
    g_free(discard->file);
    g_free(discard);
}

virDomainSnapshotRevertDef *
virDomainSnapshotRevertDefNew(void)
{
    virDomainSnapshotRevertDef *def = g_new0(virDomainSnapshotRevertDef, 1);

    def->disks = g_ptr_array_new_with_free_func(revertDiskFree);
    def->discards = g_ptr_array_new_with_free_func(revertDiscardFree);
    def->warnings = g_ptr_array_new_with_free_func(g_free);
    return def;
}

void
virDomainSnapshotRevertDefFree(virDomainSnapshotRevertDef *def)
{
    if (!def)
        return;

    g_ptr_array_unref(def->disks);
    g_ptr_array_unref(def->discards);
    g_ptr_array_unref(def->warnings);
    g_free(def);
}

void
virDomainSnapshotRevertDefAddDisk(virDomainSnapshotRevertDef *def,
                                  const char *name, const char *file,
                                  const char *backing,
                                  const char *backing_format)
{
    virDomainSnapshotRevertDisk *disk = g_new0(virDomainSnapshotRevertDisk, 1);

    disk->name = g_strdup(name);
    disk->file = g_strdup(file);
    disk->backing = g_strdup(backing);
    disk->backing_format = g_strdup(backing_format);
    g_ptr_array_add(def->disks, disk);
}

void
virDomainSnapshotRevertDefAddDiscard(virDomainSnapshotRevertDef *def,
                                     const char *disk, const char *file)
{
    virDomainSnapshotRevertDiscard *discard =
        g_new0(virDomainSnapshotRevertDiscard, 1);

    discard->disk = g_strdup(disk);
    discard->file = g_strdup(file);
    g_ptr_array_add(def->discards, discard);
}

void
virDomainSnapshotRevertDefAddWarning(virDomainSnapshotRevertDef *def, const char *text)
{
    g_ptr_array_add(def->warnings, g_strdup(text));
}

static gboolean
hasControl(const char *str)
{
    for (; *str; str = g_utf8_next_char(str)) {
        if (g_unichar_iscntrl(g_utf8_get_char(str)))
            return TRUE;
    }

    return FALSE;
}

/* Errors end up in logs and on terminals: what is quoted there before it has
 * been checked gets no control characters and a bounded length. */
static char *
quote(const char *value)
{
    GString *quoted = g_string_new(NULL);

    for (guint i = 0; *value && i < QUOTE_MAX; i++) {
        gunichar c = g_utf8_get_char(value);

        g_string_append_unichar(quoted, g_unichar_iscntrl(c) ? '?' : c);
        value = g_utf8_next_char(value);
    }

    if (*value)
        g_string_append(quoted, "...");
    return g_string_free(quoted, FALSE);
}

/* Why a path is refused, or NULL. ".." is, since what it means depends on
 * symbolic links, and so does whether two paths are one. */
static const char *
pathFault(const char *file)
{
    g_auto(GStrv) components = NULL;

    if (!*file)
        return _("it is empty");
    if (hasControl(file))
        return _("it contains a control character");
    if (strlen(file) >= PATH_MAX)
        return _("it is too long");
    if (!g_path_is_absolute(file))
        return _("it is not absolute");
    if (g_str_has_suffix(file, "/") || g_str_has_suffix(file, "/."))
        return _("it names a folder");

    components = g_strsplit(file, "/", -1);
    for (char **component = components; *component; component++) {
        if (g_str_equal(*component, ".."))
            return _("it contains '..'");
        if (strlen(*component) > NAME_MAX)
            return _("a component of it is too long");
    }

    return NULL;
}

/* The path of the overlay, canonical; NULL with no error where the document
 * leaves it to us. */
static gboolean
parseSource(const xmlNode *node, const char *name, char **ret_file,
            GError **error)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    g_autofree char *file = NULL;
    const char *fault;
    const char *start;

    if (!source)
        return TRUE;

    if (!(file = virSnapXMLProp(source, "file"))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the <source> of disk '%s' has no file"), name);
        return FALSE;
    }

    if ((fault = pathFault(file))) {
        g_autofree char *quoted = quote(file);

        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the path '%s' of disk '%s' is refused: %s"), quoted, name,
                    fault);
        return FALSE;
    }

    /* g_canonicalize_filename() takes two slashes at the start for something
     * special, Linux does not */
    for (start = file; start[1] == '/'; start++)
        ;
    *ret_file = g_canonicalize_filename(start, "/");
    return TRUE;
}

static char *
parseName(const xmlNode *node, GError **error)
{
    g_autofree char *name = virSnapXMLProp(node, "name");
    g_autofree char *quoted = NULL;

    if (!name || !*name) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the disk in line %ld of the snapshot revert document "
                      "has no name"), xmlGetLineNo(node));
        return NULL;
    }

    /* a name is a target or a path */
    if (strlen(name) < PATH_MAX && !hasControl(name))
        return g_steal_pointer(&name);

    quoted = quote(name);
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                _("the disk name '%s' is too long or contains a control "
                  "character"), quoted);
    return NULL;
}

static gboolean
checkType(const xmlNode *node, const char *name, GError **error)
{
    static const char *const known[] = {
        "block", "network", "volume", "dir", "nvme", "vhostuser", "vhostvdpa",
        NULL
    };
    g_autofree char *type = virSnapXMLProp(node, "type");
    g_autofree char *quoted = NULL;

    if (!type || g_str_equal(type, "file"))
        return TRUE;

    if (g_strv_contains(known, type)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("an overlay of type '%s' for disk '%s' is not supported "
                      "yet"), type, name);
        return FALSE;
    }

    quoted = quote(type);
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                _("disk '%s' has the unknown type '%s'"), name, quoted);
    return FALSE;
}

static gboolean
checkDriver(const xmlNode *node, const char *name, GError **error)
{
    const xmlNode *driver = virSnapXMLChild(node, "driver");
    g_autofree char *type = driver ? virSnapXMLProp(driver, "type") : NULL;
    g_autofree char *quoted = NULL;

    if (!type || g_str_equal(type, "qcow2"))
        return TRUE;

    quoted = quote(type);
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("the driver type '%s' of disk '%s' is not supported: an "
                  "overlay is 'qcow2'"), quoted, name);
    return FALSE;
}

/* names and files map what has been seen to the name of the disk that has it. */
static gboolean
parseDisk(virDomainSnapshotRevertDef *def, const xmlNode *node,
          GHashTable *names, GHashTable *files, GError **error)
{
    g_autofree char *name = NULL;
    g_autofree char *file = NULL;
    const virDomainSnapshotRevertDisk *disk;
    const char *other;

    if (!(name = parseName(node, error)) ||
        !checkType(node, name, error) ||
        !checkDriver(node, name, error) ||
        !parseSource(node, name, &file, error))
        return FALSE;

    if (g_hash_table_contains(names, name)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("disk '%s' is named twice"), name);
        return FALSE;
    }

    if (file && (other = g_hash_table_lookup(files, file))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("disks '%s' and '%s' have the same path '%s'"), other,
                    name, file);
        return FALSE;
    }

    virDomainSnapshotRevertDefAddDisk(def, name, file, NULL, NULL);
    disk = g_ptr_array_index(def->disks, def->disks->len - 1);
    g_hash_table_add(names, disk->name);
    if (file)
        g_hash_table_insert(files, disk->file, disk->name);
    return TRUE;
}

static void
collectSchemaError(void *opaque, const xmlError *fault)
{
    GString *faults = opaque;
    g_autofree char *message = g_utf8_make_valid(fault->message, -1);
    g_autofree char *quoted = quote(g_strchomp(message));

    if (faults->len > SCHEMA_ERRORS_MAX)
        return;
    if (faults->len > 0)
        g_string_append(faults, "; ");
    g_string_append_printf(faults, _("line %d: %s"), fault->line, quoted);
}

static xmlRelaxNG *
loadSchema(const char *file, GError **error)
{
    g_autoptr(xmlDoc) doc = xmlReadFile(file, NULL, XML_PARSE_NONET |
                                        XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    g_autoptr(xmlRelaxNGParserCtxt) ctxt = NULL;
    xmlRelaxNG *schema = NULL;

    if (doc && (ctxt = xmlRelaxNGNewDocParserCtxt(doc)))
        schema = xmlRelaxNGParse(ctxt);

    if (!schema)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("cannot load the schema '%s'"), file);
    return schema;
}

static gboolean
checkSchema(xmlDoc *doc, const char *file, GError **error)
{
    g_autoptr(GString) faults = g_string_new(NULL);
    g_autoptr(xmlRelaxNG) schema = NULL;
    g_autoptr(xmlRelaxNGValidCtxt) ctxt = NULL;

    if (!(schema = loadSchema(file, error)))
        return FALSE;

    ctxt = xmlRelaxNGNewValidCtxt(schema);
    xmlRelaxNGSetValidStructuredErrors(ctxt,
                                       (xmlStructuredErrorFunc)collectSchemaError,
                                       faults);
    if (xmlRelaxNGValidateDoc(ctxt, doc) == 0)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_INVALID_SCHEMA,
                _("the snapshot revert document is not valid: %s"), faults->str);
    return FALSE;
}

virDomainSnapshotRevertDef *
virDomainSnapshotRevertDefParse(const char *xml, const char *schema,
                                GError **error)
{
    g_autoptr(virDomainSnapshotRevertDef) def = virDomainSnapshotRevertDefNew();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) files = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    doc = virSnapXMLParse(xml, "domainsnapshotrevert",
                          _("snapshot revert document"), error);
    if (!doc)
        return NULL;

    nodes = virSnapXMLNodes(doc, "/domainsnapshotrevert/disks/disk");
    if (nodes->len > DISKS_MAX) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the snapshot revert document names %u disks, more than "
                      "%d"), nodes->len, DISKS_MAX);
        return NULL;
    }

    if (schema && !checkSchema(doc, schema, error))
        return NULL;

    for (guint i = 0; i < nodes->len; i++) {
        if (!parseDisk(def, g_ptr_array_index(nodes, i), names, files, error))
            return NULL;
    }

    return g_steal_pointer(&def);
}

static xmlNode *
formatChild(xmlNode *parent, const char *name)
{
    return xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);
}

static void
formatText(xmlNode *parent, const char *name, const char *text)
{
    xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static void
formatProp(xmlNode *node, const char *name, const char *value)
{
    xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

static void
formatDisk(xmlNode *disks, const virDomainSnapshotRevertDisk *disk)
{
    xmlNode *node = formatChild(disks, "disk");
    xmlNode *backing;

    formatProp(node, "name", disk->name);
    formatProp(node, "type", "file");
    formatProp(formatChild(node, "driver"), "type", "qcow2");
    if (disk->file)
        formatProp(formatChild(node, "source"), "file", disk->file);

    if (!disk->backing)
        return;

    backing = formatChild(node, "backingStore");
    formatProp(backing, "type", "file");
    if (disk->backing_format)
        formatProp(formatChild(backing, "format"), "type", disk->backing_format);
    formatProp(formatChild(backing, "source"), "file", disk->backing);
}

char *
virDomainSnapshotRevertDefFormat(const virDomainSnapshotRevertDef *def)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = xmlNewNode(NULL, (const xmlChar *)"domainsnapshotrevert");
    gboolean is_output = def->discards->len > 0 || def->warnings->len > 0;
    xmlNode *child;

    xmlDocSetRootElement(doc, root);

    child = formatChild(root, "disks");
    for (guint i = 0; i < def->disks->len; i++) {
        const virDomainSnapshotRevertDisk *disk =
            g_ptr_array_index(def->disks, i);

        formatDisk(child, disk);
        is_output |= disk->backing != NULL;
    }

    /* what GetRevertXMLDesc returns has it even where it is empty */
    if (!is_output)
        return virSnapXMLFormat(doc, NULL);

    child = formatChild(root, "discard");
    for (guint i = 0; i < def->discards->len; i++) {
        const virDomainSnapshotRevertDiscard *discard =
            g_ptr_array_index(def->discards, i);
        xmlNode *image = formatChild(child, "image");

        formatProp(image, "disk", discard->disk);
        formatProp(image, "file", discard->file);
    }

    for (guint i = 0; i < def->warnings->len; i++)
        formatText(root, "warning", g_ptr_array_index(def->warnings, i));

    return virSnapXMLFormat(doc, NULL);
}
