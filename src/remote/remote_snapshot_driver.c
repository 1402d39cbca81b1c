/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_snapshot_driver.c: the client's side of DOMAIN_SNAPSHOT_PROGRAM
 *
 * The daemon to ask is the one on the host of the caller's own libvirt
 * connection, which its URI tells: the socket that it names, or the standard
 * one of the system or of the session.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "remote_error.h"
#include "remote_snapshot_driver.h"
#include "snapshot_protocol.h"
#include "virnetclient.h"
#include "virsnaperror.h"

#define SYSTEM_RUN_DIR "/run/libvirt"
#define SOCKET_NAME "virtsnapshotd-sock"
#define SOCKET_NAME_RO "virtsnapshotd-sock-ro"

typedef struct _remoteTarget remoteTarget;
struct _remoteTarget {
    char *socket;
    gboolean session;   /* may be started on demand */
};

static void
remoteTargetClear(remoteTarget *target)
{
    g_free(target->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(remoteTarget, remoteTargetClear)

static char *
remoteURISocket(GUri *uri)
{
    g_autoptr(GHashTable) params = NULL;

    if (!g_uri_get_query(uri))
        return NULL;

    params = g_uri_parse_params(g_uri_get_query(uri), -1, "&;",
                                G_URI_PARAMS_NONE, NULL);
    return params ? g_strdup(g_hash_table_lookup(params, "socket")) : NULL;
}

static gboolean
remoteCheckURI(GUri *uri, const char *text, GError **error)
{
    const char *scheme = g_uri_get_scheme(uri);
    const char *host = g_uri_get_host(uri);

    if (!g_str_equal(scheme, "qemu") && !g_str_has_prefix(scheme, "qemu+")) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_SUPPORT,
                    _("reverting to external snapshots is not supported by the "
                      "driver of connection '%s'"), text);
        return FALSE;
    }

    if ((host && *host) || !(g_str_equal(scheme, "qemu") ||
                             g_str_equal(scheme, "qemu+unix"))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("reverting to external snapshots over the remote "
                      "connection '%s' is not supported yet"), text);
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
    const char *path;

    if (!text) {
        virSnapErrorSetLibvirt(error, _("cannot tell the URI of the connection"));
        return FALSE;
    }

    if (!(uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("the URI '%s' of the connection can't be parsed"), text);
        return FALSE;
    }

    if (!remoteCheckURI(uri, text, error))
        return FALSE;

    path = g_uri_get_path(uri);
    if ((target->socket = remoteURISocket(uri)))
        return TRUE;

    if (g_str_equal(path, "/system")) {
        target->socket = g_build_filename(SYSTEM_RUN_DIR,
                                          readonly ? SOCKET_NAME_RO : SOCKET_NAME,
                                          NULL);
    } else if (g_str_equal(path, "/session")) {
        target->session = TRUE;
        target->socket = g_build_filename(g_get_user_runtime_dir(), "libvirt",
                                          SOCKET_NAME, NULL);
    } else {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the connection '%s' is neither to the system nor to the "
                      "session daemon"), text);
        return FALSE;
    }

    return TRUE;
}

/* virtsnapshotd --daemon goes to the background when its socket listens, so that
 * its exit is the sign that it can be called. */
static gboolean
remoteStartDaemon(GError **error)
{
    const char *path = secure_getenv("VIRTSNAPSHOTD_PATH");
    const char *argv[] = {
        path ? path : SBINDIR "/virtsnapshotd", "--daemon", "--timeout", "120", NULL
    };
    g_autofree char *output = NULL;
    g_autoptr(GError) cause = NULL;
    int status;

    if (g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
                     NULL, NULL, NULL, &output, &status, &cause) &&
        g_spawn_check_wait_status(status, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT,
                _("cannot start the session daemon '%s': %s"), argv[0],
                output && *output ? g_strchomp(output) : cause->message);
    return FALSE;
}

/* Of several callers that find no daemon one starts it, and the others wait. */
static int
remoteConnectStarting(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *lock_path = g_build_filename(folder, "virtsnapshotd.lock", NULL);
    int lock = -1;
    int fd;

    if (g_mkdir_with_parents(folder, 0700) < 0 ||
        (lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0 ||
        flock(lock, LOCK_EX) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot lock '%s'"), lock_path);
        if (lock >= 0)
            close(lock);
        return -1;
    }

    fd = virNetClientConnect(path, NULL);
    if (fd < 0 && remoteStartDaemon(error))
        fd = virNetClientConnect(path, error);

    close(lock);
    return fd;
}

static int
remoteConnect(virConnectPtr conn, gboolean readonly, GError **error)
{
    g_auto(remoteTarget) target = { 0 };
    g_autoptr(GError) cause = NULL;
    int fd;

    if (!remoteFindTarget(conn, readonly, &target, error))
        return -1;

    fd = virNetClientConnect(target.socket, &cause);
    if (fd >= 0)
        return fd;

    if (target.session && virSnapErrorCode(cause) == VIR_ERR_NO_CONNECT)
        return remoteConnectStarting(target.socket, error);

    g_propagate_error(error, g_steal_pointer(&cause));
    return -1;
}

static gboolean
remoteMakeSnapshot(virDomainSnapshotPtr snapshot,
                   remote_nonnull_domain_snapshot *wire, GError **error)
{
    virDomainPtr dom = virDomainSnapshotGetDomain(snapshot);

    wire->name = (char *)virDomainSnapshotGetName(snapshot);
    wire->dom.name = (char *)virDomainGetName(dom);
    wire->dom.id = virDomainGetID(dom);
    if (!wire->name || !wire->dom.name ||
        virDomainGetUUID(dom, (unsigned char *)wire->dom.uuid) < 0) {
        virSnapErrorSetLibvirt(error, _("the snapshot's handle is not valid"));
        return FALSE;
    }

    return TRUE;
}

static GBytes *
remoteCall(virDomainSnapshotPtr snapshot, gboolean readonly, guint32 procedure,
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
    int fd = remoteConnect(virDomainSnapshotGetConnect(snapshot), readonly, error);

    if (fd < 0)
        return NULL;

    payload = virNetClientCall(fd, &header, filter, args, &reply, error);
    close(fd);
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

    payload = remoteCall(snapshot, FALSE, DOMAIN_REVERT_TO_SNAPSHOT_XML,
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

    payload = remoteCall(snapshot, TRUE, DOMAIN_SNAPSHOT_GET_REVERT_XML_DESC,
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
