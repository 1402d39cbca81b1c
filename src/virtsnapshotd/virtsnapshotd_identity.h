/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_identity.h: who a client is
 */

#pragma once

#include <glib.h>

/* The call that tells libvirt who is at the other end of a UNIX socket, or NULL where
 * that can't be found out. */
GBytes *virtsnapshotdIdentityEncode(int fd, guint32 serial, GError **error);
