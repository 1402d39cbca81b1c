/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnaplock.c: is an image open in some QEMU?
 *
 * QEMU marks what it does with an image by shared locks on single bytes of it:
 * from byte 100 on one for each permission it holds, from byte 200 on one for
 * each permission it does not grant to others. A lock in either range, of
 * whatever kind, says that the image is in use.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnaplock.h"

#define QEMU_LOCK_BASE 100
#define QEMU_LOCK_LEN 200

gboolean
virSnapLockInUse(const char *file, gboolean *ret_in_use, GError **error)
{
    struct flock lock = {
        .l_type = F_WRLCK, /* in conflict with shared locks, too */
        .l_whence = SEEK_SET,
        .l_start = QEMU_LOCK_BASE,
        .l_len = QEMU_LOCK_LEN,
    };
    struct stat st;
    int fd = virSnapFileOpenImage(file, &st, error);
    int rc;

    if (fd < 0)
        return FALSE;

    rc = fcntl(fd, F_OFD_GETLK, &lock);
    if (rc < 0)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot read the locks of image '%s'"), file);
    else
        *ret_in_use = lock.l_type != F_UNLCK;

    close(fd);
    return rc == 0;
}
