#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_tree.py: many reverts in a tree of snapshots with branches

After each, the disks hold what they held at the snapshot, no image that holds a
snapshot's state has changed, and the folder holds nothing but what is needed.
"""

import os
import random

import libvirt

import images
import tap
from invariants import check_vm
from refusal import PAUSED, RUNNING
from vm import sums

STEPS = 25


class Walk:
    """A domain, and what each of its snapshots must hold."""

    def __init__(self, host, rand, running):
        self.host, self.rand, self.running = host, rand, running
        self.vm = host.vm()
        if running:
            self.vm.start()
        self.held = {}       # snapshot -> byte
        self.frozen = {}     # image that holds a state -> checksum
        self.byte = 0

    def write(self):
        self.byte = self.byte % 250 + 1
        self.vm.write_all(self.byte)

    def snapshot(self, memory=False):
        name = f's{len(self.held)}'
        state = self.vm.files()
        if memory:
            file = self.vm.memory_snapshot(name)
            self.frozen.update(sums([file]))
        else:
            self.vm.snapshot(name)
        self.held[name] = self.byte
        self.frozen.update(sums(state.values()))
        assert self.vm.current == name

    def revert(self, name=None, flags=None):
        name = name or self.rand.choice(sorted(self.held))
        if flags is None:
            flags = RUNNING if self.running else 0
        result = self.host.revert(self.vm, name, flags=flags)
        assert result.ok, result
        self.vm.refresh()
        assert self.vm.data() == [self.held[name]] * 2, (name, self.vm.data())
        assert self.vm.current == name
        self.byte = self.held[name]

    def check(self):
        check_vm(self.vm, self.frozen)


def seeded():
    seed = int(os.environ.get('SNAPSHOT_TEST_SEED', random.randrange(1 << 30)))
    tap.diagnose(f'SNAPSHOT_TEST_SEED={seed}')
    return random.Random(seed)


def walk(host, running, steps):
    rand = seeded()
    state = Walk(host, rand, running)
    state.write()
    state.snapshot()
    for _ in range(steps):
        rand.choice([state.revert, state.revert, state.write,
                     lambda: (state.write(), state.snapshot())])()
        state.check()
    for name in sorted(state.held):  # and each is still what it was
        assert host.revert(state.vm, name).ok
        assert state.vm.data() == [state.held[name]] * 2, name
        state.check()


def test_random_walk_inactive(host):
    walk(host, False, STEPS)


def test_random_walk_running(host):
    walk(host, True, 8)


def test_five_snapshots_on_three_branches(host):
    """s0 <- s1 (memory); s0 <- s2 (memory) <- s3; s0 <- s4 (memory)"""
    state = Walk(host, seeded(), True)
    state.write()
    state.snapshot()
    for memory, onwards in ((True, True), (True, False), (False, True), (True, True)):
        state.write()
        state.snapshot(memory)
        if onwards:
            state.revert('s0', RUNNING)
            state.check()
    parents = {name: state.vm.parent(name) for name in state.held}
    assert parents == {'s0': None, 's1': 's0', 's2': 's0', 's3': 's2', 's4': 's0'}, parents
    for _ in range(20):
        flags = state.rand.choice([0, RUNNING, PAUSED])
        state.revert(flags=flags)
        state.check()
        if state.vm.active and state.rand.randrange(2):
            state.write()


def test_fifty_in_a_row(host):
    """Names do not run away, and nothing is left behind."""
    vm = host.vm()
    vm.write_all(0x11)
    vm.snapshot('snap1')
    seen = set()
    for _ in range(50):
        vm.write_all(0x22)
        assert host.revert(vm, 'snap1').ok
        seen.add(os.path.basename(vm.file('vda')))
        assert len(list(vm.folder.iterdir())) == 4
    assert seen == {'a.snap1-1', 'a.snap1-2'}, seen
    assert vm.data() == [0x11, 0x11]


def test_branches_can_be_left_and_come_back_to(host):
    """disk <- s1 <- s2 and, from s1, a branch of its own."""
    vm = host.vm()
    vm.write_all(1)
    vm.snapshot('s1')
    vm.write_all(2)
    vm.snapshot('s2')
    assert host.revert(vm, 's1').ok
    vm.write_all(3)
    vm.snapshot('branch')
    assert vm.parent('branch') == 's1' and vm.parent('s2') == 's1'
    for name, byte in (('s2', 2), ('branch', 3), ('s1', 1), ('branch', 3), ('s2', 2)):
        assert host.revert(vm, name).ok
        assert vm.data() == [byte, byte], name


def test_suffixless_image_and_chain_below(host):
    """A base that stands on images which libvirt was never told of."""
    vm = host.vm(files=['disk'])
    base = vm.base['vda']
    images.write(base, 0x55)
    os.rename(base, vm.path('golden'))
    images.create(base, backing=vm.path('golden'))
    below = sums([base, vm.path('golden')])
    vm.snapshot('snap1')
    vm.write_all(0x66)
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert vm.file('vda') == vm.path('disk.snap1-1')
    assert vm.data() == [0x55]
    assert sums(below) == below


def test_missing_golden_image_is_found_before_the_vm_stops(host):
    vm = host.vm(files=['disk.qcow2'])
    base = vm.base['vda']
    os.rename(base, vm.path('golden'))
    images.create(base, backing=vm.path('golden'))
    vm.start()
    vm.snapshot('snap1')
    os.rename(vm.path('golden'), vm.path('gone'))
    before = vm.capture()
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.code == libvirt.VIR_ERR_OPERATION_FAILED, result
    assert vm.path('golden') in result.message, result
    vm.assert_unchanged(before)


tap.main(globals())
