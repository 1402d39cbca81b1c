/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_internal.c: whether libvirt may go back to an internal snapshot
 *
 * An internal snapshot is kept within the image of a disk. Going back to it rewrites what
 * that image shows, in place: whatever stands on the image, or has its state in it, shows
 * something else from then on, without a word. Only other internal snapshots of the disk,
 * which are kept beside it in the same image, are not touched.
 *
 * What the domain itself shows now is lost by any revert, so that its present chain does
 * not count.
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_internal.h"
#include "qemu_snapshot_recover.h"
#include "qemu_snapshot_tree.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

typedef struct _internalState internalState;
struct _internalState {
    virDomainPtr dom;
    const virDomainSnapshotInfo *info;   /* the one that is gone back to */
    GHashTable *images;     /* file key -> name: rewritten */
    GString *held;          /* those of them that something needs */
    GString *owners;        /* what needs them */
    GString *snapshots;     /* the snapshots among these */
    char *unknown;          /* why not all that may need them could be found */
};

static void
internalStateClear(internalState *state)
{
    g_clear_pointer(&state->dom, virDomainFree);
    g_clear_pointer(&state->images, g_hash_table_unref);
    g_string_free(state->held, TRUE);
    g_string_free(state->owners, TRUE);
    g_string_free(state->snapshots, TRUE);
    g_free(state->unknown);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(internalState, internalStateClear)

static void
listAdd(GString *list, const char *text)
{
    if (strstr(list->str, text))
        return;
    if (list->len > 0)
        g_string_append(list, ", ");
    g_string_append(list, text);
}

/* NULL, and the reason noted, where it can't be told. */
static GPtrArray *
readChain(internalState *state, const virDomainDisk *disk, const char *owner)
{
    g_autoptr(GError) cause = NULL;
    GPtrArray *chain =
        qemuSnapshotReadChain(virDomainGetConnect(state->dom), disk, &cause);

    if (!chain && !state->unknown)
        state->unknown = g_strdup_printf(_("it can't be told what disk '%s' of %s stands "
                                           "on: %s"), disk->target, owner, cause->message);
    return chain;
}

/* What is rewritten */

static const char *
diskName(const virDomainDisk *disk)
{
    return disk->file ? disk->file : disk->dev ? disk->dev : disk->target;
}

static void
addImages(internalState *state, GPtrArray *disks, const char *owner)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) chain = NULL;

        /* no other format has internal snapshots */
        if (g_strcmp0(disk->device, "disk") != 0 || disk->readonly ||
            g_strcmp0(disk->format, "qcow2") != 0)
            continue;
        chain = readChain(state, disk, owner);
        if (chain && chain->len > 0)
            g_hash_table_insert(state->images, g_strdup(chain->pdata[0]),
                                g_strdup_printf("'%s'", diskName(disk)));
    }
}

/* A domain that runs may be put back in its running process, on the images that it is on
 * now; one that is off, or started for it, goes by the snapshot's definition. */
static gboolean
chooseImages(internalState *state, GError **error)
{
    g_autofree char *owner = g_strdup_printf(_("snapshot '%s'"), state->info->name);
    guint known = 0;

    for (int inactive = 0; inactive < 2; inactive++) {
        g_autoptr(GPtrArray) disks =
            virDomainSnapshotInfoGetDisks(state->info, inactive, error);

        if (!disks)
            return FALSE;
        addImages(state, disks, owner);
        known += disks->len;
    }

    if (known == 0 || virDomainIsActive(state->dom) != 0) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(state->dom, 0, NULL, error);

        if (!disks)
            return FALSE;
        addImages(state, disks, _("the domain"));
    }

    return TRUE;
}

/* Who needs it */

/* Whether a snapshot of the domain itself keeps its state of the disk beside the one that
 * is gone back to, or keeps none. */
static gboolean
isBeside(const virDomainSnapshotInfo *info, const virDomainDisk *disk, guint at)
{
    if (at > 0)
        return FALSE;

    switch (virDomainSnapshotInfoGetLocation(info, disk->target, disk->file)) {
    case VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL:
    case VIR_DOMAIN_SNAPSHOT_LOCATION_NONE:
        return TRUE;
    case VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL:
    case VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL:
        break;
    }

    return FALSE;
}

/* own: NULL, or the snapshot of the domain itself that has the disks. */
static void
addOwners(internalState *state, GPtrArray *disks, const char *owner,
          gboolean is_snapshot, const virDomainSnapshotInfo *own)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) chain = readChain(state, disk, owner);

        for (guint at = 0; chain && at < chain->len; at++) {
            const char *name = g_hash_table_lookup(state->images, chain->pdata[at]);

            if (!name || (own && isBeside(own, disk, at)))
                continue;
            listAdd(state->held, name);
            listAdd(state->owners, owner);
            if (is_snapshot)
                listAdd(state->snapshots, owner);
        }
    }
}

static gboolean
addSnapshots(internalState *state, GPtrArray *infos, const char *domain, GError **error)
{
    for (guint i = 0; i < infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);
        g_autofree char *owner = domain ?
            g_strdup_printf(_("snapshot '%s' of domain '%s'"), info->name, domain) :
            g_strdup_printf(_("snapshot '%s'"), info->name);

        if (info == state->info)
            continue;
        for (int inactive = 0; inactive < 2; inactive++) {
            g_autoptr(GPtrArray) disks =
                virDomainSnapshotInfoGetDisks(info, inactive, error);

            if (!disks)
                return FALSE;
            addOwners(state, disks, owner, TRUE, domain ? NULL : info);
        }
    }

    return TRUE;
}

static gboolean
addOther(virDomainPtr dom, void *opaque, GError **error)
{
    internalState *state = opaque;
    const char *name = virDomainGetName(dom);
    g_autofree char *owner = g_strdup_printf(_("domain '%s'"), name);
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(dom, error);

    if (!infos)
        return FALSE;

    for (unsigned int flags = 0; flags <= VIR_DOMAIN_XML_INACTIVE;
         flags += VIR_DOMAIN_XML_INACTIVE) {
        g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(dom, flags, NULL, error);

        if (!disks)
            return FALSE;
        addOwners(state, disks, owner, FALSE, NULL);
    }

    return addSnapshots(state, infos, name, error);
}

/* Whether it may be */

static gboolean
internalDecide(const internalState *state, GError **error)
{
    if (state->snapshots->len > 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': image %s would be "
                      "rewritten, which is needed as it is by %s; delete %s first"),
                    state->info->name, state->held->str, state->owners->str,
                    state->snapshots->str);
    else if (state->owners->len > 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': image %s would be "
                      "rewritten, which is needed as it is by %s; give that another image "
                      "first"), state->info->name, state->held->str, state->owners->str);
    else if (state->unknown)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("cannot revert to internal snapshot '%s': an image would be "
                      "rewritten that may be needed as it is: %s"), state->info->name,
                    state->unknown);
    else
        return TRUE;

    return FALSE;
}

static gboolean
internalCheck(internalState *state, const char *snapshot, GError **error)
{
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(state->dom, error);

    if (!infos)
        return FALSE;
    if (!(state->info = qemuSnapshotFindInfo(infos, snapshot)))
        return TRUE;

    return chooseImages(state, error) && addSnapshots(state, infos, NULL, error) &&
        qemuSnapshotEachDomain(virDomainGetConnect(state->dom), state->dom, addOther,
                               state, error) &&
        internalDecide(state, error);
}

/* NULL without an error: it isn't there. */
static virDomainPtr
findDomain(virConnectPtr conn, const qemuSnapshotRequest *request, GError **error)
{
    virDomainPtr dom = virDomainLookupByUUID(conn, request->uuid);
    virErrorPtr last = dom ? NULL : virGetLastError();

    if (!dom && (!last || last->code != VIR_ERR_NO_DOMAIN))
        virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"), request->domain);
    return dom;
}

gboolean
qemuSnapshotInternalCheck(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                          GError **error)
{
    virConnectPtr conn = qemuSnapshotDriverConnect(driver, error);
    g_autoptr(GError) cause = NULL;
    gboolean ok;

    if (!conn)
        return FALSE;

    {
        g_auto(internalState) state = {
            .dom = findDomain(conn, request, &cause),
            .images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
            .held = g_string_new(NULL),
            .owners = g_string_new(NULL),
            .snapshots = g_string_new(NULL),
        };

        ok = state.dom ? internalCheck(&state, request->snapshot, &cause) : !cause;
    }
    virConnectClose(conn);

    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

static gboolean
libvirtRevert(virConnectPtr conn, const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(virDomain) dom = virDomainLookupByUUID(conn, request->uuid);
    g_autoptr(virDomainSnapshot) snap =
        dom ? virDomainSnapshotLookupByName(dom, request->snapshot, 0) : NULL;

    if (snap && virDomainRevertToSnapshot(snap, request->flags) == 0)
        return TRUE;

    virSnapErrorSetLibvirt(error, _("cannot revert domain '%s' to internal snapshot '%s'"),
                           request->domain, request->snapshot);
    return FALSE;
}

gboolean
qemuSnapshotInternalRevert(qemuSnapshotDriver *driver, const qemuSnapshotRequest *request,
                           GError **error)
{
    virConnectPtr conn;
    gboolean ok;

    if (!qemuSnapshotRecoverDomain(driver, request->uuid, error)) {
        g_prefix_error(error, _("an earlier revert of domain '%s' was broken off and can't "
                                "be finished or undone yet: "), request->domain);
        return FALSE;
    }

    if (!qemuSnapshotInternalCheck(driver, request, error) ||
        !(conn = qemuSnapshotDriverConnect(driver, error)))
        return FALSE;

    ok = libvirtRevert(conn, request, error);
    virConnectClose(conn);
    return ok;
}
