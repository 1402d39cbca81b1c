#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_revert.py: what a revert to a disk-only external snapshot promises

Most tests begin with the same domain: the disks hold RED at snap1, BLUE at
snap2, and GREEN, the state that a revert leaves behind, in the current overlays.
"""

import os
import stat
import xml.etree.ElementTree as ET

import libvirt

import images
import refusal
import tap
from refusal import BLUE, GREEN, KEEP_CURRENT, PAUSED, RED, RUNNING, VALIDATE, two_snapshots
from vm import sums

BLACK = 0x44


def document(files):
    return refusal.document(*files.items())


def revert(host, vm, snapshot, xml=None, flags=0):
    result = host.revert(vm, snapshot, xml, flags)
    assert result.ok, result
    vm.refresh()


def at_snap(vm, number):
    """The images that hold the state of snap1 or snap2: they and all below."""
    names = [['{}.qcow2'], ['{}.qcow2', '{}.snap1']][number - 1]
    return [vm.path(name.format(letter)) for letter in 'ab' for name in names]


def check_chain(vm, letter, *names):
    target = 'vd' + letter
    wanted = [name.format(letter) for name in names]
    assert vm.chain(target) == wanted, f'{target}: {vm.chain(target)}, wanted {wanted}'


def check_images(vm):
    """No damage, no more access than the base, nothing of a step left behind."""
    base = os.stat(vm.base['vda'])
    for path in sorted(vm.folder.iterdir()):
        if str(path) not in vm.files().values():
            images.check(path)
        info = path.stat()
        assert stat.S_IMODE(info.st_mode) & ~stat.S_IMODE(base.st_mode) == 0, path
        assert (info.st_uid, info.st_gid) == (base.st_uid, base.st_gid), path


def names(vm):
    return sorted(path.name for path in vm.folder.iterdir())


# Where the overlays go, and what is left afterwards


def test_names_from_xml(host):
    vm = two_snapshots(host)
    below = sums(at_snap(vm, 2))
    revert(host, vm, 'snap1', document({
        'vda': vm.path('a.mine'), 'vdb': vm.path('other-b.qcow2')}))
    check_chain(vm, 'a', 'a.mine', 'a.qcow2')
    check_chain(vm, 'b', 'other-b.qcow2', 'b.qcow2')
    assert vm.data() == [RED, RED], vm.data()
    assert sums(at_snap(vm, 2)) == below
    check_images(vm)


def test_generated_names(host):
    vm = two_snapshots(host)
    below = sums(at_snap(vm, 2))
    revert(host, vm, 'snap2')
    check_chain(vm, 'a', '{0}.snap2-1', '{0}.snap1', '{0}.qcow2')
    check_chain(vm, 'b', '{0}.snap2-1', '{0}.snap1', '{0}.qcow2')
    assert vm.data() == [BLUE, BLUE], vm.data()
    assert sums(at_snap(vm, 2)) == below
    check_images(vm)


def test_one_name_given_one_generated(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1', document({'vdb': vm.path('b.mine')}))
    check_chain(vm, 'a', 'a.snap1-1', 'a.qcow2')
    check_chain(vm, 'b', 'b.mine', 'b.qcow2')


def test_disk_named_by_source_path(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1', document({vm.base['vda']: vm.path('a.mine')}))
    check_chain(vm, 'a', 'a.mine', 'a.qcow2')


def test_names_that_differ_only_in_suffix(host):
    vm = host.vm(files=['disk.one', 'disk.two'])
    below = list(vm.base.values())
    vm.write_all(RED)
    overlays = ''.join(f"<disk name='{target}'><source file='{file}.s'/></disk>"
                       for target, file in vm.base.items())
    vm.snapshot('snap1', inner=f'<disks>{overlays}</disks>')
    vm.write_all(BLUE)
    revert(host, vm, 'snap1')
    files = list(vm.files().values())
    assert len(set(files)) == 2, files
    assert [images.chain(file)[1] for file in files] == below
    assert vm.data() == [RED, RED], vm.data()


def test_reverts_one_after_another_take_free_names(host):
    vm = two_snapshots(host, running=False)
    vm.snapshot('snap3')
    revert(host, vm, 'snap1')
    vm.write_all(BLACK)
    vm.snapshot('snap4')
    revert(host, vm, 'snap1')
    check_chain(vm, 'a', 'a.snap1-2', 'a.qcow2')
    revert(host, vm, 'snap4')
    assert vm.data() == [BLACK, BLACK], vm.data()


def test_current_overlay_replaced_in_place(host):
    vm = two_snapshots(host)
    current = vm.files()
    below = sums(at_snap(vm, 2))
    revert(host, vm, 'snap1', document(current))
    assert vm.files() == current
    check_chain(vm, 'a', 'a.snap2', 'a.qcow2')
    assert vm.data() == [RED, RED], vm.data()
    assert sums(at_snap(vm, 2)) == below


def test_discards_the_state_left_behind(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1')
    assert names(vm) == ['a.qcow2', 'a.snap1', 'a.snap1-1',
                         'b.qcow2', 'b.snap1', 'b.snap1-1'], names(vm)


def test_overlay_is_as_private_as_the_image_it_replaces(host):
    vm = two_snapshots(host, running=False)
    os.chmod(vm.file('vda'), 0o640)
    os.chmod(vm.file('vdb'), 0o600)
    if os.geteuid() == 0:
        os.chown(vm.file('vda'), 64990, 64990)
    owner = os.stat(vm.file('vda'))
    revert(host, vm, 'snap1')
    now = [os.stat(vm.file(target)) for target in vm.targets]
    assert [stat.S_IMODE(info.st_mode) for info in now] == [0o640, 0o600], now
    assert (now[0].st_uid, now[0].st_gid) == (owner.st_uid, owner.st_gid), now[0]


def test_keep_current(host):
    vm = two_snapshots(host, running=False)
    left = sums(vm.files().values())
    revert(host, vm, 'snap1', flags=KEEP_CURRENT)
    assert sums(left) == left
    assert vm.data() == [RED, RED], vm.data()


def test_sixteen_disks(host):
    vm = host.vm(disks=16)
    vm.write_all(RED)
    vm.snapshot('snap1')
    vm.write_all(BLUE)
    revert(host, vm, 'snap1')
    assert vm.data() == [RED] * 16, vm.data()
    assert len(names(vm)) == 32, names(vm)


def test_raw_base(host):
    vm = two_snapshots(host, fmt='raw')
    revert(host, vm, 'snap1')
    check_chain(vm, 'a', 'a.snap1-1', 'a.raw')
    assert vm.data() == [RED, RED], vm.data()


def test_disk_that_was_not_snapshotted_keeps_its_image(host):
    vm = host.vm()
    vm.start()
    vm.write_all(RED)
    vm.snapshot('snap1', inner="<disks><disk name='vdb' snapshot='no'/></disks>")
    vm.write_all(BLUE)
    revert(host, vm, 'snap1', flags=RUNNING)
    check_chain(vm, 'b', 'b.qcow2')
    assert vm.data() == [RED, BLUE], vm.data()


# The states a domain comes from and ends in


def test_disk_snapshot_ends_inactive(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1')
    assert not vm.active
    assert vm.pid() is None


def test_running_to_running(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1', flags=RUNNING)
    assert vm.running
    assert vm.files() == vm.files(active=False)
    vm.write_all(BLACK)
    assert vm.data() == [BLACK, BLACK], vm.data()


def test_running_to_paused(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1', flags=PAUSED)
    assert vm.paused
    assert vm.data() == [RED, RED], vm.data()


def test_inactive_to_inactive(host):
    vm = two_snapshots(host, running=False)
    below = sums(at_snap(vm, 2))
    revert(host, vm, 'snap1')
    assert not vm.active
    assert vm.data() == [RED, RED], vm.data()
    assert sums(at_snap(vm, 2)) == below
    check_images(vm)


def test_inactive_to_running(host):
    vm = two_snapshots(host, running=False)
    revert(host, vm, 'snap2', flags=RUNNING)
    assert vm.running
    assert vm.data() == [BLUE, BLUE], vm.data()


def test_inactive_to_paused(host):
    vm = two_snapshots(host, running=False)
    revert(host, vm, 'snap2', flags=PAUSED)
    assert vm.paused


def test_paused_domain(host):
    vm = two_snapshots(host)
    vm.dom.suspend()
    revert(host, vm, 'snap1', flags=RUNNING)
    assert vm.running
    assert vm.data() == [RED, RED], vm.data()


# The snapshot tree


def test_snapshot_becomes_current_and_a_parent(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap1', flags=RUNNING)
    assert vm.current == 'snap1', vm.current
    assert vm.snapshots() == ['snap1', 'snap2']
    vm.snapshot('snap3')
    assert vm.parent('snap3') == 'snap1', vm.parent('snap3')
    check_chain(vm, 'a', 'a.snap3', 'a.snap1-1', 'a.qcow2')


def test_there_and_back(host):
    vm = two_snapshots(host)
    vm.snapshot('snap3')
    revert(host, vm, 'snap1')
    assert vm.data() == [RED, RED], vm.data()
    revert(host, vm, 'snap3')
    assert vm.data() == [GREEN, GREEN], vm.data()
    revert(host, vm, 'snap2')
    assert vm.data() == [BLUE, BLUE], vm.data()


def delete_leaf(vm):
    assert vm.current == 'snap2'
    vm.dom.snapshotLookupByName('snap2').delete()
    assert vm.snapshots() == ['snap1']
    assert vm.data() == [BLUE, BLUE], vm.data()


def test_libvirt_deletes_a_reverted_leaf_while_running(host):
    vm = two_snapshots(host)
    revert(host, vm, 'snap2', flags=RUNNING)
    delete_leaf(vm)


def test_libvirt_deletes_a_reverted_leaf_when_inactive(host):
    vm = two_snapshots(host, running=False)
    revert(host, vm, 'snap2')
    delete_leaf(vm)


def test_definition_is_that_of_the_snapshot(host):
    vm = two_snapshots(host, running=False)
    changed = vm.xml().replace("<memory unit='KiB'>32768", "<memory unit='KiB'>65536")
    changed = changed.replace("<currentMemory unit='KiB'>32768",
                              "<currentMemory unit='KiB'>65536")
    host.conn.defineXML(changed)
    vm.refresh()
    assert vm.dom.maxMemory() == 65536
    revert(host, vm, 'snap1')
    assert vm.dom.maxMemory() == 32768, vm.dom.maxMemory()


# The dry run


def test_dry_run_tells_the_truth_and_changes_nothing(host):
    vm = two_snapshots(host)
    before = vm.capture()
    files_before = set(map(str, vm.folder.iterdir()))
    result = host.revert_desc(vm, 'snap1', document({'vda': vm.path('a.mine')}))
    assert result.ok, result
    vm.assert_unchanged(before)

    plan = ET.fromstring(result.out)
    overlays = {disk.get('name'): disk.find('source').get('file')
                for disk in plan.iterfind('disks/disk')}
    backing = {disk.get('name'): disk.find('backingStore/source').get('file')
               for disk in plan.iterfind('disks/disk')}
    discards = {image.get('file') for image in plan.iterfind('discard/image')}

    revert(host, vm, 'snap1', result.out, VALIDATE)
    assert vm.files() == overlays, (vm.files(), overlays)
    assert {target: images.chain(file)[1] for target, file in overlays.items()} == backing
    files_after = set(map(str, vm.folder.iterdir()))
    assert files_after - files_before == set(overlays.values())
    assert files_before - files_after == discards, discards


def test_dry_run_with_keep_current_discards_nothing(host):
    vm = two_snapshots(host, running=False)
    result = host.revert_desc(vm, 'snap1', flags=KEEP_CURRENT)
    assert result.ok, result
    assert not list(ET.fromstring(result.out).iterfind('discard/image'))


# The front end


def test_virsh_snapshot_revert(host):
    vm = two_snapshots(host)
    result = host.virsh('snapshot-revert', vm.name, 'snap1', '--running',
                        '--diskspec', f'vda,file={vm.path("a.mine")}')
    assert result.ok, result
    check_chain(vm, 'a', 'a.mine', 'a.qcow2')
    check_chain(vm, 'b', 'b.snap1-1', 'b.qcow2')
    assert vm.running


def virsh_reverts(host, running, *options, quiet=False):
    """What is printed; the snapshot is of disks alone."""
    vm = host.vm(disks=1)
    vm.snapshot('snap1')
    if running:
        vm.start()
    result = host.virsh(*(['-q'] if quiet else []), 'snapshot-revert', vm.name, 'snap1',
                        *options)
    assert result.ok and not result.err, result
    return result.out.replace(vm.name, 'vm').splitlines()


def test_virsh_says_that_it_is_off(host):
    assert virsh_reverts(host, True) == [
        'Domain snapshot snap1 reverted',
        "Domain 'vm' is shut off; --running would have started it", '']


def test_virsh_does_not_say_what_was_so_before(host):
    assert virsh_reverts(host, False) == ['Domain snapshot snap1 reverted', '']


def test_virsh_does_not_say_what_is_not_so(host):
    assert virsh_reverts(host, True, '--running') == ['Domain snapshot snap1 reverted', '']


def test_virsh_says_nothing_when_quiet(host):
    assert virsh_reverts(host, True, quiet=True) == []


def test_virsh_dry_run(host):
    vm = two_snapshots(host)
    before = vm.capture()
    result = host.virsh('snapshot-revert', '--dry-run', vm.name, '--current')
    assert result.ok, result
    assert ET.fromstring(result.out).tag == 'domainsnapshotrevert'
    vm.assert_unchanged(before)


def test_virsh_passes_on_what_is_not_its_own(host):
    vm = host.vm()
    result = host.virsh('domstate', vm.name)
    assert result.ok and result.out.strip() == 'shut off', result
    assert not host.virsh('domstate', 'no-such-domain').ok


tap.main(globals())
