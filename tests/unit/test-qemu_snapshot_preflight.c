/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight.c: a definition, a host, and what is found
 *
 * A folder stands for the host's root, and libvirt's own test driver for libvirt, which
 * has a network 'default' and knows of no filters, secrets and processors.
 */

#include "config.h"

#include "preflight-host.h"
#include "qemu_snapshot_preflight.h"
#include "virsnaperror.h"
#include "virsnapstorage.h"

#define DEV(text) "<devices>" text "</devices>"
#define PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define FREE_PAGES(number) \
    PAGES "free_hugepages=" number "|" PAGES "resv_hugepages=0|" PAGES \
    "nr_overcommit_hugepages=0|" PAGES "surplus_hugepages=0"
#define MOUNT "|/proc/self/mounts=h /h hugetlbfs rw,pagesize=2M 0 0\n"
#define MEMINFO \
    "/proc/meminfo=MemTotal: 1000 kB\nMemAvailable: 500 kB\nSwapTotal: 100 kB\n" \
    "SwapFree: 10 kB\nCommitLimit: 600 kB\nCommitted_AS: 300 kB\nHugepagesize: 2048 kB\n|"
#define OVERCOMMIT(how) MEMINFO "/proc/sys/vm/overcommit_memory=" how
#define NOW "<memoryBacking><allocation mode='immediate'/></memoryBacking>"
#define HUGE_BACKED "<memory unit='KiB'>4096</memory><memoryBacking><hugepages/></memoryBacking>"
#define TCP "/proc/net/tcp=  sl  local_address rem_address   st\n"
#define VNC "<graphics type='vnc' port='5901' autoport='no' listen='127.0.0.1'/>"
#define PCI(function) \
    "<hostdev type='pci'><source><address domain='0x0000' bus='0x3b' slot='0x02' " \
    "function='" function "'/></source></hostdev>"

typedef struct _preflightCase preflightCase;
struct _preflightCase {
    const char *name;
    const char *definition;   /* what is in <domain> */
    const char *live;         /* the same of the running one; NULL: none */
    const char *host;
    int weight;               /* -1: no finding */
    const char *fragment;
};

enum { NONE = -1, CERTAIN, RISKY, NOTE };

static const preflightCase cases[] = {
    { "kernel-gone", "<os><kernel>/k</kernel></os>", NULL, NULL, CERTAIN, "without '/k'" },
    { "kernel", "<os><kernel>/k</kernel></os>", NULL, "/k", NONE, NULL },
    { "acpi-table-gone", "<os><acpi><table type='slic'>/t</table></acpi></os>", NULL, NULL,
      CERTAIN, "without '/t'" },
    { "fwcfg-gone", "<sysinfo type='fwcfg'><entry name='o' file='/f'/></sysinfo>", NULL,
      NULL, CERTAIN, "without '/f'" },
    { "disk-gone", DEV("<disk><source file='/d'/><target dev='vda'/></disk>"), NULL, NULL,
      CERTAIN, "disk 'vda' of domain 'vm' needs '/d'" },
    { "disk", DEV("<disk><source file='/d'/><target dev='vda'/></disk>"), NULL, "/d", NONE,
      NULL },
    { "disk-reverted", DEV("<disk><source file='/d'/><target dev='vdr'/></disk>"), NULL,
      NULL, NONE, NULL },
    { "nvram", "<os><loader>/c</loader><nvram>/v</nvram></os>", NULL, "/c|/v", NONE, NULL },
    { "nvram-gone", "<os><loader>/c</loader><nvram>/v</nvram></os>", NULL, "/c", CERTAIN,
      "'/v' have to be made from a template" },
    { "nvram-of-known-loader", "<os><loader>/c</loader><nvram>/v</nvram></os>", NULL,
      "/c|/usr/share/qemu/firmware/60-x.json={\"filename\": \"/c\"}", NONE, NULL },
    { "nvram-template", "<os><nvram template='/t'>/v</nvram></os>", NULL, "/t", NONE, NULL },
    { "nvram-template-gone", "<os><nvram template='/t'>/v</nvram></os>", NULL, NULL,
      CERTAIN, "template '/t', which can't be read" },
    { "emulator-gone", DEV("<emulator>/q</emulator>"), NULL, NULL, CERTAIN,
      "emulator '/q' can't be run" },
    { "emulator-not-executable", DEV("<emulator>/q</emulator>"), NULL, "/q", CERTAIN,
      "Permission denied" },
    { "bridge-gone", DEV("<interface type='bridge'><source bridge='br0'/></interface>"),
      NULL, "/sys/class/net/", CERTAIN, "no bridge 'br0'" },
    { "bridge", DEV("<interface type='bridge'><source bridge='br0'/></interface>"), NULL,
      "/sys/class/net/br0/", NONE, NULL },
    { "bridge-without-sys",
      DEV("<interface type='bridge'><source bridge='br0'/></interface>"), NULL, NULL, NONE,
      NULL },
    { "direct-gone", DEV("<interface type='direct'><source dev='e0'/></interface>"), NULL,
      "/sys/class/net/", CERTAIN, "no network interface 'e0'" },
    { "ethernet-gone",
      DEV("<interface type='ethernet'><target dev='t0' managed='no'/></interface>"), NULL,
      "/sys/class/net/", CERTAIN, "no network interface 't0'" },
    { "network", DEV("<interface type='network'><source network='default'/></interface>"),
      NULL, NULL, NONE, NULL },
    { "network-gone", DEV("<interface type='network'><source network='n'/></interface>"),
      NULL, NULL, CERTAIN, "network 'n' is not defined" },
    { "network-inactive",
      DEV("<interface type='network'><source network='off'/></interface>"), NULL, NULL,
      CERTAIN, "network 'off' is not active" },
    { "filter-not-told",
      DEV("<interface type='user'><filterref filter='f'/></interface>"), NULL, NULL, NONE,
      NULL },
    { "pool-gone", DEV("<disk type='volume'><source pool='p' volume='v'/></disk>"), NULL,
      NULL, CERTAIN, "storage pool 'p', which is not defined" },
    { "volume-gone",
      DEV("<disk type='volume'><source pool='default-pool' volume='v'/></disk>"), NULL, NULL,
      CERTAIN, "'default-pool' has no volume 'v'" },
    { "secret-not-told", DEV("<disk type='network'><source><auth><secret type='ceph' "
                             "usage='u'/></auth></source></disk>"), NULL, NULL, NONE, NULL },
    { "file-gone", DEV("<serial type='file'><source path='/f/log'/></serial>"), NULL, NULL,
      CERTAIN, "file '/f/log' of a serial port" },
    { "file", DEV("<serial type='file'><source path='/f/log'/></serial>"), NULL, "/f/",
      NONE, NULL },
    { "log-gone", DEV("<console type='pty'><log file='/f/log'/></console>"), NULL, NULL,
      CERTAIN, "log '/f/log'" },
    { "socket-gone", DEV("<channel type='unix'><source mode='bind' path='/f/s'/></channel>"),
      NULL, NULL, CERTAIN, "socket '/f/s' can't be made" },
    { "socket", DEV("<channel type='unix'><source mode='bind' path='/f/s'/></channel>"),
      NULL, "/f/", NONE, NULL },
    { "peer-gone", DEV("<channel type='unix'><source mode='connect' path='/s'/></channel>"),
      NULL, NULL, RISKY, "nobody offers socket '/s'" },
    { "pipe-gone", DEV("<parallel type='pipe'><source path='/p'/></parallel>"), NULL, NULL,
      CERTAIN, "pipe '/p'" },
    { "pipe", DEV("<parallel type='pipe'><source path='/p'/></parallel>"), NULL,
      "/p.in|/p.out", NONE, NULL },
    { "serial-device-gone", DEV("<serial type='dev'><source path='/dev/s0'/></serial>"),
      NULL, NULL, CERTAIN, "device '/dev/s0'" },
    { "rng-gone", DEV("<rng><backend model='random'>/dev/r</backend></rng>"), NULL, NULL,
      CERTAIN, "device '/dev/r'" },
    { "evdev-gone", DEV("<input type='evdev'><source dev='/dev/i'/></input>"), NULL, NULL,
      CERTAIN, "device '/dev/i'" },
    { "render-node-gone", DEV("<graphics type='spice'><gl rendernode='/dev/g'/></graphics>"),
      NULL, NULL, CERTAIN, "device '/dev/g'" },
    { "vsock-gone", DEV("<vsock/>"), NULL, NULL, CERTAIN, "device '/dev/vhost-vsock'" },
    { "tpm-gone", DEV("<tpm><backend type='passthrough'><device path='/dev/t'/></backend>"
                      "</tpm>"), NULL, NULL, CERTAIN, "device '/dev/t'" },
    { "sound-gone", DEV("<audio type='oss'/>"), NULL, NULL, NOTE, "/dev/dsp" },
    { "shared-folder-gone", DEV("<filesystem><source dir='/f'/></filesystem>"), NULL, NULL,
      CERTAIN, "folder '/f', which it shares" },
    { "shared-folder-is-a-file", DEV("<filesystem><source dir='/f'/></filesystem>"), NULL,
      "/f", CERTAIN, "Not a directory" },
    { "shared-folder", DEV("<filesystem><source dir='/f'/></filesystem>"), NULL, "/f/",
      NONE, NULL },
    { "virtiofsd-gone", DEV("<filesystem><driver type='virtiofs'/></filesystem>"), NULL,
      NULL, CERTAIN, "no virtiofsd" },
    { "virtiofsd", DEV("<filesystem><driver type='virtiofs'/></filesystem>"), NULL,
      "/usr/share/qemu/vhost-user/50-v.json={\"type\": \"fs\"}", NONE, NULL },
    { "nvdimm-gone", DEV("<memory><source><path>/f/n</path></source></memory>"), NULL, NULL,
      CERTAIN, "file '/f/n' of its persistent memory" },
    { "pci-gone", DEV(PCI("0x1")), NULL, "/sys/bus/pci/devices/0000:3b:02.0/", CERTAIN,
      "PCI device '0000:3b:02.1'" },
    { "pci", DEV(PCI("0x0")), NULL, "/sys/bus/pci/devices/0000:3b:02.0/", NONE, NULL },
    { "usb-gone", DEV("<hostdev type='usb'><source><vendor id='0x1d6b'/><product "
                      "id='0x0002'/></source></hostdev>"), NULL, "/sys/bus/usb/devices/",
      CERTAIN, "'1d6b:0002'" },
    { "usb", DEV("<hostdev type='usb'><source><vendor id='0x1d6b'/><product id='0x0002'/>"
                 "</source></hostdev>"), NULL,
      "/sys/bus/usb/devices/1-1/idVendor=1d6b\n|/sys/bus/usb/devices/1-1/idProduct=0002\n",
      NONE, NULL },
    { "usb-address-gone", DEV("<hostdev type='usb'><source><address bus='1' device='5'/>"
                              "</source></hostdev>"), NULL,
      "/sys/bus/usb/devices/1-1/busnum=1\n|/sys/bus/usb/devices/1-1/devnum=4\n", CERTAIN,
      "'1:5'" },
    { "usb-optional", DEV("<hostdev type='usb'><source startupPolicy='optional'><address "
                          "bus='1' device='5'/></source></hostdev>"), NULL,
      "/sys/bus/usb/devices/", NONE, NULL },
    { "mdev-gone", DEV("<hostdev type='mdev'><source><address uuid='u'/></source>"
                       "</hostdev>"), NULL, "/sys/bus/mdev/devices/", CERTAIN, "'u'" },
    { "scsi-gone", DEV("<hostdev type='scsi'><source><adapter name='scsi_host2'/><address "
                       "bus='0' target='1' unit='3'/></source></hostdev>"), NULL,
      "/sys/bus/scsi/devices/", CERTAIN, "'2:0:1:3'" },
    { "cpus-gone", "<vcpu cpuset='4-5'>1</vcpu>", NULL,
      "/sys/devices/system/cpu/online=0-3\n", CERTAIN, "processors '4-5'" },
    { "cpus-some", "<cputune><vcpupin vcpu='0' cpuset='3-9'/></cputune>", NULL,
      "/sys/devices/system/cpu/online=0-3\n|/sys/devices/system/cpu/possible=0-7\n", RISKY,
      "processors '3-9'" },
    { "cpus-some-as-now", "<cputune><emulatorpin cpuset='3-9'/></cputune>",
      "<cputune><emulatorpin cpuset='3-9'/></cputune>",
      "/sys/devices/system/cpu/online=0-3\n|/sys/devices/system/cpu/possible=0-7\n", NONE,
      NULL },
    { "nodes-gone", "<numatune><memory mode='strict' nodeset='0-1'/></numatune>", NULL,
      "/sys/devices/system/node/online=0\n", CERTAIN, "NUMA nodes '0-1'" },
    { "port-free", DEV(VNC), NULL, TCP, NONE, NULL },
    { "port-taken", DEV(VNC), NULL, TCP " 0: 0100007F:170D 00000000:0000 0A\n", RISKY,
      "TCP port 5901" },
    { "port-own", DEV(VNC), DEV("<graphics type='vnc' port='5901' autoport='yes'/>"),
      TCP " 0: 0100007F:170D 00000000:0000 0A\n", NONE, NULL },
    { "port-automatic", DEV("<graphics type='vnc' port='5901' autoport='yes'/>"), NULL,
      TCP " 0: 0100007F:170D 00000000:0000 0A\n", NONE, NULL },
    { "serial-port-taken", DEV("<serial type='tcp'><source mode='bind' host='0.0.0.0' "
                               "service='5901'/></serial>"), NULL,
      TCP " 0: 0100007F:170D 00000000:0000 0A\n", RISKY, "TCP port 5901" },
    { "huge-pages", HUGE_BACKED, NULL, MEMINFO FREE_PAGES("2") MOUNT, NONE, NULL },
    { "huge-pages-taken", HUGE_BACKED, NULL, MEMINFO FREE_PAGES("1") MOUNT, RISKY,
      "4.0\302\240MiB in huge pages" },
    { "huge-pages-own", HUGE_BACKED, HUGE_BACKED, MEMINFO FREE_PAGES("0") MOUNT, NONE, NULL },
    { "huge-pages-of-no-size", "<memory unit='KiB'>4096</memory><memoryBacking><hugepages>"
      "<page size='1048576' unit='KiB'/></hugepages></memoryBacking>", NULL,
      MEMINFO FREE_PAGES("2") "|/proc/self/mounts=h /h hugetlbfs rw,pagesize=1G 0 0\n",
      CERTAIN, "no huge pages of 1048576 KiB" },
    { "huge-pages-not-mounted", HUGE_BACKED, NULL,
      MEMINFO FREE_PAGES("2") "|/proc/self/mounts=p /p proc rw 0 0\n", RISKY,
      "no hugetlbfs" },
    { "memory-now", "<memory unit='KiB'>510</memory>" NOW, NULL, OVERCOMMIT("0"), NONE,
      NULL },
    { "memory-now-too-much", "<memory unit='KiB'>511</memory>" NOW, NULL, OVERCOMMIT("0"),
      RISKY, "at its start" },
    { "memory-now-given-back", "<memory unit='KiB'>600</memory>" NOW,
      "<memory unit='KiB'>90</memory>", OVERCOMMIT("0"), NONE, NULL },
    { "memory-locked-too-much",
      "<memory unit='KiB'>511</memory><memoryBacking><locked/></memoryBacking>", NULL,
      OVERCOMMIT("0"), RISKY, "at its start" },
    { "memory-slowly", "<memory unit='KiB'>1000</memory>", NULL, OVERCOMMIT("0"), NOTE,
      "more than is free" },
    { "memory-of-no-host", "<memory unit='KiB'>1101</memory>", NULL, OVERCOMMIT("0"),
      CERTAIN, "more than the whole host" },
    { "memory-of-no-host-promised", "<memory unit='KiB'>1101</memory>", NULL,
      OVERCOMMIT("1"), NOTE, "more than is free" },
    { "memory-not-promised", "<memory unit='KiB'>301</memory>", NULL, OVERCOMMIT("2"),
      RISKY, "vm.overcommit_memory" },
    { "memory-not-told", "<memory unit='KiB'>99999</memory>" NOW, NULL, NULL, NONE, NULL },
};

static qemuSnapshotPlan *
newPlan(void)
{
    qemuSnapshotPlan *plan = qemuSnapshotPlanNewEmpty();
    qemuSnapshotPlanDisk *disk = g_new0(qemuSnapshotPlanDisk, 1);

    disk->target = g_strdup("vdr");
    g_ptr_array_add(plan->disks, disk);
    plan->domain = g_strdup("vm");
    plan->snapshot = g_strdup("s1");
    plan->start = QEMU_SNAPSHOT_START_BOOT;
    return plan;
}

static xmlDoc *
parse(const char *inner)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>%s</domain>", inner);
    g_autoptr(GError) error = NULL;
    xmlDoc *doc = virSnapXMLParse(xml, "domain", "definition", &error);

    g_assert_no_error(error);
    return doc;
}

static GPtrArray *
find(const qemuSnapshotPlan *plan, const char *root, const preflightCase *c)
{
    qemuSnapshotPreflightHost host = {
        .root = root,
        .conn = virConnectOpen("test:///default"),
    };
    g_autoptr(xmlDoc) doc = parse(c->definition);
    g_autoptr(xmlDoc) live = c->live ? parse(c->live) : NULL;
    virNetworkPtr off;
    GPtrArray *findings;

    g_assert_nonnull(host.conn);
    off = virNetworkDefineXML(host.conn, "<network><name>off</name></network>");
    findings = qemuSnapshotPreflightFind(plan, &host, doc, live);
    virNetworkUndefine(off);
    virNetworkFree(off);
    virConnectClose(host.conn);
    return findings;
}

static void
testCase(const void *opaque)
{
    const preflightCase *c = opaque;
    g_autoptr(qemuSnapshotPlan) plan = newPlan();
    char *root = preflightHostNew();
    g_autoptr(GPtrArray) findings = NULL;
    const qemuSnapshotFinding *finding;

    preflightHostPutAll(root, c->host);
    findings = find(plan, root, c);
    preflightHostFree(root);

    if (c->weight == NONE) {
        for (guint i = 0; i < findings->len; i++)
            g_error("found: %s", ((qemuSnapshotFinding *)findings->pdata[i])->text);
        return;
    }

    g_assert_cmpuint(findings->len, >=, 1);
    finding = g_ptr_array_index(findings, 0);
    if (!strstr(finding->text, c->fragment))
        g_error("'%s' is not in '%s'", c->fragment, finding->text);
    g_assert_cmpint(finding->weight, ==, c->weight);
    g_assert_nonnull(strstr(finding->text, "'vm'"));
    g_assert_nonnull(strstr(finding->text, "'s1'"));
    g_assert_null(strchr(finding->text, '{'));
}

/* The pages of a memory file that are not zero are taken at once. */
static void
testRestored(void)
{
    static const preflightCase c = { "", "<memory unit='KiB'>900</memory>", NULL, NULL, 0,
                                     NULL };
    g_autofree char *content = g_strnfill(600 * 1024, 'x');
    g_autofree char *entry = g_strconcat("/m=", content, NULL);
    g_autoptr(qemuSnapshotPlan) plan = newPlan();
    char *root = preflightHostNew();
    g_autoptr(GPtrArray) findings = NULL;

    plan->start = QEMU_SNAPSHOT_START_RESTORE;
    plan->memory_file = g_strdup("/m");
    preflightHostPut(root, entry);
    preflightHostPutAll(root, OVERCOMMIT("0"));
    findings = find(plan, root, &c);
    preflightHostFree(root);

    g_assert_cmpuint(findings->len, ==, 2);
    g_assert_cmpint(((qemuSnapshotFinding *)findings->pdata[0])->weight, ==, NOTE);
    g_assert_cmpint(((qemuSnapshotFinding *)findings->pdata[1])->weight, ==, RISKY);
}

/* With RESET_NVRAM the variables are made anew from the template. */
static void
testResetNVRAM(void)
{
    static const preflightCase c = { "", "<os><nvram template='/t'>/v</nvram></os>", NULL,
                                     NULL, 0, NULL };
    g_autoptr(qemuSnapshotPlan) plan = newPlan();
    char *root = preflightHostNew();
    g_autoptr(GPtrArray) findings = NULL;

    plan->reset_nvram = TRUE;
    preflightHostPut(root, "/v");
    findings = find(plan, root, &c);
    preflightHostFree(root);
    g_assert_cmpuint(findings->len, ==, 1);
}

/* What is refused, and what becomes a warning: for each weight. */
static void
testDecide(void)
{
    static const struct {
        gboolean active;
        qemuSnapshotStart start;
        gboolean force;
        const char *outcome;   /* Refused, Warned or nothing: certain, risky, note */
    } rules[] = {
        { TRUE, QEMU_SNAPSHOT_START_BOOT, FALSE, "RRW" },
        { TRUE, QEMU_SNAPSHOT_START_BOOT, TRUE, "RWW" },
        { TRUE, QEMU_SNAPSHOT_START_RESTORE, FALSE, "RRW" },
        { FALSE, QEMU_SNAPSHOT_START_BOOT, FALSE, "RWW" },
        { FALSE, QEMU_SNAPSHOT_START_RESTORE, TRUE, "RWW" },
        { TRUE, QEMU_SNAPSHOT_START_NONE, FALSE, "W--" },
        { FALSE, QEMU_SNAPSHOT_START_NONE, FALSE, "W--" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        for (int weight = CERTAIN; weight <= NOTE; weight++) {
            g_autoptr(qemuSnapshotPlan) plan = newPlan();
            g_autoptr(GPtrArray) findings = g_ptr_array_new();
            g_autoptr(GError) error = NULL;
            qemuSnapshotFinding finding = { weight, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                                            (char *)"it can't" };
            char expected = rules[i].outcome[weight];

            plan->active = rules[i].active;
            plan->start = rules[i].start;
            g_ptr_array_add(findings, &finding);
            g_assert_cmpint(qemuSnapshotPreflightDecide(plan, findings, rules[i].force,
                                                        &error), ==, expected != 'R');
            g_assert_cmpuint(plan->warnings->len, ==, expected == 'W');
            if (expected == 'R')
                g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY);
        }
    }
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    virSetErrorFunc(NULL, ignoreError);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strconcat("/qemu_snapshot_preflight/", cases[i].name, NULL);

        g_test_add_data_func(name, &cases[i], testCase);
    }
    g_test_add_func("/qemu_snapshot_preflight/restored", testRestored);
    g_test_add_func("/qemu_snapshot_preflight/reset-nvram", testResetNVRAM);
    g_test_add_func("/qemu_snapshot_preflight/decide", testDecide);
    return g_test_run();
}
