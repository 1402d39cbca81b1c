/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapfile.c: image files and their folders
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"

char *
virSnapFileKey(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return g_canonicalize_filename(path, "/");

    return g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
}

char *
virSnapFileResolve(const char *path)
{
    g_autofree char *full = g_canonicalize_filename(path, "/");
    g_autofree char *folder = g_path_get_dirname(full);
    g_autofree char *name = g_path_get_basename(full);
    char *real = realpath(folder, NULL);
    char *resolved;

    if (!real)
        return g_steal_pointer(&full);

    resolved = g_build_filename(real, name, NULL);
    free(real);
    return resolved;
}

static gboolean
fileSetOwner(int fd, const char *path, const struct stat *like, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0 ||
        ((st.st_uid != like->st_uid || st.st_gid != like->st_gid) &&
         fchown(fd, like->st_uid, like->st_gid) < 0) ||
        fchmod(fd, like->st_mode & 0777) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot give '%s' the owner, group and mode of the "
                               "image that it replaces"), path);
        return FALSE;
    }

    return TRUE;
}

static gboolean
fileReadID(int fd, const char *path, virSnapFileID *ret_id)
{
    int flags = AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH);
    struct statx stx;

    if (statx(fd, path, flags, STATX_INO | STATX_BTIME, &stx) < 0)
        return FALSE;

    ret_id->inode = stx.stx_ino;
    ret_id->born = stx.stx_mask & STATX_BTIME ?
        stx.stx_btime.tv_sec * G_GINT64_CONSTANT(1000000000) + stx.stx_btime.tv_nsec : 0;
    return TRUE;
}

gboolean
virSnapFileGetID(const char *path, virSnapFileID *ret_id)
{
    return fileReadID(AT_FDCWD, path, ret_id);
}

gboolean
virSnapFileGetDescriptorID(int fd, virSnapFileID *ret_id)
{
    return fileReadID(fd, "", ret_id);
}

gboolean
virSnapFileIs(const char *path, const virSnapFileID *id)
{
    virSnapFileID other;

    return virSnapFileGetID(path, &other) && other.inode == id->inode &&
        other.born == id->born;
}

gboolean
virSnapFileExists(const char *path, gboolean *ret_exists, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct stat st;

    *ret_exists = lstat(path, &st) == 0;
    if (*ret_exists || (errno == ENOENT && stat(folder, &st) == 0))
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("cannot look for '%s'"), path);
    return FALSE;
}

static int
fileOpenNew(const char *path, gboolean *ret_named)
{
    g_autofree char *folder = g_path_get_dirname(path);
    /* the owner alone, until owner and group are right */
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    *ret_named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
    if (!*ret_named)
        return fd;

    return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int
virSnapFileCreate(const char *path, const struct stat *like, gboolean *ret_named,
                  GError **error)
{
    int fd = fileOpenNew(path, ret_named);

    if (fd < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot create overlay '%s'"), path);
        return -1;
    }

    if (!fileSetOwner(fd, path, like, error)) {
        if (*ret_named)
            unlink(path);
        close(fd);
        return -1;
    }

    return fd;
}

gboolean
virSnapFileLink(int fd, const char *path, GError **error)
{
    g_autofree char *unnamed = g_strdup_printf("/proc/self/fd/%d", fd);

    if (linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("cannot create overlay '%s'"), path);
    return FALSE;
}

gboolean
virSnapFileSyncFolder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot make folder '%s' durable"), folder);

    if (fd >= 0)
        close(fd);
    return ok;
}
