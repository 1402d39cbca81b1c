/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * load-client.c: what a connection to libvirt carries, for scripts/bench
 *
 *   load-client URI calls CLIENTS CALLS    so many clients with so many calls each
 *   load-client URI download POOL VOLUME   one stream
 *
 * Prints the seconds it took, without the connecting.
 */

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

typedef struct _loadClient loadClient;
struct _loadClient {
    virConnectPtr conn;
    guint64 calls;
};

static void
die(const char *what)
{
    g_printerr("load-client: %s: %s\n", what, virGetLastErrorMessage());
    exit(EXIT_FAILURE);
}

static void *
callMany(void *opaque)
{
    loadClient *client = opaque;
    unsigned long version;

    for (guint64 i = 0; i < client->calls; i++) {
        if (virConnectGetLibVersion(client->conn, &version) < 0)
            die("call");
    }

    return NULL;
}

static double
runCalls(const char *uri, guint64 n_clients, guint64 calls)
{
    g_autofree loadClient *clients = g_new0(loadClient, n_clients);
    g_autofree GThread **threads = g_new0(GThread *, n_clients);
    gint64 start;
    gint64 end;

    for (guint64 i = 0; i < n_clients; i++) {
        clients[i].calls = calls;
        if (!(clients[i].conn = virConnectOpen(uri)))
            die("open");
    }

    start = g_get_monotonic_time();
    for (guint64 i = 0; i < n_clients; i++)
        threads[i] = g_thread_new("client", callMany, &clients[i]);
    for (guint64 i = 0; i < n_clients; i++)
        g_thread_join(threads[i]);
    end = g_get_monotonic_time();

    for (guint64 i = 0; i < n_clients; i++)
        virConnectClose(clients[i].conn);
    return (end - start) / 1e6;
}

static int
dropBytes(virStreamPtr stream G_GNUC_UNUSED, const char *bytes G_GNUC_UNUSED, size_t len,
          void *opaque G_GNUC_UNUSED)
{
    return len;
}

static double
runDownload(const char *uri, const char *pool_name, const char *name)
{
    virConnectPtr conn = virConnectOpen(uri);
    virStoragePoolPtr pool = conn ? virStoragePoolLookupByName(conn, pool_name) : NULL;
    virStorageVolPtr volume = pool ? virStorageVolLookupByName(pool, name) : NULL;
    virStreamPtr stream = volume ? virStreamNew(conn, 0) : NULL;
    gint64 start = g_get_monotonic_time();
    gint64 end;

    if (!stream || virStorageVolDownload(volume, stream, 0, 0, 0) < 0 ||
        virStreamRecvAll(stream, dropBytes, NULL) < 0 || virStreamFinish(stream) < 0)
        die("download");

    end = g_get_monotonic_time();
    virStreamFree(stream);
    virStorageVolFree(volume);
    virStoragePoolFree(pool);
    virConnectClose(conn);
    return (end - start) / 1e6;
}

int
main(int argc, char **argv)
{
    double seconds;

    if (argc != 5) {
        g_printerr("load-client: see the head of its source\n");
        return EXIT_FAILURE;
    }

    if (g_str_equal(argv[2], "calls"))
        seconds = runCalls(argv[1], strtoull(argv[3], NULL, 10),
                           strtoull(argv[4], NULL, 10));
    else
        seconds = runDownload(argv[1], argv[3], argv[4]);

    g_print("%.6f\n", seconds);
    return EXIT_SUCCESS;
}
