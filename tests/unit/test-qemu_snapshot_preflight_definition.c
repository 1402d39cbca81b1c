/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_definition.c: what is read out of <domain>
 */

#include "config.h"

#include "qemu_snapshot_preflight_definition.h"
#include "virsnapxml.h"

#define N(kind) QEMU_SNAPSHOT_NEED_##kind

typedef struct _expected expected;
struct _expected {
    qemuSnapshotNeedKind kind;
    const char *name;
    const char *more;
    guint64 amount;
};

static void
check(const char *inner, const expected *expect, guint n)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>%s</domain>", inner);
    g_autoptr(xmlDoc) doc = virSnapXMLParse(xml, "domain", "definition", NULL);
    g_autoptr(GPtrArray) needs = qemuSnapshotNeedsRead(doc, FALSE, FALSE);

    g_assert_cmpuint(needs->len, ==, n);
    for (guint i = 0; i < n; i++) {
        const qemuSnapshotNeed *need = g_ptr_array_index(needs, i);

        g_assert_cmpint(need->kind, ==, expect[i].kind);
        g_assert_cmpstr(need->name, ==, expect[i].name);
        if (expect[i].more)
            g_assert_cmpstr(need->more, ==, expect[i].more);
        g_assert_cmpuint(need->amount, ==, expect[i].amount);
    }
}

static void
testBootFiles(void)
{
    static const expected expect[] = {
        { N(BOOT_FILE), "/f" }, { N(BOOT_FILE), "/k" }, { N(BOOT_FILE), "/i" },
    };

    check("<name>n</name><os><loader>/f</loader><kernel>/k</kernel><initrd>/i</initrd>"
          "<dtb/></os>", expect, G_N_ELEMENTS(expect));
}

static void
testBootFilesAlone(void)
{
    static const expected expect[] = {
        { N(BOOT_FILE), "/f/code&.fd" }, { N(NVRAM), "/f/nvram", "/f/vars" },
        { N(BOOT_FILE), "/b/k" }, { N(BOOT_FILE), "/b/i" }, { N(BOOT_FILE), "/b/d" },
        { N(DISK_FILE), "/i/x", "vda" },
    };

    check("<kernel>/no</kernel><os><type>hvm</type>"
          "<loader readonly='yes' type='pflash'>/f/code&amp;.fd</loader>"
          "<nvram template='/f/vars'>/f/nvram</nvram><kernel>/b/k</kernel>"
          "<initrd>/b/i</initrd><cmdline>a b</cmdline><dtb>/b/d</dtb></os>"
          "<devices><disk><source file='/i/x'/><target dev='vda'/></disk>"
          "<interface><rom file='/r'/></interface></devices>", expect,
          G_N_ELEMENTS(expect));
}

static void
testNoBootFiles(void)
{
    check("", NULL, 0);
    check("<os><loader secure='no'/><kernel></kernel><initrd/></os>", NULL, 0);
}

static void
testNVRAM(void)
{
    static const expected by_loader[] = {
        { N(BOOT_FILE), "/c" }, { N(NVRAM_BY_LOADER), "/v", "/c" },
    };
    static const expected in_source[] = { { N(NVRAM), "/v", "/t" } };
    static const expected selected[] = { { N(BOOT_FILE), "/c" } };

    check("<os><loader>/c</loader><nvram>/v</nvram></os>", by_loader, 2);
    check("<os><nvram template='/t' type='file'><source file='/v'/></nvram></os>",
          in_source, 1);
    /* on a network, or chosen by libvirt */
    check("<os><nvram template='/t' type='network'><source protocol='nbd'/></nvram></os>",
          NULL, 0);
    check("<os firmware='efi'><loader>/c</loader><nvram>/v</nvram></os>", selected, 1);
}

static void
testProcessors(void)
{
    static const expected expect[] = {
        { N(CPUS), "0-3" }, { N(CPUS), "1" }, { N(CPUS), "2" }, { N(NODES), "0" },
        { N(NODES), "1" },
    };

    check("<vcpu placement='static' cpuset='0-3'>4</vcpu><cputune><shares>5</shares>"
          "<vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='1'/>"
          "<emulatorpin cpuset='2'/></cputune><numatune><memory mode='strict' "
          "nodeset='0'/><memnode cellid='0' nodeset='1'/></numatune>", expect,
          G_N_ELEMENTS(expect));
}

static void
testProcessorModel(void)
{
    static const expected expect[] = { { N(CPU_MODEL), "Skylake" } };

    check("<cpu mode='custom' check='partial'><model>Skylake</model></cpu>", expect, 1);
    check("<cpu check='full'><model>Skylake</model></cpu>", expect, 1);
    check("<cpu mode='custom' check='none'><model>Skylake</model></cpu>", NULL, 0);
    check("<cpu mode='host-model' check='partial'><model>Skylake</model></cpu>", NULL, 0);
    check("<cpu mode='host-passthrough' check='none'/>", NULL, 0);
}

#define MEMORY "<memory unit='KiB'>4096</memory><memoryBacking>"

static void
testMemory(void)
{
    static const expected plain[] = {
        { N(MEMORY_PROMISED), NULL, NULL, 4096 }, { N(MEMORY), NULL, NULL, 4096 },
    };
    static const expected now[] = {
        { N(MEMORY_PROMISED), NULL, NULL, 4096 }, { N(MEMORY_NOW), NULL, NULL, 4096 },
    };

    check(MEMORY "</memoryBacking>", plain, 2);
    check(MEMORY "<allocation mode='ondemand'/></memoryBacking>", plain, 2);
    check(MEMORY "<allocation mode='immediate'/></memoryBacking>", now, 2);
    check(MEMORY "<locked/></memoryBacking>", now, 2);
    check(MEMORY "<source type='file'/></memoryBacking>", NULL, 0);
    check("<memory unit='bananas'>4096</memory>", NULL, 0);
}

/* What is handed to the guest needs all of its memory in place. */
static void
testMemoryOfDevice(void)
{
    static const expected expect[] = {
        { N(MEMORY_PROMISED), NULL, NULL, 8 }, { N(MEMORY_NOW), NULL, NULL, 8 },
    };

    check("<memory unit='KiB'>8</memory><devices><hostdev type='pci'/></devices>", expect,
          2);
}

static void
testHugePages(void)
{
    static const expected whole[] = {
        { N(HUGE_PAGES), "0", NULL, 4096 }, { N(HUGE_MOUNT), "0" },
    };
    static const expected sized[] = {
        { N(HUGE_PAGES), "2048", NULL, 4096 }, { N(HUGE_MOUNT), "2048" },
    };

    check(MEMORY "<hugepages/></memoryBacking>", whole, 2);
    check(MEMORY "<hugepages><page size='2048' unit='KiB'/></hugepages></memoryBacking>",
          sized, 2);
}

/* By nodes of the guest: of one, of all others, of none. */
static void
testHugePagesOfNodes(void)
{
    static const expected expect[] = {
        { N(HUGE_PAGES), "2048", NULL, 3000 }, { N(HUGE_MOUNT), "2048" },
        { N(HUGE_PAGES), "64", NULL, 96 }, { N(HUGE_MOUNT), "64" },
        { N(MEMORY_PROMISED), NULL, NULL, 1000 }, { N(MEMORY), NULL, NULL, 1000 },
    };
    const char *cells =
        "<cpu><numa><cell id='0' memory='1000' unit='KiB'/>"
        "<cell id='1' memory='2000' unit='KiB'/><cell id='2' memory='96' unit='KiB'/>"
        "<cell id='3' memory='1000' unit='KiB'/></numa></cpu>";
    g_autofree char *xml = g_strconcat(
        MEMORY "<hugepages><page size='2048' unit='KiB' nodeset='0-1'/>"
        "<page size='64' unit='KiB' nodeset='2'/></hugepages></memoryBacking>", cells, NULL);

    check(xml, expect, G_N_ELEMENTS(expect));
}

int
main(int argc, char **argv)
{
#define TEST(name, func) g_test_add_func("/qemu_snapshot_preflight_definition/" name, func)
    g_test_init(&argc, &argv, NULL);
    TEST("boot-files", testBootFiles);
    TEST("boot-files-alone", testBootFilesAlone);
    TEST("no-boot-files", testNoBootFiles);
    TEST("nvram", testNVRAM);
    TEST("processors", testProcessors);
    TEST("processor-model", testProcessorModel);
    TEST("memory", testMemory);
    TEST("memory-of-device", testMemoryOfDevice);
    TEST("huge-pages", testHugePages);
    TEST("huge-pages-of-nodes", testHugePagesOfNodes);
    return g_test_run();
}
