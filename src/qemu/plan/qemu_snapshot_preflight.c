/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight.c: has the host what the start after a revert will need?
 *
 * What a start lacks libvirt and QEMU notice when the old guest has been stopped already.
 * So each thing that the definition names is looked up beforehand, by a table that says
 * how, and what it means where it is not there. It is about the start alone, so what
 * can't be told is no finding.
 *
 * What the running domain has now, and gives back when it is stopped, is free.
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_preflight.h"
#include "qemu_snapshot_preflight_definition.h"
#include "qemu_snapshot_preflight_host.h"
#include "qemu_snapshot_preflight_libvirt.h"
#include "qemu_snapshot_preflight_port.h"
#include "virsnaperror.h"
#include "virsnappaths.h"

/* What is known when a need is looked up. */
typedef struct _preflight preflight;
struct _preflight {
    const qemuSnapshotPlan *plan;
    const qemuSnapshotPreflightHost *host;
    xmlDoc *doc;
    GPtrArray *own;      /* the needs of the domain that is stopped */
    GPtrArray *ports;    /* NULL: none is looked up, or they are not known */
    gboolean has_memory; /* what follows is known */
    qemuSnapshotHostMemory memory;
    guint64 given_back; /* KiB */
};

typedef qemuSnapshotAnswer (*lookFunc)(const preflight *p, const qemuSnapshotNeed *need,
                                       int *ret_errno);

static guint64
ownAmount(const preflight *p, qemuSnapshotNeedKind kind, const char *name)
{
    const qemuSnapshotNeed *own = qemuSnapshotNeedsFind(p->own, kind, name);

    return own ? own->amount : 0;
}

static qemuSnapshotAnswer
isEnough(guint64 needed, guint64 there)
{
    return needed > there ? QEMU_SNAPSHOT_ANSWER_UNFIT : QEMU_SNAPSHOT_ANSWER_THERE;
}

/* Files */

static qemuSnapshotAnswer
lookFile(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    static const qemuSnapshotHostFileUse uses[QEMU_SNAPSHOT_NEED_LAST] = {
        [QEMU_SNAPSHOT_NEED_BOOT_FILE] = QEMU_SNAPSHOT_HOST_FILE_READ,
        [QEMU_SNAPSHOT_NEED_DISK_FILE] = QEMU_SNAPSHOT_HOST_FILE_READ,
        [QEMU_SNAPSHOT_NEED_DEVICE] = QEMU_SNAPSHOT_HOST_FILE_READ,
        [QEMU_SNAPSHOT_NEED_SOUND] = QEMU_SNAPSHOT_HOST_FILE_READ,
        [QEMU_SNAPSHOT_NEED_EMULATOR] = QEMU_SNAPSHOT_HOST_FILE_RUN,
        [QEMU_SNAPSHOT_NEED_SHARED_FOLDER] = QEMU_SNAPSHOT_HOST_FILE_FOLDER,
        [QEMU_SNAPSHOT_NEED_OUTPUT_FILE] = QEMU_SNAPSHOT_HOST_FILE_WRITE,
        [QEMU_SNAPSHOT_NEED_LOG_FILE] = QEMU_SNAPSHOT_HOST_FILE_WRITE,
        [QEMU_SNAPSHOT_NEED_MEMORY_FILE] = QEMU_SNAPSHOT_HOST_FILE_WRITE,
        [QEMU_SNAPSHOT_NEED_SOCKET] = QEMU_SNAPSHOT_HOST_FILE_MAKE,
        [QEMU_SNAPSHOT_NEED_PEER] = QEMU_SNAPSHOT_HOST_FILE_SOCKET,
        [QEMU_SNAPSHOT_NEED_PIPE] = QEMU_SNAPSHOT_HOST_FILE_PIPE,
    };

    return qemuSnapshotHostHasFile(p->host->root, need->name, uses[need->kind],
                                   ret_errno);
}

/* An overlay is made, and checked, by the revert itself. */
static qemuSnapshotAnswer
lookDisk(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    if (need->more && qemuSnapshotPlanFindDisk(p->plan, need->more))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return lookFile(p, need, ret_errno);
}

static gboolean
hasNVRAM(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    return !p->plan->reset_nvram &&
           qemuSnapshotHostHasFile(p->host->root, need->name,
                                   QEMU_SNAPSHOT_HOST_FILE_READ,
                                   ret_errno) != QEMU_SNAPSHOT_ANSWER_MISSING;
}

static qemuSnapshotAnswer
lookNVRAM(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    if (hasNVRAM(p, need, ret_errno))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return qemuSnapshotHostHasFile(p->host->root, need->more,
                                   QEMU_SNAPSHOT_HOST_FILE_READ, ret_errno);
}

static qemuSnapshotAnswer
lookNVRAMByLoader(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    if (hasNVRAM(p, need, ret_errno))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return qemuSnapshotHostHasTemplate(p->host->root, need->more);
}

static qemuSnapshotAnswer
lookVirtiofsd(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno)
{
    if (!need->name)
        return qemuSnapshotHostHasVirtiofsd(p->host->root);
    return qemuSnapshotHostHasFile(p->host->root, need->name,
                                   QEMU_SNAPSHOT_HOST_FILE_RUN, ret_errno);
}

/* Devices, processors */

static qemuSnapshotAnswer
lookEntry(const preflight *p, const qemuSnapshotNeed *need,
          int *ret_errno G_GNUC_UNUSED)
{
    static const char *const folders[QEMU_SNAPSHOT_NEED_LAST] = {
        [QEMU_SNAPSHOT_NEED_BRIDGE] = VIR_SNAP_PATH_NET,
        [QEMU_SNAPSHOT_NEED_INTERFACE] = VIR_SNAP_PATH_NET,
        [QEMU_SNAPSHOT_NEED_PCI] = VIR_SNAP_PATH_PCI,
        [QEMU_SNAPSHOT_NEED_MDEV] = VIR_SNAP_PATH_MDEV,
        [QEMU_SNAPSHOT_NEED_SCSI] = VIR_SNAP_PATH_SCSI,
    };

    return qemuSnapshotHostHasEntry(p->host->root, folders[need->kind], need->name);
}

static qemuSnapshotAnswer
lookUSB(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno G_GNUC_UNUSED)
{
    if (need->kind == QEMU_SNAPSHOT_NEED_USB_ID)
        return qemuSnapshotHostHasUSB(p->host->root, need->name, "idVendor",
                                      "idProduct");
    return qemuSnapshotHostHasUSB(p->host->root, need->name, "busnum", "devnum");
}

/* Of a set that libvirt has taken for the domain as it runs it takes the rest again. */
static qemuSnapshotAnswer
lookCPUs(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno G_GNUC_UNUSED)
{
    qemuSnapshotAnswer answer = qemuSnapshotHostHasCPUs(p->host->root, need->name);

    if (answer == QEMU_SNAPSHOT_ANSWER_UNFIT &&
        qemuSnapshotNeedsFind(p->own, need->kind, need->name))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return answer;
}

static qemuSnapshotAnswer
lookNodes(const preflight *p, const qemuSnapshotNeed *need,
          int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotHostHasNodes(p->host->root, need->name);
}

static qemuSnapshotAnswer
lookPort(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno G_GNUC_UNUSED)
{
    if (qemuSnapshotNeedsFind(p->own, need->kind, need->name))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return qemuSnapshotPortsHave(p->ports, need->name, need->more);
}

/* Through libvirt */

static qemuSnapshotAnswer
lookNetwork(const preflight *p, const qemuSnapshotNeed *need,
            int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasNetwork(p->host->conn, need->name);
}

static qemuSnapshotAnswer
lookFilter(const preflight *p, const qemuSnapshotNeed *need,
           int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasFilter(p->host->conn, need->name);
}

static qemuSnapshotAnswer
lookPool(const preflight *p, const qemuSnapshotNeed *need, int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasPool(p->host->conn, need->name);
}

static qemuSnapshotAnswer
lookVolume(const preflight *p, const qemuSnapshotNeed *need,
           int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasVolume(p->host->conn, need->more, need->name);
}

static qemuSnapshotAnswer
lookSecret(const preflight *p, const qemuSnapshotNeed *need,
           int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasSecret(p->host->conn, need->name, need->more);
}

static qemuSnapshotAnswer
lookTPM(const preflight *p, const qemuSnapshotNeed *need G_GNUC_UNUSED,
        int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotLibvirtHasTPMEmulator(p->host->conn, p->doc);
}

/* The host's processor does not change while a domain runs on it. */
static qemuSnapshotAnswer
lookCPUModel(const preflight *p, const qemuSnapshotNeed *need,
             int *ret_errno G_GNUC_UNUSED)
{
    const qemuSnapshotNeed *own = qemuSnapshotNeedsFind(p->own, need->kind, need->name);

    if (own && g_str_equal(own->more, need->more))
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return qemuSnapshotLibvirtHasCPU(p->host->conn, p->doc, need->more);
}

/* Memory */

static qemuSnapshotAnswer
lookPages(const preflight *p, const qemuSnapshotNeed *need,
          int *ret_errno G_GNUC_UNUSED)
{
    guint64 there = 0;
    qemuSnapshotAnswer answer =
        qemuSnapshotHostHasPages(p->host->root, need->name, &there);

    if (answer != QEMU_SNAPSHOT_ANSWER_THERE)
        return answer;
    return isEnough(need->amount, there + ownAmount(p, need->kind, need->name));
}

static qemuSnapshotAnswer
lookHugeMount(const preflight *p, const qemuSnapshotNeed *need,
              int *ret_errno G_GNUC_UNUSED)
{
    return qemuSnapshotHostHasHugeMount(p->host->root, need->name);
}

static qemuSnapshotAnswer
lookMemory(const preflight *p, const qemuSnapshotNeed *need,
           int *ret_errno G_GNUC_UNUSED)
{
    if (!p->has_memory)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    return isEnough(need->amount,
                    p->memory.available + p->memory.swap_free + p->given_back);
}

/* What the kernel does not even promise, as vm.overcommit_memory says: 0, nothing that is
 * larger than all there is; 1, everything; 2, no more than is left. */
static qemuSnapshotAnswer
lookPromised(const preflight *p, const qemuSnapshotNeed *need,
             int *ret_errno G_GNUC_UNUSED)
{
    guint64 own = ownAmount(p, need->kind, need->name);

    if (!p->has_memory)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    if (p->memory.overcommit == '0' && need->amount > p->memory.whole)
        return QEMU_SNAPSHOT_ANSWER_MISSING;
    if (p->memory.overcommit == '2')
        return isEnough(need->amount, p->memory.uncommitted + own);
    return QEMU_SNAPSHOT_ANSWER_THERE;
}

static const lookFunc looks[QEMU_SNAPSHOT_NEED_LAST] = {
    [QEMU_SNAPSHOT_NEED_BOOT_FILE] = lookFile,
    [QEMU_SNAPSHOT_NEED_NVRAM] = lookNVRAM,
    [QEMU_SNAPSHOT_NEED_NVRAM_BY_LOADER] = lookNVRAMByLoader,
    [QEMU_SNAPSHOT_NEED_EMULATOR] = lookFile,
    [QEMU_SNAPSHOT_NEED_DISK_FILE] = lookDisk,
    [QEMU_SNAPSHOT_NEED_POOL] = lookPool,
    [QEMU_SNAPSHOT_NEED_VOLUME] = lookVolume,
    [QEMU_SNAPSHOT_NEED_SECRET] = lookSecret,
    [QEMU_SNAPSHOT_NEED_SECRET_USAGE] = lookSecret,
    [QEMU_SNAPSHOT_NEED_NETWORK] = lookNetwork,
    [QEMU_SNAPSHOT_NEED_FILTER] = lookFilter,
    [QEMU_SNAPSHOT_NEED_BRIDGE] = lookEntry,
    [QEMU_SNAPSHOT_NEED_INTERFACE] = lookEntry,
    [QEMU_SNAPSHOT_NEED_OUTPUT_FILE] = lookFile,
    [QEMU_SNAPSHOT_NEED_LOG_FILE] = lookFile,
    [QEMU_SNAPSHOT_NEED_SOCKET] = lookFile,
    [QEMU_SNAPSHOT_NEED_PEER] = lookFile,
    [QEMU_SNAPSHOT_NEED_PIPE] = lookFile,
    [QEMU_SNAPSHOT_NEED_DEVICE] = lookFile,
    [QEMU_SNAPSHOT_NEED_SOUND] = lookFile,
    [QEMU_SNAPSHOT_NEED_PORT] = lookPort,
    [QEMU_SNAPSHOT_NEED_SHARED_FOLDER] = lookFile,
    [QEMU_SNAPSHOT_NEED_VIRTIOFSD] = lookVirtiofsd,
    [QEMU_SNAPSHOT_NEED_TPM_EMULATOR] = lookTPM,
    [QEMU_SNAPSHOT_NEED_MEMORY_FILE] = lookFile,
    [QEMU_SNAPSHOT_NEED_PCI] = lookEntry,
    [QEMU_SNAPSHOT_NEED_USB_ID] = lookUSB,
    [QEMU_SNAPSHOT_NEED_USB_ADDRESS] = lookUSB,
    [QEMU_SNAPSHOT_NEED_MDEV] = lookEntry,
    [QEMU_SNAPSHOT_NEED_SCSI] = lookEntry,
    [QEMU_SNAPSHOT_NEED_CPUS] = lookCPUs,
    [QEMU_SNAPSHOT_NEED_NODES] = lookNodes,
    [QEMU_SNAPSHOT_NEED_CPU_MODEL] = lookCPUModel,
    [QEMU_SNAPSHOT_NEED_HUGE_PAGES] = lookPages,
    [QEMU_SNAPSHOT_NEED_HUGE_MOUNT] = lookHugeMount,
    [QEMU_SNAPSHOT_NEED_MEMORY_NOW] = lookMemory,
    [QEMU_SNAPSHOT_NEED_MEMORY] = lookMemory,
    [QEMU_SNAPSHOT_NEED_MEMORY_RESTORED] = lookMemory,
    [QEMU_SNAPSHOT_NEED_MEMORY_PROMISED] = lookPromised,
};

/* Where nothing is started it matters alone what is certain. */
static gboolean
isAsked(const preflight *p, const qemuSnapshotNeed *need)
{
    static const qemuSnapshotAnswer answers[] = { QEMU_SNAPSHOT_ANSWER_MISSING,
                                                  QEMU_SNAPSHOT_ANSWER_UNFIT };

    if (p->plan->start != QEMU_SNAPSHOT_START_NONE)
        return TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
        const qemuSnapshotFindingRule *rule =
            qemuSnapshotFindingRuleFor(need->kind, answers[i]);

        if (rule->text && rule->weight == QEMU_SNAPSHOT_FINDING_CERTAIN)
            return TRUE;
    }

    return FALSE;
}

/* As much of the memory as the running domain has touched; all where that can't be told,
 * so that nothing is refused for it. */
static guint64
readGivenBack(const preflight *p)
{
    guint64 amount = ownAmount(p, QEMU_SNAPSHOT_NEED_MEMORY_PROMISED, NULL);

    if (amount > 0 && p->plan->dom)
        qemuSnapshotLibvirtReadMemory(p->plan->dom, &amount);
    return amount;
}

static void
readMemory(preflight *p, GPtrArray *needs)
{
    const qemuSnapshotNeed *promised =
        qemuSnapshotNeedsFind(needs, QEMU_SNAPSHOT_NEED_MEMORY_PROMISED, NULL);

    if (!promised)
        return;

    p->has_memory = qemuSnapshotHostReadMemory(p->host->root, &p->memory);
    /* libvirt is asked where it matters alone */
    if (promised->amount > p->memory.available + p->memory.swap_free)
        p->given_back = readGivenBack(p);
}

/* One reading for all: where there are no connections the kernel takes milliseconds to
 * find that out. */
static GPtrArray *
readPorts(const preflight *p, GPtrArray *needs)
{
    for (guint i = 0; i < needs->len; i++) {
        const qemuSnapshotNeed *need = g_ptr_array_index(needs, i);

        if (need->kind == QEMU_SNAPSHOT_NEED_PORT && isAsked(p, need) &&
            !qemuSnapshotNeedsFind(p->own, need->kind, need->name))
            return qemuSnapshotPortsRead(p->host->root);
    }

    return NULL;
}

static GPtrArray *
readNeeds(const qemuSnapshotPlan *plan, const char *root, xmlDoc *doc)
{
    gboolean restored = plan->start == QEMU_SNAPSHOT_START_RESTORE;
    qemuSnapshotNeedReader reader = {
        .needs = qemuSnapshotNeedsRead(doc, FALSE, restored),
    };
    const qemuSnapshotNeed *whole =
        qemuSnapshotNeedsFind(reader.needs, QEMU_SNAPSHOT_NEED_MEMORY, NULL);

    /* pages of zeros are not in the file and not touched */
    if (restored && whole) {
        guint64 amount = qemuSnapshotHostFileAmount(root, plan->memory_file);

        qemuSnapshotNeedAdd(&reader, QEMU_SNAPSHOT_NEED_MEMORY_RESTORED, NULL, NULL)
            ->amount = MIN(amount, whole->amount);
    }

    return reader.needs;
}

static void
findingFree(void *opaque)
{
    qemuSnapshotFinding *finding = opaque;

    g_free(finding->text);
    g_free(finding);
}

static void
addFinding(GPtrArray *findings, const preflight *p, const qemuSnapshotNeed *need,
           qemuSnapshotAnswer answer, int fault)
{
    const qemuSnapshotFindingRule *rule =
        qemuSnapshotFindingRuleFor(need->kind, answer);
    qemuSnapshotFinding *finding = g_new0(qemuSnapshotFinding, 1);

    finding->weight = rule->weight;
    finding->code = rule->code;
    finding->text = qemuSnapshotFindingFormat(rule, p->plan, need, fault);
    g_ptr_array_add(findings, finding);
}

static void
lookUp(GPtrArray *findings, const preflight *p, const qemuSnapshotNeed *need)
{
    int fault = 0;
    qemuSnapshotAnswer answer = isAsked(p, need) ? looks[need->kind](p, need, &fault)
                                                 : QEMU_SNAPSHOT_ANSWER_UNKNOWN;

    switch (answer) {
    case QEMU_SNAPSHOT_ANSWER_MISSING:
    case QEMU_SNAPSHOT_ANSWER_UNFIT:
        addFinding(findings, p, need, answer, fault);
        break;
    case QEMU_SNAPSHOT_ANSWER_UNKNOWN:
    case QEMU_SNAPSHOT_ANSWER_THERE:
        break;
    }
}

GPtrArray *
qemuSnapshotPreflightFind(const qemuSnapshotPlan *plan,
                          const qemuSnapshotPreflightHost *host, xmlDoc *doc,
                          xmlDoc *live)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func(findingFree);
    g_autoptr(GPtrArray) needs = readNeeds(plan, host->root, doc);
    g_autoptr(GPtrArray) own =
        live ? qemuSnapshotNeedsRead(live, TRUE, FALSE) : qemuSnapshotNeedsNew();
    g_autoptr(GPtrArray) ports = NULL;
    preflight p = { .plan = plan, .host = host, .doc = doc, .own = own };

    readMemory(&p, needs);
    p.ports = ports = readPorts(&p, needs);
    for (guint i = 0; i < needs->len; i++)
        lookUp(findings, &p, g_ptr_array_index(needs, i));

    return findings;
}

static gboolean
isRefused(const qemuSnapshotPlan *plan, const qemuSnapshotFinding *finding,
          gboolean force)
{
    if (plan->start == QEMU_SNAPSHOT_START_NONE)
        return FALSE;

    switch (finding->weight) {
    case QEMU_SNAPSHOT_FINDING_CERTAIN:
        return TRUE;
    case QEMU_SNAPSHOT_FINDING_RISKY:
        return plan->active && !force;
    case QEMU_SNAPSHOT_FINDING_NOTE:
        break;
    }

    return FALSE;
}

gboolean
qemuSnapshotPreflightDecide(qemuSnapshotPlan *plan, GPtrArray *findings, gboolean force,
                            GError **error)
{
    for (guint i = 0; i < findings->len; i++) {
        const qemuSnapshotFinding *finding = g_ptr_array_index(findings, i);

        if (isRefused(plan, finding, force)) {
            g_set_error_literal(error, VIR_SNAP_ERROR, finding->code, finding->text);
            return FALSE;
        }
        /* until it is started by someone the rest may be otherwise */
        if (plan->start != QEMU_SNAPSHOT_START_NONE ||
            finding->weight == QEMU_SNAPSHOT_FINDING_CERTAIN)
            g_ptr_array_add(plan->warnings, g_strdup(finding->text));
    }

    return TRUE;
}

gboolean
qemuSnapshotPreflight(qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
                      gboolean force, GError **error)
{
    const qemuSnapshotPreflightHost host = {
        .root = "",
        .conn = virDomainGetConnect(plan->dom),
    };
    g_autoptr(xmlDoc) doc = virSnapXMLParse(qemuSnapshotPlanStartXML(plan), "domain",
                                            _("domain definition"), error);
    g_autoptr(GPtrArray) findings = NULL;

    if (!doc)
        return FALSE;

    findings = qemuSnapshotPreflightFind(plan, &host, doc, source->now_doc);
    return qemuSnapshotPreflightDecide(plan, findings, force, error);
}
