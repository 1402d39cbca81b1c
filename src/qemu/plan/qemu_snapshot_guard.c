/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_guard.c: has anyone changed the domain since it was looked at?
 *
 * A plan is made from what the domain was at one moment, and carried out at later
 * ones, while others may do to the domain what they like. There is no way to hold
 * them off; so the domain is looked at again at the two points after which more is
 * at stake: before it is stopped, and before its definition is replaced. A snapshot
 * taken in between must not lose its state to the deletion of what the plan thought
 * was nobody's, and an overlay it made must not drop out of the definition. One who starts the
 * domain between the second look and the new definition has it on the old disks; that is
 * seen right after, and the definition is put back.
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_guard.h"
#include "qemu_snapshot_read.h"
#include "virsnaperror.h"

struct _qemuSnapshotGuard {
    virDomainPtr dom;
    char *name;
    gboolean active;
    gboolean saved;
    char *definition;
    char *disks;        /* of the running domain, and which run of it; or NULL */
    char *snapshots;
};

static char *
guardFormatDisks(int id, GPtrArray *disks)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%d", id);
    for (guint i = 0; i < disks->len; i++) {
        virDomainDisk *disk = g_ptr_array_index(disks, i);

        g_string_append_printf(text, "\n%s %s", disk->target,
                               disk->file ? disk->file : "");
    }

    return g_string_free(text, FALSE);
}

static int
compareNames(const void *a, const void *b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static char *
guardFormatNames(GPtrArray *names)
{
    GString *text = g_string_new(NULL);

    g_ptr_array_sort(names, compareNames);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s\n",
                               (const char *)g_ptr_array_index(names, i));

    return g_string_free(text, FALSE);
}

qemuSnapshotGuard *
qemuSnapshotGuardNew(const qemuSnapshotSource *source)
{
    qemuSnapshotGuard *guard = g_new0(qemuSnapshotGuard, 1);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    guard->dom = source->dom;
    virDomainRef(guard->dom);
    guard->name = g_strdup(source->name);
    guard->active = source->active;
    guard->saved = source->managed_save;
    guard->definition = g_strdup(source->next_xml);
    if (source->active)
        guard->disks = guardFormatDisks(source->now_id, source->now_disks);
    for (guint i = 0; i < source->tree->infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(source->tree->infos, i);

        g_ptr_array_add(names, info->name);
    }
    guard->snapshots = guardFormatNames(names);

    return guard;
}

void
qemuSnapshotGuardFree(qemuSnapshotGuard *guard)
{
    if (!guard)
        return;

    virDomainFree(guard->dom);
    g_free(guard->name);
    g_free(guard->definition);
    g_free(guard->disks);
    g_free(guard->snapshots);
    g_free(guard);
}

static char *
guardReadDefinition(const qemuSnapshotGuard *guard, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks =
        qemuSnapshotReadDisks(guard->dom, VIR_DOMAIN_XML_INACTIVE, &doc, error);

    return disks ? virSnapXMLFormat(doc, NULL) : NULL;
}

static char *
guardReadRunningDisks(const qemuSnapshotGuard *guard, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(guard->dom, 0, &doc, error);
    g_autofree char *id = NULL;

    if (!disks)
        return NULL;

    id = virSnapXMLProp(xmlDocGetRootElement(doc), "id");
    return guardFormatDisks(id ? atoi(id) : 0, disks);
}

static char *
guardReadSnapshots(const qemuSnapshotGuard *guard, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    virDomainSnapshotPtr *snaps = NULL;
    char *text;

    if (virDomainListAllSnapshots(guard->dom, &snaps, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the snapshots of domain '%s'"),
                               guard->name);
        return NULL;
    }

    for (gsize i = 0; snaps[i]; i++)
        g_ptr_array_add(names, (void *)virDomainSnapshotGetName(snaps[i]));
    text = guardFormatNames(names);

    for (gsize i = 0; snaps[i]; i++)
        virDomainSnapshotFree(snaps[i]);
    free(snaps);
    return text;
}

static gboolean
guardCheckState(const qemuSnapshotGuard *guard, gboolean *ret_active, GError **error)
{
    int active = virDomainIsActive(guard->dom);
    int saved = active == 0 ? virDomainHasManagedSaveImage(guard->dom, 0) : 0;

    if (active < 0 || saved < 0) {
        virSnapErrorSetLibvirt(error, _("cannot read the state of domain '%s'"),
                               guard->name);
        return FALSE;
    }

    *ret_active = active;
    if (active && !guard->active)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("domain '%s' was started by someone else while it was being "
                      "reverted"), guard->name);
    else if (saved && !guard->saved)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("domain '%s' was saved by someone else while it was being "
                      "reverted"), guard->name);
    else
        return TRUE;

    return FALSE;
}

gboolean
qemuSnapshotGuardCheck(const qemuSnapshotGuard *guard, GError **error)
{
    g_autofree char *definition = NULL;
    g_autofree char *disks = NULL;
    g_autofree char *snapshots = NULL;
    gboolean active = FALSE;

    if (!guardCheckState(guard, &active, error) ||
        !(definition = guardReadDefinition(guard, error)) ||
        !(snapshots = guardReadSnapshots(guard, error)) ||
        (active && !(disks = guardReadRunningDisks(guard, error))))
        return FALSE;

    if (!g_str_equal(snapshots, guard->snapshots))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("someone else took or deleted a snapshot of domain '%s' while it "
                      "was being reverted"), guard->name);
    else if (!g_str_equal(definition, guard->definition))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("someone else changed the definition of domain '%s' while it was "
                      "being reverted"), guard->name);
    else if (active && !g_str_equal(disks, guard->disks))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("someone else restarted domain '%s', or changed its disks, while "
                      "it was being reverted"), guard->name);
    else
        return TRUE;

    return FALSE;
}

/* One that has ended meanwhile shows the definition that it has now. */
gboolean
qemuSnapshotGuardCheckStarted(const qemuSnapshotGuard *guard, const char *id,
                              GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    g_autofree char *revert = NULL;
    int active = virDomainIsActive(guard->dom);

    if (active == 0)
        return TRUE;
    if (active < 0) {
        virSnapErrorSetLibvirt(error, _("cannot read the state of domain '%s'"),
                               guard->name);
        return FALSE;
    }

    if (!(disks = qemuSnapshotReadDisks(guard->dom, 0, &doc, error)))
        return FALSE;

    revert = virDomainDefGetRevert(doc);
    if (g_strcmp0(revert, id) == 0)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID,
                _("domain '%s' was started by someone else while it was being "
                  "reverted"), guard->name);
    return FALSE;
}

gboolean
qemuSnapshotGuardRenew(qemuSnapshotGuard *guard, GError **error)
{
    char *definition = guardReadDefinition(guard, error);

    if (!definition)
        return FALSE;

    g_free(guard->definition);
    guard->definition = definition;
    return TRUE;
}

/* Each name is a line of its own, as no snapshot's name has a line's end in it. */
gboolean
qemuSnapshotGuardKnows(const qemuSnapshotGuard *guard, const char *snapshot)
{
    g_auto(GStrv) names = g_strsplit(guard->snapshots, "\n", -1);

    return g_strv_contains((const char *const *)names, snapshot);
}

gboolean
qemuSnapshotGuardHasNew(const qemuSnapshotGuard *guard, gboolean *ret_new, GError **error)
{
    g_autofree char *snapshots = guardReadSnapshots(guard, error);

    if (!snapshots)
        return FALSE;

    *ret_new = !g_str_equal(snapshots, guard->snapshots);
    return TRUE;
}
