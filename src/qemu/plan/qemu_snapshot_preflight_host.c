/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_host.c: what the host has, as its file systems tell
 *
 * This is the only place of the preflight that opens files or looks at them; those that
 * may be on a storage that does not answer are looked at by qemuSnapshotHostHasFile().
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_snapshot_preflight_host.h"
#include "virsnappaths.h"
#include "virsnapstoragefile.h"

/* /proc/meminfo has some 2 KiB, a firmware's description 3, qemu.conf 40, and a line for
 * each of a thousand mounts is 128 KiB. */
#define FILE_MAX (1024 * 1024)
/* libvirt's own limit of processors and of nodes */
#define SET_MAX 16384

static char *
hostPath(const char *root, const char *path)
{
    return g_strconcat(root, path, NULL);
}

/* Files of /proc have no length; NULL where it can't be read. */
static char *
hostRead(const char *root, const char *path)
{
    g_autofree char *file = hostPath(root, path);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char buffer[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    while (text->len < FILE_MAX && (n = read(fd, buffer, sizeof(buffer))) > 0)
        g_string_append_len(text, buffer, n);
    close(fd);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
hostReadNumber(const char *root, const char *folder, const char *name,
               guint64 *ret_number)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = hostRead(root, path);

    if (!text)
        return FALSE;
    *ret_number = g_ascii_strtoull(text, NULL, 10);
    return TRUE;
}

/* Files, as a child looks at them: they may be on a storage that does not answer. */

static int
tryAccess(const char *path, int mode)
{
    return access(path, mode) == 0 ? 0 : errno;
}

static int
tryType(const char *path, mode_t type, int fault)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno;
    return (st.st_mode & S_IFMT) == type ? 0 : fault;
}

static int
tryMake(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fault = tryType(folder, S_IFDIR, ENOTDIR);

    return fault ? fault : tryAccess(folder, W_OK | X_OK);
}

static int
tryWrite(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? tryMake(path) : errno;
    return S_ISDIR(st.st_mode) ? EISDIR : tryAccess(path, W_OK);
}

static int
tryPipe(const char *path)
{
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *out = g_strconcat(path, ".out", NULL);

    if (access(in, R_OK) == 0 && access(out, W_OK) == 0)
        return 0;
    return tryAccess(path, R_OK | W_OK);
}

static int
tryFile(const char *file, qemuSnapshotHostFileUse use)
{
    switch (use) {
    case QEMU_SNAPSHOT_HOST_FILE_READ:
        return tryAccess(file, R_OK);
    case QEMU_SNAPSHOT_HOST_FILE_RUN:
        return tryAccess(file, X_OK);
    case QEMU_SNAPSHOT_HOST_FILE_FOLDER:
        return tryType(file, S_IFDIR, ENOTDIR);
    case QEMU_SNAPSHOT_HOST_FILE_WRITE:
        return tryWrite(file);
    case QEMU_SNAPSHOT_HOST_FILE_MAKE:
        return tryMake(file);
    case QEMU_SNAPSHOT_HOST_FILE_SOCKET:
        return tryType(file, S_IFSOCK, ENOTSOCK);
    case QEMU_SNAPSHOT_HOST_FILE_PIPE:
        return tryPipe(file);
    }

    return 0;
}

static GVariant *
fileRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    const char *file;
    int use;

    g_variant_get(args, "(^&ayi)", &file, &use);
    return g_variant_new_int32(tryFile(file, use));
}

static const virSnapChildOp file_op = { "look for a file of use", fileRun };

/* Its errno; 0: it will do. */
static int
lookAtFile(const char *file, qemuSnapshotHostFileUse use)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&file_op, file, g_variant_new("(^ayi)", file, (int)use), NULL,
                           NULL, &error);

    return answer ? g_variant_get_int32(answer) : ETIMEDOUT;
}

/* Root may be kept out of a network file system on which QEMU's user may work. */
static gboolean
isRootKeptOut(qemuSnapshotHostFileUse use, int fault)
{
    return fault == EACCES && use != QEMU_SNAPSHOT_HOST_FILE_RUN && geteuid() == 0;
}

qemuSnapshotAnswer
qemuSnapshotHostHasFile(const char *root, const char *path, qemuSnapshotHostFileUse use,
                        int *ret_errno)
{
    g_autofree char *file = hostPath(root, path);
    int fault = lookAtFile(file, use);

    if (fault == 0)
        return QEMU_SNAPSHOT_ANSWER_THERE;
    if (isRootKeptOut(use, fault))
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    *ret_errno = fault;
    return QEMU_SNAPSHOT_ANSWER_MISSING;
}

guint64
qemuSnapshotHostFileAmount(const char *root, const char *path)
{
    g_autofree char *file = hostPath(root, path);
    struct stat st;
    int fault;

    /* a file system that compresses has fewer blocks, another one more */
    return !virSnapStorageStat(file, &st, &fault, NULL) || fault ? 0 :
        MIN(st.st_size, st.st_blocks * 512) / 1024;
}

/* Lists of /sys */

qemuSnapshotAnswer
qemuSnapshotHostHasEntry(const char *root, const char *folder, const char *name)
{
    g_autofree char *list = hostPath(root, folder);
    g_autofree char *entry = g_build_filename(list, name, NULL);
    struct stat st;

    /* such a name is none of these */
    if (strchr(name, '/') || access(list, X_OK) < 0)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    if (lstat(entry, &st) == 0)
        return QEMU_SNAPSHOT_ANSWER_THERE;
    return errno == ENOENT ? QEMU_SNAPSHOT_ANSWER_MISSING
                           : QEMU_SNAPSHOT_ANSWER_UNKNOWN;
}

qemuSnapshotAnswer
qemuSnapshotHostHasUSB(const char *root, const char *value, const char *file,
                       const char *other_file)
{
    static const char folder[] = VIR_SNAP_PATH_USB;
    g_autofree char *list = hostPath(root, folder);
    g_autoptr(GDir) dir = g_dir_open(list, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *first = g_build_filename(folder, name, file, NULL);
        g_autofree char *second = g_build_filename(folder, name, other_file, NULL);
        g_autofree char *text = hostRead(root, first);
        g_autofree char *other = text ? hostRead(root, second) : NULL;
        g_autofree char *found = NULL;

        if (!other)
            continue;
        found = g_strconcat(g_strstrip(text), ":", g_strstrip(other), NULL);
        if (g_str_equal(found, value))
            return QEMU_SNAPSHOT_ANSWER_THERE;
    }

    return dir ? QEMU_SNAPSHOT_ANSWER_MISSING : QEMU_SNAPSHOT_ANSWER_UNKNOWN;
}

/* Sets, as in "0-3,8" */

static gboolean
setParse(const char *text, guint8 *set)
{
    const char *p = text;

    memset(set, 0, SET_MAX);
    while (g_ascii_isdigit(*p)) {
        char *end = NULL;
        guint64 first = g_ascii_strtoull(p, &end, 10);
        guint64 last = *end == '-' ? g_ascii_strtoull(end + 1, &end, 10) : first;

        if (first > last || last >= SET_MAX)
            return FALSE;
        memset(set + first, 1, last - first + 1);
        p = *end == ',' ? end + 1 : end;
    }

    return *p == '\0' || *p == '\n';
}

/* How many of the set there are, of how many. */
static gboolean
setCompare(const char *root, const char *path, const char *text, guint *ret_there,
           guint *ret_all)
{
    g_autofree guint8 *set = g_malloc(SET_MAX);
    g_autofree guint8 *all = g_malloc(SET_MAX);
    g_autofree char *list = hostRead(root, path);

    if (!list || !setParse(list, all) || !setParse(text, set))
        return FALSE;

    *ret_there = *ret_all = 0;
    for (gsize i = 0; i < SET_MAX; i++) {
        *ret_all += set[i];
        *ret_there += set[i] & all[i];
    }

    return TRUE;
}

qemuSnapshotAnswer
qemuSnapshotHostHasCPUs(const char *root, const char *set)
{
    guint online;
    guint possible;
    guint all;

    if (!setCompare(root, VIR_SNAP_PATH_CPUS_ONLINE, set, &online, &all))
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    if (online == 0)
        return QEMU_SNAPSHOT_ANSWER_MISSING;
    if (!setCompare(root, VIR_SNAP_PATH_CPUS_POSSIBLE, set, &possible, &all))
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    return possible < all ? QEMU_SNAPSHOT_ANSWER_UNFIT : QEMU_SNAPSHOT_ANSWER_THERE;
}

qemuSnapshotAnswer
qemuSnapshotHostHasNodes(const char *root, const char *set)
{
    guint online;
    guint all;

    if (!setCompare(root, VIR_SNAP_PATH_NODES_ONLINE, set, &online, &all))
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;
    return online < all ? QEMU_SNAPSHOT_ANSWER_MISSING : QEMU_SNAPSHOT_ANSWER_THERE;
}

/* What is installed */

static gboolean
fileNames(const char *root, const char *path, const char *what)
{
    g_autofree char *text = hostRead(root, path);

    return text && strstr(text, what);
}

/* Whether a description in the folder has the text in it. */
static gboolean
folderNames(const char *root, const char *folder, const char *what)
{
    g_autofree char *list = hostPath(root, folder);
    g_autoptr(GDir) dir = g_dir_open(list, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_str_has_suffix(name, ".json") && fileNames(root, path, what))
            return TRUE;
    }

    return FALSE;
}

/* In the folders of QEMU's descriptions: the distribution's, the host's, the user's. */
static gboolean
descriptionsName(const char *root, const char *kind, const char *what)
{
    g_autofree char *theirs = g_build_filename("/usr/share/qemu", kind, NULL);
    g_autofree char *ours = g_build_filename(VIR_SNAP_PATH_QEMU_CONFIG, kind, NULL);
    g_autofree char *own =
        g_build_filename(g_get_user_config_dir(), "qemu", kind, NULL);

    return folderNames(root, theirs, what) || folderNames(root, ours, what) ||
           folderNames(root, own, what);
}

/* The name that the variables of a firmware have by custom: "CODE" becomes "VARS". */
static gboolean
hasSibling(const char *root, const char *loader)
{
    const char *slash = strrchr(loader, '/');
    const char *code = slash ? strstr(slash, "CODE") : NULL;
    g_autofree char *path = NULL;
    int fault;

    if (!code)
        return FALSE;
    path = g_strdup_printf("%s%.*sVARS%s", root, (int)(code - loader), loader,
                           code + strlen("CODE"));
    return virSnapStorageAccess(path, F_OK, &fault, NULL) && !fault;
}

qemuSnapshotAnswer
qemuSnapshotHostHasTemplate(const char *root, const char *loader)
{
    g_autofree char *own =
        g_build_filename(g_get_user_config_dir(), "libvirt/qemu.conf", NULL);

    return hasSibling(root, loader) || descriptionsName(root, "firmware", loader) ||
                   fileNames(root, VIR_SNAP_PATH_LIBVIRT_QEMU_CONF, loader) ||
                   fileNames(root, own, loader)
               ? QEMU_SNAPSHOT_ANSWER_UNKNOWN
               : QEMU_SNAPSHOT_ANSWER_MISSING;
}

qemuSnapshotAnswer
qemuSnapshotHostHasVirtiofsd(const char *root)
{
    return descriptionsName(root, "vhost-user", "\"fs\"")
               ? QEMU_SNAPSHOT_ANSWER_THERE
               : QEMU_SNAPSHOT_ANSWER_MISSING;
}

/* Memory */

/* "2M", "1024M", "64K" or a number of bytes, in KiB. */
static guint64
parseSize(const char *text)
{
    char *end = NULL;
    guint64 number = g_ascii_strtoull(text, &end, 10);

    switch (*end) {
    case 'K':
        return number;
    case 'M':
        return number * 1024;
    case 'G':
        return number * 1024 * 1024;
    default:
        return number / 1024;
    }
}

/* The value of a line such as "MemTotal:       24683244 kB". */
static gboolean
meminfoFind(const char *meminfo, const char *name, guint64 *ret_amount)
{
    g_autofree char *start = g_strdup_printf("\n%s:", name);
    const char *line =
        g_str_has_prefix(meminfo, start + 1) ? meminfo - 1 : strstr(meminfo, start);

    if (!line)
        return FALSE;
    *ret_amount = g_ascii_strtoull(line + strlen(start), NULL, 10);
    return TRUE;
}

static guint64
resolveSize(const char *root, const char *size)
{
    guint64 number = g_ascii_strtoull(size, NULL, 10);
    g_autofree char *meminfo = number == 0 ? hostRead(root, VIR_SNAP_PATH_MEMINFO) : NULL;

    if (meminfo)
        meminfoFind(meminfo, "Hugepagesize", &number);
    return number;
}

qemuSnapshotAnswer
qemuSnapshotHostHasPages(const char *root, const char *size, guint64 *ret_free)
{
    static const char list[] = VIR_SNAP_PATH_HUGEPAGES;
    guint64 kib = resolveSize(root, size);
    g_autofree char *name = g_strdup_printf("hugepages-%" G_GUINT64_FORMAT "kB", kib);
    g_autofree char *folder = g_build_filename(list, name, NULL);
    qemuSnapshotAnswer answer = qemuSnapshotHostHasEntry(root, list, name);
    guint64 free_pages;
    guint64 reserved;
    guint64 more;
    guint64 surplus;

    if (answer != QEMU_SNAPSHOT_ANSWER_THERE)
        return answer;
    if (!hostReadNumber(root, folder, "free_hugepages", &free_pages) ||
        !hostReadNumber(root, folder, "resv_hugepages", &reserved) ||
        !hostReadNumber(root, folder, "nr_overcommit_hugepages", &more) ||
        !hostReadNumber(root, folder, "surplus_hugepages", &surplus))
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;

    /* those promised to others, and those that the kernel would still make */
    free_pages -= MIN(free_pages, reserved);
    free_pages += more - MIN(more, surplus);
    *ret_free = free_pages * kib;
    return QEMU_SNAPSHOT_ANSWER_THERE;
}

qemuSnapshotAnswer
qemuSnapshotHostHasHugeMount(const char *root, const char *size)
{
    guint64 kib = resolveSize(root, size);
    guint64 usual = resolveSize(root, "0");
    g_autofree char *mounts = hostRead(root, VIR_SNAP_PATH_MOUNTS);
    g_auto(GStrv) lines = g_strsplit(mounts ? mounts : "", "\n", -1);

    if (!mounts)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;

    for (char **line = lines; *line; line++) {
        const char *option = strstr(*line, "pagesize=");

        if (strstr(*line, " hugetlbfs ") &&
            (option ? parseSize(option + strlen("pagesize=")) : usual) == kib)
            return QEMU_SNAPSHOT_ANSWER_THERE;
    }

    return QEMU_SNAPSHOT_ANSWER_MISSING;
}

gboolean
qemuSnapshotHostReadMemory(const char *root, qemuSnapshotHostMemory *ret_memory)
{
    g_autofree char *meminfo = hostRead(root, VIR_SNAP_PATH_MEMINFO);
    g_autofree char *overcommit = hostRead(root, VIR_SNAP_PATH_OVERCOMMIT);
    guint64 total;
    guint64 swap;
    guint64 available;
    guint64 swap_free;
    guint64 limit;
    guint64 committed;

    if (!meminfo || !meminfoFind(meminfo, "MemTotal", &total) ||
        !meminfoFind(meminfo, "MemAvailable", &available) ||
        !meminfoFind(meminfo, "SwapTotal", &swap) ||
        !meminfoFind(meminfo, "SwapFree", &swap_free) ||
        !meminfoFind(meminfo, "CommitLimit", &limit) ||
        !meminfoFind(meminfo, "Committed_AS", &committed))
        return FALSE;

    *ret_memory = (qemuSnapshotHostMemory){
        .available = available,
        .swap_free = swap_free,
        .whole = total + swap,
        .uncommitted = limit - MIN(limit, committed),
        .overcommit = overcommit && *overcommit ? *overcommit : '1',
    };
    return TRUE;
}
