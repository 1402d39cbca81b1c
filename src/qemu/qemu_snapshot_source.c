/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_source.c: what libvirt says of a domain and its snapshots
 */

#include "config.h"

#include <stdlib.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_source.h"
#include "virsnaperror.h"

void
qemuSnapshotSourceFree(qemuSnapshotSource *source)
{
    if (!source)
        return;

    if (source->dom)
        virDomainFree(source->dom);
    virDomainSnapshotInfoFree(source->info);
    qemuSnapshotTreeFree(source->tree);
    g_clear_pointer(&source->then_doc, xmlFreeDoc);
    g_clear_pointer(&source->then_disks, g_ptr_array_unref);
    g_clear_pointer(&source->now_disks, g_ptr_array_unref);
    g_clear_pointer(&source->next_doc, xmlFreeDoc);
    g_clear_pointer(&source->next_disks, g_ptr_array_unref);
    g_free(source->next_xml);
    g_free(source);
}

static gboolean
sourceReadState(qemuSnapshotSource *source, const char *name, GError **error)
{
    int state = 0;
    int persistent = virDomainIsPersistent(source->dom);
    int saved = virDomainHasManagedSaveImage(source->dom, 0);

    if (persistent < 0 || saved < 0 ||
        virDomainGetState(source->dom, &state, NULL, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot read the state of domain '%s'"),
                               name);
        return FALSE;
    }

    if (!persistent) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("reverting the transient domain '%s' is not supported yet"),
                    name);
        return FALSE;
    }

    source->active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
    source->paused = state == VIR_DOMAIN_PAUSED;
    source->managed_save = saved;
    return TRUE;
}

static gboolean
sourceReadSnapshot(qemuSnapshotSource *source, const char *name, GError **error)
{
    g_autoptr(virDomainSnapshot) snap =
        virDomainSnapshotLookupByName(source->dom, name, 0);
    char *xml = snap ?
        virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE) : NULL;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read snapshot '%s' of domain '%s'"),
                               name, virDomainGetName(source->dom));
        return FALSE;
    }

    source->info = virDomainSnapshotInfoParse(xml, error);
    free(xml);
    return source->info != NULL;
}

static gboolean
sourceCheckSnapshot(const qemuSnapshotSource *source, GError **error)
{
    const virDomainSnapshotInfo *info = source->info;

    if (info->memory != VIR_DOMAIN_SNAPSHOT_LOCATION_NONE)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("snapshot '%s' holds the state of memory; reverting to it is "
                      "not supported yet"), info->name);
    else if (g_strcmp0(info->state, "disk-snapshot") != 0 &&
             g_strcmp0(info->state, "shutoff") != 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("snapshot '%s' is in state '%s'; reverting to it is not "
                      "supported yet"), info->name, info->state ? info->state : "");
    else
        return TRUE;

    return FALSE;
}

static gboolean
sourceReadThen(qemuSnapshotSource *source, GError **error)
{
    source->then_doc = virDomainSnapshotInfoGetDomain(source->info, TRUE);
    if (!source->then_doc) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("snapshot '%s' lacks the definition of the domain"),
                    source->info->name);
        return FALSE;
    }

    /* a live definition tells the backing chains, which an inactive one leaves to
     * the images */
    source->then_disks = virDomainDefGetDisks(source->then_doc, error);
    virDomainDefMakeInactive(source->then_doc);
    return source->then_disks != NULL;
}

static gboolean
sourceReadNowAndNext(qemuSnapshotSource *source, GError **error)
{
    source->next_disks = qemuSnapshotReadDisks(source->dom,
                                               VIR_DOMAIN_XML_INACTIVE,
                                               &source->next_doc, error);
    if (!source->next_disks)
        return FALSE;
    source->next_xml = virSnapXMLFormat(source->next_doc, NULL);

    if (source->active)
        source->now_disks = qemuSnapshotReadDisks(source->dom, 0, NULL, error);
    else
        source->now_disks = g_ptr_array_ref(source->next_disks);
    return source->now_disks != NULL;
}

qemuSnapshotSource *
qemuSnapshotSourceRead(virConnectPtr conn, const qemuSnapshotRequest *request,
                       GError **error)
{
    g_autoptr(qemuSnapshotSource) source = g_new0(qemuSnapshotSource, 1);

    if (!(source->dom = virDomainLookupByUUID(conn, request->uuid))) {
        virSnapErrorSetLibvirt(error, _("cannot find domain '%s'"),
                               request->domain);
        return NULL;
    }

    if (!sourceReadState(source, request->domain, error) ||
        !sourceReadSnapshot(source, request->snapshot, error) ||
        !sourceCheckSnapshot(source, error) ||
        !sourceReadThen(source, error) ||
        !sourceReadNowAndNext(source, error))
        return NULL;

    source->tree = qemuSnapshotTreeRead(source->dom, request->snapshot, error);
    return source->tree ? g_steal_pointer(&source) : NULL;
}

virDomainSnapshotLocation
qemuSnapshotSourceLocation(const qemuSnapshotSource *source,
                           const virDomainDisk *disk)
{
    GPtrArray *entries = source->info->disks;

    for (guint i = 0; i < entries->len; i++) {
        virDomainSnapshotDisk *entry = g_ptr_array_index(entries, i);

        if (g_str_equal(entry->name, disk->target) ||
            g_strcmp0(entry->name, disk->file) == 0)
            return entry->location;
    }

    return VIR_DOMAIN_SNAPSHOT_LOCATION_NONE;
}
