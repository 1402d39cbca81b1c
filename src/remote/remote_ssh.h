/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_ssh.h: virtsnapshotd on another host
 */

#pragma once

#include <glib.h>
#include <sys/types.h>

/* A running ssh; all zeroes: none. */
typedef struct _remoteSSH remoteSSH;
struct _remoteSSH {
    GPid pid;
    int err_fd;       /* what it said */
    char *host;
};

/* The command that connects its standard input and output to the virtsnapshotd at
 * `socket`, or that of the session where that is NULL, on the URI's host. Of its
 * parameters, as g_uri_parse_params() gives them, or NULL, those that libvirt has for
 * ssh are heeded: command, keyfile, no_tty, no_verify. NULL where host or user would be taken for an option. Freed with
 * g_strfreev(). */
char **remoteSSHCommand(GUri *uri, GHashTable *params, const char *socket,
                        GError **error);

/* Runs it; *ret_fd is the descriptor to talk over, which the caller closes. */
gboolean remoteSSHOpen(remoteSSH *ssh, const char *const *argv, const char *host,
                       int *ret_fd, GError **error);

/* Ends it, where it was opened. An error that is set is replaced by what ssh said. */
void remoteSSHClose(remoteSSH *ssh, GError **error);
