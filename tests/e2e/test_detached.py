#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_detached.py: a disk that a snapshot left out and that the domain has no more

It has no present image to keep, and comes back on the image of the snapshot, which the
guest then writes to. So nothing else may need that one.
"""

import re

import libvirt

import images
import tap
from refusal import BLUE, FORCE, RED, RUNNING, refused
from vm import sums

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
LEFT_OUT = "<disks><disk name='vdb' snapshot='no'/></disks>"
SHARED = """<disk type='file' device='disk'><driver name='qemu' type='raw'/>
    <source file='{}'/><target dev='vdb' bus='virtio'/><shareable/></disk>"""
VDC = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
    <source file='{}'/><target dev='vdc' bus='virtio'/></disk>"""
HOT = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
    <source file='{}'/><target dev='sda' bus='scsi'/></disk>"""


def left_out(host, inner=LEFT_OUT, **options):
    """RED at snap1, which has no vdb."""
    vm = host.vm(**options)
    vm.write_all(RED)
    vm.snapshot('snap1', inner=inner)
    return vm


def detach(vm, target='vdb', put=''):
    file = re.escape(vm.file(target))
    xml, count = re.subn(rf'<disk (?:(?!</disk>).)*{file}.*?</disk>', put, vm.xml(False),
                         flags=re.DOTALL)
    assert count == 1, xml
    vm.dom = vm.host.conn.defineXML(xml)


def needed(host, vm, *fragments):
    for flags in (RUNNING, FORCE, RUNNING | FORCE):
        refused(host, vm, 'snap1', CONFIG, "'vdb'", vm.base['vdb'], *fragments, flags=flags)


def test_another_snapshot_needs_the_image(host):
    vm = left_out(host)
    vm.snapshot('snap2')
    vm.write_all(BLUE)
    detach(vm)
    needed(host, vm, "'snap2'")
    result = host.revert(vm, 'snap2', flags=RUNNING)  # which has it
    assert result.ok, result
    assert vm.data() == [RED, RED]


def test_reattached_by_another_name(host):
    vm = left_out(host)
    vm.snapshot('snap2')
    detach(vm, put=VDC.format(vm.path('b.snap2')))
    needed(host, vm, "'snap2'")


def test_another_disk_stands_on_the_image(host):
    """Its files are not the snapshot's to touch, be it in the new definition or not."""
    vm = left_out(host)
    images.create(vm.path('b.over'), backing=vm.base['vdb'])
    detach(vm, put=VDC.format(vm.path('b.over')))
    needed(host, vm, "'vdc'")


def test_the_same_image_by_another_name(host):
    vm = left_out(host)
    detach(vm, put=VDC.format(vm.base['vdb']))
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == vm.base['vdb'] and 'vdc' not in vm.files()


def test_attached_again(host):
    """As the documentation has it."""
    vm = left_out(host)
    vm.snapshot('snap2')
    vm.write('vdb', BLUE)
    xml = vm.xml(False)
    detach(vm)
    needed(host, vm, "'snap2'")
    vm.dom = host.conn.defineXML(xml)
    below = sums([vm.base['vdb']])
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == vm.path('b.snap2') and vm.data() == [RED, BLUE]
    assert sums(below) == below


def test_below_an_image_that_a_snapshot_left_out_too(host):
    vm = left_out(host)
    images.create(vm.path('b.over'), backing=vm.base['vdb'])
    vm.dom = host.conn.defineXML(vm.xml().replace(vm.base['vdb'], vm.path('b.over')))
    vm.snapshot('snap2', inner=LEFT_OUT)
    detach(vm)
    needed(host, vm, "'snap2'")


def test_another_domain_needs_the_image(host):
    vm, other = left_out(host), host.vm(disks=1)
    detach(vm)
    images.create(other.path('over'), backing=vm.base['vdb'])
    other.dom = host.conn.defineXML(other.xml().replace(other.base['vda'],
                                                        other.path('over')))
    needed(host, vm, other.name)


def test_nothing_needs_the_image(host):
    """Also not the snapshot itself, which does not hold it."""
    vm = left_out(host)
    vm.write_all(BLUE)
    vm.dom.snapshotCreateXML(f'<domainsnapshot><name>none</name>{LEFT_OUT}</domainsnapshot>',
                             libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    detach(vm)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == vm.base['vdb'] and vm.data() == [RED, BLUE]


def test_internal_snapshot_in_the_image(host):
    """It stays whole, whatever the guest writes."""
    vm = host.vm()
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>')
    vm.write_all(RED)
    vm.snapshot('snap1', inner=LEFT_OUT)
    detach(vm)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == vm.base['vdb'] and vm.data() == [RED, RED]


def test_shared_with_another_domain(host):
    vm, other = host.vm(disks=1), host.vm(disks=1)
    shared = vm.path('shared')
    images.create(shared, fmt='raw')
    for domain in (vm, other):
        domain.dom = host.conn.defineXML(domain.xml().replace(
            '</devices>', SHARED.format(shared) + '</devices>'))
    vm.snapshot('snap1', inner=LEFT_OUT)
    detach(vm)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == shared


def test_read_only(host):
    """Nobody writes to it."""
    vm = host.vm()
    vm.dom = host.conn.defineXML(vm.xml().replace(
        "<target dev='vdb'", "<readonly/><target dev='vdb'"))
    vm.snapshot('snap1')
    vm.dom = host.conn.defineXML(vm.xml().replace('<readonly/>', ''))
    vm.snapshot('snap2')
    detach(vm)
    below = sums([vm.base['vdb']])
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.file('vdb') == vm.base['vdb'] and sums(below) == below


def test_with_memory(host):
    """A disk that was only plugged into the running domain is in its memory alone."""
    vm = host.vm(disks=1, devices="<controller type='scsi' model='virtio-scsi'/>")
    hot = vm.path('hot.qcow2')
    images.create(hot)
    vm.start()
    vm.dom.attachDevice(HOT.format(hot))
    vm.memory_snapshot('snap1', inner="<disks><disk name='sda' snapshot='no'/></disks>")
    vm.snapshot('snap2')
    for flags in (FORCE, RUNNING | FORCE):
        refused(host, vm, 'snap1', CONFIG, "'sda'", hot, "'snap2'", flags=flags)


tap.main(globals())
