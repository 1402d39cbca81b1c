/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapmount.h: which mount a path lies on
 */

#pragma once

#include <glib.h>

typedef struct _virSnapMount virSnapMount;
struct _virSnapMount {
    char *point;   /* where it is mounted */
    char *id;      /* another one for what is mounted there next */
};

void virSnapMountClear(virSnapMount *mount);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(virSnapMount, virSnapMountClear)

/* By the names alone, in `mountinfo`, which is laid out as /proc/self/mountinfo: nothing
 * is looked at, so that this does not wait for a storage; but links are not followed.
 * FALSE where no line fits. */
gboolean virSnapMountFindIn(const char *mountinfo, const char *path,
                            virSnapMount *ret_mount);

/* The same, in that of this process. */
gboolean virSnapMountFind(const char *path, virSnapMount *ret_mount);
