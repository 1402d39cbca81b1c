# SPDX-License-Identifier: LGPL-2.1-or-later
"""herd.py: a host that is full of other domains, with all their snapshots, in seconds

The domains are off, and never started. Their images are real, since whoever asks what
stands on what reads headers: each is an empty qcow2 on the one before. They are written
here; a qemu-img for each would take minutes.
"""

import struct

import libvirt

from vm import DISK, DOMAIN, virt_type

CLUSTER = 1 << 16
SIZE = 64 << 20

SNAPSHOT = """<domainsnapshot>
  <name>{name}</name>{parent}
  <state>shutoff</state><creationTime>{time}</creationTime>
  <memory snapshot='no'/>
  <disks><disk name='vda' snapshot='external' type='file'>
    <driver type='qcow2'/><source file='{overlay}'/></disk></disks>
  {domain}
</domainsnapshot>"""


def qcow2(backing=None):
    """The bytes of an empty image: header, one table and one block of reference counts,
    one table of the first level; each in a cluster of its own, which is sparse but for
    its beginning."""
    name = str(backing).encode() if backing else b''
    extensions = struct.pack('>II', 0xE2792ACA, 5) + b'qcow2'.ljust(8, b'\0') if name else b''
    extensions += struct.pack('>II', 0, 0)
    length = 104
    header = struct.pack(
        '>4sIQIIQIIQQIIQQQQII', b'QFI\xfb', 3, length + len(extensions) if name else 0,
        len(name), 16, SIZE, 0, 1, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, length)
    return header + extensions + name


def write_image(path, backing=None):
    with open(path, 'wb') as image:
        image.write(qcow2(backing))
        image.seek(CLUSTER)
        image.write(struct.pack('>Q', 2 * CLUSTER))
        image.seek(2 * CLUSTER)
        image.write(struct.pack('>4H', 1, 1, 1, 1))
        image.truncate(4 * CLUSTER)


def add_domain(conn, folder, name, snapshots, virt):
    """One domain of one disk, with as many snapshots, each the child of the last."""
    folder.mkdir(parents=True)
    files = [str(folder / 'a.qcow2')]
    files += [str(folder / f'a.s{number}') for number in range(1, snapshots + 1)]
    for below, file in zip([None, *files], files):
        write_image(file, below)

    def definition(file):
        return DOMAIN.format(virt=virt, name=name, devices='', disks=DISK.format(
            format='qcow2', file=file, target='vda'))
    dom = conn.defineXML(definition(files[-1]))
    uuid = f'<name>{name}</name><uuid>{dom.UUIDString()}</uuid>'
    for number in range(1, snapshots + 1):
        parent = f'<parent><name>s{number - 1}</name></parent>' if number > 1 else ''
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
        if number == snapshots:
            flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
        dom.snapshotCreateXML(SNAPSHOT.format(
            name=f's{number}', parent=parent, time=1600000000 + number,
            overlay=files[number], domain=definition(files[number - 1]).replace(
                f'<name>{name}</name>', uuid)), flags)


def add(host, domains, snapshots):
    """domains of that name scheme are not removed before the host is."""
    virt = virt_type(host.conn)
    for number in range(domains):
        name = f'herd{number}'
        add_domain(host.conn, host.tmp / 'herd' / name, name, snapshots, virt)
