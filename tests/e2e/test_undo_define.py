#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_undo_define.py: libvirt can't write the new definition

Its folder of definitions is read-only, as after an error of the file system. That
shows when the domain has been stopped already, and nothing has changed then:
its definition is the old one, and so it is to be started on that again.
"""

import contextlib
import os
import pathlib

import libvirt

import images
import tap
from refusal import FORCE, GREEN, RED, RUNNING, document, two_snapshots

FAILED = libvirt.VIR_ERR_OPERATION_FAILED


@contextlib.contextmanager
def read_only(folder):
    """Also for root."""
    if os.environ['SNAPSHOT_MODE'] == 'system':
        images.tool('mount', '--bind', folder, folder)
        images.tool('mount', '-o', 'remount,bind,ro', folder)
        undo = ('umount', folder)
    else:
        os.chmod(folder, 0o555)
        undo = ('chmod', '755', folder)
    try:
        yield
    finally:
        images.tool(*undo)


def definitions(host):
    return ('/etc/libvirt/qemu' if host.mode == 'system' else
            f'{os.environ["XDG_CONFIG_HOME"]}/libvirt/qemu')


def stable(vm):
    return {'definition': vm.xml(active=False), 'current': vm.current,
            'snapshots': {name: vm.snapshot_xml(name) for name in vm.snapshots()},
            'names': sorted(os.listdir(vm.folder))}


def check_define_fails(host, vm, xml=None, flags=0):
    before = stable(vm)
    with read_only(definitions(host)):
        result = host.revert(vm, 'snap1', xml, flags)
    assert not result.ok
    assert vm.name in result.message and 'definition' in result.message or \
        'define' in result.message, result
    vm.refresh()
    after = stable(vm)
    assert after == before, (result, before, after)
    return result


def test_inactive(host):
    vm = two_snapshots(host, running=False)
    check_define_fails(host, vm)
    assert not vm.active and vm.data() == [GREEN, GREEN]
    assert host.revert(vm, 'snap1').ok
    assert vm.data() == [RED, RED]


def test_running(host):
    vm = two_snapshots(host)
    result = check_define_fails(host, vm, flags=RUNNING)
    assert 'started again on its old disks' in result.message, result
    assert vm.running and vm.data() == [GREEN, GREEN]
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert vm.data() == [RED, RED]


def test_paused(host):
    vm = two_snapshots(host)
    vm.dom.suspend()
    check_define_fails(host, vm, flags=RUNNING)
    assert vm.paused


def test_in_place(host):
    vm = two_snapshots(host)
    inodes = {file: os.stat(file).st_ino for file in vm.files().values()}
    check_define_fails(host, vm, document(*vm.files().items()), RUNNING)
    assert {file: os.stat(file).st_ino for file in inodes} == inodes
    assert vm.running and vm.data() == [GREEN, GREEN]


def test_managed_save(host):
    """It was to be lost by a revert, not by the failure of one."""
    vm = two_snapshots(host)
    vm.dom.managedSave()
    check_define_fails(host, vm, flags=FORCE)
    assert vm.dom.hasManagedSaveImage() and vm.data() == [GREEN, GREEN]


def test_snapshot_can_not_be_recorded(host):
    """Past the commit point: it is reverted, says what is missing, loses nothing."""
    vm = two_snapshots(host, running=False)
    left = vm.files()
    folder = pathlib.Path('/var/lib/libvirt/qemu' if host.mode == 'system' else
                          f'{os.environ["XDG_CONFIG_HOME"]}/libvirt/qemu')
    with read_only(folder / 'snapshot' / vm.name):
        result = host.revert(vm, 'snap1')
        assert not result.ok and 'has been reverted' in result.message, result
        assert "'snap1'" in result.message
        vm.refresh()
        assert vm.data() == [RED, RED]
        # until it can be recorded, which is tried all the time
        assert [images.pattern(file) for file in left.values()] == [GREEN, GREEN]
    # libvirt has forgotten the snapshot that it could not write; the journal has not
    host.wait_for_recovery()
    assert vm.current == 'snap1' and vm.data() == [RED, RED]
    assert not any(map(os.path.exists, left.values()))
    result = host.revert(vm, 'snap1')
    assert result.ok, result


tap.main(globals())
