# SPDX-License-Identifier: LGPL-2.1-or-later
"""vm.py: a small domain without a guest, whose disks tests write to from outside

Data gets into a running VM through QEMU's monitor and into an inactive one
with qemu-io; a pattern is one byte, repeated.
"""

import difflib
import os
import pathlib
import pprint
import shutil
import xml.etree.ElementTree as ET

import libvirt
import libvirt_qemu

import images

DISK = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}'/>
      <source file='{file}'/>
      <target dev='{target}' bus='virtio'/>
    </disk>"""

DOMAIN = """
<domain type='{virt}'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>{disks}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  {devices}</devices>
</domain>"""

SNAPSHOT_FLAGS = (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY |
                  libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC)

UNDEFINE_FLAGS = (libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                  libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                  libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
                  libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


def virt_type(conn):
    """kvm where it works for the user QEMU runs as."""
    if 'SNAPSHOT_VIRT' in os.environ:
        return os.environ['SNAPSHOT_VIRT']
    try:
        conn.getDomainCapabilities(None, 'x86_64', 'pc', 'kvm')
    except libvirt.libvirtError:
        return 'qemu'
    return 'kvm'


class VM:
    def __init__(self, host, name, disks=2, fmt='qcow2', files=None, size='64M',
                 devices=''):
        """files: the names of the images, for those who care; else a, b, ..."""
        self.host, self.name, self.format = host, name, fmt
        self.folder = host.tmp / 'vms' / name
        self.folder.mkdir(parents=True)
        files = files or [f'{chr(ord("a") + i)}.{fmt}' for i in range(disks)]
        self.targets = [f'vd{chr(ord("a") + i)}' for i in range(len(files))]
        self.base = dict(zip(self.targets, (str(self.folder / f) for f in files)))
        for file in self.base.values():
            images.create(file, size, fmt)
        self.dom = host.conn.defineXML(self._xml(devices))

    def _xml(self, devices):
        disks = ''.join(DISK.format(format=self.format, file=file, target=target)
                        for target, file in self.base.items())
        return DOMAIN.format(virt=virt_type(self.host.conn), name=self.name,
                             disks=disks, devices=devices)

    # Domain life

    def refresh(self):
        """Looks the domain up again, after libvirtd was restarted."""
        self.dom = self.host.conn.lookupByName(self.name)

    @property
    def active(self):
        return bool(self.dom.isActive())

    @property
    def state(self):
        return self.dom.state()[0]

    @property
    def paused(self):
        return self.state == libvirt.VIR_DOMAIN_PAUSED

    @property
    def running(self):
        return self.state == libvirt.VIR_DOMAIN_RUNNING

    def start(self, flags=0):
        self.dom.createWithFlags(flags)

    def destroy(self):
        self.dom.destroy()

    def remove(self):
        try:
            self.refresh()
        except libvirt.libvirtError:
            return
        persistent = self.dom.isPersistent()  # a transient one goes with its end
        try:
            if self.active:
                self.destroy()
        except libvirt.libvirtError:
            if self.active:  # else it ended by itself meanwhile
                raise
        if persistent:
            self.dom.undefineFlags(UNDEFINE_FLAGS)
        shutil.rmtree(self.folder)

    def xml(self, active=None):
        """The live definition, or the persistent one."""
        active = self.active if active is None else active
        return self.dom.XMLDesc(0 if active else libvirt.VIR_DOMAIN_XML_INACTIVE)

    def pid(self):
        """QEMU's process id; None where the domain is inactive."""
        folder = self.host.run / 'qemu' / ('run' if self.host.mode == 'session' else '')
        try:
            pid = int((folder / f'{self.name}.pid').read_text())
        except (FileNotFoundError, ValueError):  # not there yet, or not written
            return None
        return pid if os.path.exists(f'/proc/{pid}') else None

    # Disks

    def _disk_elements(self, active=None):
        tree = ET.fromstring(self.xml(active))
        return {disk.find('target').get('dev'): disk
                for disk in tree.iterfind('devices/disk')}

    def files(self, active=None):
        """target -> current image, of the live or the persistent definition."""
        return {target: disk.find('source').get('file')
                for target, disk in self._disk_elements(active).items()
                if disk.find('source[@file]') is not None}

    def file(self, target):
        return self.files()[target]

    def _format(self, target):
        return self._disk_elements()[target].find('driver').get('type')

    def chain(self, target):
        """Base names of the target's current chain, from the top."""
        files = images.chain(self.file(target), self._format(target))
        return [os.path.basename(file) for file in files]

    def path(self, name):
        return str(self.folder / name)

    def write(self, target, pattern, offset=0, length=65536):
        if not self.active:
            images.write(self.file(target), pattern, offset, length, self._format(target))
            return
        if self.paused:
            # QEMU may not have taken over the images of one that was restored so
            self.dom.resume()
            try:
                self.write(target, pattern, offset, length)
            finally:
                self.dom.suspend()
            return
        alias = self._disk_elements()[target].find('alias').get('name')
        for command in (f'write -P {pattern} {offset} {length}', 'flush'):
            output = self.hmp(f'qemu-io -d /machine/peripheral/{alias}/virtio-backend '
                              f'"{command}"')
            if 'rror' in output or 'ailed' in output:
                raise RuntimeError(output)

    def write_all(self, pattern, **where):
        for target in self.targets:
            self.write(target, pattern, **where)

    def read(self, target, offset=0, length=65536):
        """The byte found on a disk, through its current chain."""
        return images.pattern(self.file(target), offset, length, self._format(target))

    def data(self, **where):
        return [self.read(target, **where) for target in self.targets]

    def hmp(self, command):
        return libvirt_qemu.qemuMonitorCommand(
            self.dom, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)

    # Snapshots

    def snapshot(self, name, flags=0, inner=''):
        """An external disk-only snapshot; libvirt makes the overlays' names."""
        xml = f'<domainsnapshot><name>{name}</name>{inner}</domainsnapshot>'
        return self.dom.snapshotCreateXML(xml, SNAPSHOT_FLAGS | flags)

    def memory_snapshot(self, name, flags=0, inner=''):
        """One with memory; returns the memory's file."""
        file = self.path(f'{name}.mem')
        xml = (f"<domainsnapshot><name>{name}</name>"
               f"<memory snapshot='external' file='{file}'/>{inner}</domainsnapshot>")
        self.dom.snapshotCreateXML(xml, flags)
        return file

    def snapshots(self):
        return sorted(snap.getName() for snap in self.dom.listAllSnapshots())

    def snapshot_xml(self, name):
        snap = self.dom.snapshotLookupByName(name)
        return snap.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)

    def edit_snapshot(self, name, change):
        """As if something else had recorded it: libvirtd reads its own file anew."""
        folder = ('/var/lib/libvirt/qemu' if self.host.mode == 'system' else
                  f'{self.host.env["XDG_CONFIG_HOME"]}/libvirt/qemu')
        file = pathlib.Path(folder, 'snapshot', self.name, f'{name}.xml')
        self.host.libvirtd.stop()
        file.write_text(change(file.read_text()))
        self.host.ensure_running()
        self.refresh()

    def parent(self, name):
        element = ET.fromstring(self.snapshot_xml(name)).find('parent/name')
        return element.text if element is not None else None

    @property
    def current(self):
        if not self.dom.hasCurrentSnapshot():
            return None
        return self.dom.snapshotCurrent().getName()

    # Everything a refusal must leave as it was

    def capture(self):
        live = set(self.files().values()) if self.active else set()
        return {
            'state': self.dom.state(),
            'process': self.pid(),
            'inactive XML': self.xml(active=False),
            'active XML': self.xml(active=True) if self.active else None,
            'snapshots': {name: self.snapshot_xml(name) for name in self.snapshots()},
            'current snapshot': self.current,
            'files': {str(path): describe(path, str(path) not in live)
                      for path in sorted(self.folder.rglob('*'))},
        }

    def assert_unchanged(self, before):
        after = self.capture()
        for key, value in before.items():
            assert after[key] == value, f'{key} changed:\n{difference(value, after[key])}'


def describe(path, with_sum):
    info = path.lstat()
    content = None
    if with_sum and path.is_file():
        content = images.sha256(path)
    return (info.st_ino, oct(info.st_mode), info.st_uid, info.st_gid, content)


def difference(before, after):
    texts = [value if isinstance(value, str) else pprint.pformat(value, width=100)
             for value in (before, after)]
    return '\n'.join(difflib.unified_diff(*(text.splitlines() for text in texts),
                                          'before', 'after', lineterm='', n=1))


def sums(files):
    """Checksums, to show later that nothing wrote to these images."""
    return {str(file): images.sha256(file) for file in files}
