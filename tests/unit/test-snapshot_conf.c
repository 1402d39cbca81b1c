/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-snapshot_conf.c: what a revert reads of, and changes in, <domainsnapshot>
 */

#include "config.h"

#include <string.h>

#include "domain_conf.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

#define HEAD "<domainsnapshot><name>s&amp;1</name><state>disk-snapshot</state>"
#define DISKS \
    "<disks>" \
    "<disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>" \
    "<source file='/i/a.s1'/></disk>" \
    "<disk name='/i/b.qcow2' snapshot='external'><source file='/i/b.s1'/></disk>" \
    "<disk name='vdc' snapshot='no'/>" \
    "<disk name='vdd' snapshot='manual'/>" \
    "<disk name='vde' snapshot='internal'/>" \
    "<disk name='vdf'><source file='/i/f.s1'/></disk>" \
    "</disks>"
#define DOMAIN(name, file) \
    "<" name "><name>vm</name><devices><disk type='file'><source file='" file "'/>" \
    "<target dev='vda'/></disk><disk type='file'><source file='/i/b.qcow2'/>" \
    "<target dev='vdb'/></disk></devices></" name ">"
#define FULL HEAD "<parent><name>s0</name></parent><memory snapshot='no'/>" \
    DISKS DOMAIN("domain", "/i/now") DOMAIN("inactiveDomain", "/i/next") \
    "</domainsnapshot>"

static virDomainSnapshotInfo *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    virDomainSnapshotInfo *info = virDomainSnapshotInfoParse(xml, &error);

    g_assert_no_error(error);
    return info;
}

static const virDomainSnapshotDisk *
disk(const virDomainSnapshotInfo *info, guint i)
{
    return g_ptr_array_index(info->disks, i);
}

static void
testParse(void)
{
    g_autoptr(virDomainSnapshotInfo) info = parse(FULL);
    const virDomainSnapshotLocation expected[] = {
        VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL,
        VIR_DOMAIN_SNAPSHOT_LOCATION_NONE, VIR_DOMAIN_SNAPSHOT_LOCATION_MANUAL,
        VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL,
    };

    g_assert_cmpstr(info->name, ==, "s&1");
    g_assert_cmpstr(info->state, ==, "disk-snapshot");
    g_assert_cmpstr(info->parent, ==, "s0");
    g_assert_cmpint(info->memory, ==, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE);
    g_assert_cmpuint(info->disks->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpint(disk(info, i)->location, ==, expected[i]);
    g_assert_cmpstr(disk(info, 0)->file, ==, "/i/a.s1");
    g_assert_null(disk(info, 2)->file);
}

static void
testMemory(void)
{
    g_autoptr(virDomainSnapshotInfo) external =
        parse(HEAD "<memory snapshot='external' file='/m'/></domainsnapshot>");
    g_autoptr(virDomainSnapshotInfo) implied =
        parse(HEAD "<memory file='/m'/></domainsnapshot>");
    g_autoptr(virDomainSnapshotInfo) internal =
        parse(HEAD "<memory snapshot='internal'/></domainsnapshot>");
    g_autoptr(virDomainSnapshotInfo) none = parse(HEAD "</domainsnapshot>");

    g_assert_cmpint(external->memory, ==, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL);
    g_assert_cmpstr(external->memory_file, ==, "/m");
    g_assert_cmpint(implied->memory, ==, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL);
    g_assert_cmpint(internal->memory, ==, VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL);
    g_assert_cmpint(none->memory, ==, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE);
    g_assert_null(none->parent);
    g_assert_cmpuint(none->disks->len, ==, 0);
}

/* What libvirt says of a domain that was found off when its turn came. */
static void
testMemoryOfShutoff(void)
{
    const struct {
        const char *state;
        virDomainSnapshotLocation memory;
    } table[] = {
        { "shutoff", VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { "running", VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL },
        { "paused", VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL },
        { "disk-snapshot", VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        gboolean none = table[i].memory == VIR_DOMAIN_SNAPSHOT_LOCATION_NONE;
        g_autofree char *xml =
            g_strdup_printf("<domainsnapshot><name>s</name><state>%s</state>"
                            "<memory snapshot='external' file='/m'/></domainsnapshot>",
                            table[i].state);
        g_autoptr(virDomainSnapshotInfo) info = parse(xml);
        g_autofree char *again =
            virDomainSnapshotInfoFormat(info, VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE, NULL);

        g_assert_cmpint(info->memory, ==, table[i].memory);
        g_assert_cmpstr(info->memory_file, ==, none ? NULL : "/m");
        g_assert_true((strstr(again, "<memory snapshot=\"no\"/>") != NULL) == none);
        g_assert_true((strstr(again, "/m") == NULL) == none);
    }
}

static void
testRefused(void)
{
    const char *documents[] = {
        "<domainsnapshot/>",
        "<domainsnapshot><name/></domainsnapshot>",
        HEAD "<disks><disk snapshot='no'/></disks></domainsnapshot>",
        HEAD "<disks><disk name='a' snapshot='x'/></disks></domainsnapshot>",
        HEAD "<memory snapshot='x'/></domainsnapshot>",
        "<domain><name>x</name></domain>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(virDomainSnapshotInfoParse(documents[i], &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR);
    }
}

static void
checkDomain(const char *xml, gboolean inactive, const char *file)
{
    g_autoptr(virDomainSnapshotInfo) info = parse(xml);
    g_autoptr(xmlDoc) doc = virDomainSnapshotInfoGetDomain(info, inactive);
    g_autoptr(GPtrArray) disks = NULL;

    if (!file) {
        g_assert_null(doc);
        return;
    }

    g_assert_cmpstr((const char *)xmlDocGetRootElement(doc)->name, ==, "domain");
    disks = virDomainDefGetDisks(doc, NULL);
    g_assert_cmpstr(((virDomainDisk *)virDomainDisksFind(disks, "vda"))->file,
                    ==, file);
}

static void
testGetDomain(void)
{
    const char *active = HEAD DOMAIN("domain", "/i/only") "</domainsnapshot>";

    checkDomain(FULL, FALSE, "/i/now");
    checkDomain(FULL, TRUE, "/i/next");
    checkDomain(active, TRUE, "/i/only");
    checkDomain(HEAD "</domainsnapshot>", TRUE, NULL);
    checkDomain(HEAD "<domain><uuid>x</uuid></domain></domainsnapshot>", FALSE, NULL);
}

static void
testFormat(void)
{
    g_autoptr(virDomainSnapshotInfo) info = parse(FULL);
    g_autoptr(GHashTable) overlays = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(virDomainSnapshotInfo) same = NULL;
    g_autoptr(virDomainSnapshotInfo) changed = NULL;
    g_autofree char *as_is = virDomainSnapshotInfoFormat(
        info, VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE, NULL);
    g_autofree char *edited = NULL;

    g_hash_table_insert(overlays, (char *)"vda", (char *)"/i/new'&");
    g_hash_table_insert(overlays, (char *)"vdb", (char *)"/i/newb");
    g_hash_table_insert(overlays, (char *)"vdc", (char *)"/i/newc");
    edited = virDomainSnapshotInfoFormat(
        info, VIR_DOMAIN_SNAPSHOT_OVERLAYS_DISKS, overlays);

    same = parse(as_is);
    changed = parse(edited);
    g_assert_cmpstr(disk(same, 0)->file, ==, "/i/a.s1");
    g_assert_cmpstr(disk(changed, 0)->file, ==, "/i/new'&");
    g_assert_cmpstr(disk(changed, 1)->file, ==, "/i/newb");
    g_assert_null(disk(changed, 2)->file);
    g_assert_cmpstr(disk(changed, 5)->file, ==, "/i/f.s1");
    /* the state is where it was */
    checkDomain(edited, TRUE, "/i/next");
    g_assert_cmpstr(disk(info, 0)->file, ==, "/i/a.s1");
}

static void
testRevertDisks(void)
{
    g_autoptr(virDomainSnapshotInfo) info = parse(FULL);
    g_autoptr(GHashTable) overlays = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *reverted = NULL;
    g_autofree char *again = NULL;
    g_autofree char *left = NULL;
    g_autoptr(virDomainSnapshotInfo) after = NULL;
    g_autoptr(virDomainSnapshotInfo) once_more = NULL;
    g_autoptr(virDomainSnapshotInfo) without = NULL;
    const virDomainSnapshotDisk *first;

    g_assert_cmpuint(info->revert_disks->len, ==, 0);

    g_hash_table_insert(overlays, (char *)"vda", (char *)"/i/new");
    reverted = virDomainSnapshotInfoFormat(
        info, VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS, overlays);
    after = parse(reverted);
    g_assert_cmpuint(after->revert_disks->len, ==, info->disks->len);
    first = g_ptr_array_index(after->revert_disks, 0);
    g_assert_cmpstr(first->file, ==, "/i/new");
    g_assert_cmpstr(disk(after, 0)->file, ==, "/i/a.s1");

    /* the overlay of a disk that was not reverted is what a child stands on */
    for (guint i = 1; i < after->revert_disks->len; i++) {
        const virDomainSnapshotDisk *other = g_ptr_array_index(after->revert_disks, i);

        g_assert_cmpint(other->location, !=, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL);
        g_assert_null(other->file);
    }

    /* a second revert's take the place of the first's */
    g_hash_table_insert(overlays, (char *)"vda", (char *)"/i/newer");
    again = virDomainSnapshotInfoFormat(
        after, VIR_DOMAIN_SNAPSHOT_OVERLAYS_REVERT_DISKS, overlays);
    once_more = parse(again);
    g_assert_cmpuint(once_more->revert_disks->len, ==, info->disks->len);
    first = g_ptr_array_index(once_more->revert_disks, 0);
    g_assert_cmpstr(first->file, ==, "/i/newer");

    left = virDomainSnapshotInfoFormat(
        once_more, VIR_DOMAIN_SNAPSHOT_OVERLAYS_NOWHERE, NULL);
    without = parse(left);
    g_assert_cmpuint(without->revert_disks->len, ==, 0);
    g_assert_cmpstr(disk(without, 0)->file, ==, "/i/a.s1");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/snapshot_conf/parse", testParse);
    g_test_add_func("/snapshot_conf/memory", testMemory);
    g_test_add_func("/snapshot_conf/memory-of-shutoff", testMemoryOfShutoff);
    g_test_add_func("/snapshot_conf/refused", testRefused);
    g_test_add_func("/snapshot_conf/get-domain", testGetDomain);
    g_test_add_func("/snapshot_conf/format", testFormat);
    g_test_add_func("/snapshot_conf/revert-disks", testRevertDisks);
    return g_test_run();
}
