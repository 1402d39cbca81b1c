/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapmounts.h: what is mounted where
 */

#pragma once

#include <glib.h>

typedef struct _virSnapMount virSnapMount;
struct _virSnapMount {
    char *point;       /* where it is */
    char *id;          /* another one for what is mounted there next */
    char *type;        /* of file system */
    char *source;      /* "/dev/sda1", "server:/export" */
    gboolean shared;   /* other hosts may have it, too */
};

typedef struct _virSnapMounts virSnapMounts;

/* As this process sees them; nothing that is mounted is touched. */
virSnapMounts *virSnapMountsRead(void);
/* From text in the format of /proc/self/mountinfo. */
virSnapMounts *virSnapMountsParse(const char *text);
void virSnapMountsFree(virSnapMounts *mounts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapMounts, virSnapMountsFree)

/* That which a path, which is taken as it is, leads into; NULL: it is not known. */
const virSnapMount *virSnapMountsFind(const virSnapMounts *mounts, const char *path);

/* Whether path is folder or in it, by their names. */
gboolean virSnapMountsIsInside(const char *path, const char *folder);
