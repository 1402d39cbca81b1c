/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_read.c: domains and snapshots, as libvirt describes them
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "domain_conf.h"
#include "qemu_snapshot_read.h"
#include "virsnaperror.h"
#include "virsnaplibvirt.h"

/* Some hundred snapshots may be deleted one after the other, each of them during another
 * listing; but it has an end. */
#define LIST_MAX 100

virDomainSnapshotInfo *
qemuSnapshotReadInfo(virDomainSnapshotPtr snap, GError **error)
{
    /* not when there is an error, which they would reset */
    const char *name = virDomainSnapshotGetName(snap);
    const char *domain = virDomainGetName(virDomainSnapshotGetDomain(snap));
    char *xml = virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    virDomainSnapshotInfo *info;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read snapshot '%s' of domain '%s'"),
                               name, domain);
        return NULL;
    }

    info = virDomainSnapshotInfoParse(xml, error);
    free(xml);
    return info;
}

static GPtrArray *
listInfos(virDomainPtr dom, GError **error)
{
    g_autoptr(GPtrArray) infos =
        g_ptr_array_new_with_free_func((GDestroyNotify)virDomainSnapshotInfoFree);
    const char *name = virDomainGetName(dom);
    virDomainSnapshotPtr *snaps = NULL;
    gboolean ok = TRUE;

    if (virDomainListAllSnapshots(dom, &snaps, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the snapshots of domain '%s'"), name);
        return NULL;
    }

    for (gsize i = 0; snaps[i]; i++) {
        virDomainSnapshotInfo *info = ok ? qemuSnapshotReadInfo(snaps[i], error) : NULL;

        if (info)
            g_ptr_array_add(infos, info);
        ok = info != NULL;
        virDomainSnapshotFree(snaps[i]);
    }
    free(snaps);

    return ok ? g_steal_pointer(&infos) : NULL;
}

/* One that goes between the listing and its reading is no reason to fail, but others may
 * have come. */
GPtrArray *
qemuSnapshotReadInfos(virDomainPtr dom, GError **error)
{
    for (int i = 0; i < LIST_MAX; i++) {
        g_autoptr(GError) cause = NULL;
        GPtrArray *infos = listInfos(dom, &cause);

        if (infos)
            return infos;
        if (virSnapErrorCode(cause) != VIR_ERR_NO_DOMAIN_SNAPSHOT) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("the snapshots of domain '%s' can't be read while they are being "
                  "deleted"), virDomainGetName(dom));
    return NULL;
}

const virDomainSnapshotInfo *
qemuSnapshotFindInfo(GPtrArray *infos, const char *name)
{
    for (guint i = 0; i < infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i);

        if (g_strcmp0(info->name, name) == 0)
            return info;
    }

    return NULL;
}

GPtrArray *
qemuSnapshotReadDisks(virDomainPtr dom, unsigned int flags, xmlDoc **ret_doc,
                      GError **error)
{
    const char *name = virDomainGetName(dom);
    char *xml = virDomainGetXMLDesc(dom, flags | VIR_DOMAIN_XML_SECURE);
    g_autoptr(xmlDoc) doc = NULL;
    GPtrArray *disks;

    if (!xml) {
        virSnapErrorSetLibvirt(error, _("cannot read the definition of domain '%s'"),
                               name);
        return NULL;
    }

    doc = virSnapXMLParse(xml, "domain", _("domain definition"), error);
    free(xml);
    if (!doc || !(disks = virDomainDefGetDisks(doc, error)))
        return NULL;

    if (ret_doc)
        *ret_doc = g_steal_pointer(&doc);
    return disks;
}

/* A domain that was undefined or whose snapshots went meanwhile isn't there to
 * be asked; one that still is must be. */
static gboolean
tryDomain(virDomainPtr dom, qemuSnapshotDomainFunc func, void *opaque, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (func(dom, opaque, &cause) || virSnapErrorCode(cause) == VIR_ERR_NO_DOMAIN)
        return TRUE;

    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

gboolean
qemuSnapshotEachDomain(virConnectPtr conn, virDomainPtr except,
                       qemuSnapshotDomainFunc func, void *opaque, GError **error)
{
    virDomainPtr *doms = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    unsigned char other[VIR_UUID_BUFLEN];
    gboolean ok = TRUE;

    if ((except && virDomainGetUUID(except, uuid) < 0) ||
        virConnectListAllDomains(conn, &doms, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the domains"));
        return FALSE;
    }

    for (gsize i = 0; doms[i]; i++) {
        if (ok && virDomainGetUUID(doms[i], other) == 0 &&
            (!except || memcmp(uuid, other, sizeof(uuid)) != 0))
            ok = tryDomain(doms[i], func, opaque, error);
        virDomainFree(doms[i]);
    }
    free(doms);

    return ok;
}
