/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virtsnapshotd_dispatch.c: which calls are passed on, wait, are answered or refused
 *
 * libvirt is played here, but for the one that the revert asks, which is its own driver
 * for tests.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote_error.h"
#include "remote_protocol.h"
#include "virnetclient.h"
#include "virsnaperror.h"
#include "virtsnapshotd_dispatch.h"

/* nothing of this comes over a socket in parts */
#define MESSAGE_MAX 4096

typedef struct _fixture fixture;
struct _fixture {
    char *folder;
    char *path;                /* of the front */
    char *backend_path;
    virSnapWatcher *watcher;
    virtsnapshotdBackend *backend;
    virtsnapshotdEvents *events;
    virtsnapshotdForward *forward;
    qemuSnapshotDriver *driver;
    virtsnapshotdDispatch *dispatch;
    virNetServer *server;
    int listener;              /* libvirt's */
    int libvirt;               /* its end of the client's connection, -1: none yet */
    int client;
    guint32 serial;
};

static const unsigned char mine[VIR_UUID_BUFLEN] = { 1 };
static const unsigned char other[VIR_UUID_BUFLEN] = { 2 };

static virNetChannelVerdict
decide(virNetServerClient *client, const virNetMessageHeader *header, gsize payload_len,
       void *opaque)
{
    fixture *f = opaque;

    return virtsnapshotdDispatchDecide(f->dispatch, client, header, payload_len);
}

static void
take(virNetServerClient *client, virNetTaken *taken, void *opaque)
{
    fixture *f = opaque;

    virtsnapshotdDispatchTaken(f->dispatch, client, taken);
}

static gboolean
ended(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    return virtsnapshotdForwardEnded(client);
}

static void
closed(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdForwardClosed(client);
}

static void
drained(void *opaque G_GNUC_UNUSED)
{
}

static int
listenAt(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(fd, 5), ==, 0);
    return fd;
}

static void
setUpFront(fixture *f)
{
    virtsnapshotdConfig config = { .backend_socket = f->backend_path };
    virNetServerConfig server = {
        .max_clients = 10, .max_client_calls = 5, .decide = decide, .taken = take,
        .ended = ended, .closed = closed, .opaque = f,
    };
    virtsnapshotdDispatchConfig dispatch = { .max_workers = 1, .drained = drained };

    f->watcher = virSnapWatcherNew();
    f->backend = virtsnapshotdBackendNew(&config, f->folder, TRUE);
    f->events = virtsnapshotdEventsNew();
    f->forward = virtsnapshotdForwardNew(f->watcher, f->backend, f->events);
    dispatch.driver = f->driver;
    dispatch.forward = f->forward;
    dispatch.events = f->events;
    f->dispatch = virtsnapshotdDispatchNew(&dispatch);
    f->server = virNetServerNew(f->watcher, &server);
    g_assert_true(virNetServerListen(f->server, f->path, 0600, -1, FALSE, NULL));
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const qemuHoldersFolders folders = { NULL };

    f->folder = g_dir_make_tmp("virtsnapshotd_dispatch-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "front", NULL);
    f->backend_path = g_build_filename(f->folder, "libvirt", NULL);
    f->driver = qemuSnapshotDriverNew("test:///default", "/nonexistent", 1, f->folder,
                                      &folders, NULL);
    setUpFront(f);
    f->listener = listenAt(f->backend_path);
    f->libvirt = -1;
    f->client = virNetClientConnect(f->path, NULL);
    g_assert_cmpint(f->client, >=, 0);
    g_assert_cmpint(fcntl(f->client, F_SETFL, O_NONBLOCK), ==, 0);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    close(f->client);
    virNetServerFree(f->server);
    virtsnapshotdDispatchFree(f->dispatch);
    virtsnapshotdForwardFree(f->forward);
    virtsnapshotdEventsFree(f->events);
    virtsnapshotdBackendFree(f->backend);
    qemuSnapshotDriverFree(f->driver);
    virSnapWatcherFree(f->watcher);
    close(f->listener);
    if (f->libvirt >= 0)
        close(f->libvirt);
    g_remove(f->path);
    g_remove(f->backend_path);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->path);
    g_free(f->backend_path);
    g_free(f->folder);
}

typedef enum {
    WAITS,
    PASSED_ON,
    ANSWERED,
    REFUSED,
} outcome;

/* What has come of the last call by now, and the code of the error. */
static outcome
look(fixture *f, int *ret_code)
{
    guint8 bytes[MESSAGE_MAX];
    virNetMessageHeader header;
    g_autoptr(GBytes) payload = NULL;
    g_autoptr(GError) error = NULL;
    ssize_t len;
    gsize rest;

    while (g_main_context_iteration(NULL, FALSE))
        continue;
    if (f->libvirt < 0)
        f->libvirt = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (f->libvirt >= 0 && recv(f->libvirt, bytes, sizeof(bytes), 0) > 0)
        return PASSED_ON;

    if ((len = recv(f->client, bytes, sizeof(bytes), 0)) < 0)
        return WAITS;
    g_assert_cmpint(len, >=, VIR_NET_MESSAGE_PREFIX);
    g_assert_true(virNetMessageDecodePrefix(bytes, &header, &rest, NULL));
    g_assert_cmpuint(header.serial, ==, f->serial);
    if (header.status == VIR_NET_OK)
        return ANSWERED;

    payload = g_bytes_new(bytes + VIR_NET_MESSAGE_PREFIX, rest);
    remoteErrorDecode(payload, &error);
    *ret_code = error->code;
    return REFUSED;
}

static void
say(fixture *f, guint32 program, guint32 procedure, xdrproc_t filter, void *args)
{
    virNetMessageHeader header = {
        .program = program, .version = 1, .procedure = procedure, .serial = ++f->serial,
    };
    g_autoptr(GBytes) message = virNetMessageEncode(&header, filter, args, NULL);
    gsize len;
    const guint8 *bytes = g_bytes_get_data(message, &len);

    g_assert_cmpint(send(f->client, bytes, len, 0), ==, len);
}

static remote_domain_snapshot_args
makeArgs(const unsigned char *uuid)
{
    remote_domain_snapshot_args args = {
        .snap = { .name = (char *)"snap1", .dom = { .name = (char *)"vm", .id = -1 } },
    };

    memcpy(args.snap.dom.uuid, uuid, VIR_UUID_BUFLEN);
    return args;
}

static outcome
askAbout(fixture *f, guint32 program, guint32 procedure, const unsigned char *uuid)
{
    remote_domain_snapshot_args args = makeArgs(uuid);
    gboolean snapshot = procedure == 417;
    int code;

    if (snapshot)
        say(f, program, procedure, (xdrproc_t)xdr_remote_domain_snapshot_args, &args);
    else
        say(f, program, procedure, (xdrproc_t)xdr_remote_nonnull_domain, &args.snap.dom);
    return look(f, &code);
}

/* While one domain is being changed; what waits is let go after each. */
static void
testMeanwhile(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const struct {
        guint32 program;
        guint32 procedure;
        outcome mine, other;
    } cases[] = {
        { REMOTE_PROGRAM, 34, WAITS, PASSED_ON },       /* suspend */
        { REMOTE_PROGRAM, 417, WAITS, PASSED_ON },      /* a checkpoint's deletion */
        { REMOTE_PROGRAM, 456, WAITS, PASSED_ON },
        { QEMU_PROGRAM, 1, WAITS, PASSED_ON },
        { REMOTE_PROGRAM, 12, PASSED_ON, PASSED_ON },   /* destroy */
        { REMOTE_PROGRAM, 234, PASSED_ON, PASSED_ON },
        { REMOTE_PROGRAM, 164, PASSED_ON, PASSED_ON },  /* abort */
        { REMOTE_PROGRAM, 16, PASSED_ON, PASSED_ON },   /* that reads */
        { REMOTE_PROGRAM, 457, WAITS, WAITS },          /* newer */
        { QEMU_PROGRAM, 8, WAITS, WAITS },
        { 1, 34, PASSED_ON, PASSED_ON },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        outcome about_other;
        int code;

        g_assert_true(qemuSnapshotDriverTryLock(f->driver, mine));
        about_other = askAbout(f, cases[i].program, cases[i].procedure, other);
        g_assert_cmpint(about_other, ==, cases[i].other);
        g_assert_cmpint(askAbout(f, cases[i].program, cases[i].procedure, mine), ==,
                        cases[i].mine);
        qemuSnapshotDriverUnlock(f->driver, mine);
        if (cases[i].mine == WAITS)
            g_assert_cmpint(look(f, &code), ==, PASSED_ON);
        else
            g_assert_cmpint(look(f, &code), ==, WAITS);
    }
}

/* What libvirt alone may be able to decode may change any domain. */
static void
testCannotBeDecoded(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    const struct {
        guint32 program;
        guint32 procedure;
        outcome expected;
    } cases[] = {
        { REMOTE_PROGRAM, 34, WAITS },
        { REMOTE_PROGRAM, 11, WAITS },
        { REMOTE_PROGRAM, 12, PASSED_ON },
        { REMOTE_PROGRAM, 192, REFUSED },
        { REMOTE_PROGRAM, 193, REFUSED },
        { DOMAIN_SNAPSHOT_PROGRAM, 1, REFUSED },
        { DOMAIN_SNAPSHOT_PROGRAM, 2, REFUSED },
        { DOMAIN_SNAPSHOT_PROGRAM, 5, REFUSED },
        { DOMAIN_SNAPSHOT_PROGRAM, 3, REFUSED },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int code = VIR_ERR_RPC;

        g_assert_true(qemuSnapshotDriverTryLock(f->driver, other));
        say(f, cases[i].program, cases[i].procedure, NULL, NULL);
        g_assert_cmpint(look(f, &code), ==, cases[i].expected);
        g_assert_cmpint(code, ==, VIR_ERR_RPC);
        qemuSnapshotDriverUnlock(f->driver, other);
        if (cases[i].expected == WAITS)
            g_assert_cmpint(look(f, &code), ==, PASSED_ON);
    }
}

/* A destroy is noted of a domain that is being changed, and of no other. */
static void
testDestroyIsNoted(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_true(qemuSnapshotDriverTryLock(f->driver, mine));
    g_assert_cmpint(askAbout(f, REMOTE_PROGRAM, 12, other), ==, PASSED_ON);
    g_assert_cmpint(askAbout(f, REMOTE_PROGRAM, 164, mine), ==, PASSED_ON);
    g_assert_false(qemuSnapshotDriverWasDestroyed(f->driver, mine));
    g_assert_cmpint(askAbout(f, REMOTE_PROGRAM, 12, mine), ==, PASSED_ON);
    g_assert_true(qemuSnapshotDriverWasDestroyed(f->driver, mine));
    qemuSnapshotDriverUnlock(f->driver, mine);
}

/* At once, whatever is being done. */
static void
testJobInfo(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree domain_snapshot_get_job_info_args *args =
        g_new0(domain_snapshot_get_job_info_args, 1);
    int code;

    args->dom.name = (char *)"vm";
    memcpy(args->dom.uuid, mine, VIR_UUID_BUFLEN);
    g_assert_true(qemuSnapshotDriverTryLock(f->driver, mine));
    for (args->flags = 0; args->flags < 3; args->flags++) {
        say(f, DOMAIN_SNAPSHOT_PROGRAM, DOMAIN_SNAPSHOT_GET_JOB_INFO,
            (xdrproc_t)xdr_domain_snapshot_get_job_info_args, args);
        g_assert_cmpint(look(f, &code), ==, args->flags < 2 ? ANSWERED : REFUSED);
    }
    g_assert_cmpint(code, ==, VIR_ERR_INVALID_ARG);
    qemuSnapshotDriverUnlock(f->driver, mine);
}

#define ADD(name, func) \
    g_test_add("/virtsnapshotd_dispatch/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("meanwhile", testMeanwhile);
    ADD("cannot-be-decoded", testCannotBeDecoded);
    ADD("destroy-is-noted", testDestroyIsNoted);
    ADD("job-info", testJobInfo);
    return g_test_run();
}
