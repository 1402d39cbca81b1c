#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_chains.py: the definition names all that its disks stand on

It does so as libvirt's own does when it has taken a snapshot. What it names is compared
with what the images' headers say.
"""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET

import libvirt

import images
import tap
from refusal import (BLUE, PAUSED, RED, REUSE_EXT, RUNNING, document,
                     two_snapshots)

HELPER = '/usr/lib/libvirt/virt-aa-helper'


def headers(file, fmt='qcow2'):
    """(file, format) of an image and all below it, by what the headers say."""
    info = json.loads(images.tool('qemu-img', 'info', '-U', '--backing-chain', '-f', fmt,
                                  '--output=json', file))
    return [(os.path.normpath(image['filename']), image['format']) for image in info]


def spelled(disk):
    """(file, format) of a <disk> and all below it; the last is None where the chain
    does not end there."""
    found = [(disk.find('source').get('file'), disk.find('driver').get('type'))]
    store = disk.find('backingStore')
    while store is not None and len(store):
        found.append((store.find('source').get('file'), store.find('format').get('type')))
        store = store.find('backingStore')
    return found if store is not None else [*found, None]


def disks(xml):
    return [disk for disk in ET.fromstring(xml).iterfind('devices/disk')
            if disk.get('device') == 'disk']


def check_spelled(vm, length=None):
    """Of the next start, and of the running domain."""
    for active in {False, vm.active}:
        for disk in disks(vm.xml(active)):
            chain = headers(disk.find('source').get('file'))
            assert spelled(disk) == chain, (active, spelled(disk), chain)
            assert length in (None, len(chain)), chain


def reverted(host, vm, name='snap1', length=None, **options):
    result = host.revert(vm, name, **options)
    assert result.ok, result
    check_spelled(vm, length)


def test_started(host):
    vm = two_snapshots(host)
    reverted(host, vm, flags=RUNNING, length=2)
    reverted(host, vm, 'snap2', flags=RUNNING, length=3)
    reverted(host, vm, 'snap2', flags=PAUSED, length=3)


def test_left_off(host):
    vm = two_snapshots(host, running=False)
    reverted(host, vm, 'snap2', length=3)
    reverted(host, vm, 'snap1', length=2)
    vm.start()
    check_spelled(vm, 2)
    assert vm.data() == [RED, RED]


def test_stopped(host):
    vm = two_snapshots(host)
    reverted(host, vm)
    assert not vm.active


def test_restored(host):
    vm = host.vm()
    vm.start()
    vm.write_all(RED)
    vm.memory_snapshot('snap1')
    vm.write_all(BLUE)
    reverted(host, vm, length=2)
    vm.memory_snapshot('snap2')
    reverted(host, vm, 'snap2', length=3)
    assert vm.running and vm.data() == [RED, RED]


def test_in_place_and_reused(host):
    vm = two_snapshots(host, disks=1)
    reverted(host, vm, flags=RUNNING)
    own = document(('vda', vm.file('vda')))
    reverted(host, vm, xml=own, flags=RUNNING, length=2)
    made = vm.path('made.qcow2')
    images.create(made, backing=vm.path('a.snap1'))
    reverted(host, vm, 'snap2', xml=document(('vda', made)), flags=RUNNING | REUSE_EXT,
             length=3)


def test_transient(host):
    vm = two_snapshots(host)
    vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                         libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    vm.snapshot('snap3')
    result = host.revert(vm, 'snap3', flags=RUNNING)
    assert result.ok, result
    for disk in disks(vm.xml(active=True)):
        assert spelled(disk) == headers(disk.find('source').get('file'))


def test_raw_and_relative(host):
    """Names in headers may be relative; in a definition they are whole."""
    vm = host.vm(disks=1, fmt='raw')
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'a.raw', '-F', 'raw',
                    'mid'], cwd=vm.folder, check=True)
    vm.dom = host.conn.defineXML(
        vm.xml().replace(vm.base['vda'], vm.path('mid')).replace("type='raw'", "type='qcow2'"))
    vm.write('vda', RED)
    vm.snapshot('snap1')
    reverted(host, vm, flags=RUNNING, length=3)
    assert vm.read('vda') == RED


def test_data_file(host):
    """Where libvirt can be told of it, it is; else it finds all of that by the headers."""
    vm = host.vm(disks=1)
    base, data = vm.base['vda'], vm.path('a&.data')
    os.unlink(base)
    images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', f'data_file={data}',
                base, '64M')
    vm.write('vda', RED)
    vm.snapshot('snap1')
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    disk, = disks(vm.xml(active=False))
    if host.conn.getLibVersion() >= 10010000:
        check_spelled(vm, 2)
        assert disk.find('backingStore/source/dataStore/source').get('file') == data
    else:
        assert disk.find('backingStore') is None
    assert vm.read('vda') == RED


def test_definition_of_an_older_revert(host):
    """It names no chain, and is no error."""
    vm = two_snapshots(host)
    reverted(host, vm)
    bare = re.sub('<backingStore.*</backingStore>', '', vm.xml(), flags=re.DOTALL)
    assert '<backingStore' not in bare
    vm.dom = host.conn.defineXML(bare)
    vm.start()
    vm.snapshot('snap3')
    reverted(host, vm, 'snap3', flags=RUNNING, length=3)
    reverted(host, vm, 'snap2', flags=RUNNING, length=3)


def test_what_libvirt_does_after(host):
    """Its own snapshot, deletion and start know the chain, and keep it right."""
    vm = two_snapshots(host)
    reverted(host, vm, 'snap2', flags=RUNNING)
    vm.snapshot('snap3')
    check_spelled(vm, 4)
    vm.dom.snapshotLookupByName('snap3').delete()
    check_spelled(vm, 3)
    vm.destroy()
    vm.snapshot('snap4')
    vm.start()
    check_spelled(vm, 4)
    vm.dom.snapshotLookupByName('snap1').delete()
    check_spelled(vm, 3)
    assert vm.data() == [BLUE, BLUE]
    reverted(host, vm, 'snap4', flags=RUNNING, length=3)
    assert vm.data() == [BLUE, BLUE]


def granted(vm, xml):
    """path -> rights that AppArmor would give QEMU, as libvirt's helper has them."""
    process = subprocess.run(
        [HELPER, '-d', '-r', '-u', f'libvirt-{vm.dom.UUIDString()}'], input=xml, text=True,
        capture_output=True, check=True)
    return dict(re.findall(r'^  "([^"]+)" (\w+),$', process.stderr, re.MULTILINE))


def test_apparmor_grants_the_chain(host):
    """Its helper need not read any header, which it often may not."""
    if not os.access(HELPER, os.X_OK):
        raise tap.Skip(f'there is no {HELPER}')
    vm = two_snapshots(host, disks=1)
    reverted(host, vm, 'snap2', length=3)
    chain = [file for file, _format in headers(vm.file('vda'))]
    os.rename(vm.folder, f'{vm.folder}.away')
    try:
        rights = granted(vm, vm.xml(active=False))
    finally:
        os.rename(f'{vm.folder}.away', vm.folder)
    assert rights.pop(chain[0]) == 'rwk'
    assert {file: rights.get(file) for file in chain[1:]} == dict.fromkeys(chain[1:], 'rk')


tap.main(globals())
