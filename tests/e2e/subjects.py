# SPDX-License-Identifier: LGPL-2.1-or-later
"""subjects.py: the domains and files that the compared calls are about

All that libvirt would make up is fixed here, so that two runs of a call say the same:
UUIDs, MAC addresses, times of snapshots.
"""

import os
import re
import shutil
import uuid

import libvirt
import libvirt_qemu

import images
from call import INACTIVE, PAUSED, RUNNING
from harness import wait_until
from vm import UNDEFINE_FLAGS, virt_type

DOMAIN = """
<domain type='{virt}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <title>Title of {name}</title>
  <description>What "{name}" is for, with ä and 漢</description>
  <metadata><one:a xmlns:one='urn:example:one'><one:b c='d'/></one:a></metadata>
  <memory unit='MiB'>32</memory>
  <vcpu current='1'>2</vcpu>
  <iothreads>1</iothreads>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{folder}/top.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{folder}/second.qcow2'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <target dev='hdc' bus='ide'/>
      <readonly/>
    </disk>
    <controller type='usb' index='0' model='qemu-xhci'/>
    <controller type='virtio-serial' index='0'/>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'/>
    <console type='pty'/>
    <channel type='unix'><target type='virtio' name='org.example.0'/></channel>
    <graphics type='vnc'><listen type='none'/></graphics>
    <video><model type='vga'/></video>
    <memballoon model='virtio'/>
  </devices>
</domain>"""

FRESH = """<domain type='{virt}'><name>fresh</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>"""

FILES = {
    'fresh.xml': FRESH,
    'cpu.xml': "<cpu mode='custom' match='exact'><model>qemu64</model></cpu>",
    'host-cpu.xml': '<cpu><arch>x86_64</arch><model>qemu64</model></cpu>',
    'not.xml': '<domain><name>half',
    'empty.xml': '<domain/>',
    'disk.xml': """<disk type='file'><driver name='qemu' type='qcow2'/>
        <source file='{dir}/spare.qcow2'/><target dev='sda' bus='usb'/></disk>""",
    'absent-disk.xml': """<disk type='file'><driver name='qemu' type='qcow2'/>
        <source file='{dir}/absent.qcow2'/><target dev='sda' bus='usb'/></disk>""",
    'nic.xml': "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>",
    'media.xml': """<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
        <source file='{dir}/media.iso'/><target dev='hdc' bus='ide'/><readonly/></disk>""",
    'link.xml': """<interface type='user'><mac address='52:54:00:00:00:01'/>
        <model type='virtio'/><link state='down'/></interface>""",
    'snapshot.xml': """<domainsnapshot><name>xml1</name>
        <description>an internal one</description></domainsnapshot>""",
    'checkpoint.xml': """<domaincheckpoint><name>c1</name><disks>
        <disk name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>""",
    'copy.xml': """<disk type='file'><source file='{dir}/copy.qcow2'/>
        <driver type='qcow2'/></disk>""",
    'backup.xml': """<domainbackup mode='push'><disks>
        <disk name='vda' type='file' backup='yes'><target file='{dir}/backup.qcow2'/>
        <driver type='qcow2'/></disk><disk name='vdb' backup='no'/></disks>
        </domainbackup>""",
    'pool.xml': """<pool type='dir'><name>fresh</name>
        <uuid>11111111-2222-3333-4444-000000000001</uuid>
        <target><path>{dir}/fresh-pool</path></target></pool>""",
    'volume.xml': """<volume><name>v.qcow2</name><capacity unit='MiB'>4</capacity>
        <target><format type='qcow2'/></target></volume>""",
    'net.xml': """<network><name>fresh</name>
        <uuid>11111111-2222-3333-4444-000000000002</uuid><forward mode='none'/>
        <bridge name='virbr77'/><mac address='52:54:00:00:00:77'/></network>""",
    'host.xml': "<host mac='52:54:00:00:00:99' ip='192.0.2.9'/>",
    'secret.xml': """<secret ephemeral='no' private='no'>
        <uuid>11111111-2222-3333-4444-000000000003</uuid>
        <usage type='ceph'><name>fresh</name></usage></secret>""",
    'nwfilter.xml': """<filter name='fresh' chain='root'>
        <uuid>11111111-2222-3333-4444-000000000004</uuid>
        <rule action='drop' direction='in' priority='500'><tcp/></rule></filter>""",
}

REDEFINE = """<domainsnapshot><name>{name}</name><state>shutoff</state>{parent}
  <creationTime>1700000000</creationTime><memory snapshot='no'/>
  <disks><disk name='vda' snapshot='internal'/><disk name='vdb' snapshot='internal'/>
  <disk name='hdc' snapshot='no'/></disks>{domain}</domainsnapshot>"""

SPARSE_MIB = 8


def write_sparse(path, byte):
    """Data at the start, in the middle, and a hole at the end."""
    with open(path, 'wb') as file:
        for offset in (0, 1 << 20, 5 << 20):
            file.seek(offset)
            file.write(bytes([byte]) * 65536)
        file.truncate(SPARSE_MIB << 20)


def make_files(folder, virt):
    """What the lines of the calls name in $dir."""
    for name, text in FILES.items():
        (folder / name).write_text(text.format(dir=folder, virt=virt))
    write_sparse(folder / 'sparse.raw', 0x51)
    (folder / 'large.raw').write_bytes(bytes(range(256)) * (6 << 12))
    (folder / 'part.raw').write_bytes(b'p' * 100000)
    (folder / 'media.iso').write_bytes(b'\0' * 65536)
    images.create(folder / 'spare.qcow2', '1M')
    (folder / 'pool').mkdir()
    (folder / 'fresh-pool').mkdir()
    for number in range(50):
        (folder / 'pool' / f'many{number:03}.raw').write_bytes(b'x' * number)
    shutil.copy(folder / 'large.raw', folder / 'pool')
    write_sparse(folder / 'pool/sparse.raw', 0x52)


class Subject:
    """A domain in one of the states; reset() brings it back to that."""

    def __init__(self, host, folder, name):
        self.host, self.name = host, name
        self.folder = folder / name
        self.folder.mkdir()
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        self.dom = None
        self.known = None

    def _images(self):
        made = self.folder.with_suffix('.made')
        if not made.exists():
            base, top = self.folder / 'base.qcow2', self.folder / 'top.qcow2'
            images.create(base, '4M')
            images.create(top, backing=base)
            images.create(self.folder / 'second.qcow2', '4M')
            shutil.copytree(self.folder, made)
        shutil.rmtree(self.folder)
        shutil.copytree(made, self.folder)

    def remove(self):
        for dom in self.host.conn.listAllDomains():
            if dom.name() != self.name:
                continue
            persistent = dom.isPersistent()
            if dom.isActive():
                self._end(dom)
            if persistent:
                dom.undefineFlags(UNDEFINE_FLAGS)

    @staticmethod
    def _end(dom):
        """Faster than libvirt's destroy, which looks every 0.2 s whether it has."""
        try:
            libvirt_qemu.qemuMonitorCommand(
                dom, 'quit', libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
        except libvirt.libvirtError:
            pass  # it went before it had answered
        name, conn = dom.name(), dom.connect()
        wait_until(lambda: name not in (active.name() for active in conn.listAllDomains(
            libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)), f'the end of {name}')

    def reset(self, state):
        """Only where it is not so already: a start takes long."""
        if self.known is not None and self.known == (state, self.look()):
            return
        self.remove()
        self._images()
        self.dom = self.host.conn.defineXML(DOMAIN.format(
            virt=virt_type(self.host.conn), name=self.name, uuid=self.uuid,
            folder=self.folder))
        if state in (RUNNING, PAUSED):
            self.dom.createWithFlags(
                libvirt.VIR_DOMAIN_START_PAUSED if state == PAUSED else 0)
        assert state in (INACTIVE, RUNNING, PAUSED)
        self.known = (state, self.look())

    def look(self):
        """What is known of it, but for what changes with each start."""
        try:
            dom = self.host.conn.lookupByName(self.name)
        except libvirt.libvirtError:
            return 'there is none'
        text = [f'state {dom.state()[0]}', f'autostart {dom.autostart()}',
                f'persistent {dom.isPersistent()}', f'saved {dom.hasManagedSaveImage()}']
        if dom.isPersistent():
            text.append(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        if dom.isActive():
            text.append(dom.XMLDesc())
        text += [snapshot.getXMLDesc() for snapshot in dom.listAllSnapshots()]
        text += [checkpoint.getName() for checkpoint in dom.listAllCheckpoints()]
        text += sorted(file.name for file in self.folder.iterdir())
        return without_ids('\n'.join(text))


def without_ids(text):
    """Without what a start of a domain makes up."""
    text = re.sub(r"(<domain type='\w+') id='\d+'", r'\1', text)
    text = re.sub(r'/dev/pts/\d+', '/dev/pts/N', text)
    text = re.sub(r"(<source [^>]*) index='\d+'", r'\1', text)
    return re.sub(r'(domain-|channel/)\d+-', r'\1N-', text)


def add_snapshots(subject):
    """Two internal ones and below them one that is only metadata."""
    for name in ('internal1', 'internal2'):
        subject.dom.snapshotCreateXML(
            f'<domainsnapshot><name>{name}</name></domainsnapshot>')
    subject.dom.snapshotCreateXML(
        redefinition(subject, 'metadata', '<parent><name>internal2</name></parent>'),
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT)


def redefinition(subject, name, parent=''):
    definition = subject.dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE |
                                     libvirt.VIR_DOMAIN_XML_SECURE)
    return REDEFINE.format(name=name, parent=parent, domain=definition)


def extents(path):
    """The ranges of a file that hold data."""
    found, end = [], 0
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: none behind it
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, end))
    return found
