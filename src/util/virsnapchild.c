/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapchild.c: child processes for what may never return
 *
 * A call to a storage that is dead does not return, whatever is done about it: a thread
 * in it keeps its process from ending, even by SIGKILL. So such calls are made in child
 * processes, one at a time in each, which can be left to themselves.
 *
 * The daemon has threads and must not fork() without exec(). So it makes one process
 * while it has none, the nursery, which has nothing open and does nothing but to fork() a
 * child for each socket that it is sent; the daemon talks to the child by the other end.
 * Nursery and children end with the daemon: each is killed when its parent ends. They
 * trust what the daemon tells them; their answers are taken with care.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virsnapchild.h"
#include "virsnaperror.h"
#include "virsnappaths.h"
#include "virsnaphandover.h"

#define REQUEST_TYPE "(tbv)"
#define ANSWER_TYPE "(iayv)"
/* no answer yet, but what is looked at */
#define ANSWER_IS_AT -1
/* as many as there are workers that may want one at the same time, about */
#define IDLE_MAX 8

struct _virSnapChild {
    virSnapChildWire *wire;
    char *is_at;
};

/* There is one of a process, as there is one of its id. */
static struct {
    GMutex lock;              /* never held for long */
    virSnapChildWire *wire;   /* to the nursery */
    GQueue idle;              /* of virSnapChild */
} nursery;

/* Of this process, if it is a child. */
static struct {
    int fd;
    virSnapChildWire *wire;   /* NULL: it is none */
} own;

/* In a child */

static GVariant *
childFormat(GVariant *result, const GError *failure)
{
    if (result)
        return g_variant_new("(i^ayv)", 0, "", result);

    return g_variant_new("(i^ayv)", virSnapErrorCode(failure), failure->message,
                         g_variant_new_boolean(FALSE));
}

/* What it was lent is closed before the answer: who asked may go by that. */
static gboolean
childDo(virSnapChildWire *wire, const virSnapChildOp *op, GVariant *args,
        virSnapDescriptors *in)
{
    virSnapDescriptors out = { .n = 0 };
    g_autoptr(GError) failure = NULL;
    GVariant *result = op->run(args, in, &out, &failure);
    g_autoptr(GVariant) answer = g_variant_ref_sink(childFormat(result, failure));
    gboolean ok;

    virSnapDescriptorsClose(in);
    ok = virSnapChildWireSend(wire, answer, &out, 0) == VIR_SNAP_CHILD_WIRE_DONE;
    virSnapDescriptorsClose(&out);
    return ok;
}

static gboolean
childServeOne(virSnapChildWire *wire)
{
    g_autoptr(GVariant) request = NULL;
    g_autoptr(GVariant) args = NULL;
    virSnapDescriptors in = { .n = 0 };
    const virSnapChildOp *op;
    guint64 address;
    gboolean many, ok = TRUE;

    if (virSnapChildWireReceive(wire, G_VARIANT_TYPE(REQUEST_TYPE), &request, &in, 0) !=
        VIR_SNAP_CHILD_WIRE_DONE)
        return FALSE;

    g_variant_get(request, REQUEST_TYPE, &address, &many, &args);
    op = (const virSnapChildOp *)(guintptr)address;
    if (!many)
        return childDo(wire, op, args, &in);

    for (gsize i = 0; ok && i < g_variant_n_children(args); i++) {
        g_autoptr(GVariant) item = g_variant_get_child_value(args, i);
        g_autoptr(GVariant) inner = g_variant_get_variant(item);

        ok = childDo(wire, op, inner, &in);
    }
    return ok;
}

static void
childRun(int fd, pid_t parent)
{
    virSnapChildWire *wire = virSnapChildWireNew(fd);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "storage-child");
    if (getppid() != parent)
        _exit(EXIT_FAILURE);

    signal(SIGCHLD, SIG_DFL);
    own.fd = fd;
    own.wire = wire;
    while (childServeOne(wire))
        continue;
    _exit(EXIT_SUCCESS);
}

gboolean
virSnapChildIsGivenUp(void)
{
    char byte;

    return own.wire && recv(own.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void
virSnapChildTellIsAt(const char *path)
{
    g_autoptr(GVariant) note = NULL;

    if (!own.wire)
        return;

    note = g_variant_ref_sink(g_variant_new("(i^ayv)", ANSWER_IS_AT, path,
                                            g_variant_new_boolean(FALSE)));
    virSnapChildWireSend(own.wire, note, NULL, 0);
}

/* In the nursery */

/* Whoever ends the daemon by its terminal or its control group leaves its end, and ours,
 * to the daemon. */
static void
nurseryPrepare(int *fd)
{
    const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD };
    int null = open(VIR_SNAP_PATH_NULL, O_RDWR);
    sigset_t none;

    prctl(PR_SET_NAME, "storage-nursery");
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    /* who waits for the end of our output waits for the daemon's alone */
    for (int i = 0; null >= 0 && i < 3; i++)
        dup2(null, i);
    if (*fd != 3)
        *fd = dup2(*fd, 3);
    close_range(4, ~0u, 0);
    if (*fd != 3 || chdir("/") < 0)
        _exit(EXIT_FAILURE);
}

static void
nurseryRun(int fd, pid_t parent)
{
    virSnapChildWire *wire;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);

    nurseryPrepare(&fd);
    wire = virSnapChildWireNew(fd);
    for (;;) {
        g_autoptr(GVariant) order = NULL;
        virSnapDescriptors sockets = { .n = 0 };
        pid_t self = getpid();

        if (virSnapChildWireReceive(wire, G_VARIANT_TYPE_BYTE, &order, &sockets, 0) !=
            VIR_SNAP_CHILD_WIRE_DONE || sockets.n != 1)
            _exit(EXIT_SUCCESS);
        if (fork() == 0) {
            close(fd);
            childRun(sockets.fds[0], self);
        }
        /* where there is no child, who waits for it is told by this */
        virSnapDescriptorsClose(&sockets);
    }
}

/* In the daemon */

static gboolean
setSystemError(const char *sentence, GError **error)
{
    virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno, "%s", sentence);
    return FALSE;
}

gboolean
virSnapChildInit(GError **error)
{
    pid_t self = getpid();
    pid_t pid;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return setSystemError(_("cannot create a pair of sockets"), error);

    pid = fork();
    if (pid == 0)
        nurseryRun(fds[1], self);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return setSystemError(_("cannot create a process for the access to storage"),
                              error);
    }

    nursery.wire = virSnapChildWireNew(fds[0]);
    g_queue_init(&nursery.idle);
    return TRUE;
}

static virSnapChild *
childTakeIdle(void)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&nursery.lock);
    virSnapChild *child;

    /* the one that was busy last is in the processor's cache; someone may have killed it */
    while ((child = g_queue_pop_tail(&nursery.idle)) &&
           !virSnapChildWireIsQuiet(child->wire))
        virSnapChildFree(child);
    return child;
}

static gboolean
nurseryOrder(int fd)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&nursery.lock);
    g_autoptr(GVariant) order = g_variant_ref_sink(g_variant_new_byte(0));
    virSnapDescriptors socket = { .fds = { fd }, .n = 1 };

    return nursery.wire &&
        virSnapChildWireSend(nursery.wire, order, &socket, 0) == VIR_SNAP_CHILD_WIRE_DONE;
}

virSnapChild *
virSnapChildTake(GError **error)
{
    virSnapChild *child = childTakeIdle();
    int fds[2];

    if (child)
        return child;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        setSystemError(_("cannot create a pair of sockets"), error);
        return NULL;
    }

    child = g_new0(virSnapChild, 1);
    child->wire = virSnapChildWireNew(fds[0]);
    if (!nurseryOrder(fds[1])) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SYSTEM_ERROR,
                    _("cannot create a process for the access to storage: the one that "
                      "makes these has ended"));
        g_clear_pointer(&child, virSnapChildFree);
    }
    close(fds[1]);
    return child;
}

void
virSnapChildGiveBack(virSnapChild *child)
{
    virSnapMutexLock(&nursery.lock);
    if (nursery.idle.length < IDLE_MAX)
        g_queue_push_tail(&nursery.idle, g_steal_pointer(&child));
    virSnapMutexUnlock(&nursery.lock);

    virSnapChildFree(child);
}

void
virSnapChildFree(virSnapChild *child)
{
    if (!child)
        return;

    virSnapChildWireFree(child->wire);
    g_free(child->is_at);
    g_free(child);
}

virSnapChildWireResult
virSnapChildAsk(virSnapChild *child, const virSnapChildOp *op, gboolean many,
                GVariant *args, const virSnapDescriptors *descriptors, gint64 deadline)
{
    g_autoptr(GVariant) request =
        g_variant_ref_sink(g_variant_new(REQUEST_TYPE, (guint64)(guintptr)op, many,
                                         args));

    g_clear_pointer(&child->is_at, g_free);
    return virSnapChildWireSend(child->wire, request, descriptors, deadline);
}

const char *
virSnapChildIsAt(const virSnapChild *child)
{
    return child->is_at;
}

virSnapChildWireResult
virSnapChildAnswer(virSnapChild *child, GVariant **ret_result,
                   virSnapDescriptors *ret_descriptors, GError **ret_failure,
                   gint64 deadline)
{
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GVariant) result = NULL;
    const char *message;
    virSnapChildWireResult outcome;
    int code;

    outcome = virSnapChildWireReceive(child->wire, G_VARIANT_TYPE(ANSWER_TYPE), &answer,
                                      ret_descriptors, deadline);
    if (outcome != VIR_SNAP_CHILD_WIRE_DONE)
        return outcome;

    g_variant_get(answer, "(i^&ayv)", &code, &message, &result);
    g_clear_pointer(&child->is_at, g_free);
    if (code == ANSWER_IS_AT)
        child->is_at = g_strdup(message);
    else if (code == 0)
        *ret_result = g_steal_pointer(&result);
    else
        g_set_error_literal(ret_failure, VIR_SNAP_ERROR, code, message);
    return VIR_SNAP_CHILD_WIRE_DONE;
}

gboolean
virSnapChildHasEnded(virSnapChild *child)
{
    return virSnapChildWireIsClosed(child->wire);
}
