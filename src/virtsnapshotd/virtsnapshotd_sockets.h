/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_sockets.h: where virtsnapshotd listens
 */

#pragma once

#include "virnetserver.h"
#include "virtsnapshotd_backend.h"

/* Takes the sockets that systemd has opened or, where there are none, makes its
 * own. */
gboolean virtsnapshotdSocketsOpen(virNetServer *server,
                                  const virtsnapshotdConfig *config,
                                  const virtsnapshotdBackend *backend,
                                  const char *run_dir, gboolean privileged,
                                  GError **error);
