/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_veto.c: whether libvirt may delete a snapshot
 *
 * Reads all that the decision rests on: the domain's snapshots, what it stands on now, and
 * who else stands on these images. What a deletion would do to them is found out by
 * qemu_snapshot_veto_judge.c.
 */

#include "config.h"

#include "domain_conf.h"
#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_metadata.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_veto.h"
#include "qemu_snapshot_veto_judge.h"
#include "qemu_snapshot_witness.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

typedef struct _vetoState vetoState;
struct _vetoState {
    qemuSnapshotDriver *driver;
    virDomainPtr dom;
    GPtrArray *asked;              /* of char *: the files that are asked about */
    qemuSnapshotVetoFacts facts;
};

static void
vetoStateClear(vetoState *state)
{
    g_clear_pointer(&state->dom, virDomainFree);
    g_clear_pointer(&state->facts.uuid, g_free);
    g_clear_pointer(&state->facts.domain, g_free);
    g_clear_pointer(&state->facts.current, g_free);
    g_clear_pointer(&state->facts.infos, g_ptr_array_unref);
    g_clear_pointer(&state->facts.deleted, g_hash_table_unref);
    g_clear_pointer(&state->facts.disks, g_ptr_array_unref);
    g_clear_pointer(&state->asked, g_ptr_array_unref);
    g_clear_pointer(&state->facts.holders, qemuHoldersFree);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(vetoState, vetoStateClear)

/* What goes */

static void
vetoChooseDeleted(vetoState *state, const qemuSnapshotRequest *request)
{
    gboolean children = request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                                          VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY);

    state->facts.deleted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!(request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY))
        g_hash_table_add(state->facts.deleted, g_strdup(request->snapshot));

    for (guint i = 0; children && i < state->facts.infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->facts.infos, i);

        if (qemuSnapshotVetoIsDescendant(&state->facts, info->name, request->snapshot))
            g_hash_table_add(state->facts.deleted, g_strdup(info->name));
    }
}

/* Reading */

static void
vetoAsk(vetoState *state, const char *path)
{
    if (path && !g_ptr_array_find_with_equal_func(state->asked, path, g_str_equal, NULL))
        g_ptr_array_add(state->asked, g_strdup(path));
}

static gboolean
vetoRead(vetoState *state, GError **error)
{
    virConnectPtr conn = virDomainGetConnect(state->dom);
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (guint i = 0; i < state->asked->len; i++)
        g_ptr_array_add(list, g_ptr_array_index(state->asked, i));
    g_ptr_array_add(list, NULL);

    qemuHoldersFree(state->facts.holders);
    state->facts.holders = qemuHoldersRead(qemuSnapshotDriverHolders(state->driver), conn,
                                     (const char *const *)list->pdata, error);
    return state->facts.holders != NULL;
}

static gboolean
vetoIsAmong(const vetoState *state, const virDomainSnapshotInfo *info)
{
    return g_hash_table_contains(state->facts.deleted, info->name);
}

/* Where nothing external is deleted, others need not be looked at. */
static gboolean
vetoDeletesExternal(const vetoState *state)
{
    for (guint i = 0; i < state->facts.infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->facts.infos, i);

        if (vetoIsAmong(state, info) && virDomainSnapshotInfoIsExternal(info))
            return TRUE;
    }

    return FALSE;
}

static gboolean
vetoAskSnapshot(vetoState *state, const virDomainSnapshotInfo *info, GError **error)
{
    g_autoptr(GPtrArray) then_disks = virDomainSnapshotInfoGetDisks(info, FALSE, error);

    if (!then_disks)
        return FALSE;

    for (guint i = 0; i < info->disks->len; i++) {
        const virDomainSnapshotDisk *entry = g_ptr_array_index(info->disks, i);
        const virDomainDisk *disk = virDomainDisksFind(then_disks, entry->name);

        if (entry->location != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
            continue;
        vetoAsk(state, entry->file ? entry->file : entry->dev);
        if (disk)
            vetoAsk(state, disk->file ? disk->file : disk->dev);
    }

    return TRUE;
}

/* The files to be asked about are those that the snapshots name and all that the domain
 * stands on now, which its headers tell: so they are read twice, the second time with
 * little left to be done. */
static gboolean
vetoReadAll(vetoState *state, GError **error)
{
    guint before;

    state->asked = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < state->facts.infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(state->facts.infos, i);

        if (vetoIsAmong(state, info) && !vetoAskSnapshot(state, info, error))
            return FALSE;
    }
    for (guint i = 0; i < state->facts.disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(state->facts.disks, i);

        vetoAsk(state, disk->file ? disk->file : disk->dev);
    }

    if (!vetoRead(state, error))
        return FALSE;

    before = state->asked->len;
    for (guint i = 0; i < state->facts.disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(state->facts.disks, i);
        g_autoptr(GPtrArray) chain = qemuSnapshotVetoChain(&state->facts, disk->target);

        for (guint j = 0; j < chain->len; j++)
            vetoAsk(state, qemuHoldersImagePath(g_ptr_array_index(chain, j)));
    }

    return before == state->asked->len || vetoRead(state, error);
}

/* All that is foreseen rests on what the domain's snapshots say that they stand on. */
static gboolean
vetoCheckWitnesses(const vetoState *state, GError **error)
{
    for (guint i = 0; i < state->facts.infos->len; i++) {
        if (qemuSnapshotWitnessCheck(g_ptr_array_index(state->facts.infos, i),
                                     VIR_ERR_OPERATION_INVALID, error))
            continue;
        g_prefix_error(error, _("cannot delete snapshot '%s': "), state->facts.snapshot);
        return FALSE;
    }

    return TRUE;
}

/* Where those that were taken after it are deleted as well, the order does not matter. */
static gboolean
vetoForgetsOneAlone(const qemuSnapshotRequest *request)
{
    return !(request->flags & (VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN |
                               VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY));
}

static gboolean
vetoCheck(vetoState *state, const qemuSnapshotRequest *request, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    g_autoptr(virDomainSnapshot) current = NULL;

    if (!(state->facts.infos = qemuSnapshotReadInfos(state->dom, error)))
        return FALSE;

    if (request->flags & VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        return !vetoForgetsOneAlone(request) ||
            qemuSnapshotMetadataDetach(state->dom, state->facts.infos, state->facts.snapshot, error);

    vetoChooseDeleted(state, request);
    if (!vetoDeletesExternal(state))
        return TRUE;

    if (virDomainGetUUIDString(state->dom, uuid) == 0)
        state->facts.uuid = g_strdup(uuid);
    state->facts.domain = g_strdup(virDomainGetName(state->dom));
    if ((current = virDomainSnapshotCurrent(state->dom, 0)))
        state->facts.current = g_strdup(virDomainSnapshotGetName(current));
    if (!vetoCheckWitnesses(state, error) ||
        !(state->facts.disks = qemuSnapshotReadDisks(state->dom, 0, NULL, error)) ||
        !vetoReadAll(state, error))
        return FALSE;

    return qemuSnapshotVetoJudge(&state->facts, error);
}

gboolean
qemuSnapshotVetoDelete(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                       GError **error)
{
    g_auto(vetoState) state = {
        .driver = driver, .facts.snapshot = request->snapshot,
    };
    virConnectPtr conn;
    virErrorPtr last;
    gboolean ok;

    if (!(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    state.facts.removes_states =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_REMOVES_STATES);
    state.facts.merges_above_state =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_MERGES_ABOVE_STATE);
    state.facts.spares_internal =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_SPARES_INTERNAL);
    if ((state.dom = virDomainLookupByUUID(conn, request->uuid))) {
        ok = vetoCheck(&state, request, error);
    } else {
        /* for one that isn't there libvirt has its own words */
        last = virGetLastError();
        ok = last && last->code == VIR_ERR_NO_DOMAIN;
        if (!ok)
            virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), request->domain);
    }

    vetoStateClear(&state);
    virConnectClose(conn);
    return ok;
}
