/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_holders_catalog.c: which domains are read again
 *
 * Of libvirt's own test driver, which keeps no files: these are made here, as a libvirtd
 * would. How often a domain is read is counted.
 */

#include "config.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_holders_catalog.h"
#include "virsnaplibvirt.h"

typedef struct _fixture fixture;
struct _fixture {
    virConnectPtr conn;
    char *folder;
    qemuHoldersFolders folders;
    char *definition;
    qemuHoldersCatalog *catalog;
};

static guint reads;

/* In the place of libvirt's function: each reading of a domain asks it. */
char *
virDomainGetXMLDesc(virDomainPtr dom, unsigned int flags)
{
    char *(*real)(virDomainPtr dom, unsigned int flags) =
        (char *(*)(virDomainPtr, unsigned int))dlsym(RTLD_NEXT, __func__);

    reads++;
    return real(dom, flags);
}

static void
touch(const char *path)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, "x", 1, &error);
    g_assert_no_error(error);
}

/* Until its stamps tell something. */
static void
waitForAge(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    while (g_get_real_time() / G_USEC_PER_SEC < st.st_ctim.tv_sec + 3)
        g_usleep(50000);
}

static void
setUp(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    f->conn = virConnectOpen("test:///default");
    g_assert_nonnull(f->conn);
    f->folder = g_dir_make_tmp("catalog-XXXXXX", NULL);
    f->folders.definitions = g_build_filename(f->folder, "definitions", NULL);
    f->folders.running = g_build_filename(f->folder, "running", NULL);
    f->folders.snapshots = g_build_filename(f->folder, "snapshots", NULL);
    f->folders.saves = g_build_filename(f->folder, "saves", NULL);
    g_mkdir(f->folders.definitions, 0700);
    g_mkdir(f->folders.running, 0700);
    g_mkdir(f->folders.snapshots, 0700);
    g_mkdir(f->folders.saves, 0700);
    f->definition = g_build_filename(f->folders.definitions, "test.xml", NULL);
    f->catalog = qemuHoldersCatalogNew(&f->folders);
    reads = 0;
}

static void
removeAll(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            removeAll(path);
        else
            g_unlink(path);
    }
    g_rmdir(folder);
}

static void
tearDown(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    qemuHoldersCatalogFree(f->catalog);
    virConnectClose(f->conn);
    removeAll(f->folder);
    qemuHoldersFoldersClear(&f->folders);
    g_free(f->definition);
    g_free(f->folder);
}

static guint
readsOf(fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) domains = NULL;
    const qemuHoldersDomain *domain;

    reads = 0;
    domains = qemuHoldersCatalogRead(f->catalog, f->conn, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(domains->len, ==, 1);
    domain = g_ptr_array_index(domains, 0);
    g_assert_cmpstr(domain->name, ==, "test");
    g_assert_null(domain->fault);
    return reads;
}

/* The file of its definition is none: what libvirt keeps it in is not known. */
static void
testNoFiles(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_assert_cmpuint(readsOf(f), >, 0);
    g_assert_cmpuint(readsOf(f), >, 0);
}

static void
testNoFolders(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    touch(f->definition);
    waitForAge(f->definition);
    qemuHoldersCatalogFree(f->catalog);
    f->catalog = qemuHoldersCatalogNew(NULL);
    g_assert_cmpuint(readsOf(f), >, 0);
    g_assert_cmpuint(readsOf(f), >, 0);
}

/* A stamp of just now is worth nothing. */
static void
testFresh(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    touch(f->definition);
    g_assert_cmpuint(readsOf(f), >, 0);
    touch(f->definition);
    g_assert_cmpuint(readsOf(f), >, 0);
}

static void
testUnchanged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    touch(f->definition);
    waitForAge(f->definition);
    g_assert_cmpuint(readsOf(f), >, 0);
    g_assert_cmpuint(readsOf(f), ==, 0);
}

/* Each of the files that libvirt writes counts. */
static void
testChanged(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *running = g_build_filename(f->folders.running, "test.xml", NULL);
    g_autofree char *snapshots = g_build_filename(f->folders.snapshots, "test", NULL);
    g_autofree char *snapshot = g_build_filename(snapshots, "s1.xml", NULL);
    g_autofree char *save = g_build_filename(f->folders.saves, "test.save", NULL);
    const char *const files[] = { f->definition, running, snapshot, save };

    g_mkdir(snapshots, 0700);
    touch(f->definition);
    waitForAge(f->definition);
    g_assert_cmpuint(readsOf(f), >, 0);
    g_assert_cmpuint(readsOf(f), ==, 0);

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        touch(files[i]);
        g_assert_cmpuint(readsOf(f), >, 0);
        waitForAge(files[i]);
        g_assert_cmpuint(readsOf(f), >, 0);
        g_assert_cmpuint(readsOf(f), ==, 0);
    }
}

/* Started, it is another although no file tells so yet. */
static void
testRun(fixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virDomain) dom = virDomainLookupByName(f->conn, "test");

    touch(f->definition);
    waitForAge(f->definition);
    g_assert_cmpuint(readsOf(f), >, 0);
    g_assert_cmpuint(readsOf(f), ==, 0);
    g_assert_cmpint(virDomainDestroy(dom), ==, 0);
    g_assert_cmpuint(readsOf(f), >, 0);
}

#define ADD(name, func) \
    g_test_add("/qemu_holders_catalog/" name, fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("no-files", testNoFiles);
    ADD("no-folders", testNoFolders);
    ADD("fresh", testFresh);
    ADD("unchanged", testUnchanged);
    ADD("changed", testChanged);
    ADD("run", testRun);
    return g_test_run();
}
