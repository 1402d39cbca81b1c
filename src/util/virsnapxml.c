/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapxml.c: libxml2, with bounds, for documents that may be hostile
 *
 * Any client may send a document, and so no document may cost more than
 * reading it once: its size is bounded before libxml2 sees it, it ends at the
 * first sign of a DTD, which is before an entity can be declared, and nothing
 * it names is opened. libxml2 says nothing on stderr; what it has to say
 * becomes the error.
 */

#include "config.h"

#include <libxml/parser.h>
#include <libxml/xmlsave.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#include "virsnaperror.h"
#include "virsnapxml.h"

/* Blanks between elements go, so that what is edited is still well indented
 * when written. */
#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | \
                       XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlParserCtxt, xmlFreeParserCtxt)

/* Takes over a string of libxml2's, whose allocator need not be ours. */
static char *
takeString(xmlChar *str)
{
    char *copy = g_strdup((const char *)str);

    xmlFree(str);
    return copy;
}

typedef struct _parseFault parseFault;
struct _parseFault {
    gboolean has_dtd;
    int line;
    char *message;
};

/* libxml2 calls this at <!DOCTYPE, before it reads any declaration. */
static void
refuseDTD(void *opaque, const xmlChar *name G_GNUC_UNUSED,
          const xmlChar *external G_GNUC_UNUSED,
          const xmlChar *system G_GNUC_UNUSED)
{
    xmlParserCtxt *ctxt = opaque;
    parseFault *fault = ctxt->_private;

    fault->has_dtd = TRUE;
    xmlStopParser(ctxt);
}

/* Keeps the first error: those that follow it are about its consequences. */
static void
keepFirstError(void *opaque, const xmlError *error)
{
    parseFault *fault = ((xmlParserCtxt *)opaque)->_private;

    if (fault->message || error->level != XML_ERR_FATAL)
        return;

    /* libxml2 ends its messages with a newline, and breaks some in two */
    fault->line = error->line;
    fault->message = g_utf8_make_valid(error->message, -1);
    g_strdelimit(g_strchomp(fault->message), "\n", ' ');
}

static void
setParserError(const parseFault *fault, const char *what, GError **error)
{
    if (fault->has_dtd)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the %s has a DTD, which is not allowed"), what);
    else if (fault->message)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_DETAIL,
                    _("cannot parse the %s: line %d: %s"), what, fault->line,
                    fault->message);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_DETAIL,
                    _("cannot parse the %s"), what);
}

static gboolean
checkSize(const char *xml, const char *what, GError **error)
{
    if (xml[strspn(xml, " \t\r\n")] == '\0') {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the %s is empty"), what);
        return FALSE;
    }

    if (strlen(xml) > VIR_SNAP_XML_MAX) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the %s is longer than %d bytes"), what, VIR_SNAP_XML_MAX);
        return FALSE;
    }

    return TRUE;
}

static gboolean
checkRoot(xmlDoc *doc, const char *root, const char *what, GError **error)
{
    const xmlNode *node = xmlDocGetRootElement(doc);

    if (g_strcmp0((const char *)node->name, root) != 0) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the root of the %s is <%s>, not <%s>"), what,
                    (const char *)node->name, root);
        return FALSE;
    }

    if (node->ns) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR,
                    _("the root of the %s is in a namespace"), what);
        return FALSE;
    }

    return TRUE;
}

/* NULL where it is not well formed or has a DTD, with what is known of that in
 * ret_fault. */
static xmlDoc *
readDocument(const char *xml, parseFault *ret_fault)
{
    g_autoptr(xmlParserCtxt) ctxt = NULL;
    g_autoptr(xmlDoc) doc = NULL;

    /* done implicitly, but too late where two threads are the first ones */
    xmlInitParser();
    if (!(ctxt = xmlNewParserCtxt()))
        g_error("out of memory");

    ctxt->_private = ret_fault;
    ctxt->sax->internalSubset = refuseDTD;
    ctxt->sax->serror = (xmlStructuredErrorFunc)keepFirstError;
    doc = xmlCtxtReadMemory(ctxt, xml, strlen(xml), NULL, NULL, PARSE_OPTIONS);

    return ret_fault->has_dtd ? NULL : g_steal_pointer(&doc);
}

xmlDoc *
virSnapXMLParse(const char *xml, const char *root, const char *what,
                GError **error)
{
    parseFault fault = { 0 };
    g_autoptr(xmlDoc) doc = NULL;

    if (!checkSize(xml, what, error))
        return NULL;

    if (!(doc = readDocument(xml, &fault)))
        setParserError(&fault, what, error);
    g_free(fault.message);

    if (!doc || !checkRoot(doc, root, what, error))
        return NULL;

    return g_steal_pointer(&doc);
}

xmlNode *
virSnapXMLNext(xmlNode *node, const char *name)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (!name || (!node->ns && g_str_equal((const char *)node->name, name)))
            return node;
    }

    return NULL;
}

xmlNode *
virSnapXMLChild(const xmlNode *node, const char *name)
{
    return virSnapXMLNext(node->children, name);
}

char *
virSnapXMLProp(const xmlNode *node, const char *name)
{
    return takeString(xmlGetNoNsProp(node, (const xmlChar *)name));
}

gboolean
virSnapXMLPropIs(const xmlNode *node, const char *name, const char *value)
{
    g_autofree char *found = virSnapXMLProp(node, name);

    return g_strcmp0(found, value) == 0;
}

char *
virSnapXMLChildProp(const xmlNode *node, const char *child, const char *name)
{
    const xmlNode *found = virSnapXMLChild(node, child);

    return found ? virSnapXMLProp(found, name) : NULL;
}

gboolean
virSnapXMLChildPropIs(const xmlNode *node, const char *child, const char *name,
                      const char *value)
{
    const xmlNode *found = virSnapXMLChild(node, child);

    return found && virSnapXMLPropIs(found, name, value);
}

char *
virSnapXMLText(const xmlNode *node)
{
    g_autofree char *text = takeString(xmlNodeGetContent(node));

    if (!text || !*text)
        return NULL;

    return g_steal_pointer(&text);
}

GPtrArray *
virSnapXMLNodes(xmlDoc *doc, const char *xpath)
{
    GPtrArray *nodes = g_ptr_array_new();
    g_autoptr(xmlXPathContext) ctxt = xmlXPathNewContext(doc);
    g_autoptr(xmlXPathObject) found = NULL;

    found = xmlXPathEvalExpression((const xmlChar *)xpath, ctxt);
    if (!found || xmlXPathNodeSetIsEmpty(found->nodesetval))
        return nodes;

    xmlXPathNodeSetSort(found->nodesetval);
    for (int i = 0; i < found->nodesetval->nodeNr; i++)
        g_ptr_array_add(nodes, found->nodesetval->nodeTab[i]);

    return nodes;
}

char *
virSnapXMLFormat(xmlDoc *doc, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save;
    char *text;

    /* without an encoding libxml2 writes what is not ASCII as references */
    if (!doc->encoding)
        doc->encoding = xmlStrdup((const xmlChar *)"UTF-8");

    save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_FORMAT | XML_SAVE_NO_DECL);
    if (node)
        xmlSaveTree(save, node);
    else
        xmlSaveDoc(save, doc);
    xmlSaveClose(save);

    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}
