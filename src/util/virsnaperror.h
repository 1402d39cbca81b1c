/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnaperror.h: libvirt's error codes carried in a GError
 *
 * Inside the project an error is a GError of the domain VIR_SNAP_ERROR whose
 * code is one of libvirt's virErrorNumber and whose message is a whole,
 * translated sentence. It becomes a libvirt error at the edge only.
 */

#pragma once

#include <glib.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#define VIR_SNAP_ERROR (virSnapErrorQuark())

GQuark virSnapErrorQuark(void);

/* Sets an error of the given virErrorNumber, with " (cause)" of the errno
 * given appended as text. */
void virSnapErrorSetErrno(GError **error, virErrorNumber code, int saved_errno,
                          const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/* Sets the error that libvirt reported last in this thread, its code kept
 * and its message put behind the sentence given: "sentence: message". */
void virSnapErrorSetLibvirt(GError **error, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* The virErrorNumber of an error; VIR_ERR_INTERNAL_ERROR for one that is not
 * of our domain. */
virErrorNumber virSnapErrorCode(const GError *error);
