/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapfile.c: image files and their folders
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapfile.h"
#include "virsnappaths.h"

/* As the kernel walks it: ".." is the parent of what a link leads to, so that it
 * can't be dropped as text before the links before it have been followed. */
static char *
fileResolveFolder(const char *folder)
{
    g_autofree char *parent = g_path_get_dirname(folder);
    g_autofree char *name = g_path_get_basename(folder);
    g_autofree char *resolved = NULL;
    char *real = realpath(folder, NULL);

    if (real) {
        resolved = g_strdup(real);
        free(real);
        return g_steal_pointer(&resolved);
    }

    if (g_str_equal(parent, folder))
        return g_strdup(folder);

    resolved = fileResolveFolder(parent);
    return g_canonicalize_filename(name, resolved);
}

char *
virSnapFileStatKey(const struct stat *st)
{
    return g_strdup_printf("%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
}

char *
virSnapFileKey(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return virSnapFileResolve(path);

    return virSnapFileStatKey(&st);
}

char *
virSnapFileResolve(const char *path)
{
    g_autofree char *full = g_build_filename("/", path, NULL);
    g_autofree char *name = g_path_get_basename(full);
    g_autofree char *folder = NULL;
    g_autofree char *real = NULL;

    if (g_str_equal(name, ".") || g_str_equal(name, ".."))
        return fileResolveFolder(full);

    while (g_str_has_suffix(full, "/") && full[1])
        full[strlen(full) - 1] = '\0';
    folder = g_path_get_dirname(full);
    real = fileResolveFolder(folder);
    return g_build_filename(real, name, NULL);
}

static gboolean
fileGoesUp(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    return g_strv_contains((const char *const *)parts, "..");
}

char *
virSnapFileBeside(const char *file, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *full = g_path_is_absolute(name) ? g_strdup(name) :
        g_build_filename(folder, name, NULL);

    /* the names that people know are kept where they lead to the same file */
    return fileGoesUp(full) ? virSnapFileResolve(full) :
        g_canonicalize_filename(full, "/");
}

mode_t
virSnapFileNarrowMode(mode_t replaced, mode_t below)
{
    mode_t allowed = S_IRWXU;

    if (below & S_IRGRP)
        allowed |= S_IRWXG;
    if (below & S_IROTH)
        allowed |= S_IRWXO;

    return (replaced & allowed) | S_IRUSR | S_IWUSR;
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
fileOpenUnnamed(const char *folder)
{
    /* so that tests meet a file system that has none */
    if (!virSnapFault("file-unnamed", NULL)) {
        errno = EOPNOTSUPP;
        return -1;
    }

    /* the owner alone, until owner and group are right */
    return open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

static int
fileOpenNew(const char *path, gboolean *ret_named)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = fileOpenUnnamed(folder);

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
    g_autofree char *unnamed = virSnapPathsDescriptor(fd);

    if (linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return TRUE;

    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                         _("cannot create overlay '%s'"), path);
    return FALSE;
}

int
virSnapFileReopen(int fd, int flags)
{
    g_autofree char *unnamed = virSnapPathsDescriptor(fd);

    return open(unnamed, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* There are devices that do something by being opened. */
int
virSnapFileOpenRegular(const char *path, gboolean or_block, struct stat *ret_st)
{
    int at = open(path, O_PATH | O_CLOEXEC);
    int fd = -1;
    int saved_errno;

    if (at < 0)
        return -1;

    errno = 0;
    if (fstat(at, ret_st) == 0 &&
        (S_ISREG(ret_st->st_mode) || (or_block && S_ISBLK(ret_st->st_mode))))
        fd = virSnapFileReopen(at, O_RDONLY);

    saved_errno = errno;
    close(at);
    errno = saved_errno;
    return fd;
}

int
virSnapFileOpenImage(const char *path, struct stat *ret_st, GError **error)
{
    int fd = virSnapFileOpenRegular(path, FALSE, ret_st);

    if (fd < 0 && errno == 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("image '%s' is not a regular file"), path);
    else if (fd < 0)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot open image '%s'"), path);
    return fd;
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
