/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_turns.h: who may change which domain, and who waits for it
 */

#pragma once

#include "qemu_snapshot_driver.h"

typedef struct _virtsnapshotdTurns virtsnapshotdTurns;

typedef enum {
    /* has the driver's lock of the domain until virtsnapshotdTurnsRelease() */
    VIRTSNAPSHOTD_TURN_EXCLUSIVE,
    /* goes ahead once nobody has it, but does not wait for ever */
    VIRTSNAPSHOTD_TURN_PATIENT,
    /* the same, once nobody has any domain */
    VIRTSNAPSHOTD_TURN_ANY,
} virtsnapshotdTurnKind;

/* In the loop's thread, where all of these are used; granted: FALSE where it has
 * waited too long. */
typedef void (*virtsnapshotdTurnFunc)(gboolean granted, void *opaque);

virtsnapshotdTurns *virtsnapshotdTurnsNew(qemuSnapshotDriver *driver);
/* What waits is forgotten. */
void virtsnapshotdTurnsFree(virtsnapshotdTurns *turns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdTurns, virtsnapshotdTurnsFree)

/* Queues behind those that wait for the same domain; func may be called at once. uuid is
 * NULL for ANY. */
void virtsnapshotdTurnsAdd(virtsnapshotdTurns *turns, const unsigned char *uuid,
                           virtsnapshotdTurnKind kind, virtsnapshotdTurnFunc func,
                           void *opaque);

void virtsnapshotdTurnsRelease(virtsnapshotdTurns *turns, const unsigned char *uuid);
