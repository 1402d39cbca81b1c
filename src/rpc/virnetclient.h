/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetclient.h: one call over a connection of its own
 */

#pragma once

#include <glib.h>

#include "virnetmessage.h"

/* The descriptor of a stream connection to the UNIX socket at `path`, or -1.
 * With VIR_ERR_NO_CONNECT in *error nothing listens there. */
int virNetClientConnect(const char *path, GError **error);

/* Sends a call and waits for its reply, for as long as that takes: a revert
 * that stops and starts a machine has no bound that would fit all. Messages
 * that aren't the reply to it are passed over. The reply's status is in
 * ret_header, its payload is returned. */
GBytes *virNetClientCall(int fd, const virNetMessageHeader *header,
                         xdrproc_t filter, void *args,
                         virNetMessageHeader *ret_header, GError **error);
