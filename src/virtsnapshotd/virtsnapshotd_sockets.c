/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_sockets.c: where virtsnapshotd listens
 *
 * systemd may have opened the sockets, and among them those that are libvirt's own
 * elsewhere: libvirt's daemon is at another path then, which must be told, as the
 * connections to it would come back here.
 */

#include "config.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "virsnaperror.h"
#include "virsnappaths.h"
#include "virtsnapshotd_sockets.h"

static gboolean
socketsFindGroup(const virtsnapshotdConfig *config, gid_t *ret_gid, GError **error)
{
    struct group *group;

    *ret_gid = (gid_t)-1;
    if (!config->unix_sock_group)
        return TRUE;

    if (!(group = getgrnam(config->unix_sock_group))) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                    _("the group '%s' of 'unix_sock_group' does not exist"),
                    config->unix_sock_group);
        return FALSE;
    }

    *ret_gid = group->gr_gid;
    return TRUE;
}

static mode_t
socketsMode(const char *perms)
{
    return strtoul(perms, NULL, 8);
}

static gboolean
socketsListen(virNetServer *server, const virtsnapshotdConfig *config,
              const char *run_dir, gboolean privileged, GError **error)
{
    g_autofree char *rw = virSnapPathsSocketIn(run_dir, FALSE);
    g_autofree char *ro = virSnapPathsSocketIn(run_dir, TRUE);
    gid_t gid;

    if (!privileged)
        return virNetServerListen(server, rw, 0600, -1, FALSE, error);

    return socketsFindGroup(config, &gid, error) &&
        virNetServerListen(server, rw, socketsMode(config->unix_sock_rw_perms),
                           gid, FALSE, error) &&
        virNetServerListen(server, ro, socketsMode(config->unix_sock_ro_perms),
                           gid, TRUE, error);
}

static gboolean
socketsCheckPath(const char *path, const virtsnapshotdBackend *backend,
                 gboolean readonly, GError **error)
{
    g_autofree char *other = virtsnapshotdBackendGetSocket(backend, readonly);

    if (!g_str_equal(path, other))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                _("virtsnapshotd can't listen at '%s', where it looks for libvirt's "
                  "own daemon; set 'backend_socket' to where libvirt's daemon listens"), path);
    return FALSE;
}

/* Which of the two kinds one is, its name tells. */
static gboolean
socketsTake(virNetServer *server, const virtsnapshotdBackend *backend, int n_sockets,
            GError **error)
{
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n_sockets; fd++) {
        struct sockaddr_un addr = { 0 };
        socklen_t len = sizeof(addr) - 1;
        gboolean readonly;

        getsockname(fd, (struct sockaddr *)&addr, &len);
        readonly = g_str_has_suffix(addr.sun_path, "-ro");
        if (!socketsCheckPath(addr.sun_path, backend, readonly, error))
            return FALSE;
        virNetServerAddListener(server, fd, readonly);
    }

    return TRUE;
}

gboolean
virtsnapshotdSocketsOpen(virNetServer *server, const virtsnapshotdConfig *config,
                         const virtsnapshotdBackend *backend, const char *run_dir,
                         gboolean privileged, GError **error)
{
    int n_sockets = sd_listen_fds(1);

    return n_sockets > 0 ? socketsTake(server, backend, n_sockets, error) :
        socketsListen(server, config, run_dir, privileged, error);
}
