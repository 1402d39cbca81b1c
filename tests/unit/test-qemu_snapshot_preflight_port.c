/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_port.c: does someone listen on a TCP port already?
 */

#include "config.h"

#include "preflight-host.h"
#include "qemu_snapshot_preflight_port.h"

#define HEAD "  sl  local_address rem_address   st tx_queue rx_queue\n"
#define LINE(address, state) "   0: " address " 00000000:0000 " state " 00000000:00000000\n"
#define ANY6 "00000000000000000000000000000000"
#define LOOP6 "00000000000000000000000001000000"
#define MAPPED "0000000000000000FFFF00000100007F"

static qemuSnapshotAnswer
have(const char *root, const char *port, const char *address)
{
    g_autoptr(GPtrArray) ports = qemuSnapshotPortsRead(root);

    return qemuSnapshotPortsHave(ports, port, address);
}

static void
testCases(void)
{
    static const struct {
        const char *tcp;        /* address and port of the one that listens, 5901 */
        const char *tcp6;
        const char *address;
        gboolean taken;
    } cases[] = {
        { NULL, NULL, "127.0.0.1", FALSE },
        { "0100007F:170D", NULL, "127.0.0.1", TRUE },
        { "0100007F:170D", NULL, NULL, TRUE },
        { "0100007F:170D", NULL, "localhost", TRUE },
        { "0100007F:170D", NULL, "0.0.0.0", TRUE },
        { "00000000:170D", NULL, "127.0.0.1", TRUE },
        { "0200007F:170D", NULL, "127.0.0.1", FALSE },
        { "0100007F:170E", NULL, "127.0.0.1", FALSE },
        { "0100007F:170D", NULL, "::1", FALSE },
        { NULL, ANY6 ":170D", "127.0.0.1", TRUE },
        { NULL, LOOP6 ":170D", "127.0.0.1", FALSE },
        { NULL, LOOP6 ":170D", "::1", TRUE },
        { NULL, LOOP6 ":170D", "::", TRUE },
        { NULL, MAPPED ":170D", "127.0.0.1", TRUE },
        { NULL, MAPPED ":170D", "127.0.0.2", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *root = preflightHostNew();
        g_autofree char *tcp = g_strdup_printf(
            "/proc/net/tcp=" HEAD "%s%s%s", cases[i].tcp ? "   0: " : "",
            cases[i].tcp ? cases[i].tcp : "", cases[i].tcp ? " 00000000:0000 0A\n" : "");
        g_autofree char *tcp6 = g_strdup_printf(
            "/proc/net/tcp6=" HEAD "%s%s%s", cases[i].tcp6 ? "   0: " : "",
            cases[i].tcp6 ? cases[i].tcp6 : "", cases[i].tcp6 ? " " ANY6 ":0000 0A\n" : "");

        g_test_message("%zu", i);
        preflightHostPut(root, tcp);
        preflightHostPut(root, tcp6);
        g_assert_cmpint(have(root, "5901", cases[i].address), ==,
                        cases[i].taken ? QEMU_SNAPSHOT_ANSWER_UNFIT :
                        QEMU_SNAPSHOT_ANSWER_THERE);
        preflightHostFree(root);
    }
}

/* A connection to that port, or a name, is none that listens. */
static void
testConnections(void)
{
    char *root = preflightHostNew();

    preflightHostPut(root, "/proc/net/tcp=" HEAD LINE("0100007F:0016", "0A")
                     LINE("0100007F:170D", "01"));
    g_assert_cmpint(have(root, "5901", "127.0.0.1"), ==,
                    QEMU_SNAPSHOT_ANSWER_THERE);
    g_assert_cmpint(have(root, "22", "127.0.0.1"), ==,
                    QEMU_SNAPSHOT_ANSWER_UNFIT);
    g_assert_cmpint(have(root, "22", "some.host"), ==,
                    QEMU_SNAPSHOT_ANSWER_UNKNOWN);
    preflightHostFree(root);
}

static void
testNoList(void)
{
    char *root = preflightHostNew();

    g_assert_cmpint(have(root, "5901", NULL), ==,
                    QEMU_SNAPSHOT_ANSWER_UNKNOWN);
    preflightHostPut(root, "/proc/net/tcp=garbage\n\n");
    g_assert_cmpint(have(root, "5901", NULL), ==,
                    QEMU_SNAPSHOT_ANSWER_THERE);
    preflightHostFree(root);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_preflight_port/cases", testCases);
    g_test_add_func("/qemu_snapshot_preflight_port/connections", testConnections);
    g_test_add_func("/qemu_snapshot_preflight_port/no-list", testNoList);
    return g_test_run();
}
