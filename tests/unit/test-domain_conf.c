/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-domain_conf.c: what a revert reads of, and changes in, <domain>
 */

#include "config.h"

#include <string.h>

#include "domain_conf.h"
#include "virsnaperror.h"

#define LIVE \
    "<domain type='kvm' id='3'>" \
    "<name>a&amp;b</name><genid>11111111-1111-1111-1111-111111111111</genid>" \
    "<metadata><other xmlns='urn:x'>kept</other></metadata>" \
    "<devices>" \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>" \
    "<source file='/i/a&amp;.qcow2' index='2' startupPolicy='optional'>" \
    "<seclabel model='dac' relabel='no'/><slices/></source>" \
    "<backingStore type='file' index='3'><format type='qcow2'/>" \
    "<source file='/i/b'/><backingStore type='file'><format type='raw'/>" \
    "<source file='/i/c'/><backingStore/></backingStore></backingStore>" \
    "<mirror/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>" \
    "<boot order='1'/></disk>" \
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/>" \
    "<alias name='ua-mine'/></disk>" \
    "<disk type='block'><source dev='/dev/x'/><target dev='vdb'/><shareable/></disk>" \
    "<disk type='file'><source file='/i/e'><encryption format='luks'/></source>" \
    "<target dev='vdc'/></disk>" \
    "</devices>" \
    "<seclabel type='dynamic' model='dac'><label>l</label>" \
    "<imagelabel>i</imagelabel></seclabel>" \
    "</domain>"

static xmlDoc *
parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    xmlDoc *doc = virSnapXMLParse(xml, "domain", "domain", &error);

    g_assert_no_error(error);
    return doc;
}

static guint
count(xmlDoc *doc, const char *xpath)
{
    g_autoptr(GPtrArray) nodes = virSnapXMLNodes(doc, xpath);

    return nodes->len;
}

static void
testDisks(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, NULL);
    const virDomainDisk *disk;

    g_assert_cmpuint(disks->len, ==, 4);

    disk = virDomainDisksFind(disks, "vda");
    g_assert_cmpstr(disk->file, ==, "/i/a&.qcow2");
    g_assert_cmpstr(disk->format, ==, "raw");
    g_assert_cmpstr(disk->device, ==, "disk");
    g_assert_true(disk->sliced);
    g_assert_false(disk->readonly || disk->shareable || disk->encrypted);

    disk = virDomainDisksFind(disks, "sda");
    g_assert_null(disk->file);
    g_assert_null(disk->format);
    g_assert_true(disk->readonly);
    g_assert_cmpstr(disk->device, ==, "cdrom");

    disk = virDomainDisksFind(disks, "vdb");
    g_assert_cmpstr(disk->type, ==, "block");
    g_assert_null(disk->file);
    g_assert_cmpstr(disk->dev, ==, "/dev/x");
    g_assert_true(disk->shareable);

    g_assert_true(((virDomainDisk *)virDomainDisksFind(disks, "vdc"))->encrypted);
    g_assert_true(virDomainDisksFind(disks, "/i/e") ==
                  virDomainDisksFind(disks, "vdc"));
    g_assert_null(virDomainDisksFind(disks, "vdz"));
}

static void
testOptional(void)
{
    const char *const policies[] = { "optional", "requisite", "mandatory" };
    g_autoptr(xmlDoc) live = parse(LIVE);
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(live, NULL);

    g_assert_true(((virDomainDisk *)virDomainDisksFind(disks, "vda"))->optional);
    g_assert_false(((virDomainDisk *)virDomainDisksFind(disks, "sda"))->optional);
    g_assert_false(((virDomainDisk *)virDomainDisksFind(disks, "vdc"))->optional);

    for (gsize i = 0; i < G_N_ELEMENTS(policies); i++) {
        g_autofree char *xml =
            g_strdup_printf("<domain><devices><disk type='file' device='cdrom'>"
                            "<source file='/i/x' startupPolicy='%s'/>"
                            "<target dev='sda'/></disk></devices></domain>",
                            policies[i]);
        g_autoptr(xmlDoc) doc = parse(xml);
        g_autoptr(GPtrArray) one = virDomainDefGetDisks(doc, NULL);
        const virDomainDisk *disk = virDomainDisksFind(one, "sda");

        g_assert_cmpint(disk->optional, ==, g_str_equal(policies[i], "optional"));
    }
}

/* The type alone tells which attribute names the disk. */
static void
testDev(void)
{
    g_autoptr(xmlDoc) doc =
        parse("<domain><devices>"
              "<disk type='block'><source dev='/dev/a&amp;' file='/i/a'/>"
              "<target dev='vda'/></disk>"
              "<disk type='file'><source dev='/dev/b' file='/i/b'/>"
              "<target dev='vdb'/></disk>"
              "<disk><source dev='/dev/c' file='/i/c'/><target dev='vdc'/></disk>"
              "<disk type='network'><source dev='/dev/d' file='/i/d'/>"
              "<target dev='vdd'/></disk>"
              "<disk type='block'><target dev='vde'/></disk>"
              "</devices></domain>");
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, NULL);
    const char *const expected[][2] = {
        { "/dev/a&", NULL }, { NULL, "/i/b" }, { NULL, "/i/c" }, { NULL, NULL },
        { NULL, NULL },
    };

    g_assert_cmpuint(disks->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < disks->len; i++) {
        const virDomainDisk *disk = g_ptr_array_index(disks, i);

        g_assert_cmpstr(disk->dev, ==, expected[i][0]);
        g_assert_cmpstr(disk->file, ==, expected[i][1]);
    }
}

static void
testChain(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, NULL);
    const virDomainDisk *disk = virDomainDisksFind(disks, "vda");
    const virDomainImage *below = g_ptr_array_index(disk->chain, 0);
    const virDomainImage *base = g_ptr_array_index(disk->chain, 1);

    g_assert_cmpuint(disk->chain->len, ==, 2);
    g_assert_cmpstr(below->file, ==, "/i/b");
    g_assert_cmpstr(below->format, ==, "qcow2");
    g_assert_cmpstr(base->file, ==, "/i/c");
    g_assert_true(disk->chain_ends);

    disk = virDomainDisksFind(disks, "vdc");
    g_assert_cmpuint(disk->chain->len, ==, 0);
    g_assert_false(disk->chain_ends);
}

static void
testNoTarget(void)
{
    g_autoptr(xmlDoc) doc = parse("<domain><devices><disk/></devices></domain>");
    g_autoptr(GError) error = NULL;

    g_assert_null(virDomainDefGetDisks(doc, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_XML_ERROR);
}

static void
testSetDiskFile(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GPtrArray) disks = NULL;
    const virDomainDisk *disk;

    g_assert_true(virDomainDefSetDiskFile(doc, "vda", "/i/new <&>'\""));
    g_assert_true(virDomainDefSetDiskFile(doc, "vdb", "/i/second"));
    g_assert_false(virDomainDefSetDiskFile(doc, "vdz", "/i/x"));

    disks = virDomainDefGetDisks(doc, NULL);
    disk = virDomainDisksFind(disks, "vda");
    g_assert_cmpstr(disk->file, ==, "/i/new <&>'\"");
    g_assert_cmpstr(disk->format, ==, "qcow2");
    g_assert_cmpuint(disk->chain->len, ==, 0);
    g_assert_false(disk->sliced);
    disk = virDomainDisksFind(disks, "vdb");
    g_assert_cmpstr(disk->type, ==, "file");
    g_assert_cmpstr(disk->file, ==, "/i/second");

    g_assert_cmpuint(count(doc, "//disk[target/@dev='vda'][driver/@cache='none']"
                           "[boot][source/@startupPolicy='optional']"
                           "[source/seclabel][not(source/@index)][not(mirror)]"),
                     ==, 1);
    g_assert_cmpuint(count(doc, "//disk[target/@dev='vdb']/source[@dev]"), ==, 0);
}

static void
testCopyDisk(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(xmlDoc) from = parse("<domain><devices><disk type='file'>"
                                   "<source file='/i/now'/><target dev='vda'/>"
                                   "</disk></devices></domain>");
    g_autoptr(GPtrArray) disks = NULL;

    g_assert_true(virDomainDefCopyDisk(doc, from, "vda"));
    g_assert_false(virDomainDefCopyDisk(doc, from, "vdb"));
    disks = virDomainDefGetDisks(doc, NULL);
    g_assert_cmpuint(disks->len, ==, 4);
    g_assert_cmpstr(((virDomainDisk *)virDomainDisksFind(disks, "vda"))->file,
                    ==, "/i/now");
}

static void
testNameAndGenID(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GPtrArray) nodes = NULL;
    g_autofree char *genid = NULL;
    g_autofree char *name = NULL;

    virDomainDefSetName(doc, "new & <name>");
    virDomainDefRenewGenID(doc);
    nodes = virSnapXMLNodes(doc, "/domain/name | /domain/genid");
    name = virSnapXMLText(g_ptr_array_index(nodes, 0));
    genid = virSnapXMLText(g_ptr_array_index(nodes, 1));

    g_assert_cmpstr(name, ==, "new & <name>");
    g_assert_true(g_uuid_string_is_valid(genid));
    g_assert_cmpstr(genid, !=, "11111111-1111-1111-1111-111111111111");
}

static void
testNoGenID(void)
{
    g_autoptr(xmlDoc) doc = parse("<domain><name>x</name></domain>");

    virDomainDefRenewGenID(doc);
    g_assert_cmpuint(count(doc, "/domain/genid"), ==, 0);
}

static void
testSetDiskChain(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GPtrArray) chain = g_ptr_array_new();
    g_autoptr(GPtrArray) disks = NULL;
    virDomainImage images[] = {
        { (char *)"/i/a&'b", (char *)"qcow2", NULL },
        { (char *)"/i/c", (char *)"qcow2", (char *)"/i/c.data" },
        { (char *)"/i/d", (char *)"raw", NULL },
    };
    const virDomainDisk *disk;

    for (gsize i = 0; i < G_N_ELEMENTS(images); i++)
        g_ptr_array_add(chain, &images[i]);
    g_assert_true(virDomainDefSetDiskChain(doc, "vda", chain));
    g_assert_false(virDomainDefSetDiskChain(doc, "vdz", chain));

    disks = virDomainDefGetDisks(doc, NULL);
    disk = virDomainDisksFind(disks, "vda");
    g_assert_cmpuint(disk->chain->len, ==, G_N_ELEMENTS(images));
    g_assert_true(disk->chain_ends);
    for (gsize i = 0; i < G_N_ELEMENTS(images); i++) {
        const virDomainImage *image = g_ptr_array_index(disk->chain, i);

        g_assert_cmpstr(image->file, ==, images[i].file);
        g_assert_cmpstr(image->format, ==, images[i].format);
    }
    g_assert_cmpuint(count(doc, "//backingStore/backingStore/source[@file='/i/c']/"
                           "dataStore[@type='file'][format/@type='raw']/"
                           "source[@file='/i/c.data']"), ==, 1);

    /* nothing is below it */
    g_ptr_array_set_size(chain, 0);
    g_assert_true(virDomainDefSetDiskChain(doc, "vda", chain));
    g_assert_cmpuint(count(doc, "//disk[target/@dev='vda']//backingStore"), ==, 1);
}

static void
testMakeInactive(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);

    virDomainDefMakeInactive(doc);
    g_assert_cmpuint(count(doc, "/domain/@id"), ==, 0);
    g_assert_cmpuint(count(doc, "//backingStore"), ==, 0);
    g_assert_cmpuint(count(doc, "//alias"), ==, 1);
    g_assert_cmpuint(count(doc, "//seclabel/label | //imagelabel"), ==, 0);
    g_assert_cmpuint(count(doc, "/domain/seclabel[@type='dynamic']"), ==, 1);
}

static void
testOverlays(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(GHashTable) none = virDomainDefGetOverlays(doc);
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) read = NULL;
    g_autofree char *revert = NULL;

    g_assert_null(virDomainDefGetRevert(doc));
    g_assert_cmpuint(g_hash_table_size(none), ==, 0);
    g_hash_table_insert(table, (char *)"vda", (char *)"/i/old");
    virDomainDefSetOverlays(doc, table, "one");
    g_hash_table_insert(table, (char *)"vda", (char *)"/i/a'&\"");
    g_hash_table_insert(table, (char *)"vdb", (char *)"/i/b");
    virDomainDefSetOverlays(doc, table, "two");

    read = virDomainDefGetOverlays(doc);
    g_assert_cmpuint(g_hash_table_size(read), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(read, "vda"), ==, "/i/a'&\"");
    g_assert_cmpstr(g_hash_table_lookup(read, "vdb"), ==, "/i/b");
    g_assert_cmpuint(count(doc, "/domain/metadata/*[local-name()='other']"), ==, 1);

    revert = virDomainDefGetRevert(doc);
    g_assert_cmpstr(revert, ==, "two");

    virDomainDefSetOverlays(doc, none, "three");
    g_assert_cmpuint(count(doc, "/domain/metadata/*"), ==, 2);
    g_assert_cmpuint(count(doc, "/domain/metadata/*/*[local-name()='overlay']"), ==, 0);
}

static void
testCopyDiskSource(void)
{
    g_autoptr(xmlDoc) doc = parse(
        "<domain><devices><disk type='file' device='disk'>"
        "<driver name='qemu' type='qcow2' cache='none'/><source file='/i/then'/>"
        "<backingStore type='file'/><target dev='vda' bus='virtio'/>"
        "<address type='pci' slot='0x07'/></disk></devices></domain>");
    g_autoptr(xmlDoc) from = parse(
        "<domain><devices><disk type='block' device='disk'>"
        "<driver name='qemu' type='raw' cache='unsafe'/><source dev='/dev/now'/>"
        "<target dev='vda' bus='scsi'/></disk></devices></domain>");
    g_autoptr(GPtrArray) disks = NULL;
    const virDomainDisk *disk;

    g_assert_true(virDomainDefCopyDiskSource(doc, from, "vda"));
    disks = virDomainDefGetDisks(doc, NULL);
    disk = g_ptr_array_index(disks, 0);
    g_assert_cmpstr(disk->type, ==, "block");
    g_assert_cmpstr(disk->dev, ==, "/dev/now");
    g_assert_null(disk->file);
    g_assert_cmpstr(disk->format, ==, "raw");
    /* what the guest sees, and how the host treats it */
    g_assert_cmpuint(count(doc, "//disk/target[@bus='virtio']"), ==, 1);
    g_assert_cmpuint(count(doc, "//disk/address[@slot='0x07']"), ==, 1);
    g_assert_cmpuint(count(doc, "//disk/driver[@cache='none']"), ==, 1);
    g_assert_cmpuint(count(doc, "//backingStore"), ==, 0);

    g_assert_false(virDomainDefCopyDiskSource(doc, from, "vdb"));
}

/* The image is the other's in all of its parts, the rest is the disk's own. */
static void
testCopyDiskSourceParts(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(xmlDoc) from =
        parse("<domain><devices>"
              "<disk type='file' device='lun'><driver name='other' type='qcow2' "
              "cache='writeback'/><auth/><encryption format='luks'/>"
              "<source file='/i/now&amp;' startupPolicy='requisite'>"
              "<seclabel model='selinux'/></source>"
              "<backingStore type='file'><format type='raw'/><source file='/i/base'/>"
              "<backingStore/></backingStore><mirror/>"
              "<target dev='vda' bus='ide'/><boot order='7'/><serial>s</serial></disk>"
              "<disk type='block'><driver type='raw'/><source dev='/dev/y'/>"
              "<target dev='vdc'/></disk>"
              "</devices></domain>");
    g_autofree char *from_before = virSnapXMLFormat(from, NULL);
    g_autofree char *from_after = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    const virDomainDisk *disk;

    g_assert_true(virDomainDefCopyDiskSource(doc, from, "vda"));
    g_assert_true(virDomainDefCopyDiskSource(doc, from, "vdc"));
    from_after = virSnapXMLFormat(from, NULL);
    g_assert_cmpstr(from_after, ==, from_before);

    disks = virDomainDefGetDisks(doc, NULL);
    g_assert_cmpuint(disks->len, ==, 4);
    disk = virDomainDisksFind(disks, "vda");
    g_assert_cmpstr(disk->type, ==, "file");
    g_assert_cmpstr(disk->format, ==, "qcow2");
    g_assert_cmpstr(disk->file, ==, "/i/now&");
    g_assert_true(disk->encrypted && disk->chain_ends);
    g_assert_false(disk->sliced || disk->optional);
    g_assert_cmpuint(disk->chain->len, ==, 1);
    g_assert_cmpstr(((virDomainImage *)g_ptr_array_index(disk->chain, 0))->file,
                    ==, "/i/base");

    disk = virDomainDisksFind(disks, "vdc");
    g_assert_cmpstr(disk->type, ==, "block");
    g_assert_cmpstr(disk->format, ==, "raw");
    g_assert_cmpstr(disk->dev, ==, "/dev/y");
    g_assert_null(disk->file);
    g_assert_false(disk->encrypted);

    g_assert_cmpuint(count(doc, "//disk[target/@dev='vda'][@device='disk']"
                           "[driver/@name='qemu'][driver/@cache='none']"
                           "[target/@bus='virtio'][boot/@order='1']"
                           "[alias/@name='virtio-disk0'][not(serial)][auth]"
                           "[source/seclabel/@model='selinux'][not(mirror)]"
                           "[count(source)=1][count(backingStore)=1]"
                           "[count(driver)=1][not(source/@index)]"), ==, 1);
}

/* Neither a medium nor a format, nor a disk. */
static void
testCopyDiskSourceLess(void)
{
    g_autoptr(xmlDoc) doc = parse(LIVE);
    g_autoptr(xmlDoc) from =
        parse("<domain><devices><disk device='cdrom'><target dev='vda'/></disk>"
              "<disk><source file='/i/s'/><target dev='sda'/></disk>"
              "<disk><source file='/i/z'/><target dev='vdz'/></disk>"
              "</devices></domain>");
    g_autoptr(GPtrArray) disks = NULL;
    g_autofree char *before = virSnapXMLFormat(doc, NULL);
    g_autofree char *after = NULL;
    const virDomainDisk *disk;

    g_assert_false(virDomainDefCopyDiskSource(doc, from, "vdb"));
    g_assert_false(virDomainDefCopyDiskSource(doc, from, "vdz"));
    after = virSnapXMLFormat(doc, NULL);
    g_assert_cmpstr(after, ==, before);

    g_assert_true(virDomainDefCopyDiskSource(doc, from, "vda"));
    g_assert_true(virDomainDefCopyDiskSource(doc, from, "sda"));
    disks = virDomainDefGetDisks(doc, NULL);
    disk = virDomainDisksFind(disks, "vda");
    g_assert_cmpstr(disk->type, ==, "file");
    g_assert_cmpstr(disk->format, ==, "raw");
    g_assert_cmpuint(disk->chain->len, ==, 0);
    g_assert_false(disk->chain_ends);
    g_assert_cmpuint(count(doc, "//disk[target/@dev='vda']/source"), ==, 0);

    /* the disk had no <driver> */
    disk = virDomainDisksFind(disks, "sda");
    g_assert_cmpstr(disk->file, ==, "/i/s");
    g_assert_cmpstr(disk->format, ==, "raw");
    g_assert_true(disk->readonly);
}

static void
testText(void)
{
    g_autoptr(xmlDoc) doc =
        parse("<domain><metadata><uuid>nested</uuid></metadata><!-- <name/> -->"
              "<name>a&amp;<![CDATA[<b>]]></name><title/>"
              "<description>one</description><description>two</description>"
              "</domain>");
    const char *const cases[][2] = {
        { "name", "a&<b>" }, { "uuid", NULL }, { "title", NULL },
        { "genid", NULL }, { "domain", NULL }, { "description", "one" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = virDomainDefGetText(doc, cases[i][0]);

        g_assert_cmpstr(text, ==, cases[i][1]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domain_conf/disks", testDisks);
    g_test_add_func("/domain_conf/optional", testOptional);
    g_test_add_func("/domain_conf/dev", testDev);
    g_test_add_func("/domain_conf/chain", testChain);
    g_test_add_func("/domain_conf/no-target", testNoTarget);
    g_test_add_func("/domain_conf/set-disk-file", testSetDiskFile);
    g_test_add_func("/domain_conf/copy-disk", testCopyDisk);
    g_test_add_func("/domain_conf/name-and-genid", testNameAndGenID);
    g_test_add_func("/domain_conf/no-genid", testNoGenID);
    g_test_add_func("/domain_conf/set-disk-chain", testSetDiskChain);
    g_test_add_func("/domain_conf/make-inactive", testMakeInactive);
    g_test_add_func("/domain_conf/copy-disk-source", testCopyDiskSource);
    g_test_add_func("/domain_conf/copy-disk-source-parts", testCopyDiskSourceParts);
    g_test_add_func("/domain_conf/copy-disk-source-less", testCopyDiskSourceLess);
    g_test_add_func("/domain_conf/text", testText);
    g_test_add_func("/domain_conf/overlays", testOverlays);
    return g_test_run();
}
