#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_undo.py: a revert that fails late, and what a revert deletes and keeps"""

import os

import libvirt

import images
import tap
from refusal import (BLUE, GREEN, KEEP_CURRENT, RED, RUNNING, check_refused, document,
                     two_snapshots)

FAILED = libvirt.VIR_ERR_OPERATION_FAILED
INTERNAL = libvirt.VIR_ERR_INTERNAL_ERROR


def that_can_not_start(host):
    """snap1 has a QEMU argument that does not exist; the domain since does not."""
    vm = host.vm()
    good = vm.xml(active=False)
    bad = good.replace('<domain ', "<domain xmlns:qemu="
                       "'http://libvirt.org/schemas/domain/qemu/1.0' ", 1).replace(
        '</domain>', "<qemu:commandline><qemu:arg value='-nosuch'/></qemu:commandline>"
        '</domain>')
    vm.write_all(RED)
    host.conn.defineXML(bad)
    vm.refresh()
    vm.snapshot('snap1')
    files = vm.files()
    for target, file in files.items():
        good = good.replace(vm.base[target], file)
    host.conn.defineXML(good)
    vm.refresh()
    vm.write_all(GREEN)
    return vm


def stable(vm):
    """What a start and stop leaves as it is."""
    capture = vm.capture()
    return {key: capture[key]
            for key in ('inactive XML', 'snapshots', 'current snapshot')} | {
        'names': sorted(capture['files'])}


def check_start_fails(host, vm):
    before = stable(vm)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    check_refused(result, INTERNAL, vm.name, 'nosuch')
    after = stable(vm)
    assert after == before, (before, after)
    return result


def test_start_fails_from_inactive(host):
    vm = that_can_not_start(host)
    check_start_fails(host, vm)
    assert not vm.active
    assert vm.data() == [GREEN, GREEN]


def test_start_fails_from_running(host):
    vm = that_can_not_start(host)
    vm.start()
    result = check_start_fails(host, vm)
    assert 'started again on its old disks' in result.message, result
    assert vm.running
    assert vm.data() == [GREEN, GREEN]


def test_start_fails_from_paused(host):
    vm = that_can_not_start(host)
    vm.start(libvirt.VIR_DOMAIN_START_PAUSED)
    check_start_fails(host, vm)
    assert vm.paused


def test_start_fails_in_place(host):
    """The overlay that was replaced is put back, the very same file."""
    vm = that_can_not_start(host)
    vm.start()
    inodes = {file: os.stat(file).st_ino for file in vm.files().values()}
    before = stable(vm)
    result = host.revert(vm, 'snap1', document(*vm.files().items()), RUNNING)
    check_refused(result, INTERNAL, 'nosuch')
    assert stable(vm) == before
    assert {file: os.stat(file).st_ino for file in inodes} == inodes
    assert vm.data() == [GREEN, GREEN]


def test_definition_refused(host):
    """A name that another domain has taken meanwhile can't come from the plan, but
    a machine type that is gone can."""
    vm = two_snapshots(host)
    xml = vm.snapshot_xml('snap2')
    broken = xml.replace("machine='pc-i440fx", "machine='gone-i440fx")
    assert broken != xml
    vm.dom.snapshotLookupByName('snap2').delete(
        libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    try:
        vm.dom.snapshotCreateXML(broken, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    except libvirt.libvirtError:
        return  # this libvirt does not keep such a definition
    before = stable(vm)
    result = host.revert(vm, 'snap2', flags=RUNNING)
    assert not result.ok
    assert vm.running, result
    assert stable(vm) == before
    assert vm.data() == [GREEN, GREEN]


# Rights


def make_rights(mode):
    def test(host):
        vm = two_snapshots(host, running=False)
        for file in vm.files().values():
            os.chmod(file, mode)
            if host.mode == 'system':
                os.chown(file, 12345, 54321)
        wanted = [os.stat(file) for file in vm.files().values()]
        result = host.revert(vm, 'snap1')
        assert result.ok, result
        for file, like in zip(vm.files().values(), wanted):
            got = os.stat(file)
            assert (got.st_mode, got.st_uid, got.st_gid) == (
                like.st_mode, like.st_uid, like.st_gid), file
    return test


for bits in (0o600, 0o640, 0o644, 0o660):
    globals()[f'test_rights_{bits:o}'] = make_rights(bits)


# What is deleted, and what is not


def check_kept(host, vm, file, byte, flags=0, foretell=True):
    result = host.revert(vm, 'snap1', flags=flags, foretell=foretell)
    assert result.ok, result
    assert images.pattern(file) == byte


def test_left_overlays_are_deleted(host):
    vm = two_snapshots(host)
    left = list(vm.files().values())
    assert host.revert(vm, 'snap1').ok
    assert not any(os.path.exists(file) for file in left)


def test_keep_current(host):
    vm = two_snapshots(host)
    check_kept(host, vm, vm.file('vda'), GREEN, KEEP_CURRENT)


def test_image_of_unknown_origin_stays(host):
    vm = two_snapshots(host, running=False)
    mine = vm.path('mine.qcow2')
    images.create(mine, backing=vm.file('vda'))
    images.write(mine, BLUE)
    host.conn.defineXML(vm.xml().replace(vm.file('vda'), mine))
    vm.refresh()
    check_kept(host, vm, mine, BLUE)
    assert os.path.exists(vm.path('a.snap2'))


def test_image_of_another_domain_stays(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    other = host.vm('other', disks=1)
    host.conn.defineXML(other.xml().replace(other.base['vda'], left))
    check_kept(host, vm, left, GREEN)


def test_backing_image_of_another_domain_stays(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    other = host.vm('other', disks=1)
    os.unlink(other.base['vda'])
    images.create(other.base['vda'], backing=left)
    check_kept(host, vm, left, GREEN)
    assert images.pattern(other.base['vda']) == GREEN


def test_image_of_another_domains_snapshot_stays(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    other = host.vm('other', disks=1)
    host.conn.defineXML(other.xml().replace(other.base['vda'], left))
    other.refresh()
    other.snapshot('theirs')
    check_kept(host, vm, left, GREEN)


def test_in_place_is_refused_where_another_domain_uses_it(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    other = host.vm('other', disks=1)
    host.conn.defineXML(other.xml().replace(other.base['vda'], left))
    before = vm.capture()
    check_refused(host.revert(vm, 'snap1', document(('vda', left))),
                  libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "'vda'", left, "'other'")
    vm.assert_unchanged(before)


def test_image_that_a_program_has_open_stays(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    with images.held_open(left):
        check_kept(host, vm, left, GREEN, foretell=False)


def test_genid_is_new(host):
    vm = host.vm()
    host.conn.defineXML(vm.xml().replace('<os>', '<genid/><os>', 1))
    vm.refresh()
    vm.snapshot('snap1')
    seen = {vm.xml().split('<genid>')[1].split('<')[0]}
    for _ in range(2):
        assert host.revert(vm, 'snap1').ok
        seen.add(vm.xml().split('<genid>')[1].split('<')[0])
    assert len(seen) == 3, seen


if __name__ == '__main__':
    tap.main(globals())
