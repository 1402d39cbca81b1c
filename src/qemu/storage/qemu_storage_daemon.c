/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_daemon.c: making and opening overlays
 *
 * One qemu-storage-daemon serves all disks of a revert. Its monitor takes its
 * commands byte by byte, at some microseconds each, in a thread of its own: there
 * are two commands for a disk on a short chain and no more, each sent as soon as it
 * may be, so that it reads the next while it carries out the last.
 *
 * Images are opened with driver and backing image stated all the way down, so that
 * no header decides what is opened, and locked as QEMU does it: one that
 * someone writes to is refused. All of them go by our own descriptors, whose names
 * are short, and which lead nowhere else by the time they are opened.
 *
 * A long chain is opened in pieces, and all but the uppermost, with the overlay on it,
 * are closed again at once. QEMU names each node after all that is below it, again
 * and again, so that the time to open a chain as a whole, also one node after the other,
 * grows with the cube of its length, and it looks through all nodes for each new one. But
 * it tries nothing of an image on account of what is below it, so that nothing is lost.
 */

#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qemu_qmp.h"
#include "qemu_storage_daemon.h"
#include "qemu_storage_process.h"
#include "virsnaperror.h"
#include "virsnapstorageimage.h"

/* nodes' names */
#define NOTHING "n"
#define PIECE "c"
/* Measured: a piece of this length takes no longer than its images do one by one. */
#define PIECE_LEN 8

typedef enum {
    COMMAND_CAPABILITIES,
    COMMAND_NOTHING,
    COMMAND_CREATE,
    COMMAND_PIECE,
    COMMAND_VERIFY,
    COMMAND_JOBS,
} daemonCommand;

typedef struct _daemonSent daemonSent;
struct _daemonSent {
    daemonCommand command;
    gsize disk;
};

struct _qemuStorageDaemon {
    qemuStorageProcess *process;
    qemuQMP *qmp;
    const qemuStorageOverlay *overlays;
    gsize n_overlays;
    GHashTable *bases;     /* path -> descriptor, of all images of the chains */
    gsize n_jobs;          /* for those that are to be made */
    GArray *sent;          /* of daemonSent: replies come in this order */
    gsize replies;         /* taken so far */
    gsize concluded;       /* jobs */
    GError *verify_error;  /* the first */
};

gboolean
qemuStorageDaemonHasEnded(qemuStorageDaemon *daemon)
{
    return qemuStorageProcessHasEnded(daemon->process);
}

void
qemuStorageDaemonKill(qemuStorageDaemon *daemon)
{
    qemuStorageProcessKill(daemon->process);
}

gboolean
qemuStorageDaemonWait(qemuStorageDaemon *daemon)
{
    g_hash_table_remove_all(daemon->bases);
    return qemuStorageProcessWait(daemon->process);
}

pid_t
qemuStorageDaemonGetPid(const qemuStorageDaemon *daemon)
{
    return qemuStorageProcessGetPid(daemon->process);
}

void
qemuStorageDaemonStop(qemuStorageDaemon *daemon)
{
    if (!daemon)
        return;

    qemuStorageProcessFree(daemon->process);
    qemuQMPFree(daemon->qmp);
    g_array_unref(daemon->sent);
    g_hash_table_unref(daemon->bases);
    g_clear_error(&daemon->verify_error);
    g_free(daemon);
}

/* The monitor failed: what the program has printed may say why. */
static gboolean
daemonFail(qemuStorageDaemon *daemon, const GError *cause, GError **error)
{
    g_autofree char *reason = qemuStorageProcessReadStderr(daemon->process);

    g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                _("qemu-storage-daemon failed to make the overlays: %s%s%s"),
                cause->message, *reason ? ": " : "", reason);
    return FALSE;
}

static void
nameFile(GString *text, int fd, const char *path)
{
    static const char *const quotes[] = { "''", "\"\"", "[]" };

    for (gsize i = 0; i < G_N_ELEMENTS(quotes); i++) {
        const char *q = quotes[i];
        g_autofree char *from = g_strdup_printf("%c%d%c", q[0], fd, q[1]);
        g_autofree char *to = g_strdup_printf("%c%s%c", q[0], path, q[1]);

        g_string_replace(text, from, to, 0);
    }
}

/* It knows files by our descriptors, which tell nobody else anything. */
static char *
daemonNameFiles(const qemuStorageDaemon *daemon, const char *reason)
{
    GString *text = g_string_new(reason);
    GHashTableIter iter;
    void *path, *fd;

    for (gsize i = 0; i < daemon->n_overlays; i++)
        nameFile(text, daemon->overlays[i].fd, daemon->overlays[i].file);

    g_hash_table_iter_init(&iter, daemon->bases);
    while (g_hash_table_iter_next(&iter, &path, &fd))
        nameFile(text, GPOINTER_TO_INT(fd), path);

    return g_string_free(text, FALSE);
}

/* QEMU's words for it name its locks, which nobody has heard of. */
static gboolean
reasonIsLock(const char *reason)
{
    const char *failed = strstr(reason, "Failed to get ");

    return failed && strstr(failed, " lock");
}

static gboolean
daemonSetDiskError(const qemuStorageDaemon *daemon, gsize disk,
                   const char *reason, GError **error)
{
    const qemuStorageOverlay *overlay = disk < daemon->n_overlays ?
        &daemon->overlays[disk] : NULL;
    g_autofree char *named = daemonNameFiles(daemon, reason);

    if (overlay && reasonIsLock(reason))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("cannot make overlay '%s' of disk '%s': another program, such as a "
                      "virtual machine, has it or an image below it open for writing "
                      "(QEMU: %s)"), overlay->file, overlay->disk, named);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("cannot make overlay '%s' of disk '%s': %s"),
                    overlay ? overlay->file : "?", overlay ? overlay->disk : "?",
                    named);
    return FALSE;
}

static gboolean
daemonSend(qemuStorageDaemon *daemon, daemonCommand command, gsize disk,
           const char *name, JsonObject *arguments, GError **error)
{
    daemonSent sent = { command, disk };
    g_autoptr(GError) cause = NULL;

    if (!qemuQMPSend(daemon->qmp, name, arguments, &cause))
        return daemonFail(daemon, cause, error);

    g_array_append_val(daemon->sent, sent);
    return TRUE;
}

/* With "oob" its monitor reads on while commands are carried out. */
static gboolean
daemonSendCapabilities(qemuStorageDaemon *daemon, GError **error)
{
    JsonObject *arguments = json_object_new();
    JsonArray *enable = json_array_new();

    json_array_add_string_element(enable, "oob");
    json_object_set_array_member(arguments, "enable", enable);
    return daemonSend(daemon, COMMAND_CAPABILITIES, 0, "qmp_capabilities",
                      arguments, error);
}

/* What an image without a backing image is said to stand on, whatever its header says. A
 * null would say that, too; but QEMU counts the references to its one null in two
 * threads without a lock, and comes to its end by it once in some hundred reverts. */
static gboolean
daemonSendNothing(qemuStorageDaemon *daemon, GError **error)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "driver", "null-co");
    json_object_set_string_member(arguments, "node-name", NOTHING);
    json_object_set_boolean_member(arguments, "read-only", TRUE);
    return daemonSend(daemon, COMMAND_NOTHING, 0, "blockdev-add", arguments, error);
}

static void
closeDescriptor(void *opaque)
{
    close(GPOINTER_TO_INT(opaque));
}

qemuStorageDaemon *
qemuStorageDaemonStart(const char *binary, GError **error)
{
    g_autoptr(qemuStorageDaemon) daemon = g_new0(qemuStorageDaemon, 1);
    int fds[2];

    daemon->sent = g_array_new(FALSE, FALSE, sizeof(daemonSent));
    daemon->bases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          closeDescriptor);

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot create a pair of sockets"));
        return NULL;
    }

    daemon->qmp = qemuQMPNew(fds[0]);
    daemon->process = qemuStorageProcessStart(binary, fds[1], error);
    close(fds[1]);

    /* it takes these as soon as it is up */
    return daemon->process && daemonSendCapabilities(daemon, error) &&
        daemonSendNothing(daemon, error) ? g_steal_pointer(&daemon) : NULL;
}

static gboolean
daemonOpenBase(qemuStorageDaemon *daemon, gsize disk, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int fd;

    if (g_hash_table_contains(daemon->bases, path))
        return TRUE;
    if ((fd = virSnapStorageOpenImage(path, &cause)) < 0)
        return daemonSetDiskError(daemon, disk, cause->message, error);

    g_hash_table_insert(daemon->bases, g_strdup(path), GINT_TO_POINTER(fd));
    return TRUE;
}

static gboolean
daemonOpenChain(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    GPtrArray *chain = daemon->overlays[disk].chain;

    for (guint i = 0; i < chain->len; i++) {
        const virSnapImage *image = g_ptr_array_index(chain, i);

        if (!daemonOpenBase(daemon, disk, image->file, error) ||
            (image->data_file &&
             !daemonOpenBase(daemon, disk, image->data_file, error)))
            return FALSE;
    }

    return TRUE;
}

static JsonObject *
nodeForDescriptor(int fd)
{
    g_autofree char *name = g_strdup_printf("%d", fd);
    JsonObject *node = json_object_new();

    json_object_set_string_member(node, "driver", "file");
    json_object_set_string_member(node, "filename", name);
    return node;
}

static JsonObject *
nodeForBase(const qemuStorageDaemon *daemon, const char *path)
{
    return nodeForDescriptor(GPOINTER_TO_INT(g_hash_table_lookup(daemon->bases, path)));
}

/* The image at `depth` and those below it, down to the end of its piece; backing images
 * are opened read-only. */
static JsonObject *
nodeForPiece(const qemuStorageDaemon *daemon, GPtrArray *chain, guint depth)
{
    const virSnapImage *image = g_ptr_array_index(chain, depth);
    JsonObject *node = json_object_new();
    gboolean last = depth + 1 == chain->len;

    json_object_set_string_member(node, "driver", image->format);
    json_object_set_object_member(node, "file", nodeForBase(daemon, image->file));
    if (image->data_file)
        json_object_set_object_member(node, "data-file",
                                      nodeForBase(daemon, image->data_file));
    if (!last && (depth + 1) % PIECE_LEN != 0)
        json_object_set_object_member(node, "backing",
                                      nodeForPiece(daemon, chain, depth + 1));
    else if (!last || g_str_equal(image->format, "qcow2"))
        json_object_set_string_member(node, "backing", NOTHING);

    return node;
}

/* Opens and closes all pieces but the uppermost, the lowest last. */
static gboolean
daemonSendPieces(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    GPtrArray *chain = daemon->overlays[disk].chain;

    for (guint depth = PIECE_LEN; depth < chain->len; depth += PIECE_LEN) {
        JsonObject *node = nodeForPiece(daemon, chain, depth);
        JsonObject *arguments = json_object_new();

        json_object_set_string_member(node, "node-name", PIECE);
        json_object_set_boolean_member(node, "read-only", TRUE);
        json_object_set_string_member(arguments, "node-name", PIECE);
        if (!daemonSend(daemon, COMMAND_PIECE, disk, "blockdev-add", node, error)) {
            json_object_unref(arguments);
            return FALSE;
        }
        if (!daemonSend(daemon, COMMAND_PIECE, disk, "blockdev-del", arguments, error))
            return FALSE;
    }

    return TRUE;
}

static gboolean
daemonSendCreate(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    const qemuStorageOverlay *overlay = &daemon->overlays[disk];
    const virSnapImage *base = g_ptr_array_index(overlay->chain, 0);
    g_autofree char *job = g_strdup_printf("j%zu", disk);
    JsonObject *file = nodeForDescriptor(overlay->fd);
    JsonObject *cache = json_object_new();
    JsonObject *options = json_object_new();
    JsonObject *arguments = json_object_new();

    json_object_set_boolean_member(cache, "no-flush", TRUE);
    json_object_set_object_member(file, "cache", cache);
    json_object_set_string_member(options, "driver", "qcow2");
    json_object_set_object_member(options, "file", file);
    json_object_set_int_member(options, "size", base->size);
    json_object_set_string_member(options, "backing-file", base->file);
    json_object_set_string_member(options, "backing-fmt", base->format);
    json_object_set_string_member(arguments, "job-id", job);
    json_object_set_object_member(arguments, "options", options);

    return daemonSend(daemon, COMMAND_CREATE, disk, "blockdev-create", arguments,
                      error);
}

static gboolean
daemonSendVerify(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    const qemuStorageOverlay *overlay = &daemon->overlays[disk];
    g_autofree char *name = g_strdup_printf("v%zu", disk);
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "driver", "qcow2");
    json_object_set_string_member(arguments, "node-name", name);
    json_object_set_boolean_member(arguments, "read-only", TRUE);
    json_object_set_object_member(arguments, "file", nodeForDescriptor(overlay->fd));
    json_object_set_object_member(arguments, "backing",
                                  nodeForPiece(daemon, overlay->chain, 0));

    return daemonSend(daemon, COMMAND_VERIFY, disk, "blockdev-add", arguments,
                      error);
}

/* What query-jobs tells of one job. */
static gboolean
daemonCheckJob(const qemuStorageDaemon *daemon, JsonNode *node, GError **error)
{
    JsonObject *job = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    const char *name = job ? qemuQMPGetString(job, "id") : NULL;
    const char *reason = job ? qemuQMPGetString(job, "error") : NULL;

    if (name && *name == 'j' && !reason)
        return TRUE;

    return daemonSetDiskError(daemon,
                              name ? g_ascii_strtoull(name + 1, NULL, 10) : G_MAXSIZE,
                              reason ? reason : _("its job is not listed"), error);
}

static gboolean
daemonCheckJobs(const qemuStorageDaemon *daemon, JsonObject *reply, GError **error)
{
    JsonNode *jobs = json_object_get_member(reply, "return");

    if (!jobs || !JSON_NODE_HOLDS_ARRAY(jobs) ||
        json_array_get_length(json_node_get_array(jobs)) != daemon->n_jobs)
        return daemonSetDiskError(daemon, G_MAXSIZE,
                                  _("its job is not listed"), error);

    for (guint i = 0; i < daemon->n_jobs; i++) {
        JsonNode *job = json_array_get_element(json_node_get_array(jobs), i);

        if (!daemonCheckJob(daemon, job, error))
            return FALSE;
    }

    return TRUE;
}

/* A job that ended, well or not: its overlay may be opened. */
static gboolean
daemonTakeEvent(qemuStorageDaemon *daemon, JsonObject *message, GError **error)
{
    JsonObject *data = qemuQMPGetObject(message, "data");
    const char *job = data ? qemuQMPGetString(data, "id") : NULL;
    guint64 disk;

    if (g_strcmp0(qemuQMPGetString(message, "event"), "JOB_STATUS_CHANGE") != 0 ||
        g_strcmp0(data ? qemuQMPGetString(data, "status") : NULL, "concluded") != 0 ||
        !job || *job != 'j')
        return TRUE;

    disk = g_ascii_strtoull(job + 1, NULL, 10);
    if (disk >= daemon->n_overlays)
        return TRUE;

    daemon->concluded++;
    return daemonSendVerify(daemon, disk, error);
}

static gboolean
daemonTakeReply(qemuStorageDaemon *daemon, JsonObject *message, GError **error)
{
    g_autofree char *reason = qemuQMPGetError(message);
    const daemonSent *sent;

    if (daemon->replies == daemon->sent->len)
        return daemonSetDiskError(daemon, G_MAXSIZE,
                                  _("qemu-storage-daemon sent an answer to nothing "
                                    "that it was asked"), error);

    sent = &g_array_index(daemon->sent, daemonSent, daemon->replies++);
    switch (sent->command) {
    case COMMAND_PIECE:
    case COMMAND_VERIFY:
        /* reported later: that the job failed is the better reason */
        if (reason && !daemon->verify_error)
            daemonSetDiskError(daemon, sent->disk, reason, &daemon->verify_error);
        return TRUE;
    case COMMAND_JOBS:
        return daemonCheckJobs(daemon, message, error);
    case COMMAND_CAPABILITIES:
    case COMMAND_NOTHING:
    case COMMAND_CREATE:
        return reason ? daemonSetDiskError(daemon, sent->disk, reason, error) : TRUE;
    }

    return TRUE;
}

static gboolean
daemonTake(qemuStorageDaemon *daemon, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(JsonObject) message = qemuQMPReceive(daemon->qmp, &cause);

    if (!message)
        return daemonFail(daemon, cause, error);
    if (json_object_has_member(message, "return") ||
        json_object_has_member(message, "error"))
        return daemonTakeReply(daemon, message, error);

    return daemonTakeEvent(daemon, message, error);
}

gboolean
qemuStorageDaemonBegin(qemuStorageDaemon *daemon,
                       const qemuStorageOverlay *overlays, gsize n_overlays,
                       unsigned int timeout, GError **error)
{
    daemon->overlays = overlays;
    daemon->n_overlays = n_overlays;
    qemuQMPSetTimeout(daemon->qmp, timeout);

    for (gsize i = 0; i < n_overlays; i++) {
        if (!daemonOpenChain(daemon, i, error))
            return FALSE;
        if (overlays[i].exists ? !daemonSendVerify(daemon, i, error) :
                                 !daemonSendCreate(daemon, i, error))
            return FALSE;
        daemon->n_jobs += !overlays[i].exists;
        if (!daemonSendPieces(daemon, i, error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuStorageDaemonCreate(qemuStorageDaemon *daemon, GError **error)
{
    while (daemon->concluded < daemon->n_jobs) {
        if (!daemonTake(daemon, error))
            return FALSE;
    }

    return daemonSend(daemon, COMMAND_JOBS, 0, "query-jobs", NULL, error);
}

gboolean
qemuStorageDaemonVerify(qemuStorageDaemon *daemon, GError **error)
{
    while (daemon->replies < daemon->sent->len) {
        if (!daemonTake(daemon, error))
            return FALSE;
    }

    if (!daemon->verify_error)
        return TRUE;

    g_propagate_error(error, g_steal_pointer(&daemon->verify_error));
    return FALSE;
}
