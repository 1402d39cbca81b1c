/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapqcow2.c: the few facts in an image's header that a plan rests on
 *
 * A plan must know, before anything is made or stopped, that the images below
 * a new overlay exist, are what the definition says they are, and how large
 * the guest's disk is. QEMU opens them for good later; reading some hundred
 * bytes here gives the refusal early and names the image.
 *
 * Headers are hostile: every offset and length in them is checked against the
 * file and against a bound of our own. The layout is that of
 * docs/interop/qcow2.txt of QEMU.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnapchild.h"
#include "virsnaperror.h"
#include "virsnapfile.h"
#include "virsnapimagename.h"
#include "virsnapqcow2.h"

#define QCOW2_MAGIC 0x514649fb
#define QCOW2_HEADER_V2 72
#define QCOW2_HEADER_V3 104
/* a header with its extensions and the backing file's name has to fit in the
 * first cluster, which is 2 MiB at most; real ones need a few hundred bytes */
#define QCOW2_READ_MAX (64 * 1024)
#define QCOW2_BACKING_MAX 1023
#define QCOW2_FORMAT_MAX 15
#define QCOW2_L1_MAX (32 * 1024 * 1024)
#define QCOW2_EXT_END 0
#define QCOW2_EXT_BACKING_FORMAT 0xe2792aca
#define QCOW2_EXT_DATA_FILE 0x44415441
#define QCOW2_INCOMPAT_CORRUPT (G_GUINT64_CONSTANT(1) << 1)
#define QCOW2_INCOMPAT_DATA_FILE (G_GUINT64_CONSTANT(1) << 2)

typedef struct _qcow2Header qcow2Header;
struct _qcow2Header {
    guint8 bytes[QCOW2_READ_MAX];
    gsize len;
    guint64 file_size;
};

void
virSnapImageFree(virSnapImage *image)
{
    if (!image)
        return;

    g_free(image->file);
    g_free(image->format);
    g_free(image->key);
    g_free(image->backing);
    g_free(image->backing_file);
    g_free(image->backing_format);
    g_free(image->data_file);
    g_free(image);
}

static guint32
qcow2Get32(const qcow2Header *header, gsize offset)
{
    guint32 value;

    memcpy(&value, header->bytes + offset, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static guint64
qcow2Get64(const qcow2Header *header, gsize offset)
{
    guint64 value;

    memcpy(&value, header->bytes + offset, sizeof(value));
    return GUINT64_FROM_BE(value);
}

static gboolean
qcow2Inside(guint64 offset, guint64 len, guint64 total)
{
    return offset <= total && len <= total - offset;
}

static gboolean
qcow2ReadHeader(int fd, const char *file, qcow2Header *header, GError **error)
{
    header->len = 0;

    while (header->len < sizeof(header->bytes)) {
        ssize_t n = pread(fd, header->bytes + header->len,
                          sizeof(header->bytes) - header->len, header->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                                 _("cannot read image '%s'"), file);
            return FALSE;
        }
        if (n == 0)
            break;
        header->len += n;
    }

    return TRUE;
}

static gboolean
qcow2CheckHeader(const qcow2Header *header, const char *file, GError **error)
{
    const char *fault = NULL;

    if (header->len < 4 || qcow2Get32(header, 0) != QCOW2_MAGIC) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("image '%s' is not in the format 'qcow2' that the "
                      "definition states"), file);
        return FALSE;
    }

    if (header->len < QCOW2_HEADER_V2 ||
        (qcow2Get32(header, 4) >= 3 && header->len < QCOW2_HEADER_V3))
        fault = _("it is truncated within its header");
    else if (qcow2Get32(header, 4) < 2 || qcow2Get32(header, 4) > 3)
        fault = _("it is of an unknown version of qcow2");
    else if (qcow2Get32(header, 32) != 0)
        fault = _("it is encrypted, which is not supported");
    else if (qcow2Get64(header, 24) > G_MAXINT64 - 511)
        fault = _("its header states an impossible size");
    else if (!qcow2Inside(qcow2Get64(header, 40),
                          (guint64)qcow2Get32(header, 36) * 8, header->file_size))
        fault = _("it is truncated, and its L1 table lies beyond its end");
    else if (!qcow2Inside(qcow2Get64(header, 48), 8, header->file_size))
        fault = _("it is truncated, and its refcount table lies beyond its end");
    else if (qcow2Get32(header, 4) >= 3 &&
             (qcow2Get64(header, 72) & QCOW2_INCOMPAT_CORRUPT))
        fault = _("it is marked as corrupt");

    if (fault) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("image '%s' can't be used: %s"), file, fault);
        return FALSE;
    }

    return TRUE;
}

/* A string within the header, which may not hold a NUL: the kernel would see
 * another name than we do. */
static char *
qcow2GetString(const qcow2Header *header, guint64 offset, guint32 len)
{
    if (!qcow2Inside(offset, len, header->len) ||
        memchr(header->bytes + offset, '\0', len))
        return NULL;

    return g_strndup((const char *)header->bytes + offset, len);
}

/* The header extension of that type as a string; *ret_text stays NULL where
 * there is none. FALSE where the extensions are damaged. */
static gboolean
qcow2GetExtension(const qcow2Header *header, guint32 wanted, guint32 max,
                  char **ret_text)
{
    guint64 pos = QCOW2_HEADER_V2;

    if (qcow2Get32(header, 4) >= 3)
        pos = qcow2Get32(header, 100);

    while (qcow2Inside(pos, 8, header->len)) {
        guint32 type = qcow2Get32(header, pos);
        guint32 len = qcow2Get32(header, pos + 4);

        if (type == QCOW2_EXT_END)
            return TRUE;

        pos += 8;
        if (type == wanted) {
            if (len > max)
                return FALSE;
            *ret_text = qcow2GetString(header, pos, len);
            return *ret_text != NULL;
        }
        pos += ((guint64)len + 7) & ~G_GUINT64_CONSTANT(7);
    }

    return pos >= header->len ? header->len < QCOW2_READ_MAX : TRUE;
}

static gboolean
qcow2ReadBacking(const qcow2Header *header, virSnapImage *image, GError **error)
{
    guint64 offset = qcow2Get64(header, 8);
    guint32 len = qcow2Get32(header, 16);

    if (offset == 0)
        return TRUE;

    if (len == 0 || len > QCOW2_BACKING_MAX ||
        !(image->backing = qcow2GetString(header, offset, len)) ||
        !qcow2GetExtension(header, QCOW2_EXT_BACKING_FORMAT, QCOW2_FORMAT_MAX,
                           &image->backing_format)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the header of image '%s' is damaged where it names its "
                      "backing image"), image->file);
        return FALSE;
    }

    if (virSnapImageNameIsPlain(image->backing)) {
        virSnapChildTellIsAt(image->backing);
        image->backing_file = virSnapFileBeside(image->file, image->backing);
    }
    return TRUE;
}

static gboolean
qcow2ReadDataFile(const qcow2Header *header, virSnapImage *image, GError **error)
{
    g_autofree char *name = NULL;
    struct stat st;

    if (qcow2Get32(header, 4) < 3 ||
        !(qcow2Get64(header, 72) & QCOW2_INCOMPAT_DATA_FILE))
        return TRUE;

    if (!qcow2GetExtension(header, QCOW2_EXT_DATA_FILE, QCOW2_BACKING_MAX, &name) ||
        !name || !virSnapImageNameIsPlain(name)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("image '%s' keeps its data in another file, and its header does "
                      "not name a plain one"), image->file);
        return FALSE;
    }

    image->data_file = virSnapFileBeside(image->file, name);
    virSnapChildTellIsAt(image->data_file);
    if (stat(image->data_file, &st) == 0 && S_ISREG(st.st_mode))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("image '%s' keeps its data in '%s', which is not there or not a "
                  "regular file"), image->file, image->data_file);
    return FALSE;
}

static gboolean
qcow2Read(int fd, guint64 file_size, virSnapImage *image, GError **error)
{
    g_autofree qcow2Header *header = g_new0(qcow2Header, 1);

    header->file_size = file_size;

    if (!qcow2ReadHeader(fd, image->file, header, error) ||
        !qcow2CheckHeader(header, image->file, error) ||
        !qcow2ReadBacking(header, image, error) ||
        !qcow2ReadDataFile(header, image, error))
        return FALSE;

    image->size = (qcow2Get64(header, 24) + 511) & ~G_GUINT64_CONSTANT(511);
    return TRUE;
}

virSnapImage *
virSnapImageRead(const char *file, const char *format, GError **error)
{
    g_autoptr(virSnapImage) image = g_new0(virSnapImage, 1);
    gboolean ok = TRUE;
    struct stat st;
    int fd;

    if (!g_str_equal(format, "qcow2") && !g_str_equal(format, "raw")) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("image '%s' has the format '%s'; only raw and qcow2 are "
                      "supported"), file, format);
        return NULL;
    }

    if ((fd = virSnapFileOpenImage(file, &st, error)) < 0)
        return NULL;

    image->file = g_strdup(file);
    image->format = g_strdup(format);
    image->key = virSnapFileStatKey(&st);
    if (g_str_equal(format, "qcow2"))
        ok = qcow2Read(fd, st.st_size, image, error);
    else
        image->size = ((guint64)st.st_size + 511) & ~G_GUINT64_CONSTANT(511);

    close(fd);
    return ok ? g_steal_pointer(&image) : NULL;
}

void
virSnapImageBelowClear(virSnapImageBelow *below)
{
    g_clear_pointer(&below->backing, g_free);
    g_clear_pointer(&below->backing_format, g_free);
    g_clear_pointer(&below->data_file, g_free);
}

/* -1 and *ret_there FALSE, without an error: nothing that could be an image. */
static int
openAny(const char *file, gboolean *ret_there, GError **error)
{
    struct stat st;
    int fd = virSnapFileOpenRegular(file, TRUE, &st);

    *ret_there = fd >= 0 ||
        (errno != 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP);
    if (fd < 0 && *ret_there)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot open image '%s'"), file);
    return fd;
}

/* QEMU takes it up to a NUL. */
static char *
readName(int fd, guint64 offset, guint32 len)
{
    char name[QCOW2_BACKING_MAX + 1] = { 0 };

    if (offset == 0 || offset > G_MAXINT64 || len > QCOW2_BACKING_MAX ||
        pread(fd, name, len, offset) != len)
        return NULL;

    return *name ? g_strdup(name) : NULL;
}

static void
readBelow(int fd, const qcow2Header *header, virSnapImageBelow *ret_below)
{
    guint32 version = qcow2Get32(header, 4);

    ret_below->internal = qcow2Get32(header, 60);
    ret_below->backing = readName(fd, qcow2Get64(header, 8), qcow2Get32(header, 16));
    if (version == 2 || (version > 2 && header->len >= QCOW2_HEADER_V3))
        qcow2GetExtension(header, QCOW2_EXT_BACKING_FORMAT, QCOW2_FORMAT_MAX,
                          &ret_below->backing_format);
    if (version > 2 && header->len >= QCOW2_HEADER_V3)
        qcow2GetExtension(header, QCOW2_EXT_DATA_FILE, QCOW2_BACKING_MAX,
                          &ret_below->data_file);
}

gboolean
virSnapImageReadBelow(const char *file, const char *format,
                      virSnapImageBelow *ret_below, GError **error)
{
    g_autofree qcow2Header *header = g_new0(qcow2Header, 1);
    gboolean there;
    gboolean ok;
    int fd;

    /* of the formats that can have something below them, these are known here */
    if (format && !g_str_equal(format, "qcow2") && !g_str_equal(format, "qcow"))
        return TRUE;

    if ((fd = openAny(file, &there, error)) < 0)
        return !there;

    ok = qcow2ReadHeader(fd, file, header, error);
    if (ok && header->len >= QCOW2_HEADER_V2 && qcow2Get32(header, 0) == QCOW2_MAGIC)
        readBelow(fd, header, ret_below);

    close(fd);
    return ok;
}

/* Whether the L1 table is all zero; it may be large, so it is read in parts. */
static gboolean
qcow2ReadL1(int fd, const char *file, const qcow2Header *header,
            gboolean *ret_blank, GError **error)
{
    guint64 pos = qcow2Get64(header, 40);
    guint64 left = (guint64)qcow2Get32(header, 36) * 8;
    guint8 bytes[4096];

    if (left > QCOW2_L1_MAX) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("image '%s' has an L1 table of impossible size"), file);
        return FALSE;
    }

    while (left > 0) {
        ssize_t n = pread(fd, bytes, MIN(left, sizeof(bytes)), pos);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, n < 0 ? errno : EIO,
                                 _("cannot read image '%s'"), file);
            return FALSE;
        }
        for (ssize_t i = 0; i < n; i++)
            *ret_blank = *ret_blank && bytes[i] == 0;
        pos += n;
        left -= n;
    }

    return TRUE;
}

gboolean
virSnapImageIsBlank(const char *file, gboolean *ret_blank, GError **error)
{
    g_autofree qcow2Header *header = g_new0(qcow2Header, 1);
    gboolean ok;
    struct stat st;
    int fd;

    if ((fd = virSnapFileOpenImage(file, &st, error)) < 0)
        return FALSE;

    header->file_size = st.st_size;
    ok = qcow2ReadHeader(fd, file, header, error) &&
        qcow2CheckHeader(header, file, error);
    if (ok) {
        *ret_blank = qcow2Get32(header, 60) == 0;
        ok = qcow2ReadL1(fd, file, header, ret_blank, error);
    }

    close(fd);
    return ok;
}

/* What stands below the image, as its own header has it. ret_file stays NULL
 * where that is nothing. */
static gboolean
chainNextFromHeader(const virSnapImage *image, char **ret_file,
                    char **ret_format, GError **error)
{
    if (!image->backing)
        return TRUE;

    if (!image->backing_format) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("image '%s' does not state the format of its backing "
                      "image '%s'"), image->file, image->backing);
        return FALSE;
    }

    if (!image->backing_file) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the backing image '%s' of image '%s' is not a plain "
                      "file, which is not supported yet"),
                    image->backing, image->file);
        return FALSE;
    }

    *ret_file = g_strdup(image->backing_file);
    *ret_format = g_strdup(image->backing_format);
    return TRUE;
}

/* The chain and, so that none is in it twice, by whatever name, a set of its keys. */
typedef struct _chainReading chainReading;
struct _chainReading {
    GPtrArray *chain;
    GHashTable *keys;
};

static gboolean
chainSetFault(const chainReading *reading, const char *loop, GError **error)
{
    const virSnapImage *top = g_ptr_array_index(reading->chain, 0);

    if (loop)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the backing chain of image '%s' has a loop at '%s'"), top->file,
                    loop);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the backing chain of image '%s' is longer than %d images; with an "
                      "overlay on it libvirt could not start a domain"), top->file,
                    VIR_SNAP_CHAIN_MAX - 1);
    return FALSE;
}

static gboolean
chainAppend(chainReading *reading, virSnapImageReadFunc read, const char *file,
            const char *format, GError **error)
{
    g_autoptr(virSnapImage) image = read(file, format, error);

    if (!image)
        return FALSE;
    if (g_hash_table_contains(reading->keys, image->key))
        return chainSetFault(reading, file, error);
    if (reading->chain->len == VIR_SNAP_CHAIN_MAX - 1)
        return chainSetFault(reading, NULL, error);

    g_hash_table_add(reading->keys, image->key);
    g_ptr_array_add(reading->chain, g_steal_pointer(&image));
    return TRUE;
}

GPtrArray *
virSnapImageReadChain(virSnapImageReadFunc read, const char *file, const char *format,
                      GPtrArray *known, gboolean known_end, GError **error)
{
    g_autoptr(GPtrArray) chain =
        g_ptr_array_new_with_free_func((GDestroyNotify)virSnapImageFree);
    g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
    chainReading reading = { chain, keys };

    if (!chainAppend(&reading, read, file, format, error))
        return NULL;

    for (guint i = 0; known && i < known->len; i++) {
        virSnapImage *image = g_ptr_array_index(known, i);

        if (!chainAppend(&reading, read, image->file,
                         image->format ? image->format : "raw", error))
            return NULL;
    }

    while (!known_end) {
        g_autofree char *next = NULL;
        g_autofree char *next_format = NULL;

        if (!chainNextFromHeader(g_ptr_array_index(chain, chain->len - 1),
                                 &next, &next_format, error))
            return NULL;
        if (!next)
            break;
        if (!chainAppend(&reading, read, next, next_format, error))
            return NULL;
    }

    return g_steal_pointer(&chain);
}
