/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_libvirt.c: what the host has, as libvirt tells
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_preflight_libvirt.h"
#include "virsnaperror.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetwork, virNetworkFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNWFilter, virNWFilterFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)

/* Of a question that was not answered: does libvirt know that there is no such thing? */
static qemuSnapshotAnswer
answerError(virErrorNumber missing)
{
    const virError *error = virGetLastError();

    return error && error->code == (int)missing ? QEMU_SNAPSHOT_ANSWER_MISSING
                                                : QEMU_SNAPSHOT_ANSWER_UNKNOWN;
}

/* Of virNetworkIsActive() and the like. */
static qemuSnapshotAnswer
answerActive(int active)
{
    if (active < 0)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    return active ? QEMU_SNAPSHOT_ANSWER_THERE : QEMU_SNAPSHOT_ANSWER_UNFIT;
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasNetwork(virConnectPtr conn, const char *name)
{
    g_autoptr(virNetwork) net = virNetworkLookupByName(conn, name);

    return net ? answerActive(virNetworkIsActive(net))
               : answerError(VIR_ERR_NO_NETWORK);
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasPool(virConnectPtr conn, const char *name)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(conn, name);

    return pool ? answerActive(virStoragePoolIsActive(pool))
                : answerError(VIR_ERR_NO_STORAGE_POOL);
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasVolume(virConnectPtr conn, const char *pool, const char *name)
{
    g_autoptr(virStoragePool) found = virStoragePoolLookupByName(conn, pool);
    g_autoptr(virStorageVol) volume =
        found ? virStorageVolLookupByName(found, name) : NULL;

    return volume ? QEMU_SNAPSHOT_ANSWER_THERE : answerError(VIR_ERR_NO_STORAGE_VOL);
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasFilter(virConnectPtr conn, const char *name)
{
    g_autoptr(virNWFilter) filter = virNWFilterLookupByName(conn, name);

    return filter ? QEMU_SNAPSHOT_ANSWER_THERE : answerError(VIR_ERR_NO_NWFILTER);
}

static virSecretPtr
findSecret(virConnectPtr conn, const char *name, const char *usage_type)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        { "volume", VIR_SECRET_USAGE_TYPE_VOLUME },
        { "ceph", VIR_SECRET_USAGE_TYPE_CEPH },
        { "iscsi", VIR_SECRET_USAGE_TYPE_ISCSI },
        { "tls", VIR_SECRET_USAGE_TYPE_TLS },
        { "vtpm", VIR_SECRET_USAGE_TYPE_VTPM },
        /* what <secret type=> of an encryption says, whatever the secret is for */
        { "passphrase", VIR_SECRET_USAGE_TYPE_VOLUME },
    };

    if (!usage_type)
        return virSecretLookupByUUIDString(conn, name);
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_str_equal(types[i].name, usage_type))
            return virSecretLookupByUsage(conn, types[i].type, name);
    }

    virResetLastError();
    return NULL;
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasSecret(virConnectPtr conn, const char *name,
                             const char *usage_type)
{
    g_autoptr(virSecret) secret = findSecret(conn, name, usage_type);
    unsigned char *value;
    size_t len = 0;

    if (!secret)
        return answerError(VIR_ERR_NO_SECRET);

    /* of a private one that is all that can be known */
    if (!(value = virSecretGetValue(secret, &len, 0)))
        return answerError(VIR_ERR_NO_SECRET) == QEMU_SNAPSHOT_ANSWER_MISSING
                   ? QEMU_SNAPSHOT_ANSWER_UNFIT
                   : QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    explicit_bzero(value, len);
    free(value);
    return QEMU_SNAPSHOT_ANSWER_THERE;
}

/* What libvirt's capabilities go by. */
typedef struct _domainKind domainKind;
struct _domainKind {
    char *emulator;
    char *arch;
    char *machine;
    char *virt;
};

static void
readKind(xmlDoc *domain, domainKind *ret_kind)
{
    const xmlNode *root = xmlDocGetRootElement(domain);
    const xmlNode *os = virSnapXMLChild(root, "os");
    const xmlNode *devices = virSnapXMLChild(root, "devices");
    const xmlNode *emulator = devices ? virSnapXMLChild(devices, "emulator") : NULL;

    ret_kind->emulator = emulator ? virSnapXMLText(emulator) : NULL;
    ret_kind->arch = os ? virSnapXMLChildProp(os, "type", "arch") : NULL;
    ret_kind->machine = os ? virSnapXMLChildProp(os, "type", "machine") : NULL;
    ret_kind->virt = virSnapXMLProp(root, "type");
}

static void
clearKind(domainKind *kind)
{
    g_free(kind->emulator);
    g_free(kind->arch);
    g_free(kind->machine);
    g_free(kind->virt);
}

qemuSnapshotAnswer
qemuSnapshotLibvirtHasCPU(virConnectPtr conn, xmlDoc *domain, const char *cpu)
{
    domainKind kind;
    int result;

    readKind(domain, &kind);
    result = virConnectCompareHypervisorCPU(conn, kind.emulator, kind.arch,
                                            kind.machine, kind.virt, cpu, 0);
    clearKind(&kind);

    switch (result) {
    case VIR_CPU_COMPARE_IDENTICAL:
    case VIR_CPU_COMPARE_SUPERSET:
        return QEMU_SNAPSHOT_ANSWER_THERE;
    case VIR_CPU_COMPARE_INCOMPATIBLE:
        return QEMU_SNAPSHOT_ANSWER_MISSING;
    default: /* an int, with which libvirt also says that it failed */
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    }
}

static char *
readCapabilities(virConnectPtr conn, xmlDoc *domain)
{
    domainKind kind;
    char *text;

    readKind(domain, &kind);
    text = virConnectGetDomainCapabilities(conn, kind.emulator, kind.arch, kind.machine,
                                           kind.virt, 0);
    clearKind(&kind);
    return text;
}

/* libvirt lists it where it has found the program. */
qemuSnapshotAnswer
qemuSnapshotLibvirtHasTPMEmulator(virConnectPtr conn, xmlDoc *domain)
{
    char *text = readCapabilities(conn, domain);
    g_autoptr(xmlDoc) doc = text ? virSnapXMLParse(text, "domainCapabilities",
                                                   _("domain capabilities"), NULL)
                                 : NULL;
    g_autoptr(GPtrArray) tpm = NULL;
    g_autoptr(GPtrArray) found = NULL;

    free(text);
    if (!doc)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    tpm = virSnapXMLNodes(doc, "/domainCapabilities/devices/tpm");
    found = virSnapXMLNodes(doc, "/domainCapabilities/devices/tpm/"
                                 "enum[@name='backendModel']/value[text()='emulator']");
    if (tpm->len == 0)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    return found->len > 0 ? QEMU_SNAPSHOT_ANSWER_THERE : QEMU_SNAPSHOT_ANSWER_MISSING;
}

gboolean
qemuSnapshotLibvirtReadMemory(virDomainPtr dom, guint64 *ret_amount)
{
    virDomainPtr doms[] = { dom, NULL };
    virDomainStatsRecordPtr *stats = NULL;
    unsigned long long amount = 0;
    gboolean known;

    /* not waiting for a QEMU that does not answer */
    if (virDomainListGetStats(doms, VIR_DOMAIN_STATS_BALLOON, &stats,
                              VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) < 0)
        return FALSE;

    known = stats[0] && virTypedParamsGetULLong(stats[0]->params, stats[0]->nparams,
                                                "balloon.rss", &amount) == 1;
    virDomainStatsRecordListFree(stats);
    if (known)
        *ret_amount = amount;
    return known;
}
