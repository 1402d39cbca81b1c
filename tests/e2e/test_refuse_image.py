#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_refuse_image.py: images and folders that a revert can't use

Each is found before the VM is stopped, and most before anything is made.
"""

import os

import libvirt

import images
import tap
from refusal import (FORCE, RED, RUNNING, check_refused, document, refused,
                     two_snapshots)

FAILED = libvirt.VIR_ERR_OPERATION_FAILED
CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
DAMAGED = libvirt.VIR_ERR_OPERATION_UNSUPPORTED


def inactive_on_other_images(host):
    """The current overlays stand on nothing, so that a base may be damaged."""
    vm = two_snapshots(host, running=False)
    return vm, vm.base['vda']


def test_base_missing(host):
    vm = two_snapshots(host)
    os.rename(vm.base['vdb'], vm.path('away'))
    refused(host, vm, 'snap1', FAILED, "'vdb'", vm.base['vdb'], 'No such file',
            "'virsh snapshot-edit'")


def test_base_moved(host):
    """The way out that the message names."""
    vm = two_snapshots(host, running=False)
    os.rename(vm.base['vda'], vm.path('away'))
    refused(host, vm, 'snap1', FAILED, "'virsh snapshot-edit'")
    xml = vm.snapshot_xml('snap1').replace(vm.base['vda'], vm.path('away'))
    vm.dom.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    # the overlay that was made by taking it still names the old path
    refused(host, vm, 'snap1', libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY, vm.path('away'))
    assert host.revert(vm, 'snap1', flags=RUNNING | FORCE).ok
    assert vm.read('vda') == RED
    assert images.backing(vm.file('vda'))[0] == vm.path('away')


def test_base_is_a_folder(host):
    vm, base = inactive_on_other_images(host)
    os.rename(base, vm.path('away'))
    os.mkdir(base)
    refused(host, vm, 'snap1', CONFIG, "'vda'", base, 'regular file')


def test_base_is_a_fifo(host):
    vm, base = inactive_on_other_images(host)
    os.rename(base, vm.path('away'))
    os.mkfifo(base)
    refused(host, vm, 'snap1', CONFIG, "'vda'", base, 'regular file')


def make_truncated(length, code):
    def test(host):
        vm, base = inactive_on_other_images(host)
        os.truncate(base, length)
        refused(host, vm, 'snap1', code, "'vda'", base)
    return test


for size, expected in ((0, CONFIG), (3, CONFIG), (60, DAMAGED), (100, DAMAGED),
                       (66000, DAMAGED)):
    globals()[f'test_base_truncated_to_{size}'] = make_truncated(size, expected)


def make_damaged(offset, value, fragment):
    def test(host):
        vm, base = inactive_on_other_images(host)
        with open(base, 'r+b') as image:
            image.seek(offset)
            image.write(value)
        refused(host, vm, 'snap1', DAMAGED, "'vda'", base, fragment)
    return test


test_base_encrypted = make_damaged(32, b'\0\0\0\1', 'encrypted')
test_base_of_unknown_version = make_damaged(4, b'\0\0\0\x09', 'version')
test_base_marked_corrupt = make_damaged(79, b'\2', 'corrupt')
test_base_with_a_data_file = make_damaged(79, b'\4', 'does not name a plain one')


def test_damage_that_only_qemu_sees(host):
    """An L1 entry that points nowhere is found by opening, not by the header."""
    vm, base = inactive_on_other_images(host)
    with open(base, 'r+b') as image:
        image.seek(48)
        image.write((12345).to_bytes(8, 'big'))  # not a cluster's offset
    refused(host, vm, 'snap1', FAILED, "'vda'", foretold=False)


def test_base_of_another_format(host):
    vm, base = inactive_on_other_images(host)
    os.rename(base, vm.path('away'))
    images.create(base, fmt='raw')
    refused(host, vm, 'snap1', CONFIG, "'vda'", base, "'qcow2'")


def test_chain_with_a_loop(host):
    vm, base = inactive_on_other_images(host)
    images.tool('qemu-img', 'rebase', '-u', '-f', 'qcow2', '-b', vm.path('a.snap1'),
                '-F', 'qcow2', base)
    refused(host, vm, 'snap1', DAMAGED, "'vda'", 'loop')


def test_backing_image_without_format(host):
    vm, base = inactive_on_other_images(host)
    images.create(vm.path('golden'))
    images.tool('qemu-img', 'rebase', '-u', '-f', 'qcow2', '-b', vm.path('golden'),
                '-F', 'qcow2', base)
    with open(base, 'r+b') as image:
        data = image.read(4096)
        image.seek(data.index(bytes.fromhex('e2792aca')))
        image.write(bytes.fromhex('12345678'))
    refused(host, vm, 'snap1', DAMAGED, "'vda'", 'format of its backing image')


def test_backing_image_that_is_not_a_file(host):
    vm, base = inactive_on_other_images(host)
    images.tool('qemu-img', 'rebase', '-u', '-f', 'qcow2', '-b',
                'nbd://localhost/x', '-F', 'raw', base)
    refused(host, vm, 'snap1', DAMAGED, "'vda'", 'nbd://localhost/x')


def test_base_open_for_writing_elsewhere(host):
    vm, base = inactive_on_other_images(host)
    with images.held_open(base, 'write -P 1 0 512'):
        refused(host, vm, 'snap1', FAILED, "'vda'", 'another program', 'lock',
                foretold=False)


def test_base_in_use_by_another_domain(host):
    vm, base = inactive_on_other_images(host)
    other = host.vm('other', disks=1)
    host.conn.defineXML(other.xml(active=False).replace(other.base['vda'], base))
    other.refresh()
    other.start()
    refused(host, vm, 'snap1', FAILED, "'vda'", 'another program', 'lock',
                foretold=False)


def test_folder_missing(host):
    vm = two_snapshots(host)
    refused(host, vm, 'snap1', FAILED, "'vda'", vm.path('nosuch'), 'No such file',
            xml=document(('vda', vm.path('nosuch') + '/x')))


def test_folder_is_a_file(host):
    vm = two_snapshots(host)
    refused(host, vm, 'snap1', FAILED, "'vda'", 'Not a directory',
            xml=document(('vda', vm.base['vda'] + '/x')))


def on_small_tmpfs(vm, options):
    """A folder for overlays; unmounted by the test."""
    folder = vm.path('small')
    os.mkdir(folder)
    images.tool('mount', '-t', 'tmpfs', '-o', options, 'none', folder)
    return folder


def check_folder(host, vm, options, *fragments, foretold):
    folder = on_small_tmpfs(vm, options)
    try:
        before = vm.capture()
        xml = document(('vda', f'{folder}/x'), ('vdb', f'{folder}/y'))
        result = host.revert(vm, 'snap1', xml, RUNNING)
        check_refused(result, FAILED, "'vd", *fragments)
        if foretold:
            check_refused(host.revert_desc(vm, 'snap1', xml), FAILED, *fragments)
        vm.assert_unchanged(before)
        assert os.listdir(folder) == []
    finally:
        images.tool('umount', folder)


if os.environ.get('SNAPSHOT_MODE') == 'session':
    def test_folder_read_only(host):
        vm = two_snapshots(host)
        folder = vm.path('small')
        os.mkdir(folder, 0o555)
        refused(host, vm, 'snap1', FAILED, "'vda'", folder, 'Permission denied',
                xml=document(('vda', f'{folder}/x')))

    def test_base_unreadable(host):
        vm, base = inactive_on_other_images(host)
        before = vm.capture()
        os.chmod(base, 0)
        result = host.revert(vm, 'snap1')
        os.chmod(base, 0o644)
        check_refused(result, FAILED, "'vda'", base, 'Permission denied')
        vm.assert_unchanged(before)
else:
    def test_folder_read_only(host):
        check_folder(host, two_snapshots(host), 'ro', 'Read-only file system',
                     foretold=True)

    def test_folder_full_for_new_files(host):
        check_folder(host, two_snapshots(host), 'nr_inodes=2', 'No space left',
                     foretold=False)

    def test_folder_full_while_making(host):
        check_folder(host, two_snapshots(host), 'size=256k', 'No space left',
                     foretold=False)


tap.main(globals())
