/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_identity.c: who a client is
 *
 * To libvirt's daemon every connection of ours comes from this daemon. What it lets
 * its access drivers decide, and what it logs, goes by the client: so it is told,
 * by the call that libvirt has for its own proxy. Of users and groups the numbers
 * are told and not the names, which would have to be looked up, and may be far away.
 */

#include "config.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "remote_protocol.h"
#include "virsnaperror.h"
#include "virsnapprocess.h"
#include "virtsnapshotd_identity.h"

#define LABEL_MAX 4096
#define PARAMETERS 5

static void
setSigned(remote_typed_param *param, const char *field, gint64 value)
{
    param->field = (char *)field;
    param->value.type = VIR_TYPED_PARAM_LLONG;
    param->value.remote_typed_param_value_u.l = value;
}

static void
setUnsigned(remote_typed_param *param, const char *field, guint64 value)
{
    param->field = (char *)field;
    param->value.type = VIR_TYPED_PARAM_ULLONG;
    param->value.remote_typed_param_value_u.ul = value;
}

GBytes *
virtsnapshotdIdentityEncode(int fd, guint32 serial, GError **error)
{
    virNetMessageHeader header = {
        .program = REMOTE_PROGRAM,
        .version = REMOTE_PROTOCOL_VERSION,
        .procedure = REMOTE_PROC_CONNECT_SET_IDENTITY,
        .type = VIR_NET_CALL,
        .serial = serial,
    };
    remote_typed_param params[PARAMETERS] = { { 0 } };
    remote_connect_set_identity_args args = { .params.params_val = params };
    struct ucred peer;
    socklen_t len = sizeof(peer);
    char label[LABEL_MAX] = { 0 };
    socklen_t label_len = sizeof(label) - 1;
    guint64 start;
    guint n = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot tell who a client is"));
        return NULL;
    }

    setUnsigned(&params[n++], VIR_CONNECT_IDENTITY_UNIX_USER_ID, peer.uid);
    setUnsigned(&params[n++], VIR_CONNECT_IDENTITY_UNIX_GROUP_ID, peer.gid);
    if ((start = virSnapProcessGetStart(peer.pid)) > 0) {
        setSigned(&params[n++], VIR_CONNECT_IDENTITY_PROCESS_ID, peer.pid);
        setUnsigned(&params[n++], VIR_CONNECT_IDENTITY_PROCESS_TIME, start);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &label_len) == 0 && label[0]) {
        params[n].field = (char *)VIR_CONNECT_IDENTITY_SELINUX_CONTEXT;
        params[n].value.type = VIR_TYPED_PARAM_STRING;
        params[n++].value.remote_typed_param_value_u.s = label;
    }

    args.params.params_len = n;
    return virNetMessageEncode(&header, (xdrproc_t)xdr_remote_connect_set_identity_args,
                               &args, error);
}
