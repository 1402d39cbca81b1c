#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_transient.py: domains that exist as long as they run"""

import os

import libvirt

import images
import tap
from refusal import BLUE, GREEN, PAUSED, RED, RUNNING, refused
from vm import sums

METADATA = (libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
            libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)


def transient(host, **options):
    vm = host.vm(**options)
    xml = vm.xml()
    vm.dom.undefine()
    vm.dom = host.conn.createXML(xml)
    assert not vm.dom.isPersistent()
    return vm


def with_snapshots(host):
    """RED at snap1, BLUE at snap2 and in its memory, GREEN now."""
    vm = transient(host)
    vm.write_all(RED)
    vm.snapshot('snap1')
    vm.write_all(BLUE)
    vm.memory_snapshot('snap2')
    vm.write_all(GREEN)
    return vm


def check(vm, snapshot, byte):
    vm.refresh()
    assert not vm.dom.isPersistent(), 'it has become persistent'
    assert vm.data() == [byte, byte], vm.data()
    assert vm.snapshots() == ['snap1', 'snap2'] and vm.current == snapshot


def test_booted(host):
    vm = with_snapshots(host)
    below = sums(vm.base.values())
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.running
    check(vm, 'snap1', RED)
    assert sums(below) == below


def test_restored(host):
    vm = with_snapshots(host)
    for _ in range(2):
        vm.write_all(GREEN)
        result = host.revert(vm, 'snap2')
        assert result.ok, result
        assert vm.running
        check(vm, 'snap2', BLUE)


def test_paused_there_and_back(host):
    vm = with_snapshots(host)
    for name, byte in (('snap1', RED), ('snap2', BLUE), ('snap1', RED)):
        assert host.revert(vm, name, flags=PAUSED).ok
        assert vm.paused
        check(vm, name, byte)
    vm.snapshot('snap3')
    assert vm.parent('snap3') == 'snap1'


def test_can_not_end_inactive(host):
    vm = with_snapshots(host)
    refused(host, vm, 'snap1', libvirt.VIR_ERR_OPERATION_INVALID, vm.name, 'transient',
            flags=0)


def test_start_fails(host):
    """It is transient again, and runs on its old disks."""
    vm = with_snapshots(host)
    before = vm.files()
    vm.edit_snapshot('snap1', lambda text: text.replace(
        '<domain ', "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ").replace(
        '</domain>', "<qemu:commandline><qemu:arg value='-nosuch'/></qemu:commandline>"
        '</domain>'))
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert not result.ok and 'started again on its old disks' in result.message, result
    assert vm.running and vm.files() == before
    check(vm, 'snap2', GREEN)
    assert not list(vm.folder.glob('*-1'))


def test_persistent_since(host):
    """What it is now counts, not what it was at the snapshot."""
    vm = with_snapshots(host)
    host.conn.defineXML(vm.xml(active=False))
    result = host.revert(vm, 'snap1')
    assert result.ok, result
    assert not vm.active and vm.dom.isPersistent()
    assert vm.data() == [RED, RED] and vm.current == 'snap1'


def test_transient_since(host):
    vm = host.vm()
    vm.start()
    vm.write_all(RED)
    vm.snapshot('snap1')
    vm.write_all(BLUE)
    vm.snapshot('snap2')
    vm.dom.undefineFlags(METADATA)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    check(vm, 'snap1', RED)


def test_left_state_is_deleted(host):
    vm = with_snapshots(host)
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    first = vm.files()
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert not any(map(os.path.exists, first.values()))
    assert images.backing(vm.file('vda')) == (vm.base['vda'], 'qcow2')


tap.main(globals())
