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
    qemuSnapshotJobs *jobs;
    unsigned int storage_daemon_timeout;
    char *state_folder;
    char *definitions;        /* libvirt's folder of them */
    char *snapshots;          /* libvirt's folder of those of each domain */
    qemuHoldersReader *holders;
    char *schema;

    GMutex conn_lock;
    virConnectPtr conn;       /* NULL until first used */

    GMutex lock;              /* never held for long */
    GCond unlocked;
    GHashTable *locked;       /* UUID string -> whether the domain was destroyed */
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
                      const qemuHoldersFolders *libvirt_folders,
                      const char *const *exclusive_storage)
{
    qemuSnapshotDriver *driver = g_new0(qemuSnapshotDriver, 1);
    const char *schemadir = secure_getenv("VIRTSNAPSHOTD_SCHEMADIR");

    driver->backend_uri = g_strdup(backend_uri);
    driver->spare = qemuStorageSpareNew(storage_daemon, SPARE_SECONDS);
    driver->jobs = qemuSnapshotJobsNew();
    driver->storage_daemon_timeout = storage_daemon_timeout;
    driver->state_folder = g_strdup(state_folder);
    driver->definitions = g_strdup(libvirt_folders->definitions);
    driver->snapshots = g_strdup(libvirt_folders->snapshots);
    driver->holders = qemuHoldersReaderNew(libvirt_folders, exclusive_storage);
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
    qemuSnapshotJobsFree(driver->jobs);
    qemuStorageSpareFree(driver->spare);
    g_hash_table_unref(driver->locked);
    g_hash_table_unref(driver->waiting);
    g_cond_clear(&driver->unlocked);
    g_mutex_clear(&driver->lock);
    g_mutex_clear(&driver->conn_lock);
    qemuHoldersReaderFree(driver->holders);
    g_free(driver->definitions);
    g_free(driver->snapshots);
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

qemuSnapshotJobs *
qemuSnapshotDriverJobs(const qemuSnapshotDriver *driver)
{
    return driver->jobs;
}

unsigned int
qemuSnapshotDriverStorageTimeout(const qemuSnapshotDriver *driver)
{
    return driver->storage_daemon_timeout;
}

qemuHoldersReader *
qemuSnapshotDriverHolders(const qemuSnapshotDriver *driver)
{
    return driver->holders;
}

const char *
qemuSnapshotDriverStateFolder(const qemuSnapshotDriver *driver)
{
    return driver->state_folder;
}

/* One laid out in another way has to do without. */
static gboolean
driverSyncFolder(const char *parent, const char *name, GError **error)
{
    g_autofree char *inside = g_build_filename(parent, name, "x", NULL);
    g_autofree char *folder = g_path_get_dirname(inside);

    return access(folder, F_OK) < 0 || virSnapFileSyncFolder(inside, error);
}

gboolean
qemuSnapshotDriverSync(const qemuSnapshotDriver *driver, const char *domain,
                       GError **error)
{
    if (!virSnapFault("libvirt-sync", error))
        return FALSE;

    return driverSyncFolder(driver->definitions, "", error) &&
        driverSyncFolder(driver->snapshots, domain, error);
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

char *
qemuSnapshotDriverFormatUUID(const unsigned char *uuid)
{
    GString *text = g_string_sized_new(VIR_UUID_STRING_BUFLEN);

    for (int i = 0; i < VIR_UUID_BUFLEN; i++)
        g_string_append_printf(text, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);

    return g_string_free(text, FALSE);
}

void
qemuSnapshotDriverLock(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    char *text = qemuSnapshotDriverFormatUUID(uuid);

    while (g_hash_table_contains(driver->locked, text))
        virSnapCondWait(&driver->unlocked, &driver->lock, 0);
    g_hash_table_insert(driver->locked, text, GINT_TO_POINTER(FALSE));
}

gboolean
qemuSnapshotDriverTryLock(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    if (g_hash_table_contains(driver->locked, text))
        return FALSE;

    g_hash_table_insert(driver->locked, g_steal_pointer(&text), GINT_TO_POINTER(FALSE));
    return TRUE;
}

gboolean
qemuSnapshotDriverIsLocked(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    return g_hash_table_contains(driver->locked, text);
}

void
qemuSnapshotDriverSetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid,
                           const char *reason)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    if (reason)
        g_hash_table_insert(driver->waiting, g_steal_pointer(&text), g_strdup(reason));
    else
        g_hash_table_remove(driver->waiting, text);
}

char *
qemuSnapshotDriverGetWaits(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    return g_strdup(g_hash_table_lookup(driver->waiting, text));
}

gboolean
qemuSnapshotDriverHasLocks(qemuSnapshotDriver *driver)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);

    return g_hash_table_size(driver->locked) > 0 ||
        g_hash_table_size(driver->waiting) > 0;
}

void
qemuSnapshotDriverNoteDestroy(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    char *text = qemuSnapshotDriverFormatUUID(uuid);

    if (g_hash_table_contains(driver->locked, text))
        g_hash_table_replace(driver->locked, text, GINT_TO_POINTER(TRUE));
    else
        g_free(text);
}

gboolean
qemuSnapshotDriverWasDestroyed(qemuSnapshotDriver *driver, const unsigned char *uuid)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&driver->lock);
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    return GPOINTER_TO_INT(g_hash_table_lookup(driver->locked, text));
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
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);

    virSnapMutexLock(&driver->lock);
    g_hash_table_remove(driver->locked, text);
    g_cond_broadcast(&driver->unlocked);
    virSnapMutexUnlock(&driver->lock);

    if (driver->on_unlock)
        driver->on_unlock(driver->on_unlock_opaque);
}
