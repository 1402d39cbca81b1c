/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsh_args.c: finding the command, and the options of snapshot-revert
 */

#include "config.h"

#include <glib.h>
#include <string.h>

#include "virsh-args.h"
#include "virsh-options.h"
#include "virsnaperror.h"

static int
parseGlobals(const char *line, virshGlobals *globals)
{
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);

    virshGlobalsParse(g_strv_length(argv), argv, globals);
    return globals->n_args;
}

static void
testGlobals(void)
{
    g_auto(virshGlobals) globals = { 0 };

    g_assert_cmpint(parseGlobals("virsh -c qemu:///session -qt -r snapshot-revert "
                                 "-q", &globals), ==, 5);
    g_assert_true(globals.known);
    g_assert_cmpstr(globals.uri, ==, "qemu:///session");
    g_assert_true(globals.quiet && globals.timing && globals.readonly);
}

static void
testGlobalsForms(void)
{
    const char *lines[] = {
        "virsh --connect=x list", "virsh -cx list", "virsh --connect x list",
        "virsh -d 0 --connect=x list", "virsh -k 1 -K2 -l /log -e ^] -c x list",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(virshGlobals) globals = { 0 };
        g_auto(GStrv) argv = g_strsplit(lines[i], " ", -1);
        int n = parseGlobals(lines[i], &globals);

        g_assert_true(globals.known);
        g_assert_cmpstr(globals.uri, ==, "x");
        g_assert_cmpstr(argv[n], ==, "list");
    }
}

/* What the host's virsh has to judge. */
static void
testGlobalsUnknown(void)
{
    const char *lines[] = {
        "virsh --help", "virsh -v", "virsh --version=long", "virsh --nosuch list",
        "virsh -c", "virsh -V",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(virshGlobals) globals = { 0 };

        parseGlobals(lines[i], &globals);
        g_assert_false(globals.known);
    }
}

static void
checkSplit(const char *text, const char *expected)
{
    g_autoptr(GPtrArray) commands = virshSplitString(text);
    g_autoptr(GString) joined = g_string_new(NULL);

    if (!expected) {
        g_assert_null(commands);
        return;
    }

    g_assert_nonnull(commands);
    for (guint i = 0; i < commands->len; i++) {
        g_autofree char *words = g_strjoinv("|", g_ptr_array_index(commands, i));

        g_string_append_printf(joined, "%s%s", i ? " ; " : "", words);
    }
    g_assert_cmpstr(joined->str, ==, expected);
}

static void
testSplit(void)
{
    checkSplit("", "");
    checkSplit("list", "list");
    checkSplit("  a  b\tc ; d\ne;;", "a|b|c ; d ; e");
    checkSplit("a 'b c' \"d;e\"", "a|b c|d;e");
    checkSplit("a '' b", "a||b");
    checkSplit("a x'b c'y", "a|xb cy");
    checkSplit("a \\; \"b\\\"c\" 'd\\e'", "a|;|b\"c|d\\e");
    checkSplit("a b#c # d ; e\nf", "a|b#c ; f");
    checkSplit("a 'b", NULL);
    checkSplit("a \"b", NULL);
    checkSplit("a \\", NULL);
}

static gboolean
parseOptions(const char *line, virshRevertOptions *options, GError **error)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    return virshRevertOptionsParse(words, options, error);
}

static void
testOptions(void)
{
    g_auto(virshRevertOptions) options = { 0 };

    g_assert_true(parseOptions("--running vm --diskspec=vda,file=/a --xml /x "
                               "snap1 --diskspec vdb --keep-current --force",
                               &options, NULL));
    g_assert_cmpstr(options.domain, ==, "vm");
    g_assert_cmpstr(options.snapshotname, ==, "snap1");
    g_assert_cmpstr(options.xml, ==, "/x");
    g_assert_cmpuint(options.diskspecs->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(options.diskspecs, 0), ==, "vda,file=/a");
    g_assert_true(options.running && options.keep_current && options.force);
    g_assert_false(options.paused || options.dry_run);
}

static void
testOptionsNamed(void)
{
    g_auto(virshRevertOptions) options = { 0 };

    g_assert_true(parseOptions("--snapshotname=s --domain d", &options, NULL));
    g_assert_cmpstr(options.domain, ==, "d");
    g_assert_cmpstr(options.snapshotname, ==, "s");
}

static void
testOptionsDashes(void)
{
    g_auto(virshRevertOptions) options = { 0 };

    g_assert_true(parseOptions("-- --vm --snap", &options, NULL));
    g_assert_cmpstr(options.domain, ==, "--vm");
    g_assert_cmpstr(options.snapshotname, ==, "--snap");
}

static void
checkRefused(const char *line, const char *message)
{
    g_auto(virshRevertOptions) options = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_false(parseOptions(line, &options, &error) &&
                   virshRevertOptionsCheck(&options, &error));
    g_assert_cmpstr(error->message, ==, message);
}

static void
testOptionsRefused(void)
{
    checkRefused("--running", "command 'snapshot-revert' requires <domain> option");
    checkRefused("vm", "--snapshotname or --current is required");
    checkRefused("vm s --current",
                 "--snapshotname and --current are mutually exclusive");
    checkRefused("vm s t", "unexpected data 't'");
    checkRefused("vm s --nosuch",
                 "command 'snapshot-revert' doesn't support option --nosuch");
    checkRefused("vm s --run",
                 "command 'snapshot-revert' doesn't support option --run");
    checkRefused("vm s --xml", "expected syntax: --xml <string>");
    checkRefused("vm s --running=yes", "invalid '=' after option --running");
    checkRefused("vm s --running --paused",
                 "Options --running and --paused are mutually exclusive");
    checkRefused("vm s --xml /x --diskspec vda",
                 "Options --xml and --diskspec are mutually exclusive");
    checkRefused("vm s --dry-run --print-xml",
                 "Options --dry-run and --print-xml are mutually exclusive");
}

static void
testOptionsAreOurs(void)
{
    g_auto(virshRevertOptions) theirs = { 0 };
    g_auto(virshRevertOptions) ours = { 0 };

    g_assert_true(parseOptions("vm s --running --force", &theirs, NULL));
    g_assert_false(virshRevertOptionsAreOurs(&theirs));
    g_assert_true(parseOptions("vm s --validate", &ours, NULL));
    g_assert_true(virshRevertOptionsAreOurs(&ours));
}

static char *
formatSpec(const char *spec, GError **error)
{
    g_autoptr(GPtrArray) specs = g_ptr_array_new();

    g_ptr_array_add(specs, (char *)spec);
    return virshRevertFormatDiskspecs(specs, error);
}

static void
testDiskspec(void)
{
    g_autofree char *xml = formatSpec("vda,file=/a,,b<&,driver=qcow2", NULL);

    g_assert_cmpstr(xml, ==,
                    "<domainsnapshotrevert>\n"
                    "  <disks>\n"
                    "    <disk name=\"vda\" type=\"file\">\n"
                    "      <driver type=\"qcow2\"/>\n"
                    "      <source file=\"/a,b&lt;&amp;\"/>\n"
                    "    </disk>\n"
                    "  </disks>\n"
                    "</domainsnapshotrevert>\n");
}

static void
testDiskspecBlock(void)
{
    g_autofree char *xml = formatSpec("/base.qcow2,stype=block,file=/dev/x", NULL);

    g_assert_nonnull(strstr(xml, "<disk name=\"/base.qcow2\" type=\"block\">"));
    g_assert_nonnull(strstr(xml, "<source dev=\"/dev/x\"/>"));
}

static void
testDiskspecBad(void)
{
    const char *specs[] = {
        "", ",file=/a", "vda,", "vda,nosuch=1", "vda,stype=network",
        "vda,file=/a,file=/b",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *expected =
            g_strdup_printf("unable to parse diskspec: %s", specs[i]);

        g_assert_null(formatSpec(specs[i], &error));
        g_assert_cmpstr(error->message, ==, expected);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/globals/all", testGlobals);
    g_test_add_func("/globals/forms", testGlobalsForms);
    g_test_add_func("/globals/unknown", testGlobalsUnknown);
    g_test_add_func("/split", testSplit);
    g_test_add_func("/options/all", testOptions);
    g_test_add_func("/options/named", testOptionsNamed);
    g_test_add_func("/options/dashes", testOptionsDashes);
    g_test_add_func("/options/refused", testOptionsRefused);
    g_test_add_func("/options/ours", testOptionsAreOurs);
    g_test_add_func("/diskspec/file", testDiskspec);
    g_test_add_func("/diskspec/block", testDiskspecBlock);
    g_test_add_func("/diskspec/bad", testDiskspecBad);
    return g_test_run();
}
