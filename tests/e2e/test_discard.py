#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_discard.py: images that a revert must not delete, or can't

By whatever name another needs them. A revert that can't delete what it left is
a revert all the same: it says so in the log.
"""

import json
import os

import images
import tap
from refusal import BLUE, GREEN, KEEP_CURRENT, RED, RUNNING, two_snapshots
from vm import sums
from volumes import volume_of_another


def revert(host, vm, snapshot='snap1', flags=0):
    result = host.revert(vm, snapshot, flags=flags)
    assert result.ok, result


def check_kept(host, vm, byte=GREEN, why=None):
    """vda's present image stays; vdb's, which nobody needs, goes."""
    left, unneeded = vm.file('vda'), vm.file('vdb')
    before = sums([left])
    revert(host, vm)
    assert sums([left]) == before and images.pattern(left) == byte
    assert not os.path.exists(unneeded)
    assert vm.data() == [RED, RED]
    log = host.new_log_lines()
    assert f"'{left}' {why}" in log if why else True, log


def on_disk_of_another(host, file):
    other = host.vm(disks=1)
    host.conn.defineXML(other.xml().replace(other.base['vda'], file))
    other.refresh()
    return other


def test_another_domain_by_a_link(host):
    vm = two_snapshots(host, running=False)
    os.symlink(vm.file('vda'), vm.path('link'))
    other = on_disk_of_another(host, vm.path('link'))
    check_kept(host, vm, why=f"is kept: domain '{other.name}' or one")


def test_another_domain_by_a_link_to_the_folder(host):
    vm = two_snapshots(host, running=False)
    os.symlink('.', vm.path('here'))
    on_disk_of_another(host, vm.path('here/a.snap2'))
    check_kept(host, vm)


def test_another_domain_by_a_hard_link(host):
    vm = two_snapshots(host, running=False)
    os.link(vm.file('vda'), vm.path('second'))
    on_disk_of_another(host, vm.path('second'))
    check_kept(host, vm)


def test_backing_image_by_a_relative_name(host):
    vm = two_snapshots(host, running=False)
    top = vm.path('theirs.qcow2')
    images.create(top, backing='a.snap2')
    other = on_disk_of_another(host, top)
    check_kept(host, vm)
    assert other.data() == [GREEN]


def test_relative_name_in_another_folder(host):
    """The same image by two paths, beside each of which its header means another."""
    vm, other = two_snapshots(host, running=False), host.vm(disks=2)
    for folder, below in (('here', other.base['vda']), ('there', vm.file('vda'))):
        os.mkdir(vm.path(folder))
        os.symlink(below, vm.path(f'{folder}/below'))
    images.create(vm.path('here/top'), backing='below')
    os.link(vm.path('here/top'), vm.path('there/top'))
    host.conn.defineXML(other.xml().replace(other.base['vda'], vm.path('here/top'))
                        .replace(other.base['vdb'], vm.path('there/top')))
    other.refresh()
    check_kept(host, vm)
    assert other.read('vdb') == GREEN


def test_backing_image_two_down(host):
    vm = two_snapshots(host, running=False)
    images.create(vm.path('middle'), backing=vm.file('vda'))
    images.create(vm.path('top'), backing=vm.path('middle'))
    other = on_disk_of_another(host, vm.path('top'))
    check_kept(host, vm)
    assert other.data() == [GREEN]


def test_backing_image_by_a_name_that_is_no_path(host):
    vm = two_snapshots(host, running=False)
    images.create(vm.path('top'), backing='json:' + json.dumps(
        {'driver': 'qcow2', 'file': {'driver': 'file', 'filename': vm.file('vda')}}))
    on_disk_of_another(host, vm.path('top'))
    check_kept(host, vm)


def test_backing_image_of_an_encrypted_one(host):
    vm = two_snapshots(host, running=False)
    images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', vm.file('vda'), '-F', 'qcow2',
                '--object', 'secret,id=key,data=secret', '-o',
                'encrypt.format=aes,encrypt.key-secret=key', vm.path('top'))
    on_disk_of_another(host, vm.path('top'))
    check_kept(host, vm)


def test_volume_of_another_domain(host):
    vm = two_snapshots(host, running=False)
    images.create(vm.path('top'), backing=vm.file('vda'))
    with volume_of_another(host, vm.folder):
        check_kept(host, vm)


def test_volume_of_a_pool_that_is_not_active(host):
    """The pool's definition tells where it is."""
    vm = two_snapshots(host, running=False)
    images.create(vm.path('top'), backing=vm.file('vda'))
    with volume_of_another(host, vm.folder) as pool:
        pool.destroy()
        check_kept(host, vm)


def test_volume_that_can_not_be_found(host):
    """What the domain itself was writing to until now it can't stand on unseen."""
    vm = two_snapshots(host, running=False)
    left = vm.files()
    with volume_of_another(host, vm.folder, undefined=True):
        revert(host, vm)
    assert not any(map(os.path.exists, left.values())) and vm.data() == [RED, RED]


def test_running_definition_of_another_domain(host):
    """It is defined on another image by now, but still runs on this one."""
    vm = two_snapshots(host, running=False)
    os.unlink(vm.base['vda'] + '.none') if os.path.exists(
        vm.base['vda'] + '.none') else None
    images.create(vm.path('theirs'), backing=vm.file('vda'))
    other = host.vm(disks=1)
    usual = other.xml(active=False)
    host.conn.defineXML(usual.replace(other.base['vda'], vm.path('theirs')))
    other.refresh()
    other.start()
    host.conn.defineXML(usual)
    left = vm.file('vda')
    revert(host, vm)
    assert os.path.exists(left) and other.read('vda') == GREEN


def test_transient_domain(host):
    vm = two_snapshots(host, running=False)
    images.create(vm.path('theirs'), backing=vm.file('vda'))
    other = host.vm(disks=1)
    xml = other.xml().replace(other.base['vda'], vm.path('theirs'))
    other.dom.undefine()
    host.conn.createXML(xml)
    other.refresh()
    left = vm.file('vda')
    revert(host, vm)
    assert os.path.exists(left) and other.read('vda') == GREEN


def test_state_that_another_branch_stands_on(host):
    vm = two_snapshots(host, running=False)
    vm.snapshot('snap3')  # GREEN is in a.snap2
    revert(host, vm, 'snap2')
    vm.write_all(0x44)
    revert(host, vm, 'snap3')
    assert vm.data() == [GREEN, GREEN]
    revert(host, vm, 'snap2')
    assert vm.data() == [BLUE, BLUE]


def test_kept_overlay_is_not_deleted_by_later_reverts(host):
    vm = two_snapshots(host, running=False)
    kept = sums(vm.files().values())
    revert(host, vm, flags=KEEP_CURRENT)
    for snapshot in ('snap2', 'snap1', 'snap1', 'snap2'):
        revert(host, vm, snapshot)
    assert sums(kept) == kept


def test_defined_and_running_on_different_overlays(host):
    """Both hold a state that is left; neither holds a snapshot's."""
    vm = two_snapshots(host)
    mine = vm.path('mine.qcow2')
    images.create(mine)
    host.conn.defineXML(vm.xml(active=False).replace(vm.file('vda'), mine))
    vm.refresh()
    revert(host, vm, flags=RUNNING)
    assert os.path.exists(mine)  # not of our making
    assert not os.path.exists(vm.path('b.snap2'))
    assert vm.data() == [RED, RED]


def test_link_is_not_followed(host):
    """The domain's overlay lives elsewhere, by a link of the user's."""
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    os.rename(left, vm.path('elsewhere'))
    os.symlink('elsewhere', left)
    revert(host, vm)
    assert images.pattern(vm.path('elsewhere')) == GREEN
    assert vm.data() == [RED, RED]


def test_image_that_can_not_be_deleted(host):
    """The revert holds, the image stays and the log says why."""
    vm = host.vm()
    vm.write_all(RED)
    closed = vm.folder / 'closed'
    closed.mkdir()
    vm.snapshot('snap1', inner="<disks><disk name='vda'><source "
                f"file='{closed / 'overlay'}'/></disk></disks>")
    vm.write_all(GREEN)
    left = closed / 'overlay'
    if host.mode == 'system':  # what is mounted on can't be unlinked, even by root
        images.tool('mount', '--bind', left, left)
    else:
        closed.chmod(0o555)
    try:
        result = host.revert(vm, 'snap1', foretell=False)  # it can't be foretold
        assert result.ok, result
        vm.refresh()
        assert images.pattern(left) == GREEN
        assert f"'{left}' can't be deleted" in host.new_log_lines()
    finally:
        if host.mode == 'system':
            images.tool('umount', left)
        closed.chmod(0o755)
    assert vm.data() == [RED, RED] and vm.current == 'snap1'


tap.main(globals())
