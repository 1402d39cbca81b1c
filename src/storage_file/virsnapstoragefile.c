/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstoragefile.c: files of a storage and their folders, in child processes
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapstoragefile.h"

#define UNUSED_DESCRIPTORS const virSnapDescriptors *in G_GNUC_UNUSED, \
                           virSnapDescriptors *out G_GNUC_UNUSED
/* struct stat as it is: both ends are one program */
#define CREATE_TYPE "(^ay@ay)"
#define CREATED_TYPE "(btx)"

/* Answers that are an errno */

static GVariant *
newErrno(int rc)
{
    return g_variant_new_int32(rc < 0 ? errno : 0);
}

static gboolean
takeErrno(GVariant *answer, int *ret_errno)
{
    if (!answer)
        return FALSE;

    *ret_errno = g_variant_get_int32(answer);
    g_variant_unref(answer);
    return TRUE;
}

static GVariant *
formatStat(const struct stat *st)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, st, sizeof(*st), 1);
}

static void
parseStat(GVariant *bytes, struct stat *ret_st)
{
    gsize len;
    const void *data = g_variant_get_fixed_array(bytes, &len, 1);

    memset(ret_st, 0, sizeof(*ret_st));
    if (len == sizeof(*ret_st))
        memcpy(ret_st, data, len);
}

/* Looks */

static GVariant *
statRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    struct stat st = { 0 };
    int rc = stat(g_variant_get_bytestring(args), &st);

    return g_variant_new("(i@ay)", rc < 0 ? errno : 0, formatStat(&st));
}

static const virSnapChildOp stat_op = { "stat", statRun };

static gboolean
statRead(const virSnapChildOp *op, const char *path, struct stat *ret_st, int *ret_errno,
         GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(op, path, g_variant_new_bytestring(path), NULL, NULL,
                           error);
    g_autoptr(GVariant) bytes = NULL;

    if (!answer)
        return FALSE;

    g_variant_get(answer, "(i@ay)", ret_errno, &bytes);
    parseStat(bytes, ret_st);
    return TRUE;
}

gboolean
virSnapStorageStat(const char *path, struct stat *ret_st, int *ret_errno, GError **error)
{
    return statRead(&stat_op, path, ret_st, ret_errno, error);
}

static GVariant *
lstatRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    struct stat st = { 0 };
    int rc = lstat(g_variant_get_bytestring(args), &st);

    return g_variant_new("(i@ay)", rc < 0 ? errno : 0, formatStat(&st));
}

static const virSnapChildOp lstat_op = { "lstat", lstatRun };

gboolean
virSnapStorageLstat(const char *path, struct stat *ret_st, int *ret_errno, GError **error)
{
    return statRead(&lstat_op, path, ret_st, ret_errno, error);
}

static GVariant *
accessRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    const char *path;
    int mode;

    g_variant_get(args, "(^&ayi)", &path, &mode);
    return newErrno(faccessat(AT_FDCWD, path, mode, AT_EACCESS));
}

static const virSnapChildOp access_op = { "access", accessRun };

gboolean
virSnapStorageAccess(const char *path, int mode, int *ret_errno, GError **error)
{
    return takeErrno(virSnapStorageRead(&access_op, path,
                                        g_variant_new("(^ayi)", path, mode), NULL, NULL,
                                        error), ret_errno);
}

/* Names of files */

static GVariant *
keyRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    g_autofree char *key = virSnapFileKey(g_variant_get_bytestring(args));

    return g_variant_new_bytestring(key);
}

static GVariant *
resolveRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    g_autofree char *resolved = virSnapFileResolve(g_variant_get_bytestring(args));

    return g_variant_new_bytestring(resolved);
}

static const virSnapChildOp key_op = { "identify", keyRun };
static const virSnapChildOp resolve_op = { "resolve", resolveRun };

typedef struct _namesTaken namesTaken;
struct _namesTaken {
    char **names;
    GError *error;     /* the first */
};

static void
namesTake(gsize number, GVariant *result, const GError *error, void *opaque)
{
    namesTaken *taken = opaque;

    if (result)
        taken->names[number] = g_variant_dup_bytestring(result, NULL);
    else if (!taken->error)
        taken->error = g_error_copy(error);
}

static GStrv
namesRead(const virSnapChildOp *op, const char *const *paths, GError **error)
{
    gsize n = g_strv_length((char **)paths);
    g_autofree virSnapStorageItem *items = g_new0(virSnapStorageItem, n);
    namesTaken taken = { .names = g_new0(char *, n + 1) };

    for (gsize i = 0; i < n; i++) {
        items[i].path = paths[i];
        items[i].args = g_variant_ref_sink(g_variant_new_bytestring(paths[i]));
    }
    virSnapStorageReadMany(op, items, n, namesTake, &taken);
    for (gsize i = 0; i < n; i++)
        g_variant_unref(items[i].args);

    if (!taken.error)
        return taken.names;

    for (gsize i = 0; i < n; i++)
        g_free(taken.names[i]);
    g_free(taken.names);
    g_propagate_error(error, taken.error);
    return NULL;
}

static char *
nameRead(const virSnapChildOp *op, const char *path, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(op, path, g_variant_new_bytestring(path), NULL, NULL, error);

    return answer ? g_variant_dup_bytestring(answer, NULL) : NULL;
}

GStrv
virSnapStorageKeys(const char *const *paths, GError **error)
{
    return namesRead(&key_op, paths, error);
}

GStrv
virSnapStorageResolveAll(const char *const *paths, GError **error)
{
    return namesRead(&resolve_op, paths, error);
}

char *
virSnapStorageKey(const char *path, GError **error)
{
    return nameRead(&key_op, path, error);
}

char *
virSnapStorageResolve(const char *path, GError **error)
{
    return nameRead(&resolve_op, path, error);
}

/* Which file it is */

static GVariant *
existsRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error)
{
    gboolean exists;

    return virSnapFileExists(g_variant_get_bytestring(args), &exists, error) ?
        g_variant_new_boolean(exists) : NULL;
}

static const virSnapChildOp exists_op = { "look for", existsRun };

gboolean
virSnapStorageExists(const char *path, gboolean *ret_exists, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&exists_op, path, g_variant_new_bytestring(path), NULL, NULL,
                           error);

    if (!answer)
        return FALSE;

    *ret_exists = g_variant_get_boolean(answer);
    return TRUE;
}

static GVariant *
idRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    const char *path = g_variant_get_bytestring(args);
    virSnapFileID id = { 0 };
    gboolean found = virSnapFileGetID(path, &id);
    gboolean regular = g_file_test(path, G_FILE_TEST_IS_REGULAR);

    return g_variant_new("(bbtx)", found, regular, id.inode, id.born);
}

static const virSnapChildOp id_op = { "identify file", idRun };

static gboolean
idRead(const char *path, gboolean *ret_found, gboolean *ret_regular,
       virSnapFileID *ret_id, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&id_op, path, g_variant_new_bytestring(path), NULL, NULL,
                           error);

    if (!answer)
        return FALSE;

    g_variant_get(answer, "(bbtx)", ret_found, ret_regular, &ret_id->inode,
                  &ret_id->born);
    return TRUE;
}

gboolean
virSnapStorageGetID(const char *path, virSnapFileID *ret_id, gboolean *ret_regular,
                    GError **error)
{
    gboolean found;

    return idRead(path, &found, ret_regular, ret_id, error);
}

gboolean
virSnapStorageIs(const char *path, const virSnapFileID *id, gboolean *ret_is,
                 GError **error)
{
    gboolean found, regular;
    virSnapFileID other;

    if (!idRead(path, &found, &regular, &other, error))
        return FALSE;

    *ret_is = found && other.inode == id->inode && other.born == id->born;
    return TRUE;
}

/* Changes */

/* One that nobody waits for any more would be left by its name. */
static gboolean
createIsWanted(const char *path, int fd, gboolean named, GError **error)
{
    virSnapFileID id;

    if (!virSnapChildIsGivenUp())
        return TRUE;

    if (named && virSnapFileGetDescriptorID(fd, &id) && virSnapFileIs(path, &id))
        unlink(path);
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("cannot create overlay '%s'"), path);
    return FALSE;
}

static GVariant *
createRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
          virSnapDescriptors *out, GError **error)
{
    g_autoptr(GVariant) bytes = NULL;
    virSnapFileID id = { 0 };
    const char *path;
    gboolean named;
    struct stat like;
    int fd, at = -1;

    g_variant_get(args, "(^&ay@ay)", &path, &bytes);
    parseStat(bytes, &like);
    if ((fd = virSnapFileCreate(path, &like, &named, error)) < 0)
        return NULL;

    if (createIsWanted(path, fd, named, error) &&
        (!virSnapFileGetDescriptorID(fd, &id) ||
         (at = virSnapFileReopen(fd, O_PATH)) < 0)) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot create overlay '%s'"), path);
        if (named)
            unlink(path);
    }
    close(fd);
    if (at < 0)
        return NULL;

    out->fds[out->n++] = at;
    return g_variant_new(CREATED_TYPE, named, id.inode, id.born);
}

static const virSnapChildOp create_op = { "create", createRun };

int
virSnapStorageCreate(virSnapStorageHold *hold, const char *path, const struct stat *like,
                     gboolean *ret_named, virSnapFileID *ret_id, GError **error)
{
    GVariant *args = g_variant_new(CREATE_TYPE, path, formatStat(like));
    virSnapDescriptors returned = { .n = 0 };
    g_autoptr(GVariant) answer =
        virSnapStorageChange(hold, &create_op, path, args, NULL, &returned, error);

    if (!answer || returned.n != 1)
        return -1;

    g_variant_get(answer, CREATED_TYPE, ret_named, &ret_id->inode, &ret_id->born);
    return returned.fds[0];
}

static GVariant *
nameRun(GVariant *args, const virSnapDescriptors *in,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    return virSnapFileLink(in->fds[0], g_variant_get_bytestring(args), error) ?
        g_variant_new_boolean(TRUE) : NULL;
}

static const virSnapChildOp name_op = { "name", nameRun };

gboolean
virSnapStorageName(virSnapStorageHold *hold, int fd, const char *path, GError **error)
{
    const virSnapDescriptors file = { .fds = { fd }, .n = 1 };
    g_autoptr(GVariant) answer =
        virSnapStorageChange(hold, &name_op, path, g_variant_new_bytestring(path), &file,
                             NULL, error);

    return answer != NULL;
}

static GVariant *
linkRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    const char *from, *to;

    g_variant_get(args, "(^&ay^&ay)", &from, &to);
    return newErrno(link(from, to));
}

static GVariant *
renameRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    const char *from, *to;

    g_variant_get(args, "(^&ay^&ay)", &from, &to);
    return newErrno(rename(from, to));
}

static GVariant *
unlinkRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error G_GNUC_UNUSED)
{
    return newErrno(unlink(g_variant_get_bytestring(args)));
}

static const virSnapChildOp link_op = { "link", linkRun };
static const virSnapChildOp rename_op = { "rename", renameRun };
static const virSnapChildOp unlink_op = { "unlink", unlinkRun };

gboolean
virSnapStorageLink(virSnapStorageHold *hold, const char *from, const char *to,
                   int *ret_errno, GError **error)
{
    return takeErrno(virSnapStorageChange(hold, &link_op, to,
                                          g_variant_new("(^ay^ay)", from, to), NULL,
                                          NULL, error), ret_errno);
}

gboolean
virSnapStorageRename(virSnapStorageHold *hold, const char *from, const char *to,
                     int *ret_errno, GError **error)
{
    return takeErrno(virSnapStorageChange(hold, &rename_op, to,
                                          g_variant_new("(^ay^ay)", from, to), NULL,
                                          NULL, error), ret_errno);
}

gboolean
virSnapStorageUnlink(virSnapStorageHold *hold, const char *path, int *ret_errno,
                     GError **error)
{
    return takeErrno(virSnapStorageChange(hold, &unlink_op, path,
                                          g_variant_new_bytestring(path), NULL, NULL,
                                          error), ret_errno);
}

/* The errno of the first that can't be made durable, and its number. */
static int
syncFiles(const int *files, guint n, guint *ret_number)
{
    int fds[VIR_SNAP_STORAGE_SYNC_MAX];
    int fault = 0;

    for (guint i = 0; i < n; i++) {
        fds[i] = virSnapFileReopen(files[i], O_RDONLY);
        if (fds[i] >= 0)
            sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
    }

    for (guint i = 0; i < n; i++) {
        if (!fault && (fds[i] < 0 || fsync(fds[i]) < 0)) {
            fault = fds[i] < 0 ? EBADF : errno;
            *ret_number = i;
        }
        if (fds[i] >= 0)
            close(fds[i]);
    }

    return fault;
}

static GVariant *
syncRun(GVariant *args, const virSnapDescriptors *in,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    guint n = MIN(g_variant_get_uint32(args), VIR_SNAP_STORAGE_SYNC_MAX);
    guint number = 0;
    int fault = syncFiles(in->fds, MIN(n, in->n), &number);

    return g_variant_new("(iu)", fault, number);
}

static const virSnapChildOp sync_op = { "sync", syncRun };

gboolean
virSnapStorageSync(virSnapStorageHold *hold, const virSnapDescriptors *files,
                   const char *path, guint *ret_number, int *ret_errno, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageChange(hold, &sync_op, path, g_variant_new_uint32(files->n), files,
                             NULL, error);

    if (!answer)
        return FALSE;

    g_variant_get(answer, "(iu)", ret_errno, ret_number);
    return TRUE;
}

static GVariant *
syncFolderRun(GVariant *args, UNUSED_DESCRIPTORS, GError **error)
{
    return virSnapFileSyncFolder(g_variant_get_bytestring(args), error) ?
        g_variant_new_boolean(TRUE) : NULL;
}

static const virSnapChildOp sync_folder_op = { "sync folder", syncFolderRun };

gboolean
virSnapStorageSyncFolder(virSnapStorageHold *hold, const char *path, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageChange(hold, &sync_folder_op, path, g_variant_new_bytestring(path),
                             NULL, NULL, error);

    return answer != NULL;
}
