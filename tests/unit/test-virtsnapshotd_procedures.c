/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_procedures.c: calls and what they change
 */

#include "config.h"

#include "remote_protocol.h"
#include "virtsnapshotd_procedures.h"

static virtsnapshotdCall
find(guint32 program, guint32 procedure, virNetMessageType type)
{
    virNetMessageHeader header = {
        .program = program, .version = 1, .procedure = procedure, .type = type,
    };

    return virtsnapshotdCallFind(&header);
}

static void
checkRemote(const guint32 *procedures, gsize n, virtsnapshotdCall expected)
{
    for (gsize i = 0; i < n; i++)
        g_assert_cmpint(find(REMOTE_PROGRAM, procedures[i], VIR_NET_CALL), ==, expected);
}

/* some of each time, and the last of libvirt 11.3 */
static void
testDomain(void)
{
    const guint32 procedures[] = { 8, 34, 166, 207, 264, 300, 366, 402, 448, 450, 451, 452 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_DOMAIN);
}

/* what libvirt's deletion of a snapshot does not keep waiting */
static void
testAbort(void)
{
    const guint32 procedures[] = { 12, 164, 234, 442 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_ABORT);
}

/* those that read, those of other objects, and what may come yet */
static void
testOther(void)
{
    const guint32 procedures[] = { 0, 1, 14, 16, 42, 165, 299, 365, 449, 453, G_MAXUINT32 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_OTHER);
}

static void
testNoCall(void)
{
    g_assert_cmpint(find(REMOTE_PROGRAM, 34, VIR_NET_CALL_WITH_FDS), ==,
                    VIRTSNAPSHOTD_CALL_DOMAIN);
    g_assert_cmpint(find(REMOTE_PROGRAM, 34, VIR_NET_REPLY), ==, VIRTSNAPSHOTD_CALL_OTHER);
    g_assert_cmpint(find(REMOTE_PROGRAM, 34, VIR_NET_STREAM), ==, VIRTSNAPSHOTD_CALL_OTHER);
    g_assert_cmpint(find(1, 34, VIR_NET_CALL), ==, VIRTSNAPSHOTD_CALL_OTHER);
}

static void
testPrograms(void)
{
    g_assert_cmpint(find(QEMU_PROGRAM, 1, VIR_NET_CALL), ==, VIRTSNAPSHOTD_CALL_DOMAIN);
    g_assert_cmpint(find(DOMAIN_SNAPSHOT_PROGRAM, 1, VIR_NET_CALL), ==,
                    VIRTSNAPSHOTD_CALL_REVERT_XML);
    g_assert_cmpint(find(DOMAIN_SNAPSHOT_PROGRAM, 2, VIR_NET_CALL), ==,
                    VIRTSNAPSHOTD_CALL_GET_DESC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_procedures/domain", testDomain);
    g_test_add_func("/virtsnapshotd_procedures/abort", testAbort);
    g_test_add_func("/virtsnapshotd_procedures/other", testOther);
    g_test_add_func("/virtsnapshotd_procedures/no-call", testNoCall);
    g_test_add_func("/virtsnapshotd_procedures/programs", testPrograms);
    return g_test_run();
}
