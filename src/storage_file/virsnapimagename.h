/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapimagename.h: which files the name of an image means
 */

#pragma once

#include <glib.h>

/* Whether it is a path, and not "json:{...}", "nbd://..." and the like. */
gboolean virSnapImageNameIsPlain(const char *name);

/* The absolute paths of all local files that `name`, in the header of the image at
 * `file`, may mean; none where it is of something else. An array of strings. */
GPtrArray *virSnapImageNameFiles(const char *file, const char *name);
