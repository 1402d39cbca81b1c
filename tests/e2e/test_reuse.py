#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_reuse.py: overlays that the caller made, and going back and forth with them"""

import os

import libvirt

import images
import tap
from refusal import (BLUE, FORCE, GREEN, KEEP_CURRENT, RED, REUSE_EXT, RUNNING, document,
                     refused, two_snapshots)
from vm import sums

BLACK = 0x44
CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY


def made(vm, name='a.made', **options):
    """An overlay of vda for snap1, unless something else is said."""
    path = vm.path(name)
    images.create(path, **({'backing': vm.base['vda']} | options))
    return path


def refuse(host, vm, path, code, *fragments, **more):
    refused(host, vm, 'snap1', code, "'vda'", *fragments, xml=document(('vda', path)),
            flags=REUSE_EXT | RUNNING, **more)


def test_overlays_of_the_caller(host):
    vm = two_snapshots(host)
    paths = {target: made(vm, f'{target}.made', backing=base)
             for target, base in vm.base.items()}
    inodes = {path: os.stat(path).st_ino for path in paths.values()}
    below = sums(vm.base.values())
    result = host.revert(vm, 'snap1', document(*paths.items()), RUNNING | REUSE_EXT)
    assert result.ok, result
    assert vm.running and vm.files() == paths and vm.data() == [RED, RED]
    assert {path: os.stat(path).st_ino for path in paths.values()} == inodes
    assert sums(below) == below


def test_one_of_the_caller_one_generated(host):
    vm = two_snapshots(host, running=False)
    path = made(vm)
    assert host.revert(vm, 'snap1', document(('vda', path)), REUSE_EXT).ok
    assert vm.files() == {'vda': path, 'vdb': vm.path('b.snap1-1')}
    assert vm.data() == [RED, RED]


def test_what_is_in_it_is_seen(host):
    vm = two_snapshots(host, running=False)
    path = made(vm)
    images.write(path, BLACK)
    assert host.revert(vm, 'snap1', document(('vda', path)), REUSE_EXT).ok
    assert vm.data() == [BLACK, RED]


def test_made_by_a_relative_name_and_larger(host):
    vm = two_snapshots(host, running=False)
    path = made(vm, backing='a.qcow2')
    images.tool('qemu-img', 'resize', '-q', path, '128M')
    assert host.call(vm, 'snap1', document(('vda', path)), REUSE_EXT).ok
    vm.refresh()
    assert vm.file('vda') == path and vm.read('vda') == RED


def test_back_and_forth(host):
    """The state that is left is kept, and come back to by its overlays."""
    vm = two_snapshots(host)
    left = {'snap2': (vm.files(), GREEN)}
    assert host.revert(vm, 'snap1', flags=RUNNING | KEEP_CURRENT).ok
    vm.write_all(BLACK)
    left['snap1'] = (vm.files(), BLACK)
    for name in ('snap2', 'snap1', 'snap2'):
        files, byte = left[name]
        result = host.revert(vm, name, document(*files.items()),
                             RUNNING | KEEP_CURRENT | REUSE_EXT)
        assert result.ok, result
        assert vm.running and vm.files() == files and vm.data() == [byte, byte]
        assert vm.current == name
    # without KEEP_CURRENT the state is lost, as ever
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert not any(map(os.path.exists, left['snap2'][0].values()))
    assert all(map(os.path.exists, left['snap1'][0].values()))


def test_failure_leaves_it(host):
    """What the caller made is not ours to remove."""
    vm = two_snapshots(host)
    path, before = made(vm), vm.capture()
    xml = document(('vda', path), ('vdb', vm.path('b.new')))
    with host.configured(storage_daemon='/bin/false'):
        assert not host.revert(vm, 'snap1', xml, RUNNING | REUSE_EXT).ok
    vm.assert_unchanged(before)


def test_missing(host):
    vm = two_snapshots(host)
    refuse(host, vm, vm.path('nosuch'), FAILED, vm.path('nosuch'), 'No such file')


def test_of_another_format(host):
    vm = two_snapshots(host)
    images.create(vm.path('a.raw'), fmt='raw')
    refuse(host, vm, vm.path('a.raw'), CONFIG, vm.path('a.raw'), "'qcow2'")


def test_without_a_backing_image(host):
    vm = two_snapshots(host)
    refuse(host, vm, made(vm, backing=None), CONFIG, "is ''", vm.base['vda'])


def test_on_another_backing_image(host):
    vm = two_snapshots(host)
    refuse(host, vm, made(vm, backing=vm.base['vdb']), CONFIG, vm.base['vdb'],
           f"should be '{vm.base['vda']}'")


def test_on_another_backing_format(host):
    vm = two_snapshots(host)
    refuse(host, vm, made(vm, backing_fmt='raw'), CONFIG, "'raw'", "should be 'qcow2'")


def test_that_a_snapshot_stands_on(host):
    vm = two_snapshots(host)
    refuse(host, vm, vm.path('a.snap1'), CONFIG, "snapshot 'snap2' needs")


def test_that_the_disk_is_on(host):
    """It would not be the state of the snapshot."""
    vm = host.vm()
    vm.snapshot('snap1')
    refuse(host, vm, vm.file('vda'), CONFIG, "disk 'vda' of the domain is on it")


def test_that_another_domain_is_on(host):
    vm, other = two_snapshots(host), host.vm(disks=1)
    path = made(vm)
    host.conn.defineXML(other.xml().replace(other.base['vda'], path))
    refuse(host, vm, path, CONFIG, f"domain '{other.name}' uses it")


def test_that_a_program_has_open(host):
    vm = two_snapshots(host)
    path = made(vm)
    with images.held_open(path):
        refuse(host, vm, path, FAILED, 'has it open')


def test_for_two_disks(host):
    vm = two_snapshots(host)
    path = made(vm)
    refused(host, vm, 'snap1', libvirt.VIR_ERR_XML_ERROR, path,
            xml=document(('vda', path), ('vdb', path)), flags=REUSE_EXT)


def with_memory(host):
    vm = host.vm(disks=1)
    vm.start()
    vm.write_all(RED)
    vm.memory_snapshot('snap1')
    vm.write_all(BLUE)
    return vm


def test_blank_one_with_memory(host):
    vm = with_memory(host)
    path = made(vm)
    assert host.revert(vm, 'snap1', document(('vda', path)), REUSE_EXT).ok
    assert vm.running and vm.file('vda') == path and vm.data() == [RED]


def test_written_one_with_memory(host):
    """Its data is not what the memory knows."""
    vm = with_memory(host)
    path = made(vm)
    images.write(path, BLACK)
    refuse(host, vm, path, RISKY, path, 'memory')
    xml = document(('vda', path))
    assert host.revert(vm, 'snap1', xml, REUSE_EXT | FORCE).ok
    assert vm.running and vm.data() == [BLACK]


tap.main(globals())
