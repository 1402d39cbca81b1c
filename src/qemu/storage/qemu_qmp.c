/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_qmp.c: a QMP client
 *
 * QEMU programs read their monitor byte by byte, at some microseconds each, so
 * commands are written without white space and can be sent ahead of the
 * answers. The peer opens images whose content nobody vouches for, and so is
 * not trusted either: lines have a bound, and members are checked for their
 * kind before use.
 */

#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qemu_qmp.h"
#include "virsnaperror.h"

/* Answers to what we ask are below a kilobyte. */
#define LINE_MAX_LEN (1024 * 1024)
#define PART_LEN 4096
/* What has arrived by the deadline is taken after it, too, in so many parts as a socket
 * holds: a peer that never stops talking gets no more time. */
#define LATE_MAX 64

struct _qemuQMP {
    int fd;
    gint64 deadline;      /* monotonic, microseconds */
    unsigned int timeout; /* seconds, for messages */
    unsigned int late;    /* waited for since the deadline */
    GString *buffer;      /* received, not used yet */
};

qemuQMP *
qemuQMPNew(int fd)
{
    qemuQMP *qmp = g_new0(qemuQMP, 1);

    qmp->fd = fd;
    qmp->buffer = g_string_new(NULL);
    return qmp;
}

void
qemuQMPFree(qemuQMP *qmp)
{
    if (!qmp)
        return;

    close(qmp->fd);
    g_string_free(qmp->buffer, TRUE);
    g_free(qmp);
}

void
qemuQMPSetTimeout(qemuQMP *qmp, unsigned int timeout)
{
    qmp->timeout = timeout;
    qmp->late = 0;
    qmp->deadline = g_get_monotonic_time() + (gint64)timeout * G_USEC_PER_SEC;
}

static gboolean
qmpWait(qemuQMP *qmp, short events, GError **error)
{
    struct pollfd pfd = { .fd = qmp->fd, .events = events };

    for (;;) {
        gint64 left = MAX(qmp->deadline - g_get_monotonic_time(), 0);
        int rc = left > 0 || qmp->late++ < LATE_MAX ?
            poll(&pfd, 1, MIN((left + 999) / 1000, G_MAXINT)) : 0;

        if (rc > 0)
            return TRUE;
        if (rc < 0 && errno == EINTR)
            continue;

        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    _("it did not answer within %u seconds"), qmp->timeout);
        return FALSE;
    }
}

static gboolean
qmpGone(int saved_errno, GError **error)
{
    if (saved_errno == 0 || saved_errno == EPIPE || saved_errno == ECONNRESET)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("it ended unexpectedly"));
    else
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, saved_errno,
                             _("cannot talk to it"));
    return FALSE;
}

static gboolean
qmpSendAll(qemuQMP *qmp, const char *bytes, gsize len, GError **error)
{
    while (len > 0) {
        ssize_t n = send(qmp->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (!qmpWait(qmp, POLLOUT, error))
                return FALSE;
            continue;
        }
        if (n < 0)
            return qmpGone(errno, error);
        bytes += n;
        len -= n;
    }

    return TRUE;
}

gboolean
qemuQMPSend(qemuQMP *qmp, const char *command, JsonObject *arguments,
            GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_object_set_string_member(object, "execute", command);
    if (arguments)
        json_object_set_object_member(object, "arguments", arguments);
    json_node_take_object(node, object);
    text = json_to_string(node, FALSE);

    return qmpSendAll(qmp, text, strlen(text), error);
}

/* Appends what has arrived, waiting for something to. */
static gboolean
qmpFill(qemuQMP *qmp, GError **error)
{
    char bytes[PART_LEN];
    ssize_t n;

    if (qmp->buffer->len > LINE_MAX_LEN) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("it sent a message longer than %d bytes"), LINE_MAX_LEN);
        return FALSE;
    }

    if (!qmpWait(qmp, POLLIN, error))
        return FALSE;

    n = recv(qmp->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return TRUE;
    if (n <= 0)
        return qmpGone(n < 0 ? errno : 0, error);

    g_string_append_len(qmp->buffer, bytes, n);
    return TRUE;
}

static JsonObject *
qmpParse(const char *line, gsize len, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) cause = NULL;
    JsonNode *root = NULL;

    if (json_parser_load_from_data(parser, line, len, &cause))
        root = json_parser_get_root(parser);

    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("it sent what is not QMP: %s"),
                    cause ? cause->message : _("not an object"));
        return NULL;
    }

    return json_object_ref(json_node_get_object(root));
}

JsonObject *
qemuQMPReceive(qemuQMP *qmp, GError **error)
{
    JsonObject *message;
    char *end;

    while (!(end = memchr(qmp->buffer->str, '\n', qmp->buffer->len))) {
        if (!qmpFill(qmp, error))
            return NULL;
    }

    message = qmpParse(qmp->buffer->str, end - qmp->buffer->str, error);
    g_string_erase(qmp->buffer, 0, end + 1 - qmp->buffer->str);
    return message;
}

const char *
qemuQMPGetString(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;

    return json_node_get_string(node);
}

JsonObject *
qemuQMPGetObject(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return NULL;

    return json_node_get_object(node);
}

char *
qemuQMPGetError(JsonObject *message)
{
    JsonObject *object = qemuQMPGetObject(message, "error");
    const char *class;
    const char *desc;

    if (!object)
        return NULL;

    class = qemuQMPGetString(object, "class");
    desc = qemuQMPGetString(object, "desc");
    return g_strdup_printf("%s (%s)", desc ? desc : _("no reason given"),
                           class ? class : "?");
}
