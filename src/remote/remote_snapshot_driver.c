/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_snapshot_driver.c: the client's side of DOMAIN_SNAPSHOT_PROGRAM
 *
 * The daemon to ask is the one on the host of the caller's own libvirt
 * connection, which its URI tells: the socket that it names, or the standard
 * one of the system or of the session; on another host through ssh.
 */

#include "config.h"

#include <unistd.h>

#include "remote_error.h"
#include "remote_session.h"
#include "remote_snapshot_driver.h"
#include "remote_ssh.h"
#include "snapshot_protocol.h"
#include "virnetclient.h"
#include "virsnaperror.h"
#include "virsnappaths.h"

typedef struct _remoteTarget remoteTarget;
struct _remoteTarget {
    char *socket;
    gboolean session;   /* may be started on demand */
    char **argv;        /* the ssh that reaches it; NULL: it is on this host */
    char *host;
};

static void
remoteTargetClear(remoteTarget *target)
{
    g_free(target->socket);
    g_strfreev(target->argv);
    g_free(target->host);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(remoteTarget, remoteTargetClear)

/* Empty where it has none, NULL where they can't be parsed. */
static GHashTable *
remoteURIParameters(GUri *uri)
{
    const char *query = g_uri_get_query(uri);

    return g_uri_parse_params(query ? query : "", -1, "&;", G_URI_PARAMS_NONE, NULL);
}

static gboolean
remoteCheckURI(GUri *uri, const char *socket, const char *text, GError **error)
{
    const char *scheme = g_uri_get_scheme(uri);
    const char *host = g_uri_get_host(uri);
    gboolean local = g_str_equal(scheme, "qemu") || g_str_equal(scheme, "qemu+unix");

    if (!g_str_equal(scheme, "qemu") && !g_str_has_prefix(scheme, "qemu+")) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_SUPPORT,
                    _("reverting to external snapshots is not supported by the "
                      "driver of connection '%s'"), text);
        return FALSE;
    }

    if (host && *host ? !g_str_equal(scheme, "qemu+ssh") : !local) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("reverting to external snapshots over the remote "
                      "connection '%s' is not supported: only ssh is"), text);
        return FALSE;
    }

    if (!g_str_equal(g_uri_get_path(uri), "/system") &&
        !g_str_equal(g_uri_get_path(uri), "/session") && !socket) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the connection '%s' is neither to the system nor to the "
                      "session daemon"), text);
        return FALSE;
    }

    return TRUE;
}

static gboolean
remoteFindTarget(virConnectPtr conn, gboolean readonly, remoteTarget *target,
                 GError **error)
{
    g_autofree char *text = virConnectGetURI(conn);
    g_autoptr(GUri) uri = NULL;
    g_autoptr(GHashTable) params = NULL;
    const char *host;

    if (!text) {
        virSnapErrorSetLibvirt(error, _("cannot tell the URI of the connection"));
        return FALSE;
    }

    if (!(uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the URI '%s' of the connection can't be parsed"), text);
        return FALSE;
    }

    if ((params = remoteURIParameters(uri)))
        target->socket = g_strdup(g_hash_table_lookup(params, "socket"));
    if (!remoteCheckURI(uri, target->socket, text, error))
        return FALSE;

    target->session = !target->socket && g_str_equal(g_uri_get_path(uri), "/session");
    if (!target->socket && !target->session)
        target->socket = virSnapPathsSocket(TRUE, readonly);

    if (!(host = g_uri_get_host(uri)) || !*host)
        return TRUE;

    target->host = g_strdup(host);
    target->argv = remoteSSHCommand(uri, params, target->socket, error);
    return target->argv != NULL;
}

static gboolean
remoteConnect(virConnectPtr conn, gboolean readonly, remoteSSH *ssh, int *ret_fd,
              GError **error)
{
    g_auto(remoteTarget) target = { 0 };

    if (!remoteFindTarget(conn, readonly, &target, error))
        return FALSE;

    if (target.argv)
        return remoteSSHOpen(ssh, (const char *const *)target.argv, target.host, ret_fd,
                             error);

    *ret_fd = target.session ? remoteSessionConnect(error) :
        virNetClientConnect(target.socket, error);
    return *ret_fd >= 0;
}

/* Nothing is asked after what failed: it would reset libvirt's error. */
static gboolean
remoteMakeDomain(virDomainPtr dom, remote_nonnull_domain *wire, GError **error)
{
    if (!(wire->name = (char *)virDomainGetName(dom)) ||
        virDomainGetUUID(dom, (unsigned char *)wire->uuid) < 0) {
        virSnapErrorSetLibvirt(error, _("the domain's handle is not valid"));
        return FALSE;
    }

    wire->id = virDomainGetID(dom);
    return TRUE;
}

static gboolean
remoteMakeSnapshot(virDomainSnapshotPtr snapshot,
                   remote_nonnull_domain_snapshot *wire, GError **error)
{
    virDomainPtr dom = NULL;

    if (!(wire->name = (char *)virDomainSnapshotGetName(snapshot)) ||
        !(dom = virDomainSnapshotGetDomain(snapshot))) {
        virSnapErrorSetLibvirt(error, _("the snapshot's handle is not valid"));
        return FALSE;
    }

    return remoteMakeDomain(dom, &wire->dom, error);
}

static GBytes *
remoteCall(virConnectPtr conn, gboolean readonly, guint32 procedure,
           xdrproc_t filter, void *args, GError **error)
{
    virNetMessageHeader header = {
        .program = DOMAIN_SNAPSHOT_PROGRAM,
        .version = DOMAIN_SNAPSHOT_PROTOCOL_VERSION,
        .procedure = procedure,
        .type = VIR_NET_CALL,
    };
    virNetMessageHeader reply;
    g_autoptr(GBytes) payload = NULL;
    remoteSSH ssh = { 0 };
    int fd;

    if (!remoteConnect(conn, readonly, &ssh, &fd, error))
        return NULL;

    payload = virNetClientCall(fd, &header, filter, args, &reply, error);
    close(fd);
    remoteSSHClose(&ssh, payload ? NULL : error);
    if (payload && reply.status != VIR_NET_OK) {
        remoteErrorDecode(payload, error);
        return NULL;
    }

    return g_steal_pointer(&payload);
}

gboolean
remoteDomainRevertToSnapshotXML(virDomainSnapshotPtr snapshot, const char *xml,
                                unsigned int flags, GError **error)
{
    remote_nonnull_string text = (char *)xml;
    domain_revert_to_snapshot_xml_args args = {
        .xml = xml ? &text : NULL, .flags = flags,
    };
    g_autoptr(GBytes) payload = NULL;

    if (!remoteMakeSnapshot(snapshot, &args.snap, error))
        return FALSE;

    payload = remoteCall(virDomainSnapshotGetConnect(snapshot), FALSE,
                         DOMAIN_REVERT_TO_SNAPSHOT_XML,
                         (xdrproc_t)xdr_domain_revert_to_snapshot_xml_args,
                         &args, error);
    return payload != NULL;
}

char *
remoteDomainSnapshotGetRevertXMLDesc(virDomainSnapshotPtr snapshot,
                                     const char *xml, unsigned int flags,
                                     GError **error)
{
    remote_nonnull_string text = (char *)xml;
    domain_snapshot_get_revert_xml_desc_args args = {
        .xml = xml ? &text : NULL, .flags = flags,
    };
    domain_snapshot_get_revert_xml_desc_ret ret = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_ret;
    g_autoptr(GBytes) payload = NULL;
    char *desc = NULL;
    gsize len;
    const guint8 *bytes;

    if (!remoteMakeSnapshot(snapshot, &args.snap, error))
        return NULL;

    /* what a document names is looked into: not for those who may only look on */
    payload = remoteCall(virDomainSnapshotGetConnect(snapshot), !xml,
                         DOMAIN_SNAPSHOT_GET_REVERT_XML_DESC,
                         (xdrproc_t)xdr_domain_snapshot_get_revert_xml_desc_args,
                         &args, error);
    if (!payload)
        return NULL;

    bytes = g_bytes_get_data(payload, &len);
    if (virNetMessageDecodePayload(bytes, len, filter, &ret, error))
        desc = g_strdup(ret.xml);
    xdr_free(filter, (char *)&ret);

    return desc;
}

static int
remoteAddParameter(const remote_typed_param *wire, virTypedParameterPtr *params,
                   int *n_params, int *max_params)
{
    switch ((virTypedParameterType)wire->value.type) {
    case VIR_TYPED_PARAM_LLONG:
        return virTypedParamsAddLLong(params, n_params, max_params, wire->field,
                                      wire->value.remote_typed_param_value_u.l);
    case VIR_TYPED_PARAM_ULLONG:
        return virTypedParamsAddULLong(params, n_params, max_params, wire->field,
                                       wire->value.remote_typed_param_value_u.ul);
    case VIR_TYPED_PARAM_BOOLEAN:
        return virTypedParamsAddBoolean(params, n_params, max_params, wire->field,
                                        wire->value.remote_typed_param_value_u.b != 0);
    case VIR_TYPED_PARAM_STRING:
        return virTypedParamsAddString(params, n_params, max_params, wire->field,
                                       wire->value.remote_typed_param_value_u.s);
    case VIR_TYPED_PARAM_INT:
    case VIR_TYPED_PARAM_UINT:
    case VIR_TYPED_PARAM_DOUBLE:
        /* not of this wire: they could not be decoded */
        break;
    }

    return -1;
}

static gboolean
remoteAddParameters(const domain_snapshot_get_job_info_ret *ret,
                    virTypedParameterPtr *ret_params, int *ret_nparams, GError **error)
{
    virTypedParameterPtr params = NULL;
    int n_params = 0;
    int max_params = 0;

    for (guint i = 0; i < ret->params.params_len; i++) {
        const remote_typed_param *wire = &ret->params.params_val[i];

        if (remoteAddParameter(wire, &params, &n_params, &max_params) == 0)
            continue;
        virSnapErrorSetLibvirt(error, _("the daemon's parameter '%s' can't be "
                                        "understood"), wire->field);
        virTypedParamsFree(params, n_params);
        return FALSE;
    }

    *ret_params = params;
    *ret_nparams = n_params;
    return TRUE;
}

gboolean
remoteDomainSnapshotGetJobInfo(virDomainPtr dom, unsigned int flags,
                               virTypedParameterPtr *ret_params, int *ret_nparams,
                               GError **error)
{
    domain_snapshot_get_job_info_args args = { .flags = flags };
    domain_snapshot_get_job_info_ret ret = { 0 };
    xdrproc_t filter = (xdrproc_t)xdr_domain_snapshot_get_job_info_ret;
    g_autoptr(GBytes) payload = NULL;
    const guint8 *bytes;
    gboolean ok;
    gsize len;

    if (!remoteMakeDomain(dom, &args.dom, error))
        return FALSE;

    payload = remoteCall(virDomainGetConnect(dom), TRUE, DOMAIN_SNAPSHOT_GET_JOB_INFO,
                         (xdrproc_t)xdr_domain_snapshot_get_job_info_args, &args, error);
    if (!payload)
        return FALSE;

    bytes = g_bytes_get_data(payload, &len);
    ok = virNetMessageDecodePayload(bytes, len, filter, &ret, error) &&
        remoteAddParameters(&ret, ret_params, ret_nparams, error);
    xdr_free(filter, (char *)&ret);
    return ok;
}
