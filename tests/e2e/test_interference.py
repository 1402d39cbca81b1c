#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_interference.py: others change the domain, between any two steps of a revert

Directly at libvirtd, while virtsnapshotd waits before each of its steps. Whatever comes
of it, nothing that a snapshot or a definition needs is lost, what they did before
the new definition is made is noticed, and nothing is left over.
"""

import os
import threading

import libvirt

import tap
from harness import wait_until
from refusal import GREEN, RED, RUNNING
from vm import sums

STEPS = ('reserve', 'journal', 'create', 'verify', 'guard', 'persist', 'stop', 'switch',
         'define', 'start', 'record', 'release', 'discard', 'clear')


class Subject:
    def __init__(self, host, running):
        self.host, self.vm = host, host.vm()
        if running:
            self.vm.start()
        for name, byte in (('snap1', RED), ('snap2', GREEN)):
            self.vm.write_all(byte)
            self.vm.snapshot(name)
        self.frozen = sums([*self.vm.base.values(), self.vm.path('a.snap1'),
                            self.vm.path('b.snap1')])

    # What others do

    def start(self):
        self.vm.start()

    def destroy(self):
        self.vm.destroy()

    def take_snapshot(self):
        self.vm.snapshot('theirs')

    def delete_snapshot(self):
        self.vm.dom.snapshotLookupByName('snap2').delete(
            libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)

    def delete_target(self):
        self.vm.dom.snapshotLookupByName('snap1').delete(
            libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)

    def redefine(self):
        self.host.conn.defineXML(self.vm.xml(active=False).replace(
            '<memory ', '<title>theirs</title><memory ', 1))

    def undefine(self):
        self.vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)

    def save(self):
        self.vm.dom.managedSave()

    def destroy_through_the_front(self):
        """Which does not wait; it is off by then, or is to be."""
        with self.host.front() as conn:
            try:
                conn.lookupByName(self.vm.name).destroy()
            except libvirt.libvirtError as error:
                assert 'not running' in error.get_error_message(), error
        self.redefine()

    def act(self, name):
        """What libvirt refuses at that moment has not happened."""
        try:
            getattr(self, name)()
        except libvirt.libvirtError as error:
            tap.diagnose(f'  {name}: {error}')
            return False
        return True

    def check(self, action, done):
        assert sums(self.frozen) == self.frozen, 'an image of a snapshot has changed'
        assert not self.host.journals()
        try:
            self.vm.refresh()
        except libvirt.libvirtError:
            assert action == 'undefine' and done
            assert not list(self.vm.folder.glob('*.snap1-*')), 'overlays are left'
            return
        needed = set(self.vm.files(active=False).values())
        if self.vm.active:
            needed |= set(self.vm.files(active=True).values())
        for file in needed:
            assert os.path.exists(file), f'{file} is gone'
        for file in self.vm.folder.glob('*.snap1-*'):
            assert str(file) in needed or 'theirs' in self.vm.snapshots(), f'{file} is left'
        if 'theirs' in self.vm.snapshots():
            result = self.host.call(self.vm, 'theirs')
            assert result.ok, f'their snapshot: {result}'


def interfere(host, running, step, action, point=None):
    fault = host.tmp / 'fault'
    for suffix in ('.hit', '.passed'):
        fault.with_suffix(suffix).unlink(missing_ok=True)
    subject = Subject(host, running)
    fault.write_text(f'{point or "before-" + step} hang\n')
    results = []
    call = threading.Thread(target=lambda: results.append(
        host.call(subject.vm, 'snap1', None, RUNNING)))
    call.start()
    wait_until(lambda: fault.with_suffix('.hit').exists() or not call.is_alive(), step, 20)
    assert fault.with_suffix('.hit').exists(), results
    done = subject.act(action)
    fault.unlink()
    call.join()
    host.wait_for_recovery()
    subject.check(action, done)
    noticed = STEPS.index(step) <= STEPS.index('define') and done and action != 'destroy'
    assert not (noticed and results[0].ok), f'{action} before {step} was not noticed'
    return results[0]


def make(running, action):
    def test(host):
        host.env['VIRTSNAPSHOTD_FAULT'] = str(host.tmp / 'fault')
        host.snapshotd.restart()
        for step in STEPS:
            result = interfere(host, running, step, action)
            tap.diagnose(f'{action} before {step}: '
                         f'{"done" if result.ok else result.message[:150]}')
            host.remove_vms()
    return test


def test_destroy_through_the_front_is_not_undone(host):
    """Of a revert that fails after it: the domain does not come back by itself."""
    host.env['VIRTSNAPSHOTD_FAULT'] = str(host.tmp / 'fault')
    host.snapshotd.restart()
    for step in ('stop', 'switch', 'define'):
        result = interfere(host, True, step, 'destroy_through_the_front')
        assert not result.ok and 'is left off' in result.message, result
        vm = host.vms[-1]
        vm.refresh()
        assert not vm.active and vm.data() == [GREEN, GREEN]
        host.remove_vms()


for act in ('destroy', 'take_snapshot', 'delete_snapshot', 'delete_target', 'redefine',
            'save', 'undefine'):
    globals()[f'test_{act}_running'] = make(True, act)
for act in ('start', 'take_snapshot', 'delete_target', 'redefine', 'undefine'):
    globals()[f'test_{act}_inactive'] = make(False, act)

def test_start_after_the_last_look(host):
    """Whoever starts it before it has the new definition has it on the old disks: the
    revert must not say that it is done, nor leave what it is on to nobody."""
    host.env['VIRTSNAPSHOTD_FAULT'] = str(host.tmp / 'fault')
    host.snapshotd.restart()
    result = interfere(host, False, 'define', 'start', 'domain-define')
    assert 'was started by someone else' in result.message, result
    vm = host.vms[0]
    assert vm.running and vm.files(active=True) == vm.files(active=False)
    assert vm.file('vda') == vm.path('a.snap2'), vm.files()


tap.SECONDS_PER_TEST = 300
tap.main(globals())
