/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnaplock.h: is an image open in some QEMU?
 */

#pragma once

#include <glib.h>

/* TRUE where a QEMU program (or anything that takes its image locks) has
 * the file open; takes no lock itself. FALSE with *error set where that can't be
 * told. */
gboolean virSnapLockInUse(const char *file, gboolean *ret_in_use, GError **error);
