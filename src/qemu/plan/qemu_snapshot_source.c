/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_source.c: what libvirt says of a domain and its snapshots
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_read.h"
#include "qemu_snapshot_source.h"
#include "virsnaperror.h"

void
qemuSnapshotSourceFree(qemuSnapshotSource *source)
{
    if (!source)
        return;

    if (source->dom)
        virDomainFree(source->dom);
    qemuSnapshotTreeFree(source->tree);
    g_clear_pointer(&source->then_doc, xmlFreeDoc);
    g_clear_pointer(&source->then_disks, g_ptr_array_unref);
    g_clear_pointer(&source->state_disks, g_ptr_array_unref);
    g_clear_pointer(&source->memory_doc, xmlFreeDoc);
    g_clear_pointer(&source->now_doc, xmlFreeDoc);
    g_clear_pointer(&source->now_disks, g_ptr_array_unref);
    g_clear_pointer(&source->next_doc, xmlFreeDoc);
    g_clear_pointer(&source->next_disks, g_ptr_array_unref);
    g_free(source->next_xml);
    g_free(source->name);
    g_free(source->uuid);
    g_clear_pointer(&source->files, g_ptr_array_unref);
    qemuHoldersFree(source->holders);
    g_free(source);
}

static gboolean
sourceReadState(qemuSnapshotSource *source, GError **error)
{
    int state = 0;
    int saved = 0;
    int active, persistent;

    /* none is asked after one that failed: it would reset the error */
    if ((active = virDomainIsActive(source->dom)) < 0 ||
        (persistent = virDomainIsPersistent(source->dom)) < 0 ||
        (persistent && (saved = virDomainHasManagedSaveImage(source->dom, 0)) < 0) ||
        virDomainGetState(source->dom, &state, NULL, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot read the state of domain '%s'"),
                               source->name);
        return FALSE;
    }

    source->active = active;
    source->paused = active && state == VIR_DOMAIN_PAUSED;
    source->transient = !persistent;
    source->managed_save = saved;
    return TRUE;
}

static gboolean
sourceReadSnapshot(qemuSnapshotSource *source, const char *name, GError **error)
{
    if (!(source->tree = qemuSnapshotTreeRead(source->dom, name, error)))
        return FALSE;
    if ((source->info = qemuSnapshotFindInfo(source->tree->infos, name)))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN_SNAPSHOT,
                _("domain '%s' has no snapshot '%s'"), source->name, name);
    return FALSE;
}

/* Memory belongs to a domain that ran, and the other way round: the snapshots of
 * running domains without it are in state 'disk-snapshot'. */
static gboolean
sourceCheckSnapshot(const qemuSnapshotSource *source, GError **error)
{
    const virDomainSnapshotInfo *info = source->info;
    const char *state = info->state ? info->state : "";
    gboolean ran = g_str_equal(state, "running") || g_str_equal(state, "paused");
    gboolean off = g_str_equal(state, "shutoff") || g_str_equal(state, "crashed") ||
        g_str_equal(state, "shutdown") || g_str_equal(state, "disk-snapshot");

    if (info->memory == VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("snapshot '%s' is an internal one, which can't be reverted to on "
                      "new overlays"), info->name);
    else if (!ran && !off)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("snapshot '%s' was taken in state '%s', to which a domain can't "
                      "be reverted"), info->name, state);
    else if (ran && info->memory != VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("snapshot '%s' was taken in state '%s' but lacks a memory "
                      "file"), info->name, state);
    else if (off && info->memory == VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("snapshot '%s' has a memory file but was taken in state '%s'"),
                    info->name, state);
    else
        return TRUE;

    return FALSE;
}

/* Without a definition it is not known which images hold the state, so that also
 * those who would take the risk can't. */
static gboolean
sourceSetLacking(const qemuSnapshotSource *source, gboolean force, GError **error)
{
    g_set_error(error, VIR_SNAP_ERROR,
                force ? VIR_ERR_CONFIG_UNSUPPORTED : VIR_ERR_SNAPSHOT_REVERT_RISKY,
                _("snapshot '%s' lacks the definition of domain '%s', which says "
                  "what images hold its state"), source->info->name, source->name);
    return FALSE;
}

static gboolean
sourceReadThen(qemuSnapshotSource *source, gboolean force, GError **error)
{
    g_autoptr(xmlDoc) state_doc =
        virDomainSnapshotInfoGetDomain(source->info, FALSE);

    source->then_doc = virDomainSnapshotInfoGetDomain(source->info, TRUE);
    if (!source->then_doc || !state_doc)
        return sourceSetLacking(source, force, error);

    /* a live definition tells the backing chains, which an inactive one leaves to
     * the images */
    source->state_disks = virDomainDefGetDisks(state_doc, error);
    virDomainDefMakeInactive(source->then_doc);
    source->then_disks = virDomainDefGetDisks(source->then_doc, error);
    return source->state_disks && source->then_disks;
}

static gboolean
sourceReadNowAndNext(qemuSnapshotSource *source, GError **error)
{
    g_autofree char *id = NULL;

    source->next_disks = qemuSnapshotReadDisks(source->dom,
                                               VIR_DOMAIN_XML_INACTIVE,
                                               &source->next_doc, error);
    if (!source->next_disks)
        return FALSE;
    source->next_xml = virSnapXMLFormat(source->next_doc, NULL);

    if (!source->active) {
        source->now_disks = g_ptr_array_ref(source->next_disks);
        return TRUE;
    }

    source->now_disks = qemuSnapshotReadDisks(source->dom, 0, &source->now_doc,
                                              error);
    if (!source->now_disks)
        return FALSE;
    id = virSnapXMLProp(xmlDocGetRootElement(source->now_doc), "id");
    source->now_id = id ? atoi(id) : 0;
    return TRUE;
}

qemuSnapshotSource *
qemuSnapshotSourceRead(virConnectPtr conn, qemuHoldersReader *reader,
                       const qemuSnapshotRequest *request, GError **error)
{
    g_autoptr(qemuSnapshotSource) source = g_new0(qemuSnapshotSource, 1);
    char uuid[VIR_UUID_STRING_BUFLEN];
    gboolean force = (request->flags & VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) != 0;

    if (!(source->dom = virDomainLookupByUUID(conn, request->uuid))) {
        virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"),
                               request->domain);
        return NULL;
    }
    source->name = g_strdup(virDomainGetName(source->dom));
    if (virDomainGetUUIDString(source->dom, uuid) == 0)
        source->uuid = g_strdup(uuid);
    source->reader = reader;
    source->files = g_ptr_array_new_with_free_func(g_free);

    if (!sourceReadState(source, error) ||
        !sourceReadSnapshot(source, request->snapshot, error) ||
        !sourceCheckSnapshot(source, error) ||
        !sourceReadThen(source, force, error) ||
        !sourceReadNowAndNext(source, error))
        return NULL;

    source->has_revert_disks =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_REVERT_DISKS);
    source->has_short_chains =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_SHORT_CHAINS);
    source->has_data_stores =
        qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_DATA_STORES);
    return g_steal_pointer(&source);
}

static void
addFiles(GPtrArray *files, GPtrArray *disks)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);

        if (disk->file || disk->dev)
            g_ptr_array_add(files, disk->file ? disk->file : disk->dev);
    }
}

const qemuHolders *
qemuSnapshotSourceHolders(qemuSnapshotSource *source, GError **error)
{
    g_autoptr(GPtrArray) files = NULL;

    if (source->holders)
        return source->holders;

    files = g_ptr_array_new();
    addFiles(files, source->now_disks);
    addFiles(files, source->next_disks);
    addFiles(files, source->then_disks);
    addFiles(files, source->state_disks);
    for (guint i = 0; i < source->files->len; i++)
        g_ptr_array_add(files, g_ptr_array_index(source->files, i));
    g_ptr_array_add(files, NULL);

    source->holders = qemuHoldersRead(source->reader, virDomainGetConnect(source->dom),
                                      (const char *const *)files->pdata, error);
    return source->holders;
}
