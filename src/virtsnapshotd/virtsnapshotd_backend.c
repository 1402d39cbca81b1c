/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_backend.c: where libvirt's daemon is
 *
 * It is libvirtd, or virtqemud where the host has libvirt's daemons one by one; a
 * setting names another socket, as where virtsnapshotd has taken the public one.
 */

#include "config.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virtsnapshotd_backend.h"

struct _virtsnapshotdBackend {
    char *run_dir;
    char *socket;       /* NULL: one of libvirt's in run_dir */
    char *socket_ro;
    char *uri;
    gboolean privileged;
};

virtsnapshotdBackend *
virtsnapshotdBackendNew(const virtsnapshotdConfig *config, const char *run_dir,
                        gboolean privileged)
{
    virtsnapshotdBackend *backend = g_new0(virtsnapshotdBackend, 1);
    const char *path = privileged ? "/system" : "/session";

    backend->run_dir = g_strdup(run_dir);
    backend->socket = g_strdup(config->backend_socket);
    backend->socket_ro = g_strdup(config->backend_socket_ro);
    backend->privileged = privileged;

    if (backend->socket) {
        g_autofree char *escaped = g_uri_escape_string(backend->socket, "/", FALSE);

        backend->uri = g_strdup_printf("qemu+unix://%s?socket=%s", path, escaped);
    } else {
        backend->uri = g_strdup_printf("qemu://%s", path);
    }

    return backend;
}

void
virtsnapshotdBackendFree(virtsnapshotdBackend *backend)
{
    if (!backend)
        return;

    g_free(backend->run_dir);
    g_free(backend->socket);
    g_free(backend->socket_ro);
    g_free(backend->uri);
    g_free(backend);
}

const char *
virtsnapshotdBackendGetURI(const virtsnapshotdBackend *backend)
{
    return backend->uri;
}

gboolean
virtsnapshotdBackendIsStarted(const virtsnapshotdBackend *backend)
{
    return !backend->privileged && !backend->socket;
}

/* As libvirt's library chooses. */
char *
virtsnapshotdBackendGetSocket(const virtsnapshotdBackend *backend, gboolean readonly)
{
    const char *const names[] = { "virtqemud-sock", "libvirt-sock" };
    const char *suffix = readonly && backend->privileged ? "-ro" : "";
    g_autofree char *path = NULL;

    if (backend->socket)
        return g_strdup(readonly ? backend->socket_ro : backend->socket);

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_free(path);
        path = g_strdup_printf("%s/%s%s", backend->run_dir, names[i], suffix);
        if (access(path, F_OK) == 0)
            break;
    }

    return g_steal_pointer(&path);
}

static int
connectErrorCode(int saved_errno)
{
    switch (saved_errno) {
    case ENOENT:
    case ECONNREFUSED:
        return VIR_ERR_NO_CONNECT;
    case EAGAIN:
        return VIR_ERR_RESOURCE_BUSY;
    default:
        return VIR_ERR_SYSTEM_ERROR;
    }
}

int
virtsnapshotdBackendConnect(const virtsnapshotdBackend *backend, gboolean readonly,
                            GError **error)
{
    g_autofree char *path = virtsnapshotdBackendGetSocket(backend, readonly);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int saved_errno = ENAMETOOLONG;
    int fd = -1;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) < sizeof(addr.sun_path)) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
            return fd;
        saved_errno = errno;
    }

    /* the words in which libvirt's own library says it */
    virSnapErrorSetErrno(error, connectErrorCode(saved_errno), saved_errno,
                         _("Failed to connect socket to '%s'"), path);
    if (fd >= 0)
        close(fd);
    return -1;
}
