#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_faults.py: a revert that fails, or is killed, at each of its points

The points are those that a revert passes: the program built with
-Dfault_injection=true lists them. After each fault, and the recovery that
follows it, the invariants hold: the domain is where it was or where the revert was
taking it, everything that a snapshot needs is as it was, and nothing is left over.
"""

import collections
import contextlib
import re
import threading

import libvirt

import tap
from harness import wait_until
from invariants import check_host, check_vm
from refusal import FORCE, GREEN, RED, RUNNING, document
from vm import sums

BEFORE, AFTER = 'before', 'after'


class Case:
    """A domain with a snapshot of RED, and GREEN since."""

    def __init__(self, host, running=True, memory=False, transient=False, in_place=False,
                 saved=False):
        self.host, self.running, self.memory = host, running, memory
        self.transient, self.in_place, self.saved = transient, in_place, saved
        self.vm = host.vm()
        self.vm.start()
        self.vm.write_all(RED)
        if memory:
            self.vm.memory_snapshot('snap1')
        else:
            self.vm.snapshot('snap1')
        self.vm.snapshot('snap2')
        self.frozen = sums([*self.vm.base.values(), *self.vm.folder.glob('*.mem'),
                            self.vm.path('a.snap1'), self.vm.path('b.snap1')])

    def prepare(self):
        """On GREEN, in the state that the case is about."""
        vm = self.vm
        if not vm.active and (self.running or self.saved):
            vm.start()
        if vm.active and not self.running and not self.saved:
            vm.destroy()
        vm.write_all(GREEN)
        if self.saved:
            vm.dom.managedSave()
        if self.transient and vm.dom.isPersistent():
            vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)

    def revert(self):
        xml = document(*self.vm.files(active=False).items()) if self.in_place else None
        flags = (0 if self.memory else RUNNING) | (FORCE if self.saved else 0)
        return self.host.call(self.vm, 'snap1', xml, flags)

    def check(self):
        """Which of both it is; raises where it is neither, or anything is lost."""
        vm = self.vm
        vm.refresh()
        data = vm.data()
        assert data in ([RED, RED], [GREEN, GREEN]), f'data {data}'
        where = AFTER if data == [RED, RED] else BEFORE
        check_vm(vm, self.frozen)
        check_host(self.host)
        assert vm.active == (self.running or where == AFTER), f'{where}, active {vm.active}'
        assert vm.dom.isPersistent() == (not self.transient), 'transient or not'
        assert vm.snapshots() == ['snap1', 'snap2'], vm.snapshots()
        assert vm.current == 'snap1' or where == BEFORE, vm.current
        return where


class Faults:
    """What the program is told to do, by the file that it looks for at each point."""

    def __init__(self, host):
        self.file = host.tmp / 'fault'
        self.host = host
        host.env['VIRTSNAPSHOTD_FAULT'] = str(self.file)
        host.snapshotd.restart()

    def _read(self, suffix):
        file = self.file.with_name(f'fault.{suffix}')
        return list(dict.fromkeys(file.read_text().split())) if file.exists() else []

    def arm(self, *faults):
        for suffix in ('passed', 'hit'):
            self.file.with_name(f'fault.{suffix}').unlink(missing_ok=True)
        self.file.write_text(''.join(f'{fault}\n' for fault in faults))

    def passed(self):
        return self._read('passed')

    def hit(self, fault):
        return fault.split()[0] in self._read('hit')

    def is_dying(self, process):
        """Whether it has been killed but is not dead yet."""
        return str(process.pid) in self._read('hit') and process.poll() is None

    def disarm(self):
        self.file.unlink(missing_ok=True)


def settle(host):
    """Starts what was killed, as systemd would, until nothing is left to be done."""
    def settled():
        if host.snapshotd.running:
            return not host.journals()
        host.snapshotd.stop()
        try:
            host.snapshotd.start()
        except RuntimeError:
            pass  # killed again, at once
        return False
    wait_until(settled, 'the end of the recovery')


def revert_without_libvirtd(faults, case, fault):
    results = []
    call = threading.Thread(target=lambda: results.append(case.revert()))
    call.start()
    wait_until(lambda: faults.hit(fault), fault, 20)
    case.host.libvirtd.kill()
    case.host.ensure_running()
    faults.disarm()
    call.join()
    return results[0]


def one(faults, case, *armed):
    """A revert with these faults, and what it comes to."""
    case.prepare()
    faults.arm(*armed)
    if armed and armed[0].endswith('hang'):
        result = revert_without_libvirtd(faults, case, armed[0])
    else:
        result = case.revert()
    # where it was a child of its own that looked at storage, it goes on
    if armed and armed[0].endswith('kill') and \
            faults.is_dying(case.host.snapshotd.process):
        case.host.snapshotd.process.wait(10)
    settle(case.host)
    with contextlib.suppress(TimeoutError):  # the last points are behind the journal
        wait_until(lambda: all(map(faults.hit, armed)), 'the faults', 3)
    if armed and armed[-1].endswith('kill'):
        wait_until(lambda: not faults.is_dying(case.host.snapshotd.process), 'its end', 10)
    settle(case.host)
    passed, hit = faults.passed(), [fault for fault in armed if faults.hit(fault)]
    faults.disarm()
    where = case.check()
    assert not result.ok or where == AFTER, f'it said it was done: {result}'
    return where, passed, hit


class Table:
    def __init__(self, title):
        self.title, self.outcomes, self.lost = title, collections.Counter(), []

    def add(self, faults, case, *armed):
        try:
            where, _passed, hit = one(faults, case, *armed)
            assert hit, 'the point was not reached'
            self.outcomes[where] += 1
        except Exception as error:  # the table is of all
            self.lost.append(armed)
            tap.diagnose(f'{armed}: {error!r}')
            faults.disarm()
            case.host.ensure_running()
            settle(case.host)

    def show(self):
        tap.diagnose(f'{self.title}: cases tried {self.outcomes.total() + len(self.lost)}, '
                     f'held {self.outcomes.total()} ({self.outcomes[BEFORE]} where they '
                     f'were, {self.outcomes[AFTER]} where they were going), '
                     f'lost {len(self.lost)}')
        assert not self.lost, self.lost


def make(kind, manner):
    def test(host):
        faults, case = Faults(host), Case(host, **KINDS[kind])
        points = one(faults, case)[1]
        assert len(points) > 30, points
        table = Table(f'{manner}, {kind}')
        for point in points:
            table.add(faults, case, f'{point} {manner}')
        table.show()
    return test


KINDS = {
    'disks_running': {},
    'disks_inactive': {'running': False},
    'memory_running': {'memory': True},
    'memory_inactive': {'running': False, 'memory': True},
    'transient': {'memory': True, 'transient': True},
    'in_place': {'in_place': True},
    'managed_save': {'running': False, 'saved': True},
}
for name in list(KINDS)[:4]:
    for how in ('fail', 'kill'):
        globals()[f'test_{how}_{name}'] = make(name, how)
for name in list(KINDS)[4:]:
    globals()[f'test_kill_{name}'] = make(name, 'kill')


def make_second(kind, first):
    """Killed again while it is taken back, or brought to its end."""
    def test(host):
        faults, case = Faults(host), Case(host, **KINDS[kind])
        _where, passed, hit = one(faults, case, first)
        assert hit, first
        after = passed[passed.index(first.split()[0]) + 1:]
        assert len(after) > 3, after
        table = Table(f'kill after {first}, {kind}')
        for point in after:
            table.add(faults, case, first, f'{point} kill')
        table.show()
    return test


for number, row in enumerate((('disks_running', 'domain-destroyed kill'),
                              ('disks_running', 'after-define kill'),
                              ('disks_running', 'before-start fail'),
                              ('memory_running', 'before-record kill'),
                              ('transient', 'domain-started fail'),
                              ('transient', 'after-stop kill'),
                              ('in_place', 'after-switch fail'),
                              ('in_place', 'after-define kill'))):
    globals()[f'test_second_{number}_{row[0]}_{row[1].replace(" ", "_").replace("-", "_")}'] = \
        make_second(*row)


def make_libvirtd(kind):
    """libvirtd is killed while the revert is at each point, and comes back."""
    def test(host):
        faults, case = Faults(host), Case(host, **KINDS[kind])
        table = Table(f'libvirtd killed, {kind}')
        for point in one(faults, case)[1]:
            table.add(faults, case, f'{point} hang')
        table.show()
    return test


for name in ('disks_running', 'memory_inactive'):
    globals()[f'test_libvirtd_{name}'] = make_libvirtd(name)


def test_no_point_is_forgotten(host):
    """All that the source has are passed by one of the kinds."""
    source = host.source / 'src'
    named = {name for file in source.rglob('*.c')
             for name in re.findall(r'virSnapFault\("([^"]+)"', file.read_text())}
    steps = re.findall(r'\{ "(\w+)", +\w+, +\w+ \}',
                       (source / 'qemu/steps/qemu_snapshot_steps.c').read_text())
    named |= {f'{when}-{step}' for step in steps for when in ('before', 'after')}
    assert len(steps) == 15, steps
    faults, passed = Faults(host), set()
    for kind, *armed in (('disks_running',), ('disks_running', 'before-start fail'),
                         ('transient',), ('in_place', 'after-switch fail'), ('in_place',),
                         ('managed_save',), ('disks_running', 'after-define kill')):
        passed |= set(one(faults, Case(host, **KINDS[kind]), *armed)[1])
    assert named <= passed, f'never passed: {sorted(named - passed)}'


tap.SECONDS_PER_TEST = 600
tap.main(globals())
