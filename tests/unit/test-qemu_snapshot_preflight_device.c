/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_device.c: what is read out of <devices>
 *
 * The needs as text, each "KIND name more".
 */

#include "config.h"

#include "qemu_snapshot_preflight_device.h"
#include "virsnapxml.h"

#define K(kind) [QEMU_SNAPSHOT_NEED_##kind] = #kind

static const char *const kinds[QEMU_SNAPSHOT_NEED_LAST] = {
    K(EMULATOR), K(DISK_FILE), K(POOL), K(VOLUME), K(SECRET), K(SECRET_USAGE), K(NETWORK),
    K(FILTER), K(BRIDGE), K(INTERFACE), K(OUTPUT_FILE), K(LOG_FILE), K(SOCKET), K(PEER),
    K(PIPE), K(DEVICE), K(SOUND), K(PORT), K(SHARED_FOLDER), K(VIRTIOFSD), K(TPM_EMULATOR),
    K(MEMORY_FILE), K(PCI), K(USB_ID), K(USB_ADDRESS), K(MDEV), K(SCSI),
};

typedef struct _deviceCase deviceCase;
struct _deviceCase {
    const char *xml;
    gboolean live;
    gboolean restored;
    const char *needs;
};

#define USB(policy) \
    "<hostdev type='usb'><source" policy "><vendor id='0x1'/><product id='0x2'/>" \
    "<address bus='3' device='4'/></source></hostdev>"
#define PORTS(autoport) \
    "<graphics type='spice' port='5900' tlsPort='5901' websocket='5700' autoport='" \
    autoport "' listen='::1'><listen type='address' address='::1'/></graphics>"

static const deviceCase cases[] = {
    { "<emulator>/q</emulator>", FALSE, FALSE, "EMULATOR /q -" },
    { "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
      "<disk type='block'><source dev='/b'/><target dev='vdb'/></disk>"
      "<disk type='file' device='cdrom'><target dev='hdc'/></disk>"
      "<disk type='file'><source file='/o' startupPolicy='optional'/><target dev='o'/></disk>",
      FALSE, FALSE, "DISK_FILE /a vda, DISK_FILE /b vdb" },
    { "<disk type='volume'><source pool='p' volume='v'/></disk>", FALSE, FALSE,
      "POOL p -, VOLUME v p" },
    { "<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address "
      "domain='0x0001' bus='0x0a' slot='0x00' function='0x0'/></source></disk>", FALSE,
      FALSE, "PCI 0001:0a:00.0 -" },
    { "<disk type='network'><auth username='u'><secret type='ceph' usage='c'/></auth><source>"
      "<encryption format='luks'><secret type='passphrase' uuid='1-2'/></encryption>"
      "</source><mirror><secret uuid='no'/></mirror></disk>", FALSE, FALSE,
      "SECRET_USAGE c ceph, SECRET 1-2 -" },
    { "<interface type='network'><source network='n'/><filterref filter='f'/></interface>"
      "<interface type='network'><source network='n'/></interface>", FALSE, FALSE,
      "NETWORK n -, FILTER f -" },
    { "<interface type='bridge'><source bridge='b'/></interface>"
      "<interface type='bridge'><source bridge='o'/><virtualport type='openvswitch'/>"
      "</interface>", FALSE, FALSE, "BRIDGE b -" },
    { "<interface type='direct'><source dev='e' mode='bridge'/></interface>"
      "<interface type='ethernet'><target dev='t' managed='no'/></interface>"
      "<interface type='ethernet'><target dev='made'/></interface>"
      "<interface type='user'/>", FALSE, FALSE, "INTERFACE e -, INTERFACE t -" },
    { "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"
      "<interface type='vhostuser'><source type='unix' path='/s' mode='client'/></interface>"
      "<interface type='server'><source address='10.0.0.1' port='99'/></interface>"
      "<interface type='hostdev'><source><address bus='1'/></source></interface>", FALSE,
      FALSE, "DEVICE /dev/vhost-vdpa-0 -, PEER /s -, PORT 99 10.0.0.1, "
      "PCI 0000:01:00.0 -" },
    { "<serial type='file'><source path='/f'/></serial>"
      "<console type='file'><source path='/f'/></console>"
      "<parallel type='pipe'><source path='/p'/></parallel>"
      "<serial type='dev'><source path='/d'/></serial>"
      "<serial type='pty'><source path='/dev/pts/1'/><log file='/l'/></serial>", FALSE,
      FALSE, "OUTPUT_FILE /f -, PIPE /p -, DEVICE /d -, LOG_FILE /l -" },
    { "<channel type='unix'><source mode='bind' path='/b'/></channel>"
      "<channel type='unix'><source mode='connect' path='/c'/></channel>"
      "<channel type='unix'><source mode='connect' path='/r'><reconnect enabled='yes'/>"
      "</source></channel><channel type='unix'><target name='a'/></channel>"
      "<channel type='unix'><source mode='bind' "
      "path='/run/libvirt/qemu/channel/1-vm/a'/></channel>", FALSE, FALSE,
      "SOCKET /b -, PEER /c -" },
    { "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='44'/></serial>"
      "<serial type='tcp'><source mode='connect' host='h' service='45'/></serial>", FALSE,
      FALSE, "PORT 44 127.0.0.1" },
    { USB(""), FALSE, FALSE, "USB_ID 0001:0002 -" },
    { USB(" startupPolicy='optional'"), FALSE, FALSE, "" },
    { USB(" startupPolicy='requisite'"), FALSE, FALSE, "USB_ID 0001:0002 -" },
    { USB(" startupPolicy='requisite'"), FALSE, TRUE, "" },
    { "<hostdev type='usb'><source><address bus='3' device='4'/></source></hostdev>"
      "<hostdev type='mdev'><source><address uuid='u'/></source></hostdev>"
      "<hostdev type='scsi'><source protocol='iscsi'/></hostdev><hostdev type='pci'/>",
      FALSE, FALSE, "USB_ADDRESS 3:4 -, MDEV u -" },
    { "<rng><backend model='random'/></rng><rng><backend model='egd' type='unix'>"
      "<source mode='connect' path='/e'/></backend></rng>", FALSE, FALSE,
      "DEVICE /dev/urandom -, PEER /e -" },
    { "<filesystem><driver type='virtiofs'/><binary path='/v'/><source dir='/f'/>"
      "</filesystem><filesystem><driver type='virtiofs'/><source socket='/s'/></filesystem>",
      FALSE, FALSE, "SHARED_FOLDER /f -, VIRTIOFSD /v -, PEER /s -" },
    { "<input type='evdev'><source dev='/i'/></input><input type='passthrough'><source "
      "evdev='/e'/></input><video><model><acceleration rendernode='/r'/></model></video>"
      "<audio type='oss'><input dev='/a'/></audio><vsock/>", FALSE, FALSE,
      "DEVICE /i -, DEVICE /e -, DEVICE /r -, SOUND /a -, SOUND /dev/dsp -, "
      "DEVICE /dev/vhost-vsock -" },
    { PORTS("no"), FALSE, FALSE, "PORT 5900 ::1, PORT 5901 ::1, PORT 5700 ::1" },
    { PORTS("yes"), FALSE, FALSE, "PORT 5700 ::1" },
    { PORTS("yes"), TRUE, FALSE, "PORT 5900 ::1, PORT 5901 ::1, PORT 5700 ::1" },
    { "<graphics type='vnc' port='-1' autoport='yes'/><graphics type='vnc' port='99999'/>"
      "<graphics type='vnc'><listen type='socket' socket='/s'/></graphics>", FALSE, FALSE,
      "SOCKET /s -" },
    { "<tpm><backend type='emulator'><encryption secret='s'/></backend></tpm>"
      "<tpm><backend type='external'><source type='unix' mode='connect' path='/t'/>"
      "</backend></tpm><tpm><backend type='passthrough'/></tpm>", FALSE, FALSE,
      "TPM_EMULATOR - -, SECRET s -, PEER /t -, DEVICE /dev/tpm0 -" },
    { "<memory model='nvdimm'><source><path>/n</path></source></memory><memory model='dimm'/>"
      "<shmem><server path='/s'/></shmem><shmem/>", FALSE, FALSE,
      "MEMORY_FILE /n -, PEER /s -" },
};

static void
testCase(const void *opaque)
{
    const deviceCase *c = opaque;
    g_autofree char *xml = g_strdup_printf("<devices>%s</devices>", c->xml);
    g_autoptr(xmlDoc) doc = virSnapXMLParse(xml, "devices", "definition", NULL);
    g_autoptr(GPtrArray) needs = qemuSnapshotNeedsNew();
    qemuSnapshotNeedReader reader = { needs, c->live, c->restored };
    g_autoptr(GString) text = g_string_new(NULL);

    g_assert_nonnull(doc);
    qemuSnapshotNeedsReadDevices(&reader, xmlDocGetRootElement(doc));
    for (guint i = 0; i < needs->len; i++) {
        const qemuSnapshotNeed *need = g_ptr_array_index(needs, i);

        g_string_append_printf(text, "%s%s %s %s", i ? ", " : "", kinds[need->kind],
                               need->name ? need->name : "-",
                               need->more ? need->more : "-");
    }
    g_assert_cmpstr(text->str, ==, c->needs);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/qemu_snapshot_preflight_device/%zu", i);

        g_test_add_data_func(name, &cases[i], testCase);
    }
    return g_test_run();
}
