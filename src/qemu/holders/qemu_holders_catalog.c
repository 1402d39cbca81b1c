/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_holders_catalog.c: what the domains of a host hold, as far as it is known already
 *
 * libvirt writes each definition, the status of each domain that runs and each snapshot
 * as a new file, and renames it: so that a domain whose files and folder of snapshots are
 * the same as they were, by inode and times, has not changed. What it holds is read by
 * libvirt's API alone; the stamps tell only that it need not be read again. One that was
 * set shortly before it was looked at is worth nothing, as a second change may leave the
 * same; nor is one that can't be read.
 */

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "qemu_holders_catalog.h"
#include "virsnaperror.h"
#include "virsnaphandover.h"
#include "virsnaplibvirt.h"

/* the coarsest time of the file systems that these folders are on */
#define COARSE_SECONDS 2

typedef struct _catalogStamp catalogStamp;
struct _catalogStamp {
    guint64 device;
    guint64 inode;
    gint64 size;
    struct timespec modified;
    struct timespec changed;
};

enum { STAMP_DEFINITION, STAMP_RUNNING, STAMP_SNAPSHOTS, STAMP_SAVE, STAMP_LAST };

typedef struct _catalogEntry catalogEntry;
struct _catalogEntry {
    qemuHoldersDomain *domain;
    catalogStamp stamps[STAMP_LAST];
};

struct _qemuHoldersCatalog {
    GMutex lock;
    qemuHoldersFolders folders;
    GHashTable *entries;     /* UUID -> catalogEntry */
};

static void
entryFree(void *opaque)
{
    catalogEntry *entry = opaque;

    qemuHoldersDomainUnref(entry->domain);
    g_free(entry);
}

void
qemuHoldersFoldersClear(qemuHoldersFolders *folders)
{
    g_clear_pointer(&folders->definitions, g_free);
    g_clear_pointer(&folders->running, g_free);
    g_clear_pointer(&folders->snapshots, g_free);
    g_clear_pointer(&folders->saves, g_free);
}

qemuHoldersCatalog *
qemuHoldersCatalogNew(const qemuHoldersFolders *folders)
{
    qemuHoldersCatalog *catalog = g_new0(qemuHoldersCatalog, 1);

    g_mutex_init(&catalog->lock);
    if (folders) {
        catalog->folders.definitions = g_strdup(folders->definitions);
        catalog->folders.running = g_strdup(folders->running);
        catalog->folders.snapshots = g_strdup(folders->snapshots);
        catalog->folders.saves = g_strdup(folders->saves);
    }
    catalog->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entryFree);
    return catalog;
}

void
qemuHoldersCatalogFree(qemuHoldersCatalog *catalog)
{
    if (!catalog)
        return;

    g_hash_table_unref(catalog->entries);
    qemuHoldersFoldersClear(&catalog->folders);
    g_mutex_clear(&catalog->lock);
    g_free(catalog);
}

static gboolean
isFresh(const struct timespec *time)
{
    return time->tv_sec > g_get_real_time() / G_USEC_PER_SEC - COARSE_SECONDS;
}

/* One of zeros where there is no such file. FALSE where it says nothing. */
static gboolean
readStamp(const char *folder, const char *name, const char *suffix, catalogStamp *ret_stamp)
{
    g_autofree char *path = g_strconcat(folder, "/", name, suffix, NULL);
    struct stat st;

    memset(ret_stamp, 0, sizeof(*ret_stamp));
    if (stat(path, &st) < 0)
        return errno == ENOENT;

    ret_stamp->device = st.st_dev;
    ret_stamp->inode = st.st_ino;
    ret_stamp->size = st.st_size;
    ret_stamp->modified = st.st_mtim;
    ret_stamp->changed = st.st_ctim;
    return !isFresh(&st.st_mtim) && !isFresh(&st.st_ctim);
}

/* A name that is no file's can't be looked up; and a domain of which there is no file at
 * all is kept by libvirt in another place. */
static gboolean
readStamps(const qemuHoldersCatalog *catalog, const char *name,
           catalogStamp stamps[STAMP_LAST])
{
    const qemuHoldersFolders *folders = &catalog->folders;

    return folders->definitions && folders->running && folders->snapshots &&
        folders->saves && !strchr(name, '/') &&
        readStamp(folders->definitions, name, ".xml", &stamps[STAMP_DEFINITION]) &&
        readStamp(folders->running, name, ".xml", &stamps[STAMP_RUNNING]) &&
        readStamp(folders->snapshots, name, "", &stamps[STAMP_SNAPSHOTS]) &&
        readStamp(folders->saves, name, ".save", &stamps[STAMP_SAVE]) &&
        (stamps[STAMP_DEFINITION].inode != 0 || stamps[STAMP_RUNNING].inode != 0);
}

static qemuHoldersDomain *
recall(qemuHoldersCatalog *catalog, virDomainPtr dom, const char *uuid,
       const catalogStamp stamps[STAMP_LAST])
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&catalog->lock);
    const catalogEntry *entry = g_hash_table_lookup(catalog->entries, uuid);

    if (!entry || entry->domain->id != (int)virDomainGetID(dom) ||
        !g_str_equal(entry->domain->name, virDomainGetName(dom)) ||
        memcmp(entry->stamps, stamps, sizeof(entry->stamps)) != 0)
        return NULL;

    return qemuHoldersDomainRef(entry->domain);
}

static void
remember(qemuHoldersCatalog *catalog, const char *uuid, qemuHoldersDomain *domain,
         const catalogStamp stamps[STAMP_LAST])
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&catalog->lock);
    catalogEntry *entry = g_new0(catalogEntry, 1);

    entry->domain = qemuHoldersDomainRef(domain);
    memcpy(entry->stamps, stamps, sizeof(entry->stamps));
    g_hash_table_replace(catalog->entries, g_strdup(uuid), entry);
}

/* The stamps are read before what they are to vouch for. */
static qemuHoldersDomain *
readDomain(qemuHoldersCatalog *catalog, virDomainPtr dom)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    catalogStamp stamps[STAMP_LAST];
    qemuHoldersDomain *domain;
    gboolean stamped;

    if (virDomainGetUUIDString(dom, uuid) < 0)
        return qemuHoldersDomainRead(dom);

    stamped = readStamps(catalog, virDomainGetName(dom), stamps);
    if (stamped && (domain = recall(catalog, dom, uuid, stamps)))
        return domain;

    domain = qemuHoldersDomainRead(dom);
    if (stamped && !domain->fault)
        remember(catalog, uuid, domain, stamps);
    return domain;
}

static gboolean
isGone(void *key, void *value G_GNUC_UNUSED, void *uuids)
{
    return !g_hash_table_contains(uuids, key);
}

static void
forgetOthers(qemuHoldersCatalog *catalog, GPtrArray *domains)
{
    g_autoptr(virSnapLocker) locker G_GNUC_UNUSED = virSnapLockerNew(&catalog->lock);
    g_autoptr(GHashTable) uuids = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < domains->len; i++)
        g_hash_table_add(uuids,
                         ((qemuHoldersDomain *)g_ptr_array_index(domains, i))->uuid);
    g_hash_table_foreach_remove(catalog->entries, isGone, uuids);
}

GPtrArray *
qemuHoldersCatalogRead(qemuHoldersCatalog *catalog, virConnectPtr conn, GError **error)
{
    GPtrArray *domains =
        g_ptr_array_new_with_free_func((GDestroyNotify)qemuHoldersDomainUnref);
    virDomainPtr *doms = NULL;

    if (virConnectListAllDomains(conn, &doms, 0) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot list the domains"));
        g_ptr_array_unref(domains);
        return NULL;
    }

    for (gsize i = 0; doms[i]; i++) {
        g_ptr_array_add(domains, readDomain(catalog, doms[i]));
        virDomainFree(doms[i]);
    }
    free(doms);

    forgetOthers(catalog, domains);
    return domains;
}
