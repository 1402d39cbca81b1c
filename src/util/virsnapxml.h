/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapxml.h: libxml2, with bounds, for documents that may be hostile
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>

/* A revert document of thousands of disks is well below a megabyte; a domain
 * with hundreds of devices, too. */
#define VIR_SNAP_XML_MAX (4 * 1024 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathContext, xmlXPathFreeContext)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathObject, xmlXPathFreeObject)

/* Parses xml, whose root must be the element `root`. Refused with
 * VIR_ERR_XML_ERROR (VIR_ERR_XML_DETAIL for what libxml2 rejects, with its
 * line): an empty document, one over VIR_SNAP_XML_MAX, a DTD or entity
 * declaration, nesting beyond libxml2's own limit, another root. `what` names
 * the document in messages, as in "snapshot revert document". */
xmlDoc *virSnapXMLParse(const char *xml, const char *root, const char *what,
                        GError **error);

/* The first child element called name, or NULL. */
xmlNode *virSnapXMLChild(const xmlNode *node, const char *name);

/* The next sibling element called name (any element if NULL), starting with
 * node itself; NULL at the end:
 *   for (n = virSnapXMLNext(parent->children, "disk"); n;
 *        n = virSnapXMLNext(n->next, "disk")) */
xmlNode *virSnapXMLNext(xmlNode *node, const char *name);

/* The attribute's value, or NULL; the caller frees it with g_free(). */
char *virSnapXMLProp(const xmlNode *node, const char *name);

/* Whether there is the attribute, with that value. */
gboolean virSnapXMLPropIs(const xmlNode *node, const char *name, const char *value);

/* The same of the first child element called child; NULL, and FALSE, without one. */
char *virSnapXMLChildProp(const xmlNode *node, const char *child, const char *name);
gboolean virSnapXMLChildPropIs(const xmlNode *node, const char *child, const char *name,
                               const char *value);

/* The text inside the element, or NULL where it is empty; the caller frees it
 * with g_free(). */
char *virSnapXMLText(const xmlNode *node);

/* The nodes that the XPath expression finds below ctxt's node, in document
 * order; an empty array where there are none. The array owns nothing. */
GPtrArray *virSnapXMLNodes(xmlDoc *doc, const char *xpath);

/* A node, or a whole document, as text; the caller frees it with g_free(). */
char *virSnapXMLFormat(xmlDoc *doc, xmlNode *node);
