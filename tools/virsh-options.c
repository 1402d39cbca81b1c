/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-options.c: the options of snapshot-revert
 */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "virsh-options.h"
#include "virsnaperror.h"
#include "virsnapxml.h"

typedef enum {
    OPTION_BOOL,
    OPTION_STRING,
    OPTION_LIST,
} optionKind;

typedef struct _optionEntry optionEntry;
struct _optionEntry {
    const char *name;
    optionKind kind;
    gsize offset;
    const char *help;
    gboolean positional;
    gboolean ours;
};

#define MEMBER(member) G_STRUCT_OFFSET(virshRevertOptions, member)

static const optionEntry entries[] = {
    { "domain", OPTION_STRING, MEMBER(domain),
      N_("domain name, id or uuid"), TRUE, FALSE },
    { "snapshotname", OPTION_STRING, MEMBER(snapshotname),
      N_("snapshot name"), TRUE, FALSE },
    { "current", OPTION_BOOL, MEMBER(current),
      N_("revert to current snapshot"), FALSE, FALSE },
    { "running", OPTION_BOOL, MEMBER(running),
      N_("after reverting, change state to running"), FALSE, FALSE },
    { "paused", OPTION_BOOL, MEMBER(paused),
      N_("after reverting, change state to paused"), FALSE, FALSE },
    { "force", OPTION_BOOL, MEMBER(force),
      N_("try harder on risky reverts"), FALSE, FALSE },
    { "reset-nvram", OPTION_BOOL, MEMBER(reset_nvram),
      N_("re-initialize NVRAM from its pristine template"), FALSE, FALSE },
    { "xml", OPTION_STRING, MEMBER(xml),
      N_("file with a <domainsnapshotrevert> document"), FALSE, TRUE },
    { "diskspec", OPTION_LIST, MEMBER(diskspecs),
      N_("the overlay of a disk: disk[,file=name][,driver=type][,stype=type]"),
      FALSE, TRUE },
    { "validate", OPTION_BOOL, MEMBER(validate),
      N_("check the document against the schema"), FALSE, TRUE },
    { "reuse-external", OPTION_BOOL, MEMBER(reuse_external),
      N_("use overlays that exist already"), FALSE, TRUE },
    { "keep-current", OPTION_BOOL, MEMBER(keep_current),
      N_("keep the overlays that hold the state being left"), FALSE, TRUE },
    { "dry-run", OPTION_BOOL, MEMBER(dry_run),
      N_("print what would be done, as XML, and do nothing"), FALSE, TRUE },
    { "print-xml", OPTION_BOOL, MEMBER(print_xml),
      N_("print the document the options amount to, and do nothing"), FALSE, TRUE },
};

static const optionEntry help_entry = {
    "help", OPTION_BOOL, MEMBER(help), NULL, FALSE, FALSE
};

void
virshRevertOptionsClear(virshRevertOptions *options)
{
    g_free(options->domain);
    g_free(options->snapshotname);
    g_free(options->xml);
    g_clear_pointer(&options->diskspecs, g_ptr_array_unref);
}

static const optionEntry *
findEntry(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        if (g_str_equal(entries[i].name, name))
            return &entries[i];
    }

    return g_str_equal(name, help_entry.name) ? &help_entry : NULL;
}

static void
storeString(virshRevertOptions *options, const optionEntry *entry, const char *value)
{
    char **text = G_STRUCT_MEMBER_P(options, entry->offset);

    g_free(*text);
    *text = g_strdup(value);
}

/* Takes the value behind `=` or the next word. Returns how many words that were,
 * 0 where it fails. */
static int
storeOption(virshRevertOptions *options, const optionEntry *entry,
            const char *value, char **words, GError **error)
{
    int taken = value ? 1 : 2;

    if (entry->kind == OPTION_BOOL) {
        if (value) {
            g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                        _("invalid '=' after option --%s"), entry->name);
            return 0;
        }
        G_STRUCT_MEMBER(gboolean, options, entry->offset) = TRUE;
        return 1;
    }

    if (!value && !(value = words[1])) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("expected syntax: --%s <string>"), entry->name);
        return 0;
    }

    if (entry->kind == OPTION_LIST)
        g_ptr_array_add(options->diskspecs, g_strdup(value));
    else
        storeString(options, entry, value);
    return taken;
}

static int
parseOption(virshRevertOptions *options, char **words, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(*words + 2, "=", 2);
    const optionEntry *entry = parts[0] ? findEntry(parts[0]) : NULL;

    if (!entry) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("command '%s' doesn't support option --%s"),
                    VIRSH_SNAPSHOT_REVERT, parts[0] ? parts[0] : "");
        return 0;
    }

    return storeOption(options, entry, parts[1], words, error);
}

static gboolean
parsePositional(virshRevertOptions *options, const char *word, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        if (entries[i].positional &&
            !G_STRUCT_MEMBER(char *, options, entries[i].offset)) {
            storeString(options, &entries[i], word);
            return TRUE;
        }
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                _("unexpected data '%s'"), word);
    return FALSE;
}

static gboolean
parseWords(virshRevertOptions *options, char **words, GError **error)
{
    gboolean only_data = FALSE;

    while (*words) {
        int taken = 1;

        if (!only_data && g_str_equal(*words, "--"))
            only_data = TRUE;
        else if (!only_data && g_str_has_prefix(*words, "--"))
            taken = parseOption(options, words, error);
        else if (!parsePositional(options, *words, error))
            taken = 0;

        if (taken == 0)
            return FALSE;
        words += taken;
    }

    return TRUE;
}

static gboolean
checkExclusive(gboolean one, const char *one_name, gboolean other,
               const char *other_name, GError **error)
{
    if (!one || !other)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                _("Options --%s and --%s are mutually exclusive"),
                one_name, other_name);
    return FALSE;
}

gboolean
virshRevertOptionsCheck(const virshRevertOptions *options, GError **error)
{
    if (options->current && options->snapshotname) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("--snapshotname and --current are mutually exclusive"));
        return FALSE;
    }

    if (!options->current && !options->snapshotname && !options->print_xml) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("--snapshotname or --current is required"));
        return FALSE;
    }

    return checkExclusive(options->running, "running", options->paused, "paused",
                          error) &&
        checkExclusive(options->xml != NULL, "xml", options->diskspecs->len > 0,
                       "diskspec", error) &&
        checkExclusive(options->dry_run, "dry-run", options->print_xml,
                       "print-xml", error);
}

gboolean
virshRevertOptionsParse(char **words, virshRevertOptions *ret_options,
                        GError **error)
{
    virshRevertOptions options = {
        .diskspecs = g_ptr_array_new_with_free_func(g_free),
    };

    if (parseWords(&options, words, error)) {
        if (options.domain || options.help || options.print_xml) {
            *ret_options = options;
            return TRUE;
        }
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("command '%s' requires <domain> option"),
                    VIRSH_SNAPSHOT_REVERT);
    }

    virshRevertOptionsClear(&options);
    return FALSE;
}

gboolean
virshRevertOptionsAreOurs(const virshRevertOptions *options)
{
    return options->xml || options->diskspecs->len > 0 || options->validate ||
        options->reuse_external || options->keep_current || options->dry_run ||
        options->print_xml;
}

static char *
formatEntry(const optionEntry *entry)
{
    if (entry->kind == OPTION_BOOL)
        return g_strdup_printf("--%s", entry->name);
    if (g_str_equal(entry->name, "domain"))
        return g_strdup_printf("[--%s] <string>", entry->name);

    return g_strdup_printf("%s--%s%s <string>", entry->positional ? "[" : "",
                           entry->name, entry->positional ? "]" : "");
}

void
virshRevertPrintHelp(void)
{
    printf("  %s\n    %s - %s\n\n  %s\n    %s <domain> {<snapshotname> | --current}",
            _("NAME"), VIRSH_SNAPSHOT_REVERT, _("Revert a domain to a snapshot"),
            _("SYNOPSIS"), VIRSH_SNAPSHOT_REVERT);
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *text = formatEntry(&entries[i]);

        if (!entries[i].positional && !g_str_equal(entries[i].name, "current"))
            printf(" [%s]%s", text, entries[i].kind == OPTION_LIST ? "..." : "");
    }

    printf("\n\n  %s\n    %s\n\n  %s\n", _("DESCRIPTION"),
            _("Revert domain to snapshot, on overlays of your choice where the "
              "snapshot is external"), _("OPTIONS"));
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *text = formatEntry(&entries[i]);

        printf("    %-26s %s\n", text, _(entries[i].help));
    }
    printf("\n");
}

void
virshRevertPrintOptions(const char *prefix)
{
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *text = g_strdup_printf("--%s", entries[i].name);

        if (entries[i].ours && g_str_has_prefix(text, prefix))
            printf("%s\n", text);
    }
}

/* The parts between single commas; two of them are one within a part. */
static GPtrArray *
splitDiskspec(const char *spec)
{
    GPtrArray *parts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) part = g_string_new(NULL);

    for (; *spec; spec++) {
        if (*spec == ',' && spec[1] != ',') {
            g_ptr_array_add(parts, g_strdup(part->str));
            g_string_truncate(part, 0);
            continue;
        }
        if (*spec == ',')
            spec++;
        g_string_append_c(part, *spec);
    }
    g_ptr_array_add(parts, g_strdup(part->str));

    return parts;
}

static gboolean
diskspecBad(const char *spec, GError **error)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                _("unable to parse diskspec: %s"), spec);
    return FALSE;
}

static void
setProp(xmlNode *node, const char *name, const char *value)
{
    xmlNewProp(node, BAD_CAST name, BAD_CAST value);
}

static gboolean
formatDiskspec(xmlNode *disks, const char *spec, GError **error)
{
    g_autoptr(GPtrArray) parts = splitDiskspec(spec);
    const char *name = g_ptr_array_index(parts, 0);
    const char *file = NULL;
    const char *driver = NULL;
    const char *stype = "file";
    xmlNode *disk;

    for (guint i = 1; i < parts->len; i++) {
        const char *part = g_ptr_array_index(parts, i);

        if (!file && g_str_has_prefix(part, "file="))
            file = part + strlen("file=");
        else if (!driver && g_str_has_prefix(part, "driver="))
            driver = part + strlen("driver=");
        else if (g_str_has_prefix(part, "stype="))
            stype = part + strlen("stype=");
        else
            return diskspecBad(spec, error);
    }

    if (!*name || (!g_str_equal(stype, "file") && !g_str_equal(stype, "block")))
        return diskspecBad(spec, error);

    disk = xmlNewChild(disks, NULL, BAD_CAST "disk", NULL);
    setProp(disk, "name", name);
    setProp(disk, "type", stype);
    if (driver)
        setProp(xmlNewChild(disk, NULL, BAD_CAST "driver", NULL), "type", driver);
    if (file)
        setProp(xmlNewChild(disk, NULL, BAD_CAST "source", NULL),
                g_str_equal(stype, "block") ? "dev" : "file", file);
    return TRUE;
}

char *
virshRevertFormatDiskspecs(GPtrArray *diskspecs, GError **error)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST "domainsnapshotrevert", NULL);
    xmlNode *disks;

    xmlDocSetRootElement(doc, root);
    disks = xmlNewChild(root, NULL, BAD_CAST "disks", NULL);
    for (guint i = 0; i < diskspecs->len; i++) {
        if (!formatDiskspec(disks, g_ptr_array_index(diskspecs, i), error))
            return NULL;
    }

    return virSnapXMLFormat(doc, NULL);
}
