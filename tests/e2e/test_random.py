#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_random.py: four VMs, and everything at once

Snapshots, writes, starts, stops and reverts of four VMs side by side, while one program
or the other is killed, for SNAPSHOT_TEST_SECONDS (60); with SNAPSHOT_TEST_LIBVIRTD=1
libvirtd, too. After each round all of them must
hold what they should.
"""

import os
import random
import signal
import threading
import time

import images
import tap
from invariants import check_host, check_vm, storage_daemons
from refusal import PAUSED, RUNNING
from vm import sums
from walk import SECONDS, seed, settle

SNAPSHOTS_MAX = 8

# A libvirtd that is killed while it starts a domain may, when it is back, keep that
# domain locked for good: "cannot acquire state change lock", for whatever call. So only
# on demand; test_faults.py kills it at each point of a revert.
KILLED = ['snapshotd', 'storage daemon']
if os.environ.get('SNAPSHOT_TEST_LIBVIRTD') == '1':
    KILLED.append('libvirtd')


class Machine:
    """A VM and what is known of it: what it may hold, and what each snapshot does."""

    def __init__(self, host, rand):
        self.host, self.rand, self.vm = host, rand, host.vm(disks=1)
        self.byte, self.may_hold = 0, {0}
        self.held, self.frozen = {}, {}
        self.vm.start()
        self.write()
        self.snapshot()

    def write(self):
        self.byte = self.byte % 250 + 1
        self.vm.write_all(self.byte)
        self.may_hold = {self.byte}

    def snapshot(self):
        if len(self.held) == SNAPSHOTS_MAX:
            return
        name, state = f's{len(self.held)}', self.vm.files(active=False)
        if self.vm.active and self.rand.randrange(2):
            self.frozen |= sums([self.vm.memory_snapshot(name)])
        else:
            self.vm.snapshot(name)
        (self.held[name],) = self.may_hold
        self.frozen |= sums(state.values())

    def start_or_stop(self):
        if self.vm.active:
            self.vm.destroy()
        else:
            self.vm.start()

    def revert(self):
        name = self.rand.choice(sorted(self.held))
        flags = self.rand.choice([0, RUNNING, PAUSED])
        result = self.host.call(self.vm, name, None, flags)
        held = {self.held[name]}
        self.may_hold = held if result.ok else self.may_hold | held

    def step(self):
        self.rand.choice([self.write, self.snapshot, self.start_or_stop])()

    def check(self):
        vm = self.vm
        vm.refresh()
        assert vm.read('vda') in self.may_hold, (vm.name, vm.read('vda'), self.may_hold)
        self.may_hold = {vm.read('vda')}
        assert vm.snapshots() == sorted(self.held), vm.snapshots()
        check_vm(vm, self.frozen)
        if not vm.active:
            images.check(vm.file('vda'))


def kill_one(host, rand):
    """One of the programs, at any time."""
    time.sleep(rand.uniform(0, 0.8))
    kind = rand.choice(KILLED)
    if kind == 'snapshotd':
        host.snapshotd.kill()
    elif kind == 'libvirtd':
        host.libvirtd.kill()
    else:
        for pid in storage_daemons(host):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    return kind


def one_round(host, rand, machines):
    for machine in rand.sample(machines, rand.randrange(len(machines))):
        machine.step()
    reverting = rand.sample(machines, rand.randrange(1, len(machines) + 1))
    calls = [threading.Thread(target=machine.revert) for machine in reverting]
    for call in calls:
        call.start()
    killed = kill_one(host, rand) if rand.randrange(3) else 'nothing'
    for call in calls:
        call.join()
    settle(host)
    check_host(host)
    for machine in machines:
        machine.check()
    return killed


def test_random(host):
    rand = random.Random(seed())
    machines = [Machine(host, rand) for _ in range(4)]
    end, rounds, killed = time.monotonic() + SECONDS, 0, {}
    while time.monotonic() < end:
        what = one_round(host, rand, machines)
        killed[what] = killed.get(what, 0) + 1
        rounds += 1
    tap.diagnose(f'{rounds} rounds; killed: {killed}')
    for machine in machines:  # and every snapshot is still what it was
        for name, byte in machine.held.items():
            result = host.call(machine.vm, name)
            assert result.ok, result
            machine.vm.refresh()
            assert machine.vm.read('vda') == byte, name


tap.SECONDS_PER_TEST = SECONDS + 240
tap.main(globals())
