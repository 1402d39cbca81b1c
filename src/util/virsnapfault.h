/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapfault.h: failures on demand, in builds for tests
 *
 * Where the build option fault_injection is off, which it is by default, nothing of
 * this is in the program.
 */

#pragma once

#include "config.h"

#include <glib.h>

/* Called at each point where something may fail, by name. What happens there is said
 * by lines of the file that VIRTSNAPSHOTD_FAULT names, each for once: "POINT fail"
 * sets an error and returns FALSE, "POINT kill" ends the program as SIGKILL does,
 * "POINT hang" waits until the file is gone. While the file is there, the points that
 * are passed, and those where something happened, are appended to files of its name
 * that end in ".passed" and, with the process's id, ".hit". */
#if WITH_FAULT_INJECTION
gboolean virSnapFault(const char *point, GError **error);
/* Two points around a step. */
gboolean virSnapFaultStep(const char *when, const char *step, GError **error);
#else
# define virSnapFault(point, error) TRUE
# define virSnapFaultStep(when, step, error) TRUE
#endif
