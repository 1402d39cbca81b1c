/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapxml.c: hostile documents end in an error, and in nothing else
 */

#include "config.h"

#include <string.h>

#include "virsnaperror.h"
#include "virsnapxml.h"

static const char good[] =
    "<?xml version='1.0'?>\n"
    "<root id='1'>\n"
    "  <!-- comment -->\n"
    "  <item name='a'>x &amp; y</item>\n"
    "  <other/>\n"
    "  <item name='b&quot;'/>\n"
    "</root>";

static void
assertRefused(const char *xml, virErrorNumber code, const char *fragment)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(virSnapXMLParse(xml, "root", "test document", &error));
    g_assert_error(error, VIR_SNAP_ERROR, (int)code);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\n'));
    g_assert_nonnull(strstr(error->message, "test document"));
    if (!strstr(error->message, fragment))
        g_error("'%s' is not in '%s'", fragment, error->message);
}

static void
testRead(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = virSnapXMLParse(good, "root", "test", &error);
    const xmlNode *root;
    xmlNode *item;
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    g_autofree char *none = NULL;

    g_assert_no_error(error);
    root = xmlDocGetRootElement(doc);

    item = virSnapXMLChild(root, "item");
    name = virSnapXMLProp(item, "name");
    text = virSnapXMLText(item);
    g_assert_cmpstr(name, ==, "a");
    g_assert_cmpstr(text, ==, "x & y");
    g_assert_null(virSnapXMLProp(item, "missing"));
    g_assert_null(virSnapXMLChild(root, "missing"));

    g_assert_true(virSnapXMLNext(item, "item") == item);
    g_assert_cmpstr((const char *)virSnapXMLNext(item->next, NULL)->name, ==,
                    "other");
    item = virSnapXMLNext(item->next, "item");
    none = virSnapXMLText(item);
    g_assert_null(none);
    g_assert_null(virSnapXMLNext(item->next, "item"));
}

static void
testChildProp(void)
{
    g_autoptr(xmlDoc) doc = virSnapXMLParse(good, "root", "test", NULL);
    const xmlNode *root = xmlDocGetRootElement(doc);
    g_autofree char *name = virSnapXMLChildProp(root, "item", "name");

    g_assert_cmpstr(name, ==, "a");
    g_assert_null(virSnapXMLChildProp(root, "item", "missing"));
    g_assert_null(virSnapXMLChildProp(root, "missing", "name"));

    g_assert_true(virSnapXMLChildPropIs(root, "item", "name", "a"));
    g_assert_false(virSnapXMLChildPropIs(root, "item", "name", "b"));
    g_assert_false(virSnapXMLChildPropIs(root, "item", "missing", "a"));
    g_assert_false(virSnapXMLChildPropIs(root, "missing", "name", "a"));
    g_assert_true(virSnapXMLPropIs(virSnapXMLChild(root, "item"), "name", "a"));
}

/* What is in a namespace is another program's, whatever it is called. */
static void
testNamespace(void)
{
    g_autoptr(xmlDoc) doc =
        virSnapXMLParse("<root xmlns:o='urn:o'><o:item o:name='no'/>"
                        "<item o:name='no' name='yes'/></root>",
                        "root", "test", NULL);
    const xmlNode *item = virSnapXMLChild(xmlDocGetRootElement(doc), "item");
    g_autofree char *name = virSnapXMLProp(item, "name");

    g_assert_cmpstr(name, ==, "yes");
    assertRefused("<root xmlns='urn:o'/>", VIR_ERR_XML_ERROR, "namespace");
}

static void
testNodes(void)
{
    g_autoptr(xmlDoc) doc = virSnapXMLParse(good, "root", "test", NULL);
    g_autoptr(GPtrArray) items =
        virSnapXMLNodes(doc, "/root/item[@name != 'a'] | /root/item | /root/other");
    g_autoptr(GPtrArray) none = virSnapXMLNodes(doc, "/root/nothing");
    const char *expected[] = { "item", "other", "item" };

    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(items->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < items->len; i++) {
        const xmlNode *node = g_ptr_array_index(items, i);

        g_assert_cmpstr((const char *)node->name, ==, expected[i]);
    }
}

static void
testFormat(void)
{
    g_autoptr(xmlDoc) doc =
        virSnapXMLParse("<?xml version='1.0' encoding='ISO-8859-1'?>"
                        "<root><a p='&lt;\xe4'>\xfc</a>\n\n<b/></root>",
                        "root", "test", NULL);
    g_autofree char *all = virSnapXMLFormat(doc, NULL);
    g_autofree char *one =
        virSnapXMLFormat(doc, virSnapXMLChild(xmlDocGetRootElement(doc), "a"));

    g_assert_cmpstr(all, ==,
                    "<root>\n"
                    "  <a p=\"&lt;\xc3\xa4\">\xc3\xbc</a>\n"
                    "  <b/>\n"
                    "</root>\n");
    g_assert_cmpstr(one, ==, "<a p=\"&lt;\xc3\xa4\">\xc3\xbc</a>");
}

static void
testRefused(void)
{
    assertRefused("", VIR_ERR_XML_ERROR, "empty");
    assertRefused(" \n\t ", VIR_ERR_XML_ERROR, "empty");
    assertRefused("no XML", VIR_ERR_XML_DETAIL, "line 1");
    assertRefused("<root>\n<a>\n</root>\n\n", VIR_ERR_XML_DETAIL, "line 3");
    assertRefused("<root/><root/>", VIR_ERR_XML_DETAIL, "line 1");
    assertRefused("<root>\n\xff\xfe</root>", VIR_ERR_XML_DETAIL, "line 2");
    assertRefused("<root a='\xc3'/>", VIR_ERR_XML_DETAIL, "line 1");
    assertRefused("<root>&undeclared;</root>", VIR_ERR_XML_DETAIL, "undeclared");
    assertRefused("<?xml version='1.0' encoding='none-such'?><root/>",
                  VIR_ERR_XML_DETAIL, "none-such");
    assertRefused("<Root/>", VIR_ERR_XML_ERROR, "<Root>, not <root>");
}

static void
testDTD(void)
{
    g_autoptr(GString) laughs = g_string_new("<!DOCTYPE root [<!ENTITY a0 'ha'>");

    for (int i = 1; i < 30; i++)
        g_string_append_printf(laughs, "<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;'>",
                               i, i - 1, i - 1, i - 1, i - 1);
    g_string_append(laughs, "]><root a='&a29;'>&a29;</root>");

    assertRefused(laughs->str, VIR_ERR_XML_ERROR, "DTD");
    assertRefused("<!DOCTYPE root><root/>", VIR_ERR_XML_ERROR, "DTD");
    assertRefused("<!-- --><!DOCTYPE root SYSTEM 'file:///etc/passwd'><root/>",
                  VIR_ERR_XML_ERROR, "DTD");
    assertRefused("<!DOCTYPE root [<!ENTITY x SYSTEM '/etc/passwd'>]>"
                  "<root>&x;</root>", VIR_ERR_XML_ERROR, "DTD");
    assertRefused("<!DOCTYPE root [", VIR_ERR_XML_ERROR, "DTD");
}

static void
testSize(void)
{
    gsize overhead = strlen("<root></root>");
    g_autofree char *fill = g_strnfill(10 * 1024 * 1024, ' ');
    g_autofree char *fits = g_strdup_printf("<root>%.*s</root>",
                                            (int)(VIR_SNAP_XML_MAX - overhead),
                                            fill);
    g_autofree char *over = g_strdup_printf("<root>%.*s</root>",
                                            (int)(VIR_SNAP_XML_MAX - overhead + 1),
                                            fill);
    g_autofree char *huge = g_strdup_printf("<root>%s</root>", fill);
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = virSnapXMLParse(fits, "root", "test", &error);

    g_assert_no_error(error);
    g_assert_nonnull(doc);
    assertRefused(over, VIR_ERR_XML_ERROR, "longer than");
    assertRefused(huge, VIR_ERR_XML_ERROR, "longer than");
}

static void
testDeep(void)
{
    g_autoptr(GString) deep = g_string_new("<root>");

    for (int i = 0; i < 100000; i++)
        g_string_append(deep, "<a>");

    assertRefused(deep->str, VIR_ERR_XML_DETAIL, "line 1");
}

/* Each beginning of a document, and each document with one byte damaged, gives
 * a document or an error. */
static void
testDamaged(void)
{
    static const char damage[] = { '<', '>', '&', '\'', ']', '\x01', '\xff' };

    for (gsize i = 1; i < strlen(good); i++) {
        g_autofree char *truncated = g_strndup(good, i);

        assertRefused(truncated, VIR_ERR_XML_DETAIL, "line");
    }

    for (gsize i = 0; i < strlen(good) * sizeof(damage); i++) {
        g_autofree char *damaged = g_strdup(good);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) doc = NULL;

        damaged[i / sizeof(damage)] = damage[i % sizeof(damage)];
        doc = virSnapXMLParse(damaged, "root", "test", &error);
        g_assert_true(!doc == !!error);
    }
}

static void
testSilent(void)
{
    if (g_test_subprocess()) {
        testRefused();
        testDTD();
        testDamaged();
        return;
    }

    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virsnapxml/read", testRead);
    g_test_add_func("/virsnapxml/child-prop", testChildProp);
    g_test_add_func("/virsnapxml/namespace", testNamespace);
    g_test_add_func("/virsnapxml/nodes", testNodes);
    g_test_add_func("/virsnapxml/format", testFormat);
    g_test_add_func("/virsnapxml/refused", testRefused);
    g_test_add_func("/virsnapxml/dtd", testDTD);
    g_test_add_func("/virsnapxml/size", testSize);
    g_test_add_func("/virsnapxml/deep", testDeep);
    g_test_add_func("/virsnapxml/damaged", testDamaged);
    g_test_add_func("/virsnapxml/silent", testSilent);

    return g_test_run();
}
