/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_turns.c: who may change which domain, and who waits for it
 *
 * A revert has its domain for itself, and so has a deletion of a snapshot. Others
 * that want to change the domain queue here, in the order of their coming, and not
 * in a worker: many reverts of one domain leave the workers to those of others. A call
 * of which it can't be told which domain it changes waits until nobody has any.
 */

#include "config.h"

#include <string.h>

#include "virtsnapshotd_turns.h"

/* as long as libvirt waits for a domain that is busy */
#define PATIENCE_SECONDS 30

struct _virtsnapshotdTurns {
    qemuSnapshotDriver *driver;
    GQueue waiting;              /* of virtsnapshotdTurn, of all domains */
};

typedef struct _virtsnapshotdTurn virtsnapshotdTurn;
struct _virtsnapshotdTurn {
    virtsnapshotdTurns *turns;
    unsigned char uuid[VIR_UUID_BUFLEN];
    virtsnapshotdTurnKind kind;
    virtsnapshotdTurnFunc func;
    void *opaque;
    guint timer;
};

static void
turnFree(virtsnapshotdTurn *turn)
{
    g_queue_remove(&turn->turns->waiting, turn);
    g_clear_handle_id(&turn->timer, g_source_remove);
    g_free(turn);
}

static void
turnFinish(virtsnapshotdTurn *turn, gboolean granted)
{
    virtsnapshotdTurnFunc func = turn->func;
    void *opaque = turn->opaque;

    turnFree(turn);
    func(granted, opaque);
}

static gboolean
turnIsImpatient(void *opaque)
{
    virtsnapshotdTurn *turn = opaque;

    turn->timer = 0;
    turnFinish(turn, FALSE);
    return G_SOURCE_REMOVE;
}

/* Whether another who waits for the same domain came before. */
static gboolean
turnIsBehind(const virtsnapshotdTurn *turn, const GList *link)
{
    for (GList *i = turn->turns->waiting.head; i != link; i = i->next) {
        const virtsnapshotdTurn *other = i->data;

        if (other->kind != VIRTSNAPSHOTD_TURN_ANY &&
            memcmp(other->uuid, turn->uuid, sizeof(turn->uuid)) == 0)
            return TRUE;
    }

    return FALSE;
}

static gboolean
turnMayGo(const virtsnapshotdTurn *turn, const GList *link)
{
    qemuSnapshotDriver *driver = turn->turns->driver;

    switch (turn->kind) {
    case VIRTSNAPSHOTD_TURN_EXCLUSIVE:
        return !turnIsBehind(turn, link) &&
            qemuSnapshotDriverTryLock(driver, turn->uuid);
    case VIRTSNAPSHOTD_TURN_PATIENT:
        return !turnIsBehind(turn, link) &&
            !qemuSnapshotDriverIsLocked(driver, turn->uuid);
    case VIRTSNAPSHOTD_TURN_ANY:
        return !qemuSnapshotDriverHasLocks(driver);
    }

    return FALSE;
}

/* A turn that goes may add others: begin anew after each. */
static gboolean
turnsGoOne(virtsnapshotdTurns *turns)
{
    for (GList *link = turns->waiting.head; link; link = link->next) {
        virtsnapshotdTurn *turn = link->data;

        if (!turnMayGo(turn, link))
            continue;
        turnFinish(turn, TRUE);
        return TRUE;
    }

    return FALSE;
}

static gboolean
turnsGo(void *opaque)
{
    virtsnapshotdTurns *turns = opaque;

    while (turnsGoOne(turns))
        continue;
    return G_SOURCE_REMOVE;
}

/* In any thread. */
static void
turnsUnlocked(void *opaque)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, turnsGo, opaque, NULL);
}

virtsnapshotdTurns *
virtsnapshotdTurnsNew(qemuSnapshotDriver *driver)
{
    virtsnapshotdTurns *turns = g_new0(virtsnapshotdTurns, 1);

    turns->driver = driver;
    g_queue_init(&turns->waiting);
    qemuSnapshotDriverOnUnlock(driver, turnsUnlocked, turns);
    return turns;
}

void
virtsnapshotdTurnsFree(virtsnapshotdTurns *turns)
{
    if (!turns)
        return;

    while (!g_queue_is_empty(&turns->waiting))
        turnFree(g_queue_peek_head(&turns->waiting));
    while (g_source_remove_by_user_data(turns))
        continue;
    g_free(turns);
}

void
virtsnapshotdTurnsAdd(virtsnapshotdTurns *turns, const unsigned char *uuid,
                      virtsnapshotdTurnKind kind, virtsnapshotdTurnFunc func, void *opaque)
{
    virtsnapshotdTurn *turn = g_new0(virtsnapshotdTurn, 1);

    turn->turns = turns;
    if (uuid)
        memcpy(turn->uuid, uuid, sizeof(turn->uuid));
    turn->kind = kind;
    turn->func = func;
    turn->opaque = opaque;
    g_queue_push_tail(&turns->waiting, turn);

    if (turnMayGo(turn, turns->waiting.tail))
        turnFinish(turn, TRUE);
    else if (kind != VIRTSNAPSHOTD_TURN_EXCLUSIVE)
        turn->timer = g_timeout_add_seconds(PATIENCE_SECONDS, turnIsImpatient, turn);
}

void
virtsnapshotdTurnsRelease(virtsnapshotdTurns *turns, const unsigned char *uuid)
{
    qemuSnapshotDriverUnlock(turns->driver, uuid);
}
