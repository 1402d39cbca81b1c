/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsaveimage.c: is a file with a guest's memory whole?
 *
 * libvirt writes a header of fixed size, the domain's definition and a cookie, and
 * QEMU its migration stream behind them. A file that lost its end, to a full disk or
 * a broken copy, is noticed by QEMU only when the old guest is long gone. But the
 * stream closes with a description of itself, in JSON and with its length in front;
 * where that is found at the very end, the stream has been written to its end.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
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
    return header.compression != SAVE_RAW ||
        saveCheckEnd(fd, sizeof(header) + header.definition_len, size, file, ret_whole,
                     error);
}

gboolean
virSnapSaveImageCheck(const char *file, gboolean *ret_whole, GError **error)
{
    struct stat st;
    int fd = virSnapFileOpenRegular(file, FALSE, &st);
    gboolean ok;

    if (fd < 0 && errno == 0)
        return saveSetForeign(file, error);
    if (fd < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot open memory file '%s'"), file);
        return FALSE;
    }

    ok = saveCheck(fd, st.st_size, file, ret_whole, error);
    close(fd);
    return ok;
}
