/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_jobinfo.c: what virtsnapshotd does with a domain, as an answer
 *
 * Typed parameters, as in libvirt's virDomainGetJobStats(), under libvirt's names where
 * it has any. Who may connect may ask: it is what libvirt's log and definitions tell.
 */

#include "config.h"

#include <libvirt/libvirt.h>

#include "libvirt-domain-snapshot.h"
#include "snapshot_protocol.h"
#include "virsnaperror.h"
#include "virtsnapshotd_jobinfo.h"

#define FLAGS VIR_DOMAIN_JOB_STATS_COMPLETED

/* The names and strings point into the info, or are constants, but for those of the
 * warnings, which are in `names`. */
typedef struct _jobParameters jobParameters;
struct _jobParameters {
    remote_typed_param list[SNAPSHOT_JOB_PARAMETERS_MAX];
    guint n;
    GPtrArray *names;
};

static remote_typed_param_value *
addParameter(jobParameters *params, const char *field, int type)
{
    remote_typed_param *param = &params->list[params->n++];

    param->field = (char *)field;
    param->value.type = type;
    return &param->value;
}

static void
addString(jobParameters *params, const char *field, const char *text)
{
    if (text && params->n < SNAPSHOT_JOB_PARAMETERS_MAX)
        addParameter(params, field, VIR_TYPED_PARAM_STRING)->
            remote_typed_param_value_u.s = (char *)text;
}

static void
addNumber(jobParameters *params, const char *field, guint64 number)
{
    addParameter(params, field, VIR_TYPED_PARAM_ULLONG)->
        remote_typed_param_value_u.ul = number;
}

static void
addBoolean(jobParameters *params, const char *field, gboolean value)
{
    addParameter(params, field, VIR_TYPED_PARAM_BOOLEAN)->
        remote_typed_param_value_u.b = value;
}

static const char *
formatOperation(qemuSnapshotJobOperation operation)
{
    switch (operation) {
    case QEMU_SNAPSHOT_JOB_REVERT:
        return "revert";
    case QEMU_SNAPSHOT_JOB_DELETE:
        return "delete";
    }

    return NULL;
}

static const char *
formatUnit(qemuSnapshotJobUnit unit)
{
    switch (unit) {
    case QEMU_SNAPSHOT_JOB_BYTES:
        return "bytes";
    case QEMU_SNAPSHOT_JOB_DISKS:
        return "disks";
    }

    return NULL;
}

static void
addInfo(jobParameters *params, const qemuSnapshotJobInfo *info)
{
    addString(params, VIR_DOMAIN_SNAPSHOT_JOB_OPERATION, formatOperation(info->operation));
    addString(params, VIR_DOMAIN_SNAPSHOT_JOB_DOMAIN, info->domain);
    addString(params, VIR_DOMAIN_SNAPSHOT_JOB_SNAPSHOT, info->snapshot);
    addString(params, VIR_DOMAIN_SNAPSHOT_JOB_STEP, info->step);
    addNumber(params, VIR_DOMAIN_JOB_TIME_ELAPSED, info->elapsed);
    if (info->total > 0) {
        addNumber(params, VIR_DOMAIN_SNAPSHOT_JOB_DONE, info->done);
        addNumber(params, VIR_DOMAIN_SNAPSHOT_JOB_TOTAL, info->total);
        addString(params, VIR_DOMAIN_SNAPSHOT_JOB_UNIT, formatUnit(info->unit));
    }
    if (info->completed) {
        addBoolean(params, VIR_DOMAIN_JOB_SUCCESS, !info->error);
        addString(params, VIR_DOMAIN_JOB_ERRMSG, info->error);
    }
    for (guint i = 0; i < info->warnings->len; i++) {
        char *name = g_strdup_printf(VIR_DOMAIN_SNAPSHOT_JOB_WARNING_PREFIX "%u", i);

        g_ptr_array_add(params->names, name);
        addString(params, name, g_ptr_array_index(info->warnings, i));
    }
}

GBytes *
virtsnapshotdJobInfoReply(qemuSnapshotJobs *jobs, const virNetMessageHeader *header,
                          const unsigned char *uuid, unsigned int flags, GError **error)
{
    virNetMessageHeader reply = *header;
    g_autoptr(qemuSnapshotJobInfo) info = NULL;
    g_autofree jobParameters *params = g_new0(jobParameters, 1);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    domain_snapshot_get_job_info_ret ret = { .params.params_val = params->list };

    if (flags & ~FLAGS) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) in the call"), flags & ~FLAGS);
        return NULL;
    }

    params->names = names;
    info = qemuSnapshotJobsGet(jobs, uuid, (flags & VIR_DOMAIN_JOB_STATS_COMPLETED) != 0);
    if (info)
        addInfo(params, info);

    ret.params.params_len = params->n;
    reply.type = VIR_NET_REPLY;
    reply.status = VIR_NET_OK;
    return virNetMessageEncode(&reply, (xdrproc_t)xdr_domain_snapshot_get_job_info_ret,
                               &ret, error);
}
