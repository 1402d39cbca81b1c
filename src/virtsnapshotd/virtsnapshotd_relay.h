/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_relay.h: the daemon's socket as standard input and output
 */

#pragma once

#include <glib.h>

/* Connects to the daemon at the path `where`, or that of the session where it is
 * "session", and copies until both sides have ended. */
gboolean virtsnapshotdRelay(const char *where, GError **error);
