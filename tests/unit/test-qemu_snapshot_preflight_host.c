/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_host.c: what a host's file systems tell
 *
 * A folder stands for the host's root.
 */

#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "preflight-host.h"
#include "qemu_snapshot_preflight_host.h"
#include "virsnapstorage.h"

#define A(answer) QEMU_SNAPSHOT_ANSWER_##answer
#define FILE_(use) QEMU_SNAPSHOT_HOST_FILE_##use

static void
testFiles(void)
{
    static const struct {
        const char *path;
        qemuSnapshotHostFileUse use;
        int fault;             /* 0: it is there */
    } cases[] = {
        { "/f", FILE_(READ), 0 }, { "/no", FILE_(READ), ENOENT },
        { "/f/x", FILE_(READ), ENOTDIR }, { "/f", FILE_(RUN), EACCES },
        { "/p", FILE_(RUN), 0 }, { "/d", FILE_(FOLDER), 0 }, { "/f", FILE_(FOLDER), ENOTDIR },
        { "/no", FILE_(FOLDER), ENOENT }, { "/f", FILE_(WRITE), 0 },
        { "/d/new", FILE_(WRITE), 0 }, { "/d", FILE_(WRITE), EISDIR },
        { "/no/new", FILE_(WRITE), ENOENT }, { "/f/new", FILE_(WRITE), ENOTDIR },
        { "/d/new", FILE_(MAKE), 0 }, { "/no/new", FILE_(MAKE), ENOENT },
        { "/f/new", FILE_(MAKE), ENOTDIR }, { "/s", FILE_(SOCKET), 0 },
        { "/f", FILE_(SOCKET), ENOTSOCK }, { "/no", FILE_(SOCKET), ENOENT },
        { "/f", FILE_(PIPE), 0 }, { "/q", FILE_(PIPE), 0 }, { "/no", FILE_(PIPE), ENOENT },
    };
    char *root = preflightHostNew();
    g_autofree char *program = g_strconcat(root, "/p", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    preflightHostPutAll(root, "/f|/p|/d/|/q.in|/q.out");
    g_assert_cmpint(g_chmod(program, 0700), ==, 0);
    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", root);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    close(fd);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fault = 0;
        qemuSnapshotAnswer answer =
            qemuSnapshotHostHasFile(root, cases[i].path, cases[i].use, &fault);

        g_test_message("%s, %d", cases[i].path, cases[i].use);
        g_assert_cmpint(answer, ==, cases[i].fault ? A(MISSING) : A(THERE));
        g_assert_cmpint(fault, ==, cases[i].fault);
    }
    preflightHostFree(root);
}

static void
testEntries(void)
{
    char *root = preflightHostNew();

    preflightHostPutAll(root, "/sys/class/net/br0/|/etc/passwd");
#define HAS(folder, name) qemuSnapshotHostHasEntry(root, folder, name)
    g_assert_cmpint(HAS("/sys/class/net", "br0"), ==, A(THERE));
    g_assert_cmpint(HAS("/sys/class/net", "br1"), ==, A(MISSING));
    g_assert_cmpint(HAS("/sys/class/net", "../../../etc/passwd"), ==, A(UNKNOWN));
    g_assert_cmpint(HAS("/sys/bus/pci/devices", "br0"), ==, A(UNKNOWN));
    preflightHostFree(root);
}

static void
testUSB(void)
{
    char *root = preflightHostNew();

#define USB(value) qemuSnapshotHostHasUSB(root, value, "idVendor", "idProduct")
    g_assert_cmpint(USB("1d6b:0002"), ==, A(UNKNOWN));
    /* an interface, which has neither, and two devices */
    preflightHostPutAll(root, "/sys/bus/usb/devices/1-0:1.0/|"
                        "/sys/bus/usb/devices/usb1/idVendor=1d6b\n|"
                        "/sys/bus/usb/devices/usb1/idProduct=0002\n|"
                        "/sys/bus/usb/devices/1-1/idVendor=abcd\n|"
                        "/sys/bus/usb/devices/1-1/idProduct=0003\n");
    g_assert_cmpint(USB("1d6b:0002"), ==, A(THERE));
    g_assert_cmpint(USB("abcd:0003"), ==, A(THERE));
    g_assert_cmpint(USB("1d6b:0003"), ==, A(MISSING));
    preflightHostFree(root);
}

static void
testSets(void)
{
    static const struct {
        const char *set;
        qemuSnapshotAnswer cpus;
        qemuSnapshotAnswer nodes;
    } cases[] = {
        { "0", A(THERE), A(THERE) }, { "0-3,5", A(THERE), A(THERE) },
        { "4", A(MISSING), A(MISSING) }, { "5-6", A(THERE), A(MISSING) },
        { "3,9", A(UNFIT), A(MISSING) }, { "8-10", A(MISSING), A(MISSING) },
        { "99999", A(UNKNOWN), A(UNKNOWN) }, { "3-0", A(UNKNOWN), A(UNKNOWN) },
        { "0,x", A(UNKNOWN), A(UNKNOWN) }, { "^3", A(UNKNOWN), A(UNKNOWN) },
    };
    char *root = preflightHostNew();

    g_assert_cmpint(qemuSnapshotHostHasCPUs(root, "0"), ==, A(UNKNOWN));
    g_assert_cmpint(qemuSnapshotHostHasNodes(root, "0"), ==, A(UNKNOWN));
    preflightHostPutAll(root, "/sys/devices/system/cpu/online=0-3,5\n|"
                        "/sys/devices/system/cpu/possible=0-7\n|"
                        "/sys/devices/system/node/online=0-3,5\n");
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].set);
        g_assert_cmpint(qemuSnapshotHostHasCPUs(root, cases[i].set), ==, cases[i].cpus);
        g_assert_cmpint(qemuSnapshotHostHasNodes(root, cases[i].set), ==, cases[i].nodes);
    }
    preflightHostFree(root);
}

static void
testTemplate(void)
{
    static const char *const known[] = {
        "/usr/share/qemu/firmware/50-x.json=\"/f/X_CODE.fd\"",
        "/etc/qemu/firmware/50-x.json=\"/f/X_CODE.fd\"",
        "/etc/libvirt/qemu.conf=nvram = [ \"/f/X_CODE.fd:/f/v\" ]",
        "/f/X_VARS.fd",
    };
    char *root = preflightHostNew();

    preflightHostPutAll(root, "/f/X_CODE.fd|/usr/share/qemu/firmware/y.json=/f/Y|"
                        "/usr/share/qemu/firmware/README=/f/X_CODE.fd");
    g_assert_cmpint(qemuSnapshotHostHasTemplate(root, "/f/X_CODE.fd"), ==, A(MISSING));
    preflightHostFree(root);

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        root = preflightHostNew();
        preflightHostPutAll(root, known[i]);
        g_assert_cmpint(qemuSnapshotHostHasTemplate(root, "/f/X_CODE.fd"), ==, A(UNKNOWN));
        preflightHostFree(root);
    }
}

#define PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static void
testPages(void)
{
    char *root = preflightHostNew();
    guint64 there = 0;

    g_assert_cmpint(qemuSnapshotHostHasPages(root, "2048", &there), ==, A(UNKNOWN));
    /* 5 are free, 2 of them promised; 3 more would be made, 1 of them already is */
    preflightHostPutAll(root, PAGES "free_hugepages=5\n|" PAGES "resv_hugepages=2\n|" PAGES
                        "nr_overcommit_hugepages=3\n|" PAGES "surplus_hugepages=1\n|"
                        "/proc/meminfo=MemTotal: 1 kB\nHugepagesize:    2048 kB\n");
    g_assert_cmpint(qemuSnapshotHostHasPages(root, "2048", &there), ==, A(THERE));
    g_assert_cmpuint(there, ==, 5 * 2048);
    there = 0;
    g_assert_cmpint(qemuSnapshotHostHasPages(root, "0", &there), ==, A(THERE));
    g_assert_cmpuint(there, ==, 5 * 2048);
    g_assert_cmpint(qemuSnapshotHostHasPages(root, "64", &there), ==, A(MISSING));
    preflightHostFree(root);
}

static void
testMounts(void)
{
    char *root = preflightHostNew();

#define MOUNTED(size) qemuSnapshotHostHasHugeMount(root, size)
    g_assert_cmpint(MOUNTED("2048"), ==, A(UNKNOWN));
    preflightHostPutAll(root, "/proc/meminfo=Hugepagesize: 2048 kB\n|"
                        "/proc/self/mounts=t /t tmpfs rw,pagesize=64K 0 0\n"
                        "h /h hugetlbfs rw,relatime,pagesize=1024M 0 0\n");
    g_assert_cmpint(MOUNTED("1048576"), ==, A(THERE));
    g_assert_cmpint(MOUNTED("2048"), ==, A(MISSING));
    g_assert_cmpint(MOUNTED("0"), ==, A(MISSING));
    g_assert_cmpint(MOUNTED("64"), ==, A(MISSING));
    preflightHostPut(root, "/proc/self/mounts=h /h hugetlbfs rw 0 0\n");
    g_assert_cmpint(MOUNTED("2048"), ==, A(THERE));
    preflightHostPut(root, "/proc/self/mounts=h /h hugetlbfs rw,pagesize=64K 0 0\n");
    g_assert_cmpint(MOUNTED("64"), ==, A(THERE));
    preflightHostFree(root);
}

static void
testMemory(void)
{
    char *root = preflightHostNew();
    qemuSnapshotHostMemory memory;

    g_assert_false(qemuSnapshotHostReadMemory(root, &memory));
    preflightHostPut(root, "/proc/meminfo=MemTotal: 1 kB\n");
    g_assert_false(qemuSnapshotHostReadMemory(root, &memory));
    preflightHostPut(root, "/proc/meminfo=MemTotal:  100 kB\nMemAvailable: 50 kB\n"
                     "SwapTotal: 20 kB\nSwapFree: 10 kB\nCommitLimit: 70 kB\n"
                     "Committed_AS: 80 kB\n");
    g_assert_true(qemuSnapshotHostReadMemory(root, &memory));
    g_assert_cmpuint(memory.available, ==, 50);
    g_assert_cmpuint(memory.swap_free, ==, 10);
    g_assert_cmpuint(memory.whole, ==, 120);
    g_assert_cmpuint(memory.uncommitted, ==, 0);
    g_assert_cmpint(memory.overcommit, ==, '1');
    preflightHostPut(root, "/proc/sys/vm/overcommit_memory=2\n");
    g_assert_true(qemuSnapshotHostReadMemory(root, &memory));
    g_assert_cmpint(memory.overcommit, ==, '2');
    preflightHostFree(root);
}

static void
testAmount(void)
{
    char *root = preflightHostNew();
    g_autofree char *path = g_strconcat(root, "/sparse", NULL);

    preflightHostPut(root, "/sparse");
    g_assert_cmpint(truncate(path, 1 << 20), ==, 0);
    g_assert_cmpuint(qemuSnapshotHostFileAmount(root, "/sparse"), ==, 0);
    g_assert_cmpuint(qemuSnapshotHostFileAmount(root, "/no"), ==, 0);
    preflightHostFree(root);
}

int
main(int argc, char **argv)
{
#define TEST(name, func) g_test_add_func("/qemu_snapshot_preflight_host/" name, func)
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    TEST("files", testFiles);
    TEST("entries", testEntries);
    TEST("usb", testUSB);
    TEST("sets", testSets);
    TEST("template", testTemplate);
    TEST("pages", testPages);
    TEST("mounts", testMounts);
    TEST("memory", testMemory);
    TEST("amount", testAmount);
    return g_test_run();
}
