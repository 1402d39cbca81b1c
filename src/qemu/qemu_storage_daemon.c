/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_daemon.c: making and opening overlays
 *
 * One qemu-storage-daemon serves all disks of a revert. Its monitor takes its
 * commands byte by byte, at some microseconds each, in a thread of its own: there
 * are two commands for a disk and no more, each sent as soon as it may be, so that
 * it reads the next while it carries out the last.
 *
 * Images are opened with driver and backing image stated all the way down, so that
 * no header decides what is opened, and locked as QEMU does it: one that
 * someone writes to is refused. The overlays go by our own descriptors; a path
 * could lead elsewhere by the time it is opened.
 */

#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu_qmp.h"
#include "qemu_storage_daemon.h"
#include "virsnaperror.h"
#include "virsnapqcow2.h"

/* a node's name */
#define NOTHING "n"

/* the child's descriptor, after the standard ones */
#define MONITOR_FD 3

/* Of what it prints, enough for the reason. */
#define STDERR_MAX 8192
#define STDERR_WAIT 1000 /* milliseconds */

/* A killed process ends at once, but for one that waits for dead storage. What
 * then still holds an image is found by QEMU, by its lock. */
#define END_MAX (10 * G_USEC_PER_SEC)

typedef enum {
    COMMAND_CAPABILITIES,
    COMMAND_NOTHING,
    COMMAND_CREATE,
    COMMAND_VERIFY,
    COMMAND_JOBS,
} daemonCommand;

typedef struct _daemonSent daemonSent;
struct _daemonSent {
    daemonCommand command;
    gsize disk;
};

struct _qemuStorageDaemon {
    GPid pid;
    int stderr_fd;
    qemuQMP *qmp;
    const qemuStorageOverlay *overlays;
    gsize n_overlays;
    gsize n_jobs;          /* for those that are to be made */
    GArray *sent;          /* of daemonSent: replies come in this order */
    gsize replies;         /* taken so far */
    gsize concluded;       /* jobs */
    GError *verify_error;  /* the first */
};

/* It must not outlive us: its overlays would stay open. A group of its own, so
 * that what a wrapper script starts is killed with it. */
static void
daemonChildSetUp(void *opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
}

static gboolean
daemonSpawn(qemuStorageDaemon *daemon, const char *binary, int monitor,
            GError **error)
{
    g_autofree char *chardev = g_strdup_printf("socket,id=qmp,fd=%d", MONITOR_FD);
    const char *argv[] = {
        binary, "--chardev", chardev, "--monitor", "chardev=qmp", NULL
    };
    const int target = MONITOR_FD;
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", getpid());
    g_autoptr(GError) cause = NULL;

    /* in that folder our descriptors have names that are short */
    if (g_spawn_async_with_pipes_and_fds(folder, argv, NULL,
                                         G_SPAWN_SEARCH_PATH |
                                         G_SPAWN_DO_NOT_REAP_CHILD |
                                         G_SPAWN_STDOUT_TO_DEV_NULL,
                                         daemonChildSetUp, NULL, -1, -1, -1,
                                         &monitor, &target, 1, &daemon->pid,
                                         NULL, NULL, &daemon->stderr_fd, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot start '%s', which makes the overlays: %s"), binary,
                cause->message);
    return FALSE;
}

qemuStorageDaemon *
qemuStorageDaemonStart(const char *binary, GError **error)
{
    g_autoptr(qemuStorageDaemon) daemon = g_new0(qemuStorageDaemon, 1);
    gboolean ok;
    int fds[2];

    daemon->stderr_fd = -1;
    daemon->sent = g_array_new(FALSE, FALSE, sizeof(daemonSent));

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot create a pair of sockets"));
        return NULL;
    }

    daemon->qmp = qemuQMPNew(fds[0]);
    ok = daemonSpawn(daemon, binary, fds[1], error);
    close(fds[1]);

    return ok ? g_steal_pointer(&daemon) : NULL;
}

void
qemuStorageDaemonKill(qemuStorageDaemon *daemon)
{
    if (daemon->pid > 0) {
        kill(-daemon->pid, SIGKILL);
        kill(daemon->pid, SIGKILL); /* where it has no group of its own yet */
    }
}

void
qemuStorageDaemonWait(qemuStorageDaemon *daemon)
{
    gint64 deadline = g_get_monotonic_time() + END_MAX;

    qemuStorageDaemonKill(daemon);
    while (daemon->pid > 0 && waitpid(daemon->pid, NULL, WNOHANG) == 0) {
        if (g_get_monotonic_time() > deadline)
            return;
        g_usleep(500);
    }
    daemon->pid = 0;
}

static void
daemonReaped(GPid pid, int status, void *opaque)
{
}

void
qemuStorageDaemonStop(qemuStorageDaemon *daemon)
{
    if (!daemon)
        return;

    qemuStorageDaemonKill(daemon);
    if (daemon->pid > 0)
        g_child_watch_add(daemon->pid, daemonReaped, NULL);
    if (daemon->stderr_fd >= 0)
        close(daemon->stderr_fd);
    g_clear_pointer(&daemon->qmp, qemuQMPFree);
    g_array_unref(daemon->sent);
    g_clear_error(&daemon->verify_error);
    g_free(daemon);
}

/* What it printed. It is killed for that, if it isn't dead, and then its end
 * closes the pipe, unless the kernel holds it up. */
static char *
daemonReadStderr(qemuStorageDaemon *daemon)
{
    struct pollfd pfd = { .fd = daemon->stderr_fd, .events = POLLIN };
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[1024];
    ssize_t n;

    qemuStorageDaemonKill(daemon);
    while (text->len < STDERR_MAX && poll(&pfd, 1, STDERR_WAIT) > 0 &&
           (n = read(daemon->stderr_fd, bytes, sizeof(bytes))) > 0)
        g_string_append_len(text, bytes, n);

    return g_utf8_make_valid(g_strchomp(text->str), -1);
}

/* The monitor failed: what the program has printed may say why. */
static gboolean
daemonFail(qemuStorageDaemon *daemon, const GError *cause, GError **error)
{
    g_autofree char *reason = daemonReadStderr(daemon);

    g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                _("qemu-storage-daemon failed to make the overlays: %s%s%s"),
                cause->message, *reason ? ": " : "", reason);
    return FALSE;
}

static gboolean
daemonSetDiskError(const qemuStorageDaemon *daemon, gsize disk,
                   const char *reason, GError **error)
{
    const qemuStorageOverlay *overlay = disk < daemon->n_overlays ?
        &daemon->overlays[disk] : NULL;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot make overlay '%s' of disk '%s': %s"),
                overlay ? overlay->file : "?", overlay ? overlay->disk : "?",
                reason);
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

static JsonObject *
nodeForFile(const char *path)
{
    JsonObject *node = json_object_new();

    json_object_set_string_member(node, "driver", "file");
    json_object_set_string_member(node, "filename", path);
    return node;
}

static JsonObject *
nodeForOverlay(const qemuStorageOverlay *overlay)
{
    g_autofree char *name = g_strdup_printf("%d", overlay->fd);

    return nodeForFile(name);
}

/* The image at `depth` and all below it; backing images are opened read-only. */
static JsonObject *
nodeForChain(GPtrArray *chain, guint depth)
{
    const virSnapImage *image = g_ptr_array_index(chain, depth);
    JsonObject *node = json_object_new();

    json_object_set_string_member(node, "driver", image->format);
    json_object_set_object_member(node, "file", nodeForFile(image->file));
    if (image->data_file)
        json_object_set_object_member(node, "data-file",
                                      nodeForFile(image->data_file));
    if (depth + 1 < chain->len)
        json_object_set_object_member(node, "backing",
                                      nodeForChain(chain, depth + 1));
    else if (g_str_equal(image->format, "qcow2"))
        json_object_set_string_member(node, "backing", NOTHING);

    return node;
}

static gboolean
daemonSendCreate(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    const qemuStorageOverlay *overlay = &daemon->overlays[disk];
    const virSnapImage *base = g_ptr_array_index(overlay->chain, 0);
    g_autofree char *job = g_strdup_printf("j%zu", disk);
    JsonObject *file = nodeForOverlay(overlay);
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
    json_object_set_object_member(arguments, "file", nodeForOverlay(overlay));
    json_object_set_object_member(arguments, "backing",
                                  nodeForChain(overlay->chain, 0));

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
                                  _("qemu-storage-daemon answers what it was not "
                                    "asked"), error);

    sent = &g_array_index(daemon->sent, daemonSent, daemon->replies++);
    switch (sent->command) {
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
qemuStorageDaemonCreate(qemuStorageDaemon *daemon,
                        const qemuStorageOverlay *overlays, gsize n_overlays,
                        unsigned int timeout, GError **error)
{
    daemon->overlays = overlays;
    daemon->n_overlays = n_overlays;
    qemuQMPSetTimeout(daemon->qmp, timeout);

    if (!daemonSendCapabilities(daemon, error) || !daemonSendNothing(daemon, error))
        return FALSE;

    for (gsize i = 0; i < n_overlays; i++) {
        if (overlays[i].exists ? !daemonSendVerify(daemon, i, error) :
                                 !daemonSendCreate(daemon, i, error))
            return FALSE;
        daemon->n_jobs += !overlays[i].exists;
    }

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
