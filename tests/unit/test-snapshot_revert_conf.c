/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-snapshot_revert_conf.c: the <domainsnapshotrevert> document
 *
 * data/snapshotrevert/NAME-in.xml is read and written again as NAME-out.xml,
 * which VIR_TEST_REGENERATE_OUTPUT=1 rewrites; both are valid by the schema,
 * unless NAME starts with "loose-". data/snapshotrevert/invalid/NAME.xml is
 * refused with the code and a part of the message that NAME.err holds; with
 * XML_INVALID_SCHEMA as code, it is refused by the schema alone.
 */

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "snapshot_revert_conf.h"
#include "virsnaperror.h"

static char *
schemaPath(void)
{
    return g_test_build_filename(G_TEST_DIST, "..", "..", "src", "conf",
                                 "schemas", "domainsnapshotrevert.rng", NULL);
}

static char *
readFile(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void
assertFile(const char *path, const char *text)
{
    g_autofree char *expected = NULL;

    if (g_strcmp0(g_getenv("VIR_TEST_REGENERATE_OUTPUT"), "1") == 0)
        g_assert_true(g_file_set_contents(path, text, -1, NULL));

    expected = readFile(path);
    g_assert_cmpstr(text, ==, expected);
}

static void
testInOut(const void *opaque)
{
    const char *in = opaque;
    g_autofree char *base = g_strndup(in, strlen(in) - strlen("-in.xml"));
    g_autofree char *out = g_strconcat(base, "-out.xml", NULL);
    g_autofree char *schema = strstr(in, "/loose-") ? NULL : schemaPath();
    g_autofree char *xml = readFile(in);
    g_autofree char *formatted = NULL;
    g_autofree char *again = NULL;
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    g_autoptr(virDomainSnapshotRevertDef) redef = NULL;
    g_autoptr(GError) error = NULL;

    def = virDomainSnapshotRevertDefParse(xml, schema, &error);
    g_assert_no_error(error);
    formatted = virDomainSnapshotRevertDefFormat(def);
    assertFile(out, formatted);

    g_free(schema);
    schema = schemaPath();
    redef = virDomainSnapshotRevertDefParse(formatted, schema, &error);
    g_assert_no_error(error);
    again = virDomainSnapshotRevertDefFormat(redef);
    g_assert_cmpstr(again, ==, formatted);
}

static void
testInvalid(const void *opaque)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {
        { "XML_ERROR", VIR_ERR_XML_ERROR },
        { "XML_DETAIL", VIR_ERR_XML_DETAIL },
        { "XML_INVALID_SCHEMA", VIR_ERR_XML_INVALID_SCHEMA },
        { "CONFIG_UNSUPPORTED", VIR_ERR_CONFIG_UNSUPPORTED },
    };
    const char *in = opaque;
    g_autofree char *base = g_strndup(in, strlen(in) - strlen(".xml"));
    g_autofree char *err = g_strconcat(base, ".err", NULL);
    g_autofree char *xml = readFile(in);
    g_autofree char *expected = g_strchomp(readFile(err));
    g_auto(GStrv) parts = g_strsplit(expected, ": ", 2);
    g_autofree char *schema = NULL;
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    g_autoptr(GError) error = NULL;
    int code = -1;

    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (g_str_equal(codes[i].name, parts[0]))
            code = codes[i].code;
    }

    if (code == VIR_ERR_XML_INVALID_SCHEMA) {
        schema = schemaPath();
        def = virDomainSnapshotRevertDefParse(xml, NULL, &error);
        g_assert_no_error(error);
        g_assert_nonnull(def);
    }

    g_assert_null(virDomainSnapshotRevertDefParse(xml, schema, &error));
    g_assert_error(error, VIR_SNAP_ERROR, code);
    if (!strstr(error->message, parts[1]))
        g_error("'%s' is not in '%s'", parts[1], error->message);
}

static void
addFixtures(const char *prefix, const char *suffix, GTestDataFunc func,
            const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *file;

    g_assert_no_error(error);
    while ((file = g_dir_read_name(dir))) {
        g_autofree char *name = g_strconcat(prefix, file, NULL);

        if (g_str_has_suffix(file, suffix))
            g_test_add_data_func_full(name, g_build_filename(folder, file, NULL),
                                      func, g_free);
    }
}

/* What GetRevertXMLDesc returns, and that it can be given back. */
static void
testOutput(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data",
                                                  "snapshotrevert",
                                                  "output.xml", NULL);
    g_autofree char *schema = schemaPath();
    g_autoptr(virDomainSnapshotRevertDef) def = virDomainSnapshotRevertDefNew();
    g_autoptr(virDomainSnapshotRevertDef) redef = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    const virDomainSnapshotRevertDisk *disk;

    virDomainSnapshotRevertDefAddDisk(def, "vda", "/images/vm.mine",
                                      "/images/disk.qcow2", "qcow2");
    virDomainSnapshotRevertDefAddDisk(def, "vdb", "/images/a&b<'\">.\xc3\xa4",
                                      "/images/data.img", "raw");
    virDomainSnapshotRevertDefAddDiscard(def, "vda", "/images/disk.snap2");
    virDomainSnapshotRevertDefAddDiscard(def, "vdb", "/images/d&ta.snap2");
    virDomainSnapshotRevertDefAddWarning(def, "port 1 < 2 & \"taken\"");
    virDomainSnapshotRevertDefAddWarning(def, "another");
    xml = virDomainSnapshotRevertDefFormat(def);
    assertFile(path, xml);

    redef = virDomainSnapshotRevertDefParse(xml, schema, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(redef->disks->len, ==, 2);
    g_assert_cmpuint(redef->discards->len, ==, 0);
    g_assert_cmpuint(redef->warnings->len, ==, 0);
    disk = g_ptr_array_index(redef->disks, 1);
    g_assert_cmpstr(disk->name, ==, "vdb");
    g_assert_cmpstr(disk->file, ==, "/images/a&b<'\">.\xc3\xa4");
    g_assert_null(disk->backing);
    g_assert_null(disk->backing_format);
}

static void
testOutputKeepCurrent(void)
{
    g_autoptr(virDomainSnapshotRevertDef) def = virDomainSnapshotRevertDefNew();
    g_autofree char *xml = NULL;

    virDomainSnapshotRevertDefAddDisk(def, "vda", "/o", "/b", "raw");
    xml = virDomainSnapshotRevertDefFormat(def);
    g_assert_nonnull(strstr(xml, "</disks>\n  <discard/>\n</domain"));
}

static void
assertPathRefused(const char *path, const char *fragment)
{
    g_autofree char *xml =
        g_strdup_printf("<domainsnapshotrevert><disks><disk name='vda'>"
                        "<source file='%s'/></disk></disks>"
                        "</domainsnapshotrevert>", path);
    g_autoptr(GError) error = NULL;

    g_assert_null(virDomainSnapshotRevertDefParse(xml, NULL, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR);
    g_assert_nonnull(strstr(error->message, "'vda'"));
    if (!strstr(error->message, fragment))
        g_error("'%s' is not in '%s'", fragment, error->message);
    g_assert_cmpuint(strlen(error->message), <, 2048);
}

static void
testPathBounds(void)
{
    g_autofree char *name = g_strnfill(NAME_MAX, 'n');
    g_autofree char *fits = g_strdup_printf(
        "<domainsnapshotrevert><disks><disk name='vda'><source file='/a/%s'/>"
        "</disk></disks></domainsnapshotrevert>", name);
    g_autofree char *component = g_strdup_printf("/a/%sn/b", name);
    g_autofree char *huge = g_strnfill(3 * 1024 * 1024, '/');
    g_autoptr(GString) path = g_string_new(NULL);
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    g_autoptr(GError) error = NULL;

    def = virDomainSnapshotRevertDefParse(fits, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(def);

    while (path->len < PATH_MAX)
        g_string_append(path, "/a");
    assertPathRefused(path->str, "too long");
    assertPathRefused(huge, "too long");
    assertPathRefused(component, "component");
    assertPathRefused("/a&#10;b", "control character");
    assertPathRefused("/a&#x9b;b", "control character");
}

/* A document with n disks, each with a source. */
static char *
manyDisks(guint n)
{
    GString *xml = g_string_new("<domainsnapshotrevert><disks>");

    for (guint i = 0; i < n; i++)
        g_string_append_printf(xml, "<disk name='d%u'><source file='/d%u'/></disk>",
                               i, i);
    g_string_append(xml, "</disks></domainsnapshotrevert>");
    return g_string_free(xml, FALSE);
}

static void
testMany(void)
{
    g_autofree char *schema = schemaPath();
    g_autofree char *many = manyDisks(1024);
    g_autofree char *more = manyDisks(1025);
    g_autoptr(virDomainSnapshotRevertDef) def = NULL;
    g_autoptr(GError) error = NULL;

    def = virDomainSnapshotRevertDefParse(many, schema, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(def->disks->len, ==, 1024);

    g_assert_null(virDomainSnapshotRevertDefParse(more, NULL, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR);
    g_assert_nonnull(strstr(error->message, "1025 disks"));
}

/* A client can send as much nonsense as fits in a document. */
static void
testSchemaLarge(void)
{
    g_autofree char *schema = schemaPath();
    g_autoptr(GString) xml = g_string_new("<domainsnapshotrevert>");
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 200000; i++)
        g_string_append(xml, "<discard a='b'/>");
    g_string_append(xml, "</domainsnapshotrevert>");

    g_assert_null(virDomainSnapshotRevertDefParse(xml->str, schema, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_INVALID_SCHEMA);
    g_assert_cmpuint(strlen(error->message), <, 2048);
}

/* Valid, although refused later for want of support. */
static void
testSchemaNetwork(void)
{
    g_autofree char *schema = schemaPath();
    g_autoptr(GError) error = NULL;

    g_assert_null(virDomainSnapshotRevertDefParse(
        "<domainsnapshotrevert><disks><disk type='network' name='vda'>"
        "<source protocol='rbd' name='pool/image' tls='no'>"
        "<host name='h' port='1'/><auth username='u'>"
        "<secret type='ceph' usage='x'/></auth></source>"
        "</disk></disks></domainsnapshotrevert>", schema, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void
testSchemaMissing(void)
{
    g_autoptr(GError) error = NULL;

    if (g_test_subprocess()) {
        g_assert_null(virDomainSnapshotRevertDefParse("<domainsnapshotrevert/>",
                                                      "/no/such.rng", &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR);
        g_assert_nonnull(strstr(error->message, "/no/such.rng"));
        return;
    }

    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("");
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = NULL;
    g_autofree char *invalid = NULL;

    g_test_init(&argc, &argv, NULL);

    folder = g_test_build_filename(G_TEST_DIST, "data", "snapshotrevert", NULL);
    invalid = g_build_filename(folder, "invalid", NULL);
    addFixtures("/snapshot_revert_conf/inout/", "-in.xml", testInOut, folder);
    addFixtures("/snapshot_revert_conf/invalid/", ".xml", testInvalid, invalid);

    g_test_add_func("/snapshot_revert_conf/output", testOutput);
    g_test_add_func("/snapshot_revert_conf/output-keep-current",
                    testOutputKeepCurrent);
    g_test_add_func("/snapshot_revert_conf/path-bounds", testPathBounds);
    g_test_add_func("/snapshot_revert_conf/many", testMany);
    g_test_add_func("/snapshot_revert_conf/schema-large", testSchemaLarge);
    g_test_add_func("/snapshot_revert_conf/schema-network", testSchemaNetwork);
    g_test_add_func("/snapshot_revert_conf/schema-missing", testSchemaMissing);

    return g_test_run();
}
