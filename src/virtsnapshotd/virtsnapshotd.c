/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd.c: the daemon that reverts domains to external snapshots
 *
 * It passes on what libvirt's own clients say, so that they can revert through it.
 *
 * Run by root it serves the system's libvirt, run by anyone else that user's
 * session. It owns two sockets (one in session mode), which systemd may open for
 * it, and keeps no state of its own: domains and snapshots are libvirt's.
 *
 * On SIGTERM and SIGINT, and in session mode after some time without clients,
 * it stops taking calls, finishes those it has and ends.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <libvirt/libvirt.h>
#include <libxml/parser.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnappaths.h"
#include "virsnapstorage.h"
#include "virtsnapshotd_config.h"
#include "qemu_snapshot_journal.h"
#include "virtsnapshotd_dispatch.h"
#include "virtsnapshotd_recovery.h"
#include "virtsnapshotd_relay.h"
#include "virtsnapshotd_sockets.h"

/* as libvirt's max_client_requests */
#define MAX_CLIENT_CALLS 5

typedef struct _daemonState daemonState;
struct _daemonState {
    GMainLoop *loop;
    virNetServer *server;
    virtsnapshotdDispatch *dispatch;
    const qemuSnapshotDriver *driver;
    gboolean stopping;
};

typedef struct _daemonOptions daemonOptions;
struct _daemonOptions {
    char *config_file;
    char *relay;
    int timeout;
    gboolean background;
    gboolean verbose;
    gboolean version;
};

static void
daemonOptionsClear(daemonOptions *options)
{
    g_free(options->config_file);
    g_free(options->relay);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(daemonOptions, daemonOptionsClear)

static gboolean
daemonParseOptions(int argc, char **argv, daemonOptions *options, GError **error)
{
    const GOptionEntry entries[] = {
        { "config", 'f', 0, G_OPTION_ARG_FILENAME, &options->config_file,
          N_("Read the configuration from FILE"), "FILE" },
        { "daemon", 'd', 0, G_OPTION_ARG_NONE, &options->background,
          N_("Go to the background once the sockets are open"), NULL },
        { "timeout", 't', 0, G_OPTION_ARG_INT, &options->timeout,
          N_("Exit after that many seconds without clients"), "SECONDS" },
        { "relay", 0, 0, G_OPTION_ARG_FILENAME, &options->relay,
          N_("Do not serve, but connect standard input and output to the daemon at "
             "SOCKET, or to that of the session"), "SOCKET" },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose,
          N_("Log each step of a revert"), NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &options->version,
          N_("Print the version and exit"), NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context,
        _("Reverts libvirt domains to external snapshots."));
    g_option_context_set_translation_domain(context, PACKAGE);
    g_option_context_add_main_entries(context, entries, PACKAGE);

    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;

    if (argc > 1 || options->timeout < 0) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("unexpected argument '%s'; see --help"),
                    argc > 1 ? argv[1] : "--timeout");
        return FALSE;
    }

    return TRUE;
}

static void
daemonQuitIfDrained(daemonState *state)
{
    if (state->stopping && !virtsnapshotdDispatchBusy(state->dispatch))
        g_main_loop_quit(state->loop);
}

static gboolean
daemonQuitLater(void *opaque)
{
    daemonQuitIfDrained(opaque);
    return G_SOURCE_REMOVE;
}

/* The answers still have to go out: at low priority, after what is ready. */
static void
daemonDrained(void *opaque)
{
    g_idle_add_full(G_PRIORITY_LOW, daemonQuitLater, opaque, NULL);
}

static void
daemonStop(void *opaque)
{
    daemonState *state = opaque;

    state->stopping = TRUE;
    virNetServerStop(state->server);
    daemonDrained(state);
}

/* While a revert that was broken off waits for libvirtd, or a storage, it stays. */
static void
daemonIdle(void *opaque)
{
    daemonState *state = opaque;
    const char *folder = qemuSnapshotDriverStateFolder(state->driver);
    g_autoptr(GPtrArray) left = qemuSnapshotJournalList(folder);

    if (left->len == 0)
        daemonStop(state);
}

static virNetChannelVerdict
daemonDecide(virNetServerClient *client, const virNetMessageHeader *header,
             gsize payload_len, void *opaque)
{
    daemonState *state = opaque;

    return virtsnapshotdDispatchDecide(state->dispatch, client, header, payload_len);
}

static void
daemonTaken(virNetServerClient *client, virNetTaken *taken, void *opaque)
{
    daemonState *state = opaque;

    virtsnapshotdDispatchTaken(state->dispatch, client, taken);
}

static gboolean
daemonEnded(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    return virtsnapshotdForwardEnded(client);
}

static void
daemonClosed(virNetServerClient *client, void *opaque G_GNUC_UNUSED)
{
    virtsnapshotdForwardClosed(client);
}

static gboolean
daemonSignalled(void *opaque)
{
    sd_notify(0, "STOPPING=1");
    daemonStop(opaque);
    return G_SOURCE_CONTINUE;
}

/* Holds a lock for as long as the process lives, so that there is one daemon. */
static gboolean
daemonLockPidFile(const char *run_dir, GError **error)
{
    g_autofree char *path = g_build_filename(run_dir, "virtsnapshotd.pid", NULL);
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && ftruncate(fd, 0) == 0 &&
        write(fd, text, strlen(text)) == (ssize_t)strlen(text))
        return TRUE;

    if (fd >= 0 && (errno == EAGAIN || errno == EACCES))
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("virtsnapshotd is running already: '%s' is locked"), path);
    else
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot write '%s'"), path);
    if (fd >= 0)
        close(fd);
    return FALSE;
}

/* In the background messages go to a file, as those of libvirt's daemons do. */
static gboolean
daemonDetach(gboolean privileged, GError **error)
{
    g_autofree char *folder = virSnapPathsLog(privileged);
    g_autofree char *log = g_build_filename(folder, "virtsnapshotd.log", NULL);
    int null = open(VIR_SNAP_PATH_NULL, O_RDWR | O_CLOEXEC);
    int fd = -1;

    if (g_mkdir_with_parents(folder, 0700) == 0)
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (null < 0 || fd < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot open '%s'"), log);
        return FALSE;
    }

    dup2(null, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(null);
    close(fd);
    return chdir("/") == 0;
}

/* The parent waits until the child listens and then exits for it. Returns the
 * descriptor to report on, in the child. */
static int
daemonFork(void)
{
    int ready[2];
    char status = 1;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        g_printerr("error: %s\n", g_strerror(errno));
        exit(EXIT_FAILURE);
    }

    if (pid == 0) {
        close(ready[0]);
        setsid();
        return ready[1];
    }

    close(ready[1]);
    _exit(read(ready[0], &status, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static gboolean
daemonSetUp(daemonState *state, const virtsnapshotdConfig *config,
            const virtsnapshotdBackend *backend, const char *run_dir,
            gboolean privileged, int ready_fd, GError **error)
{
    if (g_mkdir_with_parents(run_dir, privileged ? 0755 : 0700) < 0) {
        virSnapErrorSetErrno(error, VIR_ERR_SYSTEM_ERROR, errno,
                             _("cannot create folder '%s'"), run_dir);
        return FALSE;
    }

    if (!daemonLockPidFile(run_dir, error))
        return FALSE;

    if (!virtsnapshotdSocketsOpen(state->server, config, backend, run_dir, privileged,
                                  error))
        return FALSE;

    if (ready_fd >= 0) {
        if (!daemonDetach(privileged, error))
            return FALSE;
        if (write(ready_fd, "", 1) != 1)
            return FALSE;
        close(ready_fd);
    }

    sd_notify(0, "READY=1");
    return TRUE;
}

/* Where libvirt keeps what tells that a domain has changed. */
static void
daemonLibvirtFolders(gboolean privileged, qemuHoldersFolders *ret_folders)
{
    ret_folders->definitions = virSnapPathsDefinitions(privileged);
    ret_folders->running = virSnapPathsRunning(privileged);
    ret_folders->snapshots = virSnapPathsSnapshots(privileged);
    ret_folders->saves = virSnapPathsSaves(privileged);
}

/* Each client has two descriptors, one to libvirt; those of reverts are few. */
static void
daemonRaiseFileLimit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static virNetServer *
daemonNewServer(daemonState *state, virSnapWatcher *watcher,
                const virtsnapshotdConfig *config, guint idle_timeout)
{
    virNetServerConfig server_config = {
        .max_clients = config->max_clients,
        .max_client_calls = MAX_CLIENT_CALLS,
        .idle_timeout = idle_timeout,
        .decide = daemonDecide,
        .taken = daemonTaken,
        .ended = daemonEnded,
        .closed = daemonClosed,
        .idle = daemonIdle,
        .opaque = state,
    };

    return virNetServerNew(watcher, &server_config);
}

static virtsnapshotdDispatch *
daemonNewDispatch(daemonState *state, const virtsnapshotdConfig *config,
                  qemuSnapshotDriver *driver, virtsnapshotdForward *forward,
                  virtsnapshotdEvents *events)
{
    virtsnapshotdDispatchConfig dispatch_config = {
        .driver = driver,
        .forward = forward,
        .events = events,
        .max_workers = config->max_workers,
        .revert_by_libvirt =
            g_str_equal(config->revert_by, VIRTSNAPSHOTD_REVERT_BY_LIBVIRT),
        .drained = daemonDrained,
        .opaque = state,
    };

    return virtsnapshotdDispatchNew(&dispatch_config);
}

static qemuSnapshotDriver *
daemonNewDriver(const virtsnapshotdConfig *config, const virtsnapshotdBackend *backend,
                gboolean privileged)
{
    g_autofree char *state_folder = virSnapPathsJournals(privileged);
    g_auto(qemuHoldersFolders) folders = { 0 };

    daemonLibvirtFolders(privileged, &folders);
    return qemuSnapshotDriverNew(virtsnapshotdBackendGetURI(backend),
                                 config->storage_daemon, config->storage_daemon_timeout,
                                 state_folder, &folders,
                                 (const char *const *)config->exclusive_storage);
}

static gboolean
daemonRun(const daemonOptions *options, const virtsnapshotdConfig *config,
          gboolean privileged, int ready_fd, GError **error)
{
    g_autofree char *run_dir = virSnapPathsRun(privileged);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(virtsnapshotdBackend) backend =
        virtsnapshotdBackendNew(config, run_dir, privileged);
    g_autoptr(qemuSnapshotDriver) driver = daemonNewDriver(config, backend, privileged);
    daemonState state = { .loop = loop, .driver = driver };
    g_autoptr(virSnapWatcher) watcher = virSnapWatcherNew();
    g_autoptr(virtsnapshotdEvents) events = virtsnapshotdEventsNew();
    g_autoptr(virtsnapshotdForward) forward =
        virtsnapshotdForwardNew(watcher, backend, events);
    g_autoptr(virtsnapshotdDispatch) dispatch =
        daemonNewDispatch(&state, config, driver, forward, events);
    g_autoptr(virNetServer) server =
        daemonNewServer(&state, watcher, config, options->timeout);
    g_autoptr(virtsnapshotdRecovery) recovery = NULL;

    state.dispatch = dispatch;
    state.server = server;
    daemonRaiseFileLimit();
    if (!daemonSetUp(&state, config, backend, run_dir, privileged, ready_fd, error))
        return FALSE;

    /* not before it is in the background: a thread does not survive that. A session's
     * libvirt is not started for it. */
    recovery = virtsnapshotdRecoveryNew(driver, privileged);
    g_unix_signal_add(SIGTERM, daemonSignalled, &state);
    g_unix_signal_add(SIGINT, daemonSignalled, &state);
    g_main_loop_run(loop);
    return TRUE;
}

static int
daemonFail(const GError *error)
{
    g_printerr("virtsnapshotd: %s: %s\n", _("error"), error->message);
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    g_auto(daemonOptions) options = { 0 };
    g_autoptr(virtsnapshotdConfig) config = NULL;
    g_autofree char *default_config = NULL;
    g_autoptr(GError) error = NULL;
    gboolean privileged = geteuid() == 0;
    int ready_fd = -1;

    setlocale(LC_ALL, "");
    bindtextdomain(PACKAGE, LOCALEDIR);
    textdomain(PACKAGE);
    signal(SIGPIPE, SIG_IGN);
    xmlInitParser(); /* not safe to be first called by two workers */

    if (!daemonParseOptions(argc, argv, &options, &error))
        return daemonFail(error);

    if (options.version) {
        g_print("virtsnapshotd (%s) %s\n", PACKAGE, PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }

    if (options.relay)
        return virtsnapshotdRelay(options.relay, &error) ? EXIT_SUCCESS :
            daemonFail(error);

    default_config = virSnapPathsConfig(privileged);
    config = virtsnapshotdConfigLoad(options.config_file ? options.config_file :
                                     default_config,
                                     options.config_file != NULL, privileged,
                                     &error);
    if (!config)
        return daemonFail(error);

    if (options.verbose)
        g_setenv("G_MESSAGES_DEBUG", G_LOG_DOMAIN, TRUE);
    if (options.background)
        ready_fd = daemonFork();

    /* in the background already, and without threads yet */
    if (!virSnapStorageInit(config->storage_timeout, &error) || virInitialize() < 0 ||
        !daemonRun(&options, config, privileged, ready_fd, &error))
        return error ? daemonFail(error) : EXIT_FAILURE;

    return EXIT_SUCCESS;
}
