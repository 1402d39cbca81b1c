/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_session.h: the daemon of a user's session
 */

#pragma once

#include <glib.h>

/* A descriptor connected to it, or -1. It is started where it does not run. */
int remoteSessionConnect(GError **error);
