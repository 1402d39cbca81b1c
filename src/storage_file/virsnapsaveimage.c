/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsaveimage.c: is a file with a guest's memory whole, and what it says it is?
 *
 * libvirt writes a header of fixed size, the domain's definition and a cookie, and
 * QEMU its migration stream behind them. A file that lost its end, to a full disk or
 * a broken copy, is noticed by QEMU only when the old guest is long gone. But the
 * stream closes with a description of itself, in JSON and with its length in front;
 * where that is found at the very end, the stream has been written to its end.
 *
 * A sparse one has each page at a place of its own. libvirt 11.3, told to write memory of
 * snapshots so, writes an ordinary stream and says that it is sparse. Its public restore
 * takes it at its word and fails.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapsaveimage.h"

#define SAVE_MAGIC "LibvirtQemudSave"
#define SAVE_PARTIAL "LibvirtQemudPart"
#define SAVE_MAGIC_LEN 16
#define SAVE_VERSION 2
#define SAVE_RAW 0
#define SAVE_SPARSE 6
/* QEMU's stream: its beginning, the mark of the machine's name, the name of a part in which
 * it lists what it was written with, and the one of these that makes it sparse. */
#define STREAM_MAGIC "QEVM\0\0\0\3"
#define STREAM_MAGIC_LEN 8
#define STREAM_CAPABILITIES "\5\x1a" "configuration/capabilities" "\0\0\0\1"
#define STREAM_CAPABILITIES_LEN 32
#define STREAM_SPARSE "mapped-ram"
/* the list comes before anything that is long */
#define STREAM_BEGIN_MAX 4096
/* QEMU's mark of the description, and its length as a number of 32 bits */
#define STREAM_DESCRIPTION 0x06
#define STREAM_DESCRIPTION_HEAD 5
/* some hundred bytes for each field of each device; 1 MiB for hundreds of devices */
#define STREAM_DESCRIPTION_MAX (16 * 1024 * 1024)

typedef struct _saveHeader saveHeader;
struct _saveHeader {
    char magic[SAVE_MAGIC_LEN];
    guint32 version;
    guint32 definition_len;
    guint32 was_running;
    guint32 compression;
    guint32 cookie_offset;
    guint32 unused[14];
};

static gboolean
saveRead(int fd, void *buffer, gsize len, guint64 offset)
{
    gsize done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)buffer + done, len - done, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : ENODATA;
            return FALSE;
        }
        done += n;
    }

    return TRUE;
}

static gboolean
saveCheckHeader(const saveHeader *header, guint64 size, const char *file,
                GError **error)
{
    const char *fault = NULL;

    if (memcmp(header->magic, SAVE_PARTIAL, SAVE_MAGIC_LEN) == 0)
        fault = _("it was never completed");
    else if (memcmp(header->magic, SAVE_MAGIC, SAVE_MAGIC_LEN) != 0)
        fault = _("it is not a save image of libvirt");
    else if (header->version != SAVE_VERSION)
        fault = _("it is of an unknown version");
    else if (sizeof(*header) + (guint64)header->definition_len >= size)
        fault = _("it is truncated");

    if (!fault)
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("memory file '%s' can't be restored: %s"), file, fault);
    return FALSE;
}

static gboolean
saveSetForeign(const char *file, GError **error)
{
    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("memory file '%s' can't be restored: it is not a save image of "
                  "libvirt"), file);
    return FALSE;
}

/* Whether the bytes close with a description of the length that it says. */
static gboolean
endsWithDescription(const guint8 *bytes, gsize len)
{
    if (len < STREAM_DESCRIPTION_HEAD || bytes[len - 1] != '}')
        return FALSE;

    for (gsize i = len - STREAM_DESCRIPTION_HEAD + 1; i-- > 0;) {
        guint32 stated;

        if (bytes[i] != STREAM_DESCRIPTION)
            continue;
        memcpy(&stated, bytes + i + 1, sizeof(stated));
        if (GUINT32_FROM_BE(stated) == len - i - STREAM_DESCRIPTION_HEAD)
            return TRUE;
    }

    return FALSE;
}

/* Most descriptions are short: the end is read in growing parts. */
static gboolean
saveCheckEnd(int fd, guint64 begin, guint64 size, const char *file,
             gboolean *ret_whole, GError **error)
{
    *ret_whole = FALSE;

    for (guint64 part = 64 * 1024; !*ret_whole; part *= 4) {
        guint64 len = MIN(part, size - begin);
        g_autofree guint8 *bytes = g_malloc(len);

        if (!saveRead(fd, bytes, len, size - len)) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("cannot read memory file '%s'"), file);
            return FALSE;
        }
        *ret_whole = endsWithDescription(bytes, len);
        if (len < part || part >= STREAM_DESCRIPTION_MAX)
            break;
    }

    return TRUE;
}

static gboolean
saveCheck(int fd, guint64 size, const char *file, gboolean *ret_whole, GError **error)
{
    saveHeader header;

    if (!saveRead(fd, &header, sizeof(header), 0))
        return saveSetForeign(file, error);
    if (!saveCheckHeader(&header, size, file, error))
        return FALSE;

    *ret_whole = TRUE;
    return (header.compression != SAVE_RAW && header.compression != SAVE_SPARSE) ||
        saveCheckEnd(fd, sizeof(header) + header.definition_len, size, file, ret_whole,
                     error);
}

static int
saveOpen(const char *file, guint64 *ret_size, GError **error)
{
    struct stat st;
    int fd = virSnapFileOpenRegular(file, FALSE, &st);

    if (fd < 0 && errno == 0)
        saveSetForeign(file, error);
    else if (fd < 0)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot open memory file '%s'"), file);
    else
        *ret_size = st.st_size;
    return fd;
}

gboolean
virSnapSaveImageCheck(const char *file, gboolean *ret_whole, GError **error)
{
    guint64 size = 0;
    int fd = saveOpen(file, &size, error);
    gboolean ok;

    if (fd < 0)
        return FALSE;

    ok = saveCheck(fd, size, file, ret_whole, error);
    close(fd);
    return ok;
}

/* Whether a list of names, each behind its length, has the one that makes it sparse. */
static gboolean
listsSparse(const guint8 *list, gsize len)
{
    const gsize wanted = strlen(STREAM_SPARSE);
    guint32 number, n;

    if (len < sizeof(number))
        return FALSE;
    memcpy(&number, list, sizeof(number));
    n = GUINT32_FROM_BE(number);

    for (gsize pos = sizeof(number); n > 0 && pos < len; pos += 1 + list[pos], n--) {
        if (list[pos] == wanted && wanted < len - pos &&
            memcmp(list + pos + 1, STREAM_SPARSE, wanted) == 0)
            return TRUE;
    }

    return FALSE;
}

static gboolean
streamIsSparse(const guint8 *bytes, gsize len)
{
    const guint8 *list;

    if (len < STREAM_MAGIC_LEN || memcmp(bytes, STREAM_MAGIC, STREAM_MAGIC_LEN) != 0)
        return FALSE;

    list = memmem(bytes, len, STREAM_CAPABILITIES, STREAM_CAPABILITIES_LEN);
    return list && listsSparse(list + STREAM_CAPABILITIES_LEN,
                               bytes + len - list - STREAM_CAPABILITIES_LEN);
}

static gboolean
saveReadKind(int fd, guint64 size, const char *file, virSnapSaveImageKind *ret_kind,
             GError **error)
{
    guint8 bytes[STREAM_BEGIN_MAX];
    saveHeader header;
    guint64 begin;
    gsize len;

    if (!saveRead(fd, &header, sizeof(header), 0))
        return saveSetForeign(file, error);
    if (!saveCheckHeader(&header, size, file, error))
        return FALSE;

    *ret_kind = VIR_SNAP_SAVE_IMAGE_STREAM;
    if (header.compression != SAVE_SPARSE)
        return TRUE;

    begin = sizeof(header) + (guint64)header.definition_len;
    len = MIN(sizeof(bytes), size - begin);
    if (!saveRead(fd, bytes, len, begin)) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot read memory file '%s'"), file);
        return FALSE;
    }

    *ret_kind = streamIsSparse(bytes, len) ? VIR_SNAP_SAVE_IMAGE_SPARSE :
        VIR_SNAP_SAVE_IMAGE_MISLABELLED;
    return TRUE;
}

gboolean
virSnapSaveImageGetKind(const char *file, virSnapSaveImageKind *ret_kind, GError **error)
{
    guint64 size = 0;
    int fd = saveOpen(file, &size, error);
    gboolean ok;

    if (fd < 0)
        return FALSE;

    ok = saveReadKind(fd, size, file, ret_kind, error);
    close(fd);
    return ok;
}

/* Like another file of that folder, but without a name, so that it is gone with us. */
static int
copyCreate(const char *file)
{
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *name = g_path_get_basename(file);
    g_autofree char *beside = g_strdup_printf("%s/.%s.XXXXXX", folder, name);
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;

    if ((fd = g_mkstemp_full(beside, O_RDWR | O_CLOEXEC, 0600)) >= 0)
        unlink(beside);
    return fd;
}

/* By reference where the file system can, else by the kernel; holes need no place. */
static gboolean
copyContent(int from, int to, guint64 size)
{
    off_t pos = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return TRUE;
    if (ftruncate(to, size) < 0)
        return FALSE;

    while ((pos = lseek(from, pos, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, pos, SEEK_HOLE);
        off_t out = pos;

        while (pos < end) {
            ssize_t n = copy_file_range(from, &pos, to, &out, end - pos, 0);

            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return FALSE;
        }
    }

    return errno == ENXIO;
}

int
virSnapSaveImageCopyAsStream(const char *file, GError **error)
{
    const guint32 raw = SAVE_RAW;
    guint64 size = 0;
    int from = saveOpen(file, &size, error);
    int to;

    if (from < 0)
        return -1;

    to = copyCreate(file);
    if (to < 0 || !copyContent(from, to, size) ||
        pwrite(to, &raw, sizeof(raw), offsetof(saveHeader, compression)) != sizeof(raw)) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("memory file '%s' says that it is sparse, which it is not; "
                               "libvirt can restore it from a corrected copy alone, and "
                               "that can't be made beside it"), file);
        if (to >= 0)
            close(to);
        to = -1;
    }

    close(from);
    return to;
}
