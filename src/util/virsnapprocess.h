/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapprocess.h: telling a process from a later one of its number
 */

#pragma once

#include <glib.h>
#include <sys/types.h>

/* When it began, in the kernel's ticks; 0 where it has ended, whether or not its parent
 * knows. */
guint64 virSnapProcessGetStart(pid_t pid);
