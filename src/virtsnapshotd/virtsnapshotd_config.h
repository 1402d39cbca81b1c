/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_config.h: virtsnapshotd.conf
 */

#pragma once

#include <glib.h>

#define VIRTSNAPSHOTD_REVERT_BY_US "virtsnapshotd"
#define VIRTSNAPSHOTD_REVERT_BY_LIBVIRT "libvirt"

typedef struct _virtsnapshotdConfig virtsnapshotdConfig;
struct _virtsnapshotdConfig {
    char *unix_sock_group;         /* NULL: that of the daemon */
    char *unix_sock_rw_perms;      /* octal */
    char *unix_sock_ro_perms;
    char *backend_socket;          /* NULL: where libvirt's daemon listens */
    char *backend_socket_ro;
    char *revert_by;               /* who answers libvirt's own call */
    char **exclusive_storage;      /* folders on network storage; NULL: none */
    char *storage_daemon;
    guint storage_daemon_timeout;  /* seconds */
    guint storage_timeout;         /* the same */
    guint max_clients;
    guint max_workers;
};

/* The defaults, overridden by what the file says. A missing file is an error
 * only where must_exist. Refused, with the line: unknown keys, values of the
 * wrong kind or out of range. */
virtsnapshotdConfig *virtsnapshotdConfigLoad(const char *file,
                                             gboolean must_exist,
                                             gboolean privileged,
                                             GError **error);
void virtsnapshotdConfigFree(virtsnapshotdConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdConfig, virtsnapshotdConfigFree)
