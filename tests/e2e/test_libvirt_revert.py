#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_libvirt_revert.py: beside a libvirt that can revert to external snapshots itself

What ours leaves is what its own revert would have left, so that one can follow the other
and libvirt's deletion can follow each. For libvirt 9.9 and later.
"""

import os
import random
import re
import time
import xml.etree.ElementTree as ET

import libvirt

import images
import peer
import tap
from harness import wait_until
from refusal import BLUE, GREEN, KEEP_CURRENT, RED, RUNNING, two_snapshots
from test_front import front_snapshot, raised, revert_to
from vm import DISK

WHITE = 0x44
METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE

# as we name them, and as libvirt does
OVERLAY = r'([^.]+)\.(\w+-\d+|\d{10})'


def ours(host, vm, name, flags=0):
    result = host.revert(vm, name, flags=flags)
    assert result.ok, result


def theirs(_host, vm, name, flags=0):
    peer.revert(vm, name, flags)


def delete(vm, name):
    """By libvirt, asked directly."""
    vm.dom.snapshotLookupByName(name).delete()


def named(vm, snapshot, element):
    """target -> base name: what <disks> or <revertDisks> name."""
    tree = ET.fromstring(vm.snapshot_xml(snapshot))
    return {disk.get('name'): os.path.basename(disk.find('source').get('file'))
            for disk in tree.iterfind(f'{element}/disk')}


def live(vm):
    return {target: os.path.basename(file) for target, file in vm.files().items()}


def metadata(vm):
    """All snapshots' XML, but for what must differ between two VMs."""
    found = {'current': vm.current}
    for name in vm.snapshots():
        tree = ET.fromstring(vm.snapshot_xml(name))
        for unlike in ('creationTime', 'domain', 'inactiveDomain'):
            for element in tree.findall(unlike):
                tree.remove(element)
        for source in tree.iter('source'):
            source.set('file', re.sub(OVERLAY, r'\1.overlay',
                                      os.path.basename(source.get('file'))))
        text = re.sub(r'>\s+<', '><', ET.tostring(tree, encoding='unicode'))
        found[name] = text.replace(f'/{vm.name}/', '/vm/')
    return found


def line_of_three(host, running=False, **options):
    """RED at s1, BLUE at s2, GREEN at s3, WHITE now; what they need must not change."""
    vm = host.vm(**options)
    if running:
        vm.start()
    for name, byte in (('s1', RED), ('s2', BLUE), ('s3', GREEN)):
        vm.write_all(byte)
        vm.snapshot(name)
    vm.write_all(WHITE)
    return vm


def states(vm, **patterns):
    """That each snapshot's images still show its pattern."""
    for name, byte in patterns.items():
        tree = ET.fromstring(vm.snapshot_xml(name))
        for disk in tree.iterfind('domain/devices/disk'):
            file = disk.find('source').get('file')
            assert images.pattern(file) == byte, f'{name}: {file}'


def needed(vm):
    """The images that the domain and its snapshots stand on."""
    tops = [*vm.files().values()]
    for name in vm.snapshots():
        tree = ET.fromstring(vm.snapshot_xml(name))
        tops += [source.get('file') for source in tree.iterfind('domain/devices/disk/source')]
    return {file for top in tops for file in images.chain(top)}


def same_metadata(host, steps, make=line_of_three, flags=0, **options):
    """Both do the same steps, each on a VM of its own."""
    found = []
    for revert in (ours, theirs):
        vm = make(host, **options)
        for step in steps:
            if step.startswith('delete '):
                delete(vm, step.removeprefix('delete '))
            elif step.startswith('take '):
                vm.snapshot(step.removeprefix('take '))
            else:
                revert(host, vm, step, flags)
        found.append(metadata(vm))
    for name, value in found[1].items():
        assert found[0][name] == value, f'{name}:\n{found[0][name]}\n{value}'
    assert found[0].keys() == found[1].keys()


# What is left

def test_same_metadata_inner(host):
    same_metadata(host, ['s1'])


def test_same_metadata_leaf(host):
    same_metadata(host, ['s3'])


def test_same_metadata_again(host):
    same_metadata(host, ['s2', 's2'])


def test_same_metadata_from_inner_to_inner(host):
    same_metadata(host, ['s1', 's2'])


def test_same_metadata_from_inner_to_leaf(host):
    same_metadata(host, ['s1', 's3', 's3'])


def test_same_metadata_of_branches(host):
    same_metadata(host, ['s1', 'take s4', 's2', 'take s5', 's4', 's2'])


def test_same_metadata_and_deletions(host):
    same_metadata(host, ['s2', 'delete s3', 'delete s2', 's1', 'delete s1'])


def test_same_metadata_running(host):
    same_metadata(host, ['s1', 's2'], running=True, flags=RUNNING)


def memory_snapshots(host):
    vm = host.vm()
    vm.start()
    for name in ('s1', 's2', 's3'):
        vm.memory_snapshot(name)
    return vm


def test_same_metadata_memory(host):
    same_metadata(host, ['s1', 's3', 's2'], make=memory_snapshots)


# One after the other

def test_revert_disks_are_named(host):
    vm = line_of_three(host)
    before = named(vm, 's1', 'disks')
    ours(host, vm, 's1')
    assert named(vm, 's1', 'revertDisks') == live(vm) == {'vda': 'a.s1-1', 'vdb': 'b.s1-1'}
    assert named(vm, 's1', 'disks') == before


def test_excluded_disk(host):
    inner = "<disks><disk name='vda' snapshot='external'/><disk name='vdb' snapshot='no'/></disks>"
    vm = host.vm()
    vm.snapshot('s1', inner=inner)
    vm.snapshot('s2', inner=inner)
    vm.write_all(GREEN)
    ours(host, vm, 's1')
    tree = ET.fromstring(vm.snapshot_xml('s1'))
    assert [(disk.get('name'), disk.get('snapshot'))
            for disk in tree.iterfind('revertDisks/disk')] == \
        [('vda', 'external'), ('vdb', 'no')]
    assert vm.data() == [0, GREEN]
    theirs(host, vm, 's2')
    assert not os.path.exists(vm.path('a.s1-1'))
    assert images.pattern(vm.path('b.qcow2')) == GREEN


def test_ours_then_theirs(host):
    vm = line_of_three(host)
    ours(host, vm, 's1')
    theirs(host, vm, 's2')
    assert vm.data() == [BLUE, BLUE]
    assert not os.path.exists(vm.path('a.s1-1'))
    assert not named(vm, 's1', 'revertDisks')
    states(vm, s1=RED, s2=BLUE, s3=GREEN)
    ours(host, vm, 's3')
    theirs(host, vm, 's1')
    assert vm.data() == [RED, RED]
    states(vm, s1=RED, s2=BLUE, s3=GREEN)


def test_theirs_then_ours(host):
    vm = line_of_three(host)
    theirs(host, vm, 's1')
    left = vm.files()
    ours(host, vm, 's2')
    assert vm.data() == [BLUE, BLUE]
    assert not any(map(os.path.exists, left.values())), 'the state that was left is there'
    assert not named(vm, 's1', 'revertDisks')
    states(vm, s1=RED, s2=BLUE, s3=GREEN)
    theirs(host, vm, 's3')
    left = vm.files()
    ours(host, vm, 's1')
    assert not any(map(os.path.exists, left.values())), 'the state that was left is there'
    states(vm, s1=RED, s2=BLUE, s3=GREEN)


def test_kept_state_is_not_deleted_by_theirs(host):
    vm = line_of_three(host)
    ours(host, vm, 's1')
    kept = vm.files()
    ours(host, vm, 's2', KEEP_CURRENT)
    theirs(host, vm, 's3')
    assert all(map(os.path.exists, kept.values()))


def test_both_running(host):
    vm = line_of_three(host, running=True)
    for revert, name, byte in ((ours, 's1', RED), (theirs, 's3', GREEN), (ours, 's2', BLUE),
                               (theirs, 's2', BLUE), (ours, 's3', GREEN)):
        revert(host, vm, name, RUNNING)
        assert vm.running and vm.data() == [byte, byte], name
    vm.destroy()
    states(vm, s1=RED, s2=BLUE, s3=GREEN)


def test_both_with_memory(host):
    vm = memory_snapshots(host)
    for revert, name in ((ours, 's1'), (theirs, 's2'), (ours, 's3'), (theirs, 's1')):
        revert(host, vm, name)
        assert vm.running and vm.current == name


def test_after_a_revert_with_an_older_libvirt(host):
    """Which has no <revertDisks>: without, libvirt would take those of the children."""
    vm = line_of_three(host)
    ours(host, vm, 's1')
    vm.edit_snapshot('s1', lambda xml: re.sub('<revertDisks>.*</revertDisks>', '', xml,
                                              flags=re.DOTALL))
    assert not named(vm, 's1', 'revertDisks')
    host.snapshotd.restart()
    wait_until(lambda: named(vm, 's1', 'revertDisks') == live(vm), 'the upgrade')
    assert vm.current == 's1'
    theirs(host, vm, 's2')
    states(vm, s1=RED, s2=BLUE, s3=GREEN)


def test_snapshot_after_ours(host):
    vm = line_of_three(host)
    ours(host, vm, 's1')
    vm.write_all(WHITE)
    vm.snapshot('s4')
    assert not named(vm, 's1', 'revertDisks')
    assert vm.parent('s4') == 's1'
    theirs(host, vm, 's3')
    states(vm, s1=RED, s2=BLUE, s3=GREEN, s4=WHITE)


# Deletions

def deletions(host, revert, running):
    flags = RUNNING if running else 0
    vm = line_of_three(host, running)
    revert(host, vm, 's2', flags)
    delete(vm, 's3')
    assert named(vm, 's2', 'disks') == live(vm)
    assert vm.data() == [BLUE, BLUE]
    vm.write_all(WHITE)
    delete(vm, 's2')
    assert vm.data() == [WHITE, WHITE]
    revert(host, vm, 's1', flags)
    assert vm.data() == [RED, RED]
    delete(vm, 's1')
    assert vm.data() == [RED, RED] and live(vm) == {'vda': 'a.qcow2', 'vdb': 'b.qcow2'}
    assert sorted(os.listdir(vm.folder)) == ['a.qcow2', 'b.qcow2']


def test_delete_after_ours(host):
    deletions(host, ours, running=False)


def test_delete_after_ours_running(host):
    deletions(host, ours, running=True)


def test_delete_after_both(host):
    vm = line_of_three(host)
    ours(host, vm, 's1')
    theirs(host, vm, 's2')
    ours(host, vm, 's2')
    delete(vm, 's3')
    theirs(host, vm, 's1')
    delete(vm, 's2')
    ours(host, vm, 's1')
    delete(vm, 's1')
    assert vm.data() == [RED, RED]
    assert sorted(os.listdir(vm.folder)) == sorted(live(vm).values())


# Who answers a plain revert

def plain_revert(host, vm, name):
    with host.front() as conn:
        revert_to(conn, vm, name)


def test_we_answer(host):
    vm = two_snapshots(host, running=False)
    plain_revert(host, vm, 'snap1')
    assert live(vm) == {'vda': 'a.snap1-1', 'vdb': 'b.snap1-1'}
    assert named(vm, 'snap1', 'revertDisks') == live(vm)
    assert vm.data() == [RED, RED]


def test_libvirt_answers(host):
    vm = two_snapshots(host, running=False)
    with host.configured(revert_by='libvirt'):
        plain_revert(host, vm, 'snap1')
        assert re.fullmatch(r'a\.\d{10}', live(vm)['vda']), live(vm)
        assert vm.data() == [RED, RED]
        # what it can't do is still ours
        ours(host, vm, 'snap2')
        assert live(vm) == {'vda': 'a.snap2-1', 'vdb': 'b.snap2-1'}


def test_deletion_through_the_front(host):
    vm = line_of_three(host)
    ours(host, vm, 's2')
    with host.front() as conn:
        front_snapshot(conn, vm, 's3').delete()
        front_snapshot(conn, vm, 's2').delete()
    assert vm.data() == [BLUE, BLUE]
    states(vm, s1=RED)


# Of a leaf that is not the current snapshot it removes the image with the state

def deletion_refused(host, vm, name, *fragments):
    before = vm.capture()
    with host.front() as conn:
        error = raised(front_snapshot(conn, vm, name).delete)
    for fragment in (f"'{name}'", *fragments):
        assert fragment in error.get_error_message(), (fragment, error)
    vm.assert_unchanged(before)


def test_leaf_whose_state_nothing_needs(host):
    vm = two_snapshots(host)
    ours(host, vm, 'snap1', RUNNING)
    with host.front() as conn:
        front_snapshot(conn, vm, 'snap2').delete()
    assert vm.data() == [RED, RED] and not os.path.exists(vm.path('a.snap1'))


def test_leaf_whose_state_another_domain_needs(host):
    vm, other = two_snapshots(host), host.vm(disks=1)
    images.create(other.path('top'), backing=vm.path('a.snap1'))
    other.dom = host.conn.defineXML(other.xml().replace(other.file('vda'),
                                                        other.path('top')))
    ours(host, vm, 'snap1', RUNNING)
    deletion_refused(host, vm, 'snap2', vm.path('a.snap1'), f"domain '{other.name}'")
    assert images.pattern(other.path('top')) == BLUE


def test_leaf_whose_state_a_kept_overlay_needs(host):
    vm = two_snapshots(host)
    ours(host, vm, 'snap1', RUNNING | KEEP_CURRENT)
    deletion_refused(host, vm, 'snap2', vm.path('a.snap1'), vm.path('a.snap2'))
    os.unlink(vm.path('a.snap2'))
    os.unlink(vm.path('b.snap2'))
    with host.front() as conn:
        front_snapshot(conn, vm, 'snap2').delete()


def test_leaf_whose_state_the_domain_is_on(host):
    """Recorded anew, and not as the current one, as after a restore of a backup."""
    vm = two_snapshots(host, running=False)
    xml = vm.snapshot_xml('snap2')
    vm.dom.snapshotLookupByName('snap2').delete(METADATA_ONLY)
    vm.dom.snapshotCreateXML(xml, REDEFINE)
    assert vm.current == 'snap1'
    deletion_refused(host, vm, 'snap2', vm.path('a.snap1'), f"domain '{vm.name}'")


def test_disk_that_is_not_reverted(host):
    """The next snapshot's state of it is in what the first one's overlay was."""
    vm = host.vm(disks=1, devices="<controller type='scsi' model='virtio-scsi'/>")
    vm.start()
    images.create(vm.path('plugged.qcow2'))
    vm.dom.attachDevice(DISK.format(format='qcow2', file=vm.path('plugged.qcow2'),
                                    target='sda').replace('virtio', 'scsi'))
    for name in ('s1', 's2'):
        vm.snapshot(name)
    ours(host, vm, 's1', RUNNING)
    assert live(vm) == {'vda': 'a.s1-1'}
    theirs(host, vm, 's1', RUNNING)
    assert os.path.exists(vm.path('plugged.s1'))


# All together

class Tree:
    """A VM, and for each snapshot what it must show."""

    def __init__(self, host, seed):
        self.host, self.random = host, random.Random(seed)
        self.vm = host.vm(disks=1)
        self.bytes, self.now, self.count = {}, 0, 0

    def write(self):
        self.now = self.random.randrange(1, 255)
        self.vm.write_all(self.now)

    def take(self):
        self.count += 1
        self.vm.snapshot(f's{self.count}')
        self.bytes[f's{self.count}'] = self.now

    def revert(self):
        if self.bytes:
            name = self.random.choice(sorted(self.bytes))
            # theirs waits for a second
            self.random.choices((ours, theirs), (3, 1))[0](self.host, self.vm, name)
            self.now = self.bytes[name]

    def step(self):
        act = self.random.choice((self.write, self.take, self.revert))
        act()
        assert self.vm.snapshots() == sorted(self.bytes)
        assert self.vm.data() == [self.now], act.__name__
        states(self.vm, **self.bytes)
        return act.__name__


def test_any_order(host):
    seed = int(os.environ.get('SNAPSHOT_TEST_SEED', time.time()))
    print(f'# SNAPSHOT_TEST_SEED={seed}')
    tree, done = Tree(host, seed), []
    while done.count('revert') < 20:
        done.append(tree.step())
    found = {str(path) for path in tree.vm.folder.iterdir()}
    stale = {file for file in found if file not in needed(tree.vm)}
    assert not stale, f'nothing needs {stale}'


if __name__ == '__main__':
    tap.main(globals())
