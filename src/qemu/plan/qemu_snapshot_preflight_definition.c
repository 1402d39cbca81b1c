/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_definition.c: what a definition needs of the host to be started
 *
 * A table says which function reads an element. Nothing is looked up here: a document
 * goes in, a list comes out.
 *
 * What libvirt makes itself at each start is no need: its own folders, ports and sockets
 * that it chooses, firmware that it selects.
 */

#include "config.h"

#include "qemu_snapshot_preflight_definition.h"
#include "qemu_snapshot_preflight_device.h"

static void
readNVRAM(qemuSnapshotNeedReader *reader, const xmlNode *os, const xmlNode *nvram)
{
    const xmlNode *loader = virSnapXMLChild(os, "loader");
    g_autofree char *template = virSnapXMLProp(nvram, "template");
    g_autofree char *type = virSnapXMLProp(nvram, "type");
    g_autofree char *file = NULL;
    g_autofree char *code = loader ? virSnapXMLText(loader) : NULL;

    if (type && !g_str_equal(type, "file"))
        return;
    file = type ? virSnapXMLChildProp(nvram, "source", "file") : virSnapXMLText(nvram);
    if (!file)
        return;

    if (template)
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_NVRAM, file, template);
    else if (code && virSnapXMLChild(os, "firmware") == NULL &&
             !virSnapXMLPropIs(os, "firmware", "efi"))
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_NVRAM_BY_LOADER, file, code);
}

static void
readOS(qemuSnapshotNeedReader *reader, const xmlNode *os)
{
    static const char *const files[] = { "kernel", "initrd", "dtb", "loader", "shim" };
    const xmlNode *acpi = virSnapXMLChild(os, "acpi");

    for (xmlNode *node = virSnapXMLNext(os->children, NULL); node;
         node = virSnapXMLNext(node->next, NULL)) {
        for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
            g_autofree char *file = NULL;

            if (!g_str_equal((const char *)node->name, files[i]))
                continue;
            file = virSnapXMLText(node);
            qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_BOOT_FILE, file);
        }
        if (g_str_equal((const char *)node->name, "nvram"))
            readNVRAM(reader, os, node);
    }

    for (xmlNode *node = acpi ? virSnapXMLNext(acpi->children, "table") : NULL; node;
         node = virSnapXMLNext(node->next, "table")) {
        g_autofree char *file = virSnapXMLText(node);

        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_BOOT_FILE, file);
    }
}

static void
readSysinfo(qemuSnapshotNeedReader *reader, const xmlNode *sysinfo)
{
    if (!virSnapXMLPropIs(sysinfo, "type", "fwcfg"))
        return;

    for (xmlNode *node = virSnapXMLNext(sysinfo->children, "entry"); node;
         node = virSnapXMLNext(node->next, "entry")) {
        g_autofree char *file = virSnapXMLProp(node, "file");

        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_BOOT_FILE, file);
    }
}

static void
readVcpu(qemuSnapshotNeedReader *reader, const xmlNode *vcpu)
{
    g_autofree char *cpus = virSnapXMLProp(vcpu, "cpuset");

    qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_CPUS, cpus);
}

static void
readCputune(qemuSnapshotNeedReader *reader, const xmlNode *cputune)
{
    for (xmlNode *node = virSnapXMLNext(cputune->children, NULL); node;
         node = virSnapXMLNext(node->next, NULL))
        readVcpu(reader, node);
}

static void
readNumatune(qemuSnapshotNeedReader *reader, const xmlNode *numatune)
{
    for (xmlNode *node = virSnapXMLNext(numatune->children, NULL); node;
         node = virSnapXMLNext(node->next, NULL)) {
        g_autofree char *nodes = virSnapXMLProp(node, "nodeset");

        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_NODES, nodes);
    }
}

/* A model that the host's processor need not have is not asked for. */
static void
readCPU(qemuSnapshotNeedReader *reader, const xmlNode *cpu)
{
    const xmlNode *model = virSnapXMLChild(cpu, "model");
    g_autofree char *name = model ? virSnapXMLText(model) : NULL;
    g_autofree char *xml = NULL;

    if (!name || !virSnapXMLPropIs((const xmlNode *)cpu->parent, "type", "kvm") ||
        (!virSnapXMLPropIs(cpu, "check", "partial") &&
         !virSnapXMLPropIs(cpu, "check", "full")))
        return;
    if (!virSnapXMLPropIs(cpu, "mode", "custom") &&
        xmlHasProp(cpu, (const xmlChar *)"mode"))
        return;

    xml = virSnapXMLFormat(cpu->doc, (xmlNode *)cpu);
    qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_CPU_MODEL, name, xml);
}

/* Memory */

/* An amount of memory in KiB, in which libvirt writes them all. */
static guint64
nodeKiB(const xmlNode *node, const char *text)
{
    return text && virSnapXMLPropIs(node, "unit", "KiB") ?
        g_ascii_strtoull(text, NULL, 10) : 0;
}

static gboolean
setHas(const char *set, guint64 number)
{
    g_auto(GStrv) parts = g_strsplit(set, ",", -1);

    for (char **part = parts; *part; part++) {
        char *end = NULL;
        guint64 first = g_ascii_strtoull(*part, &end, 10);
        guint64 last = *end == '-' ? g_ascii_strtoull(end + 1, NULL, 10) : first;

        if (number >= first && number <= last)
            return TRUE;
    }

    return FALSE;
}

/* The size of the pages for a node of the guest, or of the guest as a whole, in KiB as
 * text; NULL: no huge ones. */
static char *
pageSize(const xmlNode *huge, const guint64 *cell)
{
    const xmlNode *rest = NULL;

    if (!virSnapXMLChild(huge, "page"))
        return g_strdup("0");

    for (xmlNode *page = virSnapXMLNext(huge->children, "page"); page;
         page = virSnapXMLNext(page->next, "page")) {
        g_autofree char *nodes = virSnapXMLProp(page, "nodeset");

        if (nodes && cell && setHas(nodes, *cell))
            return virSnapXMLProp(page, "size");
        if (!nodes)
            rest = page;
    }

    return rest ? virSnapXMLProp(rest, "size") : NULL;
}

static guint64
addPages(qemuSnapshotNeedReader *reader, const char *size, guint64 amount)
{
    if (!size || amount == 0)
        return 0;

    qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_HUGE_PAGES, size, NULL)->amount +=
        amount;
    qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_HUGE_MOUNT, size, NULL);
    return amount;
}

/* Returns how much of the memory is in huge pages. */
static guint64
readPages(qemuSnapshotNeedReader *reader, const xmlNode *root, const xmlNode *backing,
          guint64 total)
{
    const xmlNode *huge = virSnapXMLChild(backing, "hugepages");
    const xmlNode *cpu = virSnapXMLChild(root, "cpu");
    const xmlNode *numa = cpu ? virSnapXMLChild(cpu, "numa") : NULL;
    g_autofree char *size = NULL;
    guint64 found = 0;
    guint64 cell = 0;

    if (!huge)
        return 0;
    if (!numa) {
        size = pageSize(huge, NULL);
        return addPages(reader, size, total);
    }

    for (xmlNode *node = virSnapXMLNext(numa->children, "cell"); node;
         node = virSnapXMLNext(node->next, "cell")) {
        g_autofree char *text = virSnapXMLProp(node, "memory");
        g_autofree char *of_cell = pageSize(huge, &cell);

        found += addPages(reader, of_cell, nodeKiB(node, text));
        cell++;
    }

    return found;
}

/* A device of the host is given the guest's memory, which is locked for that. */
static gboolean
isMemoryLocked(const xmlNode *root, const xmlNode *backing)
{
    const xmlNode *devices = virSnapXMLChild(root, "devices");

    if (backing && (virSnapXMLChild(backing, "locked") ||
                    virSnapXMLChildPropIs(backing, "allocation", "mode", "immediate")))
        return TRUE;

    for (xmlNode *node = devices ? virSnapXMLNext(devices->children, "hostdev") : NULL;
         node; node = virSnapXMLNext(node->next, "hostdev")) {
        if (virSnapXMLPropIs(node, "type", "pci"))
            return TRUE;
    }

    return FALSE;
}

static void
addMemory(qemuSnapshotNeedReader *reader, qemuSnapshotNeedKind kind, guint64 amount)
{
    qemuSnapshotNeedAdd(reader, kind, NULL, NULL)->amount = amount;
}

/* Memory in files of its own does not come out of what is free. */
static void
readMemory(qemuSnapshotNeedReader *reader, const xmlNode *memory)
{
    const xmlNode *root = memory->parent;
    const xmlNode *backing = virSnapXMLChild(root, "memoryBacking");
    g_autofree char *text = virSnapXMLText(memory);
    guint64 total = nodeKiB(memory, text);
    guint64 huge = backing ? readPages(reader, root, backing, total) : 0;

    if (total <= huge ||
        (backing && virSnapXMLChildPropIs(backing, "source", "type", "file")))
        return;

    addMemory(reader, QEMU_SNAPSHOT_NEED_MEMORY_PROMISED, total - huge);
    addMemory(reader,
              isMemoryLocked(root, backing) ? QEMU_SNAPSHOT_NEED_MEMORY_NOW
                                            : QEMU_SNAPSHOT_NEED_MEMORY,
              total - huge);
}

static const qemuSnapshotNeedElement system_parts[] = {
    { "os", readOS },           { "sysinfo", readSysinfo },   { "vcpu", readVcpu },
    { "cputune", readCputune }, { "numatune", readNumatune }, { "cpu", readCPU },
    { "memory", readMemory },
};

static const qemuSnapshotNeedElement device_parts[] = {
    { "devices", qemuSnapshotNeedsReadDevices },
};

GPtrArray *
qemuSnapshotNeedsRead(xmlDoc *doc, gboolean live, gboolean restored)
{
    qemuSnapshotNeedReader reader = {
        .needs = qemuSnapshotNeedsNew(),
        .live = live,
        .restored = restored,
    };
    const xmlNode *root = xmlDocGetRootElement(doc);

    qemuSnapshotNeedReadElements(&reader, root, system_parts,
                                 G_N_ELEMENTS(system_parts));
    qemuSnapshotNeedReadElements(&reader, root, device_parts,
                                 G_N_ELEMENTS(device_parts));
    return reader.needs;
}
