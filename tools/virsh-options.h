/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-options.h: the options of snapshot-revert
 */

#pragma once

#include <glib.h>

#define VIRSH_SNAPSHOT_REVERT "snapshot-revert"

typedef struct _virshRevertOptions virshRevertOptions;
struct _virshRevertOptions {
    char *domain;
    char *snapshotname;
    char *xml;              /* a path */
    GPtrArray *diskspecs;   /* of char *, as given */
    gboolean current;
    gboolean running;
    gboolean paused;
    gboolean force;
    gboolean reset_nvram;
    gboolean validate;
    gboolean reuse_external;
    gboolean keep_current;
    gboolean dry_run;
    gboolean print_xml;
    gboolean help;
};

/* Parses the words behind the command's name. Errors are worded as virsh does. */
gboolean virshRevertOptionsParse(char **words, virshRevertOptions *ret_options,
                                 GError **error);
void virshRevertOptionsClear(virshRevertOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(virshRevertOptions, virshRevertOptionsClear)

/* Refuses options that exclude each other, and a snapshot that isn't named. */
gboolean virshRevertOptionsCheck(const virshRevertOptions *options, GError **error);

/* Whether an option is given that libvirt's own snapshot-revert does not have. */
gboolean virshRevertOptionsAreOurs(const virshRevertOptions *options);

/* The page that virsh shows for the command. */
void virshRevertPrintHelp(void);

/* Prints those options, one in a line, that begin with prefix. */
void virshRevertPrintOptions(const char *prefix);

/* The <domainsnapshotrevert> document that --diskspec options amount to; each is
 * disk[,file=NAME][,driver=TYPE][,stype=TYPE], a comma within a value doubled. */
char *virshRevertFormatDiskspecs(GPtrArray *diskspecs, GError **error);
