/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_postponed.h: images to be deleted once it can be told that nobody needs them
 */

#pragma once

#include <glib.h>

#include "virsnapfile.h"

typedef struct _qemuSnapshotPostponed qemuSnapshotPostponed;
struct _qemuSnapshotPostponed {
    char *file;
    virSnapFileID id;     /* nothing else that has its path by then */
    gint64 modified;      /* nanoseconds: nothing that was written to since; 0: not known
                           * yet */
};

qemuSnapshotPostponed *qemuSnapshotPostponedNew(const char *file, const virSnapFileID *id,
                                                gint64 modified);
void qemuSnapshotPostponedFree(qemuSnapshotPostponed *postponed);

/* Those of a domain, whose UUID is given as text; none where there is no list, or where it
 * is damaged, which is logged. */
GPtrArray *qemuSnapshotPostponedRead(const char *folder, const char *uuid);

/* Replaces the list; an empty one leaves no file. */
gboolean qemuSnapshotPostponedWrite(const char *folder, const char *uuid, GPtrArray *list,
                                    GError **error);

/* The UUIDs of the domains that have such a list; of char *. */
GPtrArray *qemuSnapshotPostponedList(const char *folder);
