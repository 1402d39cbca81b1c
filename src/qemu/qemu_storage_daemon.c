/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_storage_daemon.c: making and checking overlays
 *
 * One qemu-storage-daemon serves all disks of a revert. The images below the
 * overlays are named on its command line, where they cost little (its monitor
 * takes some microseconds for each byte), with driver and backing image of
 * each stated, so that no header decides what is opened. They are opened
 * read-only and locked as QEMU does it: an image that someone writes to is
 * refused. The overlays come as open descriptors; a path could lead elsewhere
 * by the time it is opened.
 */

#include "config.h"

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

/* descriptors of the child: standard ones, its monitor, the overlays */
#define MONITOR_FD 3
#define OVERLAY_FD 4

/* Of what it prints, enough for the reason. */
#define STDERR_MAX 8192

struct _qemuStorageDaemon {
    const qemuStorageOverlay *overlays;
    gsize n_overlays;
    GPid pid;
    int stderr_fd;
    qemuQMP *qmp;
    gsize replies;       /* taken so far */
};

/* Which reply is whose: they come in the order of the commands. */
#define REPLY_CREATE 2   /* the first of them; before, the capabilities' */
#define REPLY_JOBS(daemon) (REPLY_CREATE + (daemon)->n_overlays)
#define REPLY_VERIFY(daemon) (REPLY_JOBS(daemon) + 1)

static char *
nodeFormat(JsonObject *node)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(root, node);
    return json_to_string(root, FALSE);
}

static char *
nodeName(gsize disk, guint depth)
{
    return g_strdup_printf("b%zu-%u", disk, depth);
}

/* {"driver": "qcow2", "node-name": "b0-0", "read-only": true,
 *  "file": {"driver": "file", ...}, "backing": "b0-1"} */
static char *
nodeForImage(const virSnapImage *image, gsize disk, guint depth, gboolean last)
{
    g_autofree char *name = nodeName(disk, depth);
    g_autofree char *below = nodeName(disk, depth + 1);
    JsonObject *file = json_object_new();
    JsonObject *node = json_object_new();

    json_object_set_string_member(file, "driver", "file");
    json_object_set_string_member(file, "filename", image->file);

    json_object_set_string_member(node, "driver", image->format);
    json_object_set_string_member(node, "node-name", name);
    json_object_set_boolean_member(node, "read-only", TRUE);
    json_object_set_object_member(node, "file", file);
    if (!last)
        json_object_set_string_member(node, "backing", below);
    else if (g_str_equal(image->format, "qcow2"))
        json_object_set_null_member(node, "backing");

    return nodeFormat(node);
}

static char *
nodeForOverlay(gsize disk)
{
    g_autofree char *name = g_strdup_printf("o%zu", disk);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%zu", OVERLAY_FD + disk);
    JsonObject *cache = json_object_new();
    JsonObject *node = json_object_new();

    json_object_set_boolean_member(cache, "no-flush", TRUE);
    json_object_set_string_member(node, "driver", "file");
    json_object_set_string_member(node, "node-name", name);
    json_object_set_string_member(node, "filename", path);
    json_object_set_object_member(node, "cache", cache);

    return nodeFormat(node);
}

static void
argvAdd(GPtrArray *argv, const char *option, char *value)
{
    g_ptr_array_add(argv, g_strdup(option));
    g_ptr_array_add(argv, value);
}

static GPtrArray *
daemonMakeArgv(const qemuStorageDaemon *daemon, const char *binary)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(binary));
    for (gsize i = 0; i < daemon->n_overlays; i++) {
        GPtrArray *chain = daemon->overlays[i].chain;

        for (guint j = chain->len; j-- > 0;)
            argvAdd(argv, "--blockdev",
                    nodeForImage(g_ptr_array_index(chain, j), i, j,
                                 j + 1 == chain->len));
        argvAdd(argv, "--blockdev", nodeForOverlay(i));
    }
    argvAdd(argv, "--chardev",
            g_strdup_printf("socket,id=qmp,fd=%d", MONITOR_FD));
    argvAdd(argv, "--monitor", g_strdup("chardev=qmp"));
    g_ptr_array_add(argv, NULL);

    return argv;
}

/* It must not outlive us: its overlays would stay open. */
static void
daemonChildSetUp(void *opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean
daemonSpawn(qemuStorageDaemon *daemon, const char *binary, int monitor,
            GError **error)
{
    g_autoptr(GPtrArray) argv = daemonMakeArgv(daemon, binary);
    g_autofree int *sources = g_new(int, daemon->n_overlays + 1);
    g_autofree int *targets = g_new(int, daemon->n_overlays + 1);
    g_autoptr(GError) cause = NULL;

    sources[0] = monitor;
    targets[0] = MONITOR_FD;
    for (gsize i = 0; i < daemon->n_overlays; i++) {
        sources[i + 1] = daemon->overlays[i].fd;
        targets[i + 1] = OVERLAY_FD + i;
    }

    if (g_spawn_async_with_pipes_and_fds(NULL, (const char * const *)argv->pdata,
                                         NULL,
                                         G_SPAWN_SEARCH_PATH |
                                         G_SPAWN_DO_NOT_REAP_CHILD |
                                         G_SPAWN_STDOUT_TO_DEV_NULL,
                                         daemonChildSetUp, NULL, -1, -1, -1,
                                         sources, targets,
                                         daemon->n_overlays + 1, &daemon->pid,
                                         NULL, NULL, &daemon->stderr_fd, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot start '%s', which makes the overlays: %s"), binary,
                cause->message);
    return FALSE;
}

/* The last of what it printed. It is dead, or killed, by then. */
static char *
daemonReadStderr(qemuStorageDaemon *daemon)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char bytes[1024];
    ssize_t n;

    kill(daemon->pid, SIGKILL);
    while (text->len < STDERR_MAX &&
           (n = read(daemon->stderr_fd, bytes, sizeof(bytes))) > 0)
        g_string_append_len(text, bytes, n);

    return g_utf8_make_valid(g_strchomp(text->str), text->len);
}

/* "PROGRAM: --blockdev {..."node-name":"b2-0"...}: reason": which disk that is
 * about and what reason it gives. */
static const char *
daemonParseStderr(const qemuStorageDaemon *daemon, const char *text,
                  const qemuStorageOverlay **ret_overlay)
{
    const char *name = strstr(text, "\"node-name\":\"b");
    const char *reason = name ? strstr(name, "}: ") : NULL;
    guint64 disk;

    if (!reason)
        return text;

    disk = g_ascii_strtoull(name + strlen("\"node-name\":\"b"), NULL, 10);
    if (disk >= daemon->n_overlays)
        return text;

    *ret_overlay = &daemon->overlays[disk];
    return reason + strlen("}: ");
}

/* Replaces a monitor's "it ended" by what the program said about it. */
static gboolean
daemonFail(qemuStorageDaemon *daemon, GError *cause, GError **error)
{
    g_autoptr(GError) owned = cause;
    g_autofree char *text = daemonReadStderr(daemon);
    const qemuStorageOverlay *overlay = NULL;
    const char *reason = daemonParseStderr(daemon, text, &overlay);

    if (overlay)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the image below the overlay of disk '%s' can't be used: "
                      "%s"), overlay->disk, reason);
    else
        g_set_error(error, VIR_SNAP_ERROR, virSnapErrorCode(cause),
                    _("qemu-storage-daemon failed to make the overlays: "
                      "%s%s%s"), cause->message, *reason ? ": " : "", reason);
    return FALSE;
}

/* With "oob" its monitor reads on while commands are carried out. */
static gboolean
daemonNegotiate(qemuStorageDaemon *daemon, GError **error)
{
    JsonObject *arguments = json_object_new();
    JsonArray *enable = json_array_new();

    json_array_add_string_element(enable, "oob");
    json_object_set_array_member(arguments, "enable", enable);
    return qemuQMPSend(daemon->qmp, "qmp_capabilities", arguments, error);
}

qemuStorageDaemon *
qemuStorageDaemonStart(const char *binary, unsigned int timeout,
                       const qemuStorageOverlay *overlays, gsize n_overlays,
                       GError **error)
{
    g_autoptr(qemuStorageDaemon) daemon = g_new0(qemuStorageDaemon, 1);
    g_autoptr(GError) cause = NULL;
    int fds[2];

    daemon->overlays = overlays;
    daemon->n_overlays = n_overlays;
    daemon->stderr_fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot create a pair of sockets"));
        return NULL;
    }

    daemon->qmp = qemuQMPNew(fds[0], timeout);
    if (!daemonSpawn(daemon, binary, fds[1], error)) {
        close(fds[1]);
        return NULL;
    }
    close(fds[1]);

    if (!daemonNegotiate(daemon, &cause)) {
        daemonFail(daemon, g_steal_pointer(&cause), error);
        return NULL;
    }

    return g_steal_pointer(&daemon);
}

void
qemuStorageDaemonKill(qemuStorageDaemon *daemon)
{
    if (daemon->pid > 0)
        kill(daemon->pid, SIGKILL);
}

void
qemuStorageDaemonStop(qemuStorageDaemon *daemon)
{
    if (!daemon)
        return;

    if (daemon->pid > 0) {
        qemuStorageDaemonKill(daemon);
        while (waitpid(daemon->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (daemon->stderr_fd >= 0)
        close(daemon->stderr_fd);
    qemuQMPFree(daemon->qmp);
    g_free(daemon);
}

static gboolean
daemonSendCreate(qemuStorageDaemon *daemon, gsize disk, GError **error)
{
    const qemuStorageOverlay *overlay = &daemon->overlays[disk];
    const virSnapImage *base = g_ptr_array_index(overlay->chain, 0);
    g_autofree char *job = g_strdup_printf("j%zu", disk);
    g_autofree char *file = g_strdup_printf("o%zu", disk);
    JsonObject *options = json_object_new();
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(options, "driver", "qcow2");
    json_object_set_string_member(options, "file", file);
    json_object_set_int_member(options, "size", base->size);
    json_object_set_string_member(options, "backing-file", base->file);
    json_object_set_string_member(options, "backing-fmt", base->format);
    json_object_set_string_member(arguments, "job-id", job);
    json_object_set_object_member(arguments, "options", options);

    return qemuQMPSend(daemon->qmp, "blockdev-create", arguments, error);
}

static gboolean
daemonSetDiskError(const qemuStorageDaemon *daemon, gsize disk,
                   const char *reason, GError **error)
{
    gboolean known = disk < daemon->n_overlays;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot make overlay '%s' of disk '%s': %s"),
                known ? daemon->overlays[disk].file : "",
                known ? daemon->overlays[disk].disk : "", reason);
    return FALSE;
}

/* The next message; counted where it is a reply. */
static JsonObject *
daemonReceive(qemuStorageDaemon *daemon, GError **error)
{
    g_autoptr(GError) cause = NULL;
    JsonObject *message = qemuQMPReceive(daemon->qmp, &cause);

    if (!message) {
        daemonFail(daemon, g_steal_pointer(&cause), error);
        return NULL;
    }

    if (json_object_has_member(message, "return") ||
        json_object_has_member(message, "error"))
        daemon->replies++;

    return message;
}

static gboolean
isConcluded(JsonObject *message)
{
    JsonObject *data = qemuQMPGetObject(message, "data");

    return g_strcmp0(qemuQMPGetString(message, "event"),
                     "JOB_STATUS_CHANGE") == 0 &&
        data && g_strcmp0(qemuQMPGetString(data, "status"), "concluded") == 0;
}

/* Takes messages until all jobs are concluded. A command that is refused has no
 * job; the first of them ends it. */
static gboolean
daemonAwaitJobs(qemuStorageDaemon *daemon, GError **error)
{
    gsize concluded = 0;

    while (concluded < daemon->n_overlays) {
        g_autoptr(JsonObject) message = daemonReceive(daemon, error);
        g_autofree char *reason = NULL;

        if (!message)
            return FALSE;
        if ((reason = qemuQMPGetError(message)))
            return daemonSetDiskError(daemon, daemon->replies - REPLY_CREATE,
                                      reason, error);
        if (isConcluded(message))
            concluded++;
    }

    return TRUE;
}

/* The reply of that number, all before it being of no further interest. */
static JsonObject *
daemonAwaitReply(qemuStorageDaemon *daemon, gsize number, GError **error)
{
    for (;;) {
        g_autoptr(JsonObject) message = daemonReceive(daemon, error);

        if (!message)
            return NULL;
        if (daemon->replies == number && !json_object_has_member(message, "event"))
            return g_steal_pointer(&message);
    }
}

/* An element of what query-jobs lists. */
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
daemonCheckJobs(qemuStorageDaemon *daemon, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(JsonObject) reply = NULL;
    JsonNode *jobs;

    if (!qemuQMPSend(daemon->qmp, "query-jobs", NULL, &cause))
        return daemonFail(daemon, g_steal_pointer(&cause), error);
    if (!(reply = daemonAwaitReply(daemon, REPLY_JOBS(daemon), error)))
        return FALSE;

    jobs = json_object_get_member(reply, "return");
    if (!jobs || !JSON_NODE_HOLDS_ARRAY(jobs) ||
        json_array_get_length(json_node_get_array(jobs)) != daemon->n_overlays)
        return daemonSetDiskError(daemon, G_MAXSIZE,
                                  _("its job is not listed"), error);

    for (guint i = 0; i < daemon->n_overlays; i++) {
        if (!daemonCheckJob(daemon, json_array_get_element(json_node_get_array(jobs), i),
                            error))
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuStorageDaemonCreate(qemuStorageDaemon *daemon, GError **error)
{
    g_autoptr(GError) cause = NULL;

    for (gsize i = 0; i < daemon->n_overlays; i++) {
        if (!daemonSendCreate(daemon, i, &cause))
            return daemonFail(daemon, g_steal_pointer(&cause), error);
    }

    return daemonAwaitJobs(daemon, error) && daemonCheckJobs(daemon, error);
}

gboolean
qemuStorageDaemonVerifyBegin(qemuStorageDaemon *daemon, GError **error)
{
    for (gsize i = 0; i < daemon->n_overlays; i++) {
        g_autoptr(GError) cause = NULL;
        g_autofree char *file = g_strdup_printf("o%zu", i);
        g_autofree char *name = g_strdup_printf("v%zu", i);
        g_autofree char *backing = nodeName(i, 0);
        JsonObject *arguments = json_object_new();

        json_object_set_string_member(arguments, "driver", "qcow2");
        json_object_set_string_member(arguments, "node-name", name);
        json_object_set_boolean_member(arguments, "read-only", TRUE);
        json_object_set_string_member(arguments, "file", file);
        json_object_set_string_member(arguments, "backing", backing);
        if (!qemuQMPSend(daemon->qmp, "blockdev-add", arguments, &cause))
            return daemonFail(daemon, g_steal_pointer(&cause), error);
    }

    return TRUE;
}

gboolean
qemuStorageDaemonVerifyEnd(qemuStorageDaemon *daemon, GError **error)
{
    for (gsize i = 0; i < daemon->n_overlays; i++) {
        g_autoptr(JsonObject) reply =
            daemonAwaitReply(daemon, REPLY_VERIFY(daemon) + i, error);
        g_autofree char *reason = NULL;

        if (!reply)
            return FALSE;
        if ((reason = qemuQMPGetError(reply)))
            return daemonSetDiskError(daemon, i, reason, error);
    }

    return TRUE;
}
