/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_ssh.c: virtsnapshotd on another host
 *
 * ssh runs `virtsnapshotd --relay` there, whose standard input and output are the
 * daemon's socket. ssh itself is started without a shell. What it is to run goes
 * through the remote user's, so that a path from the URI is quoted; there is no other
 * part of the URI in it. Host and user can't be taken for options.
 */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote_ssh.h"
#include "virsnaperror.h"

/* of what ssh said */
#define TEXT_MAX 4096
/* Together two seconds. */
#define REAP_TRIES 400
#define REAP_USECS 5000

static char *
sshRemoteCommand(const char *socket)
{
    g_autofree char *where = g_shell_quote(socket ? socket : "session");
    g_autofree char *script =
        g_strdup_printf("PATH=\"$PATH:" SBINDIR ":/usr/sbin:/usr/local/sbin\"; "
                        "exec virtsnapshotd --relay %s", where);
    g_autofree char *quoted = g_shell_quote(script);

    /* whatever the remote user's shell is */
    return g_strdup_printf("sh -c %s", quoted);
}

static gboolean
sshCheckName(const char *name, GError **error)
{
    if (!name || (*name && *name != '-'))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                _("'%s' can't be the name of a host or user for ssh"), name);
    return FALSE;
}

static const char *
sshParameter(GHashTable *params, const char *name)
{
    return params ? g_hash_table_lookup(params, name) : NULL;
}

static gboolean
sshFlag(GHashTable *params, const char *name)
{
    const char *value = sshParameter(params, name);

    return value && !g_str_equal(value, "0");
}

char **
remoteSSHCommand(GUri *uri, GHashTable *params, const char *socket, GError **error)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    const char *command = sshParameter(params, "command");
    const char *keyfile = sshParameter(params, "keyfile");
    const char *user = g_uri_get_userinfo(uri);
    g_autofree char *remote = sshRemoteCommand(socket);

    if (!sshCheckName(g_uri_get_host(uri), error) || !sshCheckName(user, error))
        return NULL;

    g_strv_builder_add_many(argv, command ? command : "ssh", "-T", "-e", "none", NULL);
    if (g_uri_get_port(uri) > 0) {
        g_autofree char *port = g_strdup_printf("%d", g_uri_get_port(uri));

        g_strv_builder_add_many(argv, "-p", port, NULL);
    }
    if (user)
        g_strv_builder_add_many(argv, "-l", user, NULL);
    if (keyfile)
        g_strv_builder_add_many(argv, "-i", keyfile, NULL);
    if (sshFlag(params, "no_tty"))
        g_strv_builder_add_many(argv, "-o", "BatchMode=yes", NULL);
    if (sshFlag(params, "no_verify"))
        g_strv_builder_add_many(argv, "-o", "StrictHostKeyChecking=no", NULL);
    g_strv_builder_add_many(argv, "--", g_uri_get_host(uri), remote, NULL);
    return g_strv_builder_end(argv);
}

gboolean
remoteSSHOpen(remoteSSH *ssh, const char *const *argv, const char *host, int *ret_fd,
              GError **error)
{
    g_autoptr(GError) cause = NULL;
    int ends[2] = { -1, -1 };
    int err_fd = memfd_create("ssh", MFD_CLOEXEC);
    gboolean ok = FALSE;

    if (err_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot prepare to run '%s'"), argv[0]);
    else if (!g_spawn_async_with_fds(NULL, (char **)argv, NULL,
                                     G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                                     NULL, NULL, &ssh->pid, ends[1], ends[1], err_fd,
                                     &cause))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT,
                    _("cannot run '%s': %s"), argv[0], cause->message);
    else
        ok = TRUE;

    if (ends[1] >= 0)
        close(ends[1]);
    if (!ok) {
        if (ends[0] >= 0)
            close(ends[0]);
        if (err_fd >= 0)
            close(err_fd);
        return FALSE;
    }

    ssh->err_fd = err_fd;
    ssh->host = g_strdup(host);
    *ret_fd = ends[0];
    return TRUE;
}

/* It has lost its input and ends by itself, saying why where it failed; one that does
 * not is ended. */
static void
sshReap(GPid pid)
{
    for (int i = 0; i < REAP_TRIES; i++) {
        pid_t done = waitpid(pid, NULL, WNOHANG);

        if (done == pid || (done < 0 && errno != EINTR))
            return;
        g_usleep(REAP_USECS);
    }

    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void
remoteSSHClose(remoteSSH *ssh, GError **error)
{
    char text[TEXT_MAX + 1] = "";
    ssize_t len;

    if (ssh->pid == 0)
        return;

    sshReap(ssh->pid);
    len = pread(ssh->err_fd, text, TEXT_MAX, 0);
    if (error && *error) {
        g_autofree char *cause = len > 0 ? g_utf8_make_valid(text, len) :
            g_strdup((*error)->message);

        g_clear_error(error);
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_CONNECT,
                    _("cannot reach virtsnapshotd on host '%s' through ssh: %s"),
                    ssh->host, g_strstrip(cause));
    }

    close(ssh->err_fd);
    g_free(ssh->host);
    ssh->pid = 0;
}
