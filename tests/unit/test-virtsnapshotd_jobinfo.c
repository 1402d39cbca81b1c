/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_jobinfo.c: what is known of an operation, on the wire
 */

#include "config.h"

#include <libvirt/libvirt.h>

#include "snapshot_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_jobinfo.h"

static const unsigned char uuid[VIR_UUID_BUFLEN] = { 1 };

/* The parameters of the reply as text, "name=value" each, without the time. */
static char *
ask(qemuSnapshotJobs *jobs, unsigned int flags)
{
    const virNetMessageHeader header = {
        .program = DOMAIN_SNAPSHOT_PROGRAM, .version = DOMAIN_SNAPSHOT_PROTOCOL_VERSION,
        .procedure = DOMAIN_SNAPSHOT_GET_JOB_INFO, .type = VIR_NET_CALL, .serial = 9,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) reply =
        virtsnapshotdJobInfoReply(jobs, &header, uuid, flags, &error);
    domain_snapshot_get_job_info_ret ret = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_job_info_ret;
    GString *text = g_string_new(NULL);
    virNetMessageHeader got;
    const guint8 *bytes;
    gsize len;

    g_assert_no_error(error);
    bytes = g_bytes_get_data(reply, NULL);
    g_assert_true(virNetMessageDecodePrefix(bytes, &got, &len, NULL));
    g_assert_cmpuint(got.serial, ==, 9);
    g_assert_cmpuint(got.type, ==, VIR_NET_REPLY);
    g_assert_true(virNetMessageDecodePayload(bytes + VIR_NET_MESSAGE_PREFIX, len, filter,
                                             &ret, NULL));
    for (guint i = 0; i < ret.params.params_len; i++) {
        const remote_typed_param *param = &ret.params.params_val[i];

        if (g_str_equal(param->field, VIR_DOMAIN_JOB_TIME_ELAPSED))
            continue;
        g_string_append_printf(text, "%s=", param->field);
        if (param->value.type == VIR_TYPED_PARAM_STRING)
            g_string_append(text, param->value.remote_typed_param_value_u.s);
        else if (param->value.type == VIR_TYPED_PARAM_BOOLEAN)
            g_string_append(text, param->value.remote_typed_param_value_u.b ? "yes" : "no");
        else
            g_string_append_printf(text, "%" G_GUINT64_FORMAT,
                                   (guint64)param->value.remote_typed_param_value_u.ul);
        g_string_append_c(text, ' ');
    }
    xdr_free(filter, (char *)&ret);
    return g_string_free(text, FALSE);
}

#define ASSERT_INFO(jobs, flags, expected) \
    do { \
        g_autofree char *text = ask(jobs, flags); \
        g_assert_cmpstr(text, ==, expected); \
    } while (0)

static void
testNothing(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();

    ASSERT_INFO(jobs, 0, "");
    ASSERT_INFO(jobs, VIR_DOMAIN_JOB_STATS_COMPLETED, "");
}

static void
testRunning(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    qemuSnapshotJob *job =
        qemuSnapshotJobBegin(jobs, QEMU_SNAPSHOT_JOB_DELETE, uuid, "vm", "s");

    ASSERT_INFO(jobs, 0, "operation=delete domain=vm snapshot=s ");
    qemuSnapshotJobSetStep(job, "merge");
    qemuSnapshotJobSetProgress(job, 0, 10, QEMU_SNAPSHOT_JOB_BYTES);
    ASSERT_INFO(jobs, 0, "operation=delete domain=vm snapshot=s step=merge done=0 "
                "total=10 unit=bytes ");
    ASSERT_INFO(jobs, VIR_DOMAIN_JOB_STATS_COMPLETED, "");
    qemuSnapshotJobEnd(job, NULL);
}

static void
testCompleted(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    g_autoptr(GError) error = g_error_new(VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED, "no");
    qemuSnapshotJob *job =
        qemuSnapshotJobBegin(jobs, QEMU_SNAPSHOT_JOB_REVERT, uuid, "vm", "s");

    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "a");
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "b");
    qemuSnapshotJobWarn(job, "a");
    qemuSnapshotJobWarn(job, "b");
    qemuSnapshotJobEnd(job, NULL);
    ASSERT_INFO(jobs, 0, "");
    ASSERT_INFO(jobs, VIR_DOMAIN_JOB_STATS_COMPLETED, "operation=revert domain=vm "
                "snapshot=s success=yes warning.0=a warning.1=b ");

    job = qemuSnapshotJobBegin(jobs, QEMU_SNAPSHOT_JOB_REVERT, uuid, "vm", "t");
    qemuSnapshotJobEnd(job, error);
    ASSERT_INFO(jobs, VIR_DOMAIN_JOB_STATS_COMPLETED, "operation=revert domain=vm "
                "snapshot=t success=no errmsg=no ");
}

static void
testFlags(void)
{
    g_autoptr(qemuSnapshotJobs) jobs = qemuSnapshotJobsNew();
    const virNetMessageHeader header = { .type = VIR_NET_CALL };
    g_autoptr(GError) error = NULL;

    g_assert_null(virtsnapshotdJobInfoReply(jobs, &header, uuid, 3, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG);
    g_assert_nonnull(strstr(error->message, "0x2"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtsnapshotd_jobinfo/nothing", testNothing);
    g_test_add_func("/virtsnapshotd_jobinfo/running", testRunning);
    g_test_add_func("/virtsnapshotd_jobinfo/completed", testCompleted);
    g_test_add_func("/virtsnapshotd_jobinfo/flags", testFlags);
    return g_test_run();
}
