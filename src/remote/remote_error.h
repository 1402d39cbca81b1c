/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * remote_error.h: errors on the wire
 */

#pragma once

#include <glib.h>

#include "virnetmessage.h"

/* The reply that answers the call `header` with an error, of one of libvirt's domains
 * (virErrorDomain). */
GBytes *remoteErrorEncode(const virNetMessageHeader *header, int domain,
                          const GError *error);

/* Turns the payload of an error reply into *error. */
void remoteErrorDecode(GBytes *payload, GError **error);
