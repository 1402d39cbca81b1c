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

/* some of each time, and the last of libvirt 12.8 */
static void
testDomain(void)
{
    const guint32 procedures[] = { 8, 34, 166, 207, 264, 300, 366, 402, 448, 450, 451, 452,
                                   456 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_DOMAIN);
}

static void
testDestroy(void)
{
    const guint32 procedures[] = { 12, 234 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_DESTROY);
}

/* those that read, those of other objects, events, and what ends a job of libvirt's */
static void
testOther(void)
{
    const guint32 procedures[] = { 0, 1, 14, 16, 42, 164, 165, 299, 365, 442, 449, 453,
                                   454, 455 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_OTHER);
}

/* what may come yet, of libvirt's programs alone */
static void
testNewer(void)
{
    const guint32 procedures[] = { 457, 1000, G_MAXUINT32 };

    checkRemote(procedures, G_N_ELEMENTS(procedures), VIRTSNAPSHOTD_CALL_NEWER);
    g_assert_cmpint(find(QEMU_PROGRAM, 8, VIR_NET_CALL), ==, VIRTSNAPSHOTD_CALL_NEWER);
    g_assert_cmpint(find(QEMU_PROGRAM, 8, VIR_NET_MESSAGE), ==, VIRTSNAPSHOTD_CALL_OTHER);
    g_assert_cmpint(find(1, 457, VIR_NET_CALL), ==, VIRTSNAPSHOTD_CALL_OTHER);
}

/* a version of a program that nobody knows, too */
static void
testVersion(void)
{
    virNetMessageHeader header = {
        .program = REMOTE_PROGRAM, .version = 2, .procedure = 34, .type = VIR_NET_CALL,
    };

    g_assert_cmpint(virtsnapshotdCallFind(&header), ==, VIRTSNAPSHOTD_CALL_NEWER);
    header.program = DOMAIN_SNAPSHOT_PROGRAM;
    g_assert_cmpint(virtsnapshotdCallFind(&header), ==, VIRTSNAPSHOTD_CALL_OTHER);
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
    g_assert_cmpint(find(DOMAIN_SNAPSHOT_PROGRAM, 3, VIR_NET_CALL), ==,
                    VIRTSNAPSHOTD_CALL_OTHER);
    g_assert_cmpint(find(DOMAIN_SNAPSHOT_PROGRAM, 5, VIR_NET_CALL), ==,
                    VIRTSNAPSHOTD_CALL_GET_JOB_INFO);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_procedures/domain", testDomain);
    g_test_add_func("/virtsnapshotd_procedures/destroy", testDestroy);
    g_test_add_func("/virtsnapshotd_procedures/other", testOther);
    g_test_add_func("/virtsnapshotd_procedures/newer", testNewer);
    g_test_add_func("/virtsnapshotd_procedures/version", testVersion);
    g_test_add_func("/virtsnapshotd_procedures/no-call", testNoCall);
    g_test_add_func("/virtsnapshotd_procedures/programs", testPrograms);
    return g_test_run();
}
