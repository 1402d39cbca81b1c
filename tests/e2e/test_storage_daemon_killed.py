#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_storage_daemon_killed.py: qemu-storage-daemon ends, at any point

A relay between it and virtsnapshotd counts the messages of one direction and
after so many ends both, until a revert has as many as it needs. Whenever that
is, nothing is left and the VM runs on untouched.
"""

import itertools
import os
import random
import stat
import subprocess

import libvirt

import tap
from harness import wait_until
from invariants import left_over
from refusal import GREEN, RED, RUNNING, check_refused, two_snapshots

FAILED = libvirt.VIR_ERR_OPERATION_FAILED
TIMEOUT = libvirt.VIR_ERR_OPERATION_TIMEOUT

# After COUNT messages of the DIRECTION, to or from it: kill, or hang.
RELAY = """#!/usr/bin/python3
import json, os, select, socket, subprocess, time
direction, count, manner = open('@PLAN@').read().split()
ours, theirs = socket.socketpair()
child = subprocess.Popen(['qemu-storage-daemon', '--chardev',
                          f'socket,id=qmp,fd={theirs.fileno()}',
                          '--monitor', 'chardev=qmp'], pass_fds=[theirs.fileno()])
theirs.close()
monitor, left, text = socket.socket(fileno=3), int(count), ''
def whole_messages():
    '''What has come so far of them, up to the last that is wanted.'''
    global left, text
    passed = ''
    while left > 0 and text.strip():
        try:
            end = json.JSONDecoder().raw_decode(text.lstrip())[1]
        except ValueError:
            break
        end += len(text) - len(text.lstrip())
        passed += text[:end].strip() + '\\n'
        text, left = text[end:], left - 1
    return passed.encode()
while True:
    for ready in select.select([monitor, ours], [], [])[0]:
        data = ready.recv(65536)
        if (ready is monitor) == (direction == 'to'):
            text += data.decode()
            out = whole_messages()
        else:
            out = data
        (ours if ready is monitor else monitor).sendall(out)
        if left <= 0 or not data:
            open('@PLAN@.reached', 'w').close()
            time.sleep(1000 if manner == 'hang' else 0)
            child.kill()
            os.kill(os.getpid(), 9)
"""

KILLER = """#!/bin/sh
delay=$(cat '@PLAN@')
(sleep "$delay"; kill -9 $$) >/dev/null 2>&1 3>&- &
exec qemu-storage-daemon "$@"
"""


class Plan:
    def __init__(self, host):
        self.file = host.tmp / 'plan'
        self.reached = host.tmp / 'plan.reached'

    def script(self, text):
        return text.replace('@PLAN@', str(self.file))

    def set(self, text):
        self.reached.unlink(missing_ok=True)
        self.file.write_text(text)


def storage_processes(host):
    return [line for line in host.processes().values()
            if b'qemu-storage-daemon' in line or b'relay' in line]


def check_nothing_left(host, vm, before):
    vm.assert_unchanged(before)
    wait_until(lambda: not left_over(host), 'the end of all that were at work', 5)
    # the next one is to be started when there is a plan for it
    host.snapshotd.restart()
    wait_until(lambda: not storage_processes(host), 'the end of all of them', 5)


def killed_at_each(host, direction, at_least):
    vm, plan = two_snapshots(host), Plan(host)
    relay = host.program('relay', plan.script(RELAY))
    before = vm.capture()
    with host.configured(storage_daemon=str(relay)):
        for count in itertools.count():
            plan.set(f'{direction} {count} kill')
            result = host.revert(vm, 'snap1', flags=RUNNING)
            if result.ok:
                break
            check_refused(result, FAILED, 'qemu-storage-daemon', 'ended unexpectedly')
            check_nothing_left(host, vm, before)
    tap.diagnose(f'{count} messages {direction} it')
    assert count >= at_least, count
    assert vm.running and vm.data() == [RED, RED]


def test_killed_after_each_message_to_it(host):
    # capabilities, and for each of two disks creation and verification, and jobs
    killed_at_each(host, 'to', 6)


def test_killed_after_each_message_from_it(host):
    killed_at_each(host, 'from', 10)


def test_killed_at_any_time(host):
    """By the clock. It may be too late for that: then the revert is done."""
    seed = int(os.environ.get('SNAPSHOT_TEST_SEED', random.randrange(1 << 30)))
    tap.diagnose(f'SNAPSHOT_TEST_SEED={seed}')
    rand, plan = random.Random(seed), Plan(host)
    killer = host.program('killer', plan.script(KILLER))
    vm = two_snapshots(host)
    failed = 0
    with host.configured(storage_daemon=str(killer)):
        for _ in range(15):
            vm.write_all(GREEN)
            before = vm.capture()
            plan.set(f'{rand.uniform(0, 0.04):.4f}')
            result = host.revert(vm, 'snap1', flags=RUNNING)
            if result.ok:
                vm.refresh()
                assert vm.running and vm.data() == [RED, RED]
                assert len(os.listdir(vm.folder)) == 6, os.listdir(vm.folder)
            else:
                failed += 1
                check_refused(result, FAILED, 'qemu-storage-daemon')
                check_nothing_left(host, vm, before)
    tap.diagnose(f'{failed} of 15 were killed in time')


def test_stops_at_a_size_limit(host):
    """A quota, or a full disk, ends it by a signal or an error; either is fine."""
    vm = two_snapshots(host)
    before = vm.capture()
    with host.configured():
        os_limit = ['prlimit', f'--pid={host.snapshotd.pid}', '--fsize=65536:65536']
        assert host.run_command(os_limit).returncode == 0
        result = host.revert(vm, 'snap1', flags=RUNNING)
        check_refused(result, FAILED, 'overlay')
        check_nothing_left(host, vm, before)
    assert host.revert(vm, 'snap1', flags=RUNNING).ok


def hold_at(host, vm, plan, count, check):
    """Calls check() while the overlays are half made."""
    relay = host.program('relay', plan.script(RELAY))
    with host.configured(storage_daemon=str(relay), storage_daemon_timeout=2):
        plan.set(f'to {count} hang')
        with open(host.tmp / 'client.out', 'w+', encoding='utf-8') as out:
            argv = [host.build / 'tests/e2e/revert-client', host.uri, vm.name, 'snap1', '0']
            with subprocess.Popen(list(map(str, argv)), env=host.env, stdout=out,
                                  stdin=subprocess.DEVNULL) as client:
                wait_until(plan.reached.exists, 'the half-made overlays')
                check()
                assert client.wait(30) == 1
            out.seek(0)
            text = out.read()
    assert text.startswith(f'{TIMEOUT} ') and 'within 2 seconds' in text, text


def make_rights(mode, count):
    """An overlay has the rights of the image it replaces from its first byte on."""
    def test(host):
        vm, plan = two_snapshots(host, running=False), Plan(host)
        replaced = vm.files().values()
        for file in replaced:
            os.chmod(file, mode)
            if host.mode == 'system':
                os.chown(file, 12345, 54321)
        wanted = os.stat(vm.file('vda'))
        before = vm.capture()

        def check():
            for name in ('a.snap1-1', 'b.snap1-1'):
                got = os.stat(vm.path(name))
                assert stat.S_IMODE(got.st_mode) == mode, oct(got.st_mode)
                assert (got.st_uid, got.st_gid) == (wanted.st_uid, wanted.st_gid)

        hold_at(host, vm, plan, count, check)
        check_nothing_left(host, vm, before)
    return test


for bits, at in ((0o600, 0), (0o640, 3), (0o660, 6)):
    globals()[f'test_rights_{bits:o}_after_{at}_messages'] = make_rights(bits, at)


tap.main(globals())
