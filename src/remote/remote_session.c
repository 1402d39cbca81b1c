/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_session.c: the daemon of a user's session
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "remote_session.h"
#include "virnetclient.h"
#include "virsnaperror.h"
#include "virsnappaths.h"

/* virtsnapshotd --daemon goes to the background when its socket listens, so that
 * its exit is the sign that it can be called. */
static gboolean
sessionStartDaemon(GError **error)
{
    const char *path = secure_getenv("VIRTSNAPSHOTD_PATH");
    const char *argv[] = {
        path ? path : VIR_SNAP_PATH_DAEMON, "--daemon", "--timeout", "120", NULL
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
sessionConnectStarting(const char *path, GError **error)
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
    if (fd < 0 && sessionStartDaemon(error))
        fd = virNetClientConnect(path, error);

    close(lock);
    return fd;
}

int
remoteSessionConnect(GError **error)
{
    g_autofree char *path = virSnapPathsSocket(FALSE, FALSE);
    g_autoptr(GError) cause = NULL;
    int fd = virNetClientConnect(path, &cause);

    if (fd >= 0)
        return fd;

    if (virSnapErrorCode(cause) == VIR_ERR_NO_CONNECT)
        return sessionConnectStarting(path, error);

    g_propagate_error(error, g_steal_pointer(&cause));
    return -1;
}
