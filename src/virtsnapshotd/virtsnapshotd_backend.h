/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_backend.h: where libvirt's daemon is
 */

#pragma once

#include <glib.h>

#include "virtsnapshotd_config.h"

typedef struct _virtsnapshotdBackend virtsnapshotdBackend;

/* run_dir is the folder of the sockets, of libvirt's and of ours. */
virtsnapshotdBackend *virtsnapshotdBackendNew(const virtsnapshotdConfig *config,
                                              const char *run_dir, gboolean privileged);
void virtsnapshotdBackendFree(virtsnapshotdBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtsnapshotdBackend, virtsnapshotdBackendFree)

/* The URI by which libvirt's library connects to the same daemon. */
const char *virtsnapshotdBackendGetURI(const virtsnapshotdBackend *backend);

/* Whether connecting by that URI starts the daemon where it does not run. */
gboolean virtsnapshotdBackendIsStarted(const virtsnapshotdBackend *backend);

/* The path of its socket now; the caller frees it with g_free(). */
char *virtsnapshotdBackendGetSocket(const virtsnapshotdBackend *backend,
                                    gboolean readonly);

/* A connected descriptor that does not block, or -1; VIR_ERR_NO_CONNECT where nothing
 * listens, VIR_ERR_RESOURCE_BUSY where no more can wait to be accepted. */
int virtsnapshotdBackendConnect(const virtsnapshotdBackend *backend, gboolean readonly,
                                GError **error);
