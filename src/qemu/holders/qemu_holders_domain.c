/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_domain.c: what one domain holds, as libvirt says it
 *
 * A domain needs the images that it runs on, those that it would be started on next, those
 * on which its saved memory was, and those that hold the state of its snapshots. Only what
 * is needed of the documents is kept, since there may be thousands of them.
 */

#include "config.h"

#include <stdlib.h>

#include "domain_conf.h"
#include "qemu_holders_domain.h"
#include "qemu_snapshot_read.h"
#include "virsnaperror.h"

static void
claimFree(void *opaque)
{
    qemuHoldersClaim *claim = opaque;

    g_free(claim->snapshot);
    g_free(claim->disk);
    g_free(claim->path);
    g_free(claim->pool);
    g_free(claim->volume);
    g_free(claim->format);
    g_ptr_array_unref(claim->chain);
    g_free(claim);
}

static void
domainClear(void *opaque)
{
    qemuHoldersDomain *domain = opaque;

    g_free(domain->uuid);
    g_free(domain->name);
    g_ptr_array_unref(domain->claims);
    g_free(domain->fault);
}

qemuHoldersDomain *
qemuHoldersDomainRef(qemuHoldersDomain *domain)
{
    return g_atomic_rc_box_acquire(domain);
}

void
qemuHoldersDomainUnref(qemuHoldersDomain *domain)
{
    if (domain)
        g_atomic_rc_box_release_full(domain, domainClear);
}

static gboolean
isSame(const qemuHoldersClaim *claim, const qemuHoldersClaim *other)
{
    return claim->kind == other->kind &&
        claim->complete == other->complete &&
        claim->chain->len == other->chain->len &&
        g_strcmp0(claim->snapshot, other->snapshot) == 0 &&
        g_strcmp0(claim->disk, other->disk) == 0 &&
        g_strcmp0(claim->path, other->path) == 0 &&
        g_strcmp0(claim->pool, other->pool) == 0 &&
        g_strcmp0(claim->volume, other->volume) == 0 &&
        g_strcmp0(claim->format, other->format) == 0;
}

/* A snapshot's two definitions mostly say the same; of one with the same number of images
 * below a disk these are the same, too, as they are of one moment. */
static void
addClaim(qemuHoldersDomain *domain, qemuHoldersClaim *claim)
{
    for (guint i = domain->claims->len; i-- > 0;) {
        const qemuHoldersClaim *other = g_ptr_array_index(domain->claims, i);

        if (g_strcmp0(other->snapshot, claim->snapshot) != 0)
            break;
        if (isSame(other, claim)) {
            claimFree(claim);
            return;
        }
    }

    g_ptr_array_add(domain->claims, claim);
}

static gboolean
isOnNetwork(const virDomainDisk *disk)
{
    return g_str_equal(disk->type, "network");
}

static void
addDisks(qemuHoldersDomain *domain, qemuHolderKind kind, GPtrArray *disks,
         const virDomainSnapshotInfo *info)
{
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);
        qemuHoldersClaim *claim;

        if (!disk->file && !disk->dev && !(disk->pool && disk->volume) &&
            !isOnNetwork(disk) && disk->chain->len == 0)
            continue;

        claim = g_new0(qemuHoldersClaim, 1);
        claim->kind = kind;
        claim->snapshot = g_strdup(info ? info->name : NULL);
        claim->disk = g_strdup(disk->target);
        if (info)
            claim->location =
                virDomainSnapshotInfoGetLocation(info, disk->target, disk->file);
        claim->path = g_strdup(disk->file ? disk->file : disk->dev);
        if (!claim->path) {
            claim->pool = g_strdup(disk->pool);
            claim->volume = g_strdup(disk->volume);
        }
        claim->format = g_strdup(disk->format);
        claim->remote = isOnNetwork(disk);
        claim->chain = g_ptr_array_ref(disk->chain);
        claim->complete = disk->chain_ends;
        addClaim(domain, claim);
    }
}

static gboolean
addDefinition(qemuHoldersDomain *domain, virDomainPtr dom, qemuHolderKind kind,
              unsigned int flags, GError **error)
{
    g_autoptr(GPtrArray) disks = qemuSnapshotReadDisks(dom, flags, NULL, error);

    if (disks)
        addDisks(domain, kind, disks, NULL);
    return disks != NULL;
}

/* The memory of a managed save comes back on the disks of its own definition. One that
 * can't be read any more can't be restored either. */
static gboolean
addManagedSave(qemuHoldersDomain *domain, virDomainPtr dom, GError **error)
{
    int has = virDomainHasManagedSaveImage(dom, 0);
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    char *xml;

    if (has < 0) {
        virSnapErrorSetLibvirt(error, _("it can't be told whether domain '%s' has a "
                                        "managed save"), domain->name);
        return FALSE;
    }
    if (has == 0 || !(xml = virDomainManagedSaveGetXMLDesc(dom, 0)))
        return TRUE;

    doc = virSnapXMLParse(xml, "domain", _("definition in the managed save"), error);
    free(xml);
    if (!doc || !(disks = virDomainDefGetDisks(doc, error)))
        return FALSE;

    addDisks(domain, QEMU_HOLDER_SAVED, disks, NULL);
    return TRUE;
}

static gboolean
addSnapshots(qemuHoldersDomain *domain, virDomainPtr dom, GError **error)
{
    g_autoptr(GPtrArray) infos = qemuSnapshotReadInfos(dom, error);

    if (!infos)
        return FALSE;

    for (guint i = 0; i < 2 * infos->len; i++) {
        const virDomainSnapshotInfo *info = g_ptr_array_index(infos, i / 2);
        g_autoptr(GPtrArray) disks = virDomainSnapshotInfoGetDisks(info, i % 2, error);

        if (!disks)
            return FALSE;
        addDisks(domain, QEMU_HOLDER_SNAPSHOT, disks, info);
    }

    return TRUE;
}

static gboolean
addAll(qemuHoldersDomain *domain, virDomainPtr dom, GError **error)
{
    int active = virDomainIsActive(dom);

    /* one that is off has the same definition for now and for its next start */
    if (active != 0 && !addDefinition(domain, dom, QEMU_HOLDER_RUNNING, 0, error))
        return FALSE;

    return addDefinition(domain, dom, QEMU_HOLDER_DEFINED, VIR_DOMAIN_XML_INACTIVE,
                         error) &&
        (active != 0 || addManagedSave(domain, dom, error)) &&
        addSnapshots(domain, dom, error);
}

qemuHoldersDomain *
qemuHoldersDomainRead(virDomainPtr dom)
{
    qemuHoldersDomain *domain = g_atomic_rc_box_new0(qemuHoldersDomain);
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autoptr(GError) error = NULL;

    virDomainGetUUIDString(dom, uuid);
    domain->uuid = g_strdup(uuid);
    domain->name = g_strdup(virDomainGetName(dom));
    domain->id = (int)virDomainGetID(dom);
    domain->claims = g_ptr_array_new_with_free_func(claimFree);

    if (addAll(domain, dom, &error))
        return domain;

    /* its snapshots and its disks went with it */
    if (virSnapErrorCode(error) == VIR_ERR_NO_DOMAIN)
        g_ptr_array_set_size(domain->claims, 0);
    else
        domain->fault = g_strdup(error->message);
    return domain;
}
