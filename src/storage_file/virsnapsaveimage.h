/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsaveimage.h: is a file with a guest's memory whole?
 */

#pragma once

#include <glib.h>

/* Checks that the file is a save image of libvirt, as virDomainSave() and snapshots
 * with memory make it, and that nothing is missing from it. FALSE for what libvirt
 * would refuse. *ret_whole is FALSE where QEMU's stream does not end as it should,
 * which is so in a file that was cut, but also in one of a machine type older than
 * QEMU 2.3. The end of a compressed stream is not looked at. */
gboolean virSnapSaveImageCheck(const char *file, gboolean *ret_whole,
                               GError **error);
