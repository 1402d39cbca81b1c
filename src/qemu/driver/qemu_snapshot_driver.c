/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_driver.c: what all reverts share
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_libvirt.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapfile.h"
#include "virsnaphandover.h"

/* how soon after a revert the next one finds a storage daemon that is up */
#define SPARE_SECONDS 60

struct _qemuSnapshotDriver {
    char *backend_uri;
    qemuStorageSpare *spare;
    unsigned int storage_daemon_timeout;
    char *state_folder;
    char **libvirt_folders;   /* of definitions, of domains' folders of snapshots */
    char *schema;

    GMutex conn_lock;
    virConnectPtr conn;       /* NULL until first used */

    GMutex lock;              /* never held for long */
    GCond unlocked;
    GHashTable *locked;       /* set of UUID strings */
    GHashTable *waiting;      /* UUID string -> what the domain waits for */
    void (*on_unlock)(void *opaque);
    void *on_unlock_opaque;
};

/* Errors are returned to callers; libvirt need not print them, too. */
static void
driverIgnoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

qemuSnapshotDriver *
qemuSnapshotDriverNew(const char *backend_uri, const char *storage_daemon,
                      unsigned int storage_daemon_timeout, const char *state_folder,
                      const char *const *libvirt_folders)
{
    qemuSnapshotDriver *driver = g_new0(qemuSnapshotDriver, 1);
    const char *schemadir = secure_getenv("VIRTSNAPSHOTD_SCHEMADIR");

    driver->backend_uri = g_strdup(backend_uri);
    driver->spare = qemuStorageSpareNew(storage_daemon, SPARE_SECONDS);
    driver->storage_daemon_timeout = storage_daemon_timeout;
    driver->state_folder = g_strdup(state_folder);
    driver->libvirt_folders = g_strdupv((char **)libvirt_folders);
    driver->schema = g_build_filename(schemadir ? schemadir : SCHEMADIR,
                                      "domainsnapshotrevert.rng", NULL);
    driver->locked = g_hash_table_new_full(g_str_hash, g_str_equal,
                                              g_free, NULL);
    driver->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&driver->conn_lock);
    g_mutex_init(&driver->lock);
    g_cond_init(&driver->unlocked);
    virSetErrorFunc(NULL, driverIgnoreError);

    return driver;
}

void
qemuSnapshotDriverFree(qemuSnapshotDriver *driver)
{
    if (!driver)
        return;

    if (driver->conn)
        virConnectClose(driver->conn);
    qemuStorageSpareFree(driver->spare);
    g_hash_table_unref(driver->locked);
    g_hash_table_unref(driver->waiting);
    g_cond_clear(&driver->unlocked);
    g_mutex_clear(&driver->lock);
    g_mutex_clear(&driver->conn_lock);
    g_strfreev(driver->libvirt_folders);
    g_free(driver->state_folder);
    g_free(driver->schema);
    g_free(driver->backend_uri);
    g_free(driver);
}

qemuStorageSpare *
qemuSnapshotDriverStorageSpare(const qemuSnapshotDriver *driver)
{
    return driver->spare;
}

unsigned int
qemuSnapshotDriverStorageTimeout(const qemuSnapshotDriver *driver)
{
    return driver->storage_daemon_timeout;
}

const char *
qemuSnapshotDriverStateFolder(const qemuSnapshotDriver *driver)
{
    return driver->state_folder;
}

gboolean
qemuSnapshotDriverSync(const qemuSnapshotDriver *driver, const char *domain,
                       GError **error)
{
    if (!virSnapFault("libvirt-sync", error))
        return FALSE;

    for (gsize i = 0; driver->libvirt_folders[i]; i++) {
        g_autofree char *inside =
            g_build_filename(driver->libvirt_folders[i], i == 0 ? "" : domain, "x", NULL);
        g_autofree char *folder = g_path_get_dirname(inside);

        /* one laid out in another way has to do without */
        if (access(folder, F_OK) == 0 && !virSnapFileSyncFolder(inside, error))
            return FALSE;
    }

    return TRUE;
}

const char *
qemuSnapshotDriverSchema(const qemuSnapshotDriver *driver)
{
    return driver->schema;
}

/* A connection that nothing was sent over since libvirtd went away does not know
 * of that: only a call tells. */
static gboolean
driverIsAlive(virConnectPtr conn)
{
    unsigned long version;

    return virConnectIsAlive(conn) == 1 &&
        virConnectGetLibVersion(conn, &version) == 0;
}

virConnectPtr
qemuSnapshotDriverOpen(const qemuSnapshotDriver *driver, GError **error)
{
    virConnectPtr conn = virConnectOpen(driver->backend_uri);

    if (!conn) {
        virSnapErrorSetLibvirt(error, _("cannot connect to libvirt at '%s'"),
                               driver->backend_uri);
        return NULL;
    }

    if (!qemuSnapshotLibvirtCheck(conn, error)) {
        virConnectClose(conn);
        return NULL;
    }

    return conn;
}

virConnectPtr
qemuSnapshotDriverConnect(qemuSnapshotDriver *driver, GError **error)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->conn_lock);

    if (driver->conn && !driverIsAlive(driver->conn)) {
        virConnectClose(driver->conn);
        driver->conn = NULL;
    }

    if (!driver->conn && !(driver->conn = qemuSnapshotDriverOpen(driver, error)))
        return NULL;

    virConnectRef(driver->conn);
    return driver->conn;
}

gboolean
qemuSnapshotDriverCanRevertExternal(qemuSnapshotDriver *driver)
{
    virConnectPtr conn = qemuSnapshotDriverConnect(driver, NULL);
    gboolean can;

    if (!conn)
        return FALSE;

    can = qemuSnapshotLibvirtHas(conn, QEMU_SNAPSHOT_LIBVIRT_REVERTS);
    virConnectClose(conn);
    return can;
}

static char *
driverFormatUUID(const unsigned char *uuid)
{
    GString *text = g_string_sized_new(VIR_UUID_STRING_BUFLEN);

    for (int i = 0; i < VIR_UUID_BUFLEN; i++)
        g_string_append_printf(text, "%02x", uuid[i]);

    return g_string_free(text, FALSE);
}

void
qemuSnapshotDriverLock(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    char *text = driverFormatUUID(uuid);

    while (g_hash_table_contains(driver->locked, text))
        virSnapCondWait(&driver->unlocked, &driver->lock, 0);
    g_hash_table_add(driver->locked, text);
}

gboolean
qemuSnapshotDriverTryLock(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = driverFormatUUID(uuid);

    if (g_hash_table_contains(driver->locked, text))
        return FALSE;

    g_hash_table_add(driver->locked, g_steal_pointer(&text));
    return TRUE;
}

gboolean
qemuSnapshotDriverIsLocked(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = driverFormatUUID(uuid);

    return g_hash_table_contains(driver->locked, text);
}

void
qemuSnapshotDriverSetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid,
                           const char *reason)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = driverFormatUUID(uuid);

    if (reason)
        g_hash_table_insert(driver->waiting, g_steal_pointer(&text), g_strdup(reason));
    else
        g_hash_table_remove(driver->waiting, text);
}

char *
qemuSnapshotDriverGetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = driverFormatUUID(uuid);

    return g_strdup(g_hash_table_lookup(driver->waiting, text));
}

gboolean
qemuSnapshotDriverHasLocks(qemuSnapshotDriver *driver)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);

    return g_hash_table_size(driver->locked) > 0;
}

void
qemuSnapshotDriverOnUnlock(qemuSnapshotDriver *driver, void (*func)(void *opaque),
                           void *opaque)
{
    driver->on_unlock = func;
    driver->on_unlock_opaque = opaque;
}

void
qemuSnapshotDriverUnlock(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autofree char *text = driverFormatUUID(uuid);

    virSnapMutexLock(&driver->lock);
    g_hash_table_remove(driver->locked, text);
    g_cond_broadcast(&driver->unlocked);
    virSnapMutexUnlock(&driver->lock);

    if (driver->on_unlock)
        driver->on_unlock(driver->on_unlock_opaque);
}
