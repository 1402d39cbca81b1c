#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_clients.py: six clients at random, at the same two VMs

Some come through virtsnapshotd, some are connected to libvirtd itself. They take
snapshots, go back to them, delete them, write, start, stop and suspend, and ask nobody;
now and then all of them pause, and what the VMs and their snapshots hold is looked at:
nothing is lost, nothing is left over, nothing is stuck.

SNAPSHOT_TEST_SECONDS (60) and SNAPSHOT_TEST_SEED as in test_random.py;
SNAPSHOT_TEST_WITH=internal,metadata adds what libvirt can't be trusted with, and merged
wants snapshots with memory to be gone back to whose parents were deleted: libvirt gives
their disks other names then, but not those in the memory file.
"""

import os
import random
import signal
import threading
import time
import xml.etree.ElementTree as ET

import images
import tap
from clients import Client, FrontClient, LibraryClient, Log, Machine, VirshClient
from harness import wait_until
from invariants import check_host, connections, storage_daemons
from refusal import RUNNING, two_snapshots
from walk import SECONDS, seed, settle

VMS = 2
ROUND_SECONDS = 8
# libvirt lets a call wait for another for 30 s, and a revert may make two of them
STUCK_SECONDS = 120

# Operations that are done on demand alone: internal snapshots, and deletions of the
# metadata of external ones, each with how often.
ON_DEMAND = {'internal': 1, 'metadata': 1}
WITH = [name for name in os.environ.get('SNAPSHOT_TEST_WITH', '').split(',') if name]


class Walk:
    def __init__(self, host, number):
        self.host, self.number = host, number
        self.log = Log()
        self.began = time.monotonic()
        self.slots = [Machine(host.vm()) for _ in range(VMS)]
        self.clients = [
            FrontClient(host.front_uri()), FrontClient(host.front_uri()),
            VirshClient(host), LibraryClient(host),
            Client(host.direct_uri()), Client(host.direct_uri())]
        self.failures, self.checked, self.asked = [], 0, {}

    def clock(self):
        return time.monotonic() - self.began

    def note(self, text):
        self.log.line(self.clock(), text)

    # The clients

    def one(self, who, rand):
        client, machine = self.clients[who], rand.choice(self.slots)
        wanted = dict(client.OPERATIONS)
        if 'delete' in wanted:
            wanted |= {name: ON_DEMAND[name] for name in WITH if name in ON_DEMAND}
        operation = rand.choices(list(wanted), list(wanted.values()))[0]
        begin, self.asked[who] = self.clock(), f'{operation} {machine.name}'
        error, name = client.perform(operation, machine, rand)
        what = f'{operation} {name}' if name else operation
        self.note(f'{begin:8.3f} {machine.name} {who} {what}: {error or "done"}')
        self.log.outcome(operation, error)

    def work(self, who, until):
        # of its own, so that a client does the same whatever the others do
        rand = random.Random(f'{self.number} {who} {self.checked}')
        try:
            while time.monotonic() < until:
                self.one(who, rand)
        except Exception as error:  # in a thread, so that nobody would see it
            self.failures.append(f'client {who}, {self.asked[who]}: {error!r}')

    def one_round(self, seconds):
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self.work, args=(who, until), daemon=True)
                   for who in range(len(self.clients))]
        for thread in threads:
            thread.start()
        for who, thread in enumerate(threads):
            thread.join(max(0, until + STUCK_SECONDS - time.monotonic()))
            assert not thread.is_alive(), f'client {who} waits for {self.asked[who]}'
        assert not self.failures, self.failures

    # When all is at rest

    def check(self):
        settle(self.host)
        check_host(self.host)
        for slot, machine in enumerate(self.slots):
            self.note(f'--- {machine.name}')
            check_free(machine, self.clients[0])
            check_content(machine)
            check_snapshots(machine)
            check_files(machine)
            if machine.full():
                self.retire(slot)
        self.checked += 1

    def retire(self, slot):
        """Every snapshot can be gone back to; then another VM takes its place."""
        machine = self.slots[slot]
        for name in sorted(machine.held.keys() - machine.doomed):
            go_back(self.host, machine, name)
        check_files(machine)
        machine.vm.remove()
        self.host.vms.remove(machine.vm)
        self.slots[slot] = Machine(self.host.vm(f'vm{self.checked}-{slot}'))

    def end(self):
        for slot in range(VMS):
            self.retire(slot)
        for client in self.clients:
            client.close()
        self.host.remove_vms()
        for (operation, text), count in sorted(self.log.outcomes.items()):
            tap.diagnose(f'{count:5} {operation}: {text}')


def check_free(machine, client):
    """Nobody has the domain: what changes it is answered, through virtsnapshotd."""
    client.domain(machine).setAutostart(0)
    if machine.vm.active:
        job = machine.vm.dom.jobInfo()[0]
        assert job == 0, f'{machine.name} has a job of type {job}'


def check_content(machine):
    vm = machine.vm
    found = {target: vm.read(target) for target in vm.targets}
    machine.content.settle(found)
    if vm.active:
        assert vm.files(active=True) == vm.files(active=False), \
            f'{vm.name} runs on other disks than it is defined with'


def state_disks(xml):
    """target -> (file, format) of what a snapshot holds."""
    disks = ET.fromstring(xml).iterfind('domain/devices/disk')
    return {disk.find('target').get('dev'):
            (disk.find('source').get('file'), disk.find('driver').get('type'))
            for disk in disks}


def check_snapshots(machine):
    """Those that are there, and nobody has tried to delete, hold what they did."""
    there = set(machine.vm.snapshots())
    lost = machine.held.keys() - machine.doomed - there
    assert not lost, f'{machine.name}: snapshots are lost: {lost}'
    for name in there - machine.held.keys():
        # it is there although the answer was an error; else one is that was deleted
        assert name in machine.failed, f'{machine.name}: {name} is still there'
        machine.held[name] = machine.failed.pop(name)
    for name in machine.held.keys() - there:
        machine.held.pop(name)
    for name in machine.held.keys() - machine.doomed:
        for target, (file, fmt) in state_disks(machine.vm.snapshot_xml(name)).items():
            found, may = images.pattern(file, fmt=fmt), machine.held[name][target]
            assert found in may, f'{machine.name} {name} {target}: {found}, not {may}'
            machine.held[name] = {**machine.held[name], target: {found}}


def go_back(host, machine, name):
    result = host.call(machine.vm, name)
    if 'does not fit snapshot' in result.message and name in machine.merged and \
            'merged' not in WITH:
        tap.diagnose(f'{machine.name} {name}: {result.message}')
        return
    assert result.ok, f'{machine.name} {name}: {result}'
    for target, may in machine.held[name].items():
        found = machine.vm.read(target)
        assert {found} == may, f'{machine.name} reverted to {name}: {found}, not {may}'


def needed(machine):
    """All files that the VM and its snapshots stand on."""
    vm, tops, files = machine.vm, set(), set()
    for active in {vm.active, False}:
        tops |= {(file, 'qcow2') for file in vm.files(active).values()}
    for name in vm.snapshots():
        text = vm.snapshot_xml(name)
        tops |= set(state_disks(text).values())
        memory = ET.fromstring(text).find('memory')
        if memory is not None and memory.get('file'):
            files.add(memory.get('file'))
    for top, fmt in tops:
        files |= set(images.chain(top, fmt))
    return files


def check_files(machine):
    found = {str(path) for path in machine.vm.folder.iterdir()}
    left = found - needed(machine) - machine.disowned
    assert not left, f'{machine.name}: files are left: {sorted(left)}'


def descriptors(host):
    """Of both daemons at rest: nothing is connected to virtsnapshotd, but it to libvirtd."""
    for pid in storage_daemons(host):  # the one that is kept for the next revert
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: connections(host) == 1, 'the end of all connections')
    return [len(os.listdir(f'/proc/{daemon.pid}/fd'))
            for daemon in (host.snapshotd, host.libvirtd)]


def warm_up(host):
    """What both daemons open once, and keep."""
    vm = two_snapshots(host)
    assert host.call(vm, 'snap1', flags=RUNNING).ok
    host.remove_vms()


def test_six_clients(host):
    warm_up(host)
    before = descriptors(host)
    walk = Walk(host, seed())
    pids = host.libvirtd.pid, host.snapshotd.pid
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            walk.one_round(min(ROUND_SECONDS, end - time.monotonic()))
            walk.check()
        walk.end()
    except Exception:
        tap.diagnose(walk.log.tail())
        raise
    assert (host.libvirtd.pid, host.snapshotd.pid) == pids, 'a daemon was restarted'
    after = descriptors(host)
    tap.diagnose(f'{walk.checked} rounds; descriptors before {before}, after {after}')
    assert after[0] <= before[0], 'virtsnapshotd has left some open'


tap.SECONDS_PER_TEST = 2 * SECONDS + 240
tap.main(globals())
