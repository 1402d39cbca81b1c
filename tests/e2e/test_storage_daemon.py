#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_storage_daemon.py: a qemu-storage-daemon that does not do its work

It works while the VM runs on, so that whatever becomes of it the VM and its
files stay as they were, and the same revert works once it does.
"""

import os
import pathlib
import signal

import libvirt

import tap
from harness import wait_until
from invariants import storage_daemons
from refusal import RED, RUNNING, refused, two_snapshots

FAILED = libvirt.VIR_ERR_OPERATION_FAILED
TIMEOUT = libvirt.VIR_ERR_OPERATION_TIMEOUT

# Passes on what virsnapshotd says, and after so many bytes of it dies with it.
RELAY = """#!/usr/bin/python3
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
child = subprocess.Popen(['qemu-storage-daemon', '--chardev',
                          f'socket,id=qmp,fd={theirs.fileno()}',
                          '--monitor', 'chardev=qmp'], pass_fds=[theirs.fileno()])
theirs.close()
monitor, left = socket.socket(fileno=3), @BYTES@
while True:
    import select
    for ready in select.select([monitor, ours], [], [])[0]:
        data = ready.recv(65536)
        if ready is monitor:
            data, left = data[:left], left - len(data)
            ours.sendall(data)
        else:
            monitor.sendall(data)
        if left <= 0 or not data:
            if @HANG@ and data:
                import time
                time.sleep(1000)
            child.kill()
            os.kill(os.getpid(), 9)
"""


def processes(name):
    found = []
    for cmdline in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if name.encode() in cmdline.read_bytes():
                found.append(cmdline.parent.name)
        except OSError:
            continue
    return found


class Configured:
    """virtsnapshotd with another configuration, for the time of a with."""

    def __init__(self, host, **settings):
        self.host, self.daemon = host, host.snapshotd
        self.usual = list(self.daemon.argv)
        self.file = host.tmp / 'virtsnapshotd.conf'
        self.file.write_text(''.join(
            f'{key} = {value}\n' if isinstance(value, int) else f'{key} = "{value}"\n'
            for key, value in settings.items()) +
            ('unix_sock_group = "libvirt"\n' if host.mode == 'system' else ''))

    def __enter__(self):
        self.daemon.argv = [*self.usual, '--config', str(self.file)]
        self.daemon.restart()

    def __exit__(self, *_):
        self.daemon.argv = self.usual
        self.daemon.restart()


def program(host, name, text):
    path = host.tmp / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def check(host, storage_daemon, code, *fragments, timeout=60):
    vm = two_snapshots(host)
    with Configured(host, storage_daemon=storage_daemon, storage_daemon_timeout=timeout):
        refused(host, vm, 'snap1', code, *fragments, foretold=False)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    vm.refresh()
    assert vm.data() == [RED, RED], vm.data()


def test_missing(host):
    check(host, '/nonexistent/qsd', FAILED, '/nonexistent/qsd', 'No such file')


def test_ends_at_once(host):
    check(host, '/bin/true', FAILED, 'qemu-storage-daemon', 'ended unexpectedly')


def test_ends_with_a_reason(host):
    path = program(host, 'reason', '#!/bin/sh\necho "no such option" >&2; exit 1\n')
    check(host, path, FAILED, 'ended unexpectedly', 'no such option')


def test_says_what_is_not_qmp(host):
    path = program(host, 'garbage', '#!/bin/sh\necho garbage >&3; exec sleep 1000\n')
    check(host, path, FAILED, 'what is not QMP')


def test_says_too_much(host):
    path = program(host, 'much', '#!/bin/sh\nexec head -c 9000000 /dev/zero >&3\n')
    check(host, path, FAILED, 'longer than')


def test_hangs(host):
    path = program(host, 'hangs', '#!/bin/sh\nexec sleep 4711\n')
    check(host, path, TIMEOUT, 'did not answer within 1 seconds', timeout=1)
    assert processes('4711') == []


def make_killed(count):
    def test(host):
        path = program(host, 'relay', RELAY.replace('@BYTES@', str(count))
                       .replace('@HANG@', 'False'))
        check(host, path, FAILED, 'ended unexpectedly')
    return test


for after in (1, 100, 300, 500, 700, 900):
    globals()[f'test_killed_after_{after}_bytes'] = make_killed(after)


def test_hangs_half_way(host):
    path = program(host, 'relay', RELAY.replace('@BYTES@', '500')
                   .replace('@HANG@', 'True'))
    check(host, path, TIMEOUT, 'did not answer within 2 seconds', timeout=2)


def next_one(host):
    """The process that waits for the next revert."""
    wait_until(lambda: len(storage_daemons(host)) == 1, 'start of the next')
    return storage_daemons(host)[0]


def test_next_one_is_up_before_it_is_needed(host):
    vm = two_snapshots(host, running=False)
    host.snapshotd.restart()
    assert storage_daemons(host) == []
    assert host.call(vm, 'snap1').ok
    first = next_one(host)
    assert host.call(vm, 'snap1').ok
    wait_until(lambda: first not in storage_daemons(host), 'end of the one that was used')
    assert next_one(host) != first


def test_next_one_is_killed(host):
    vm = two_snapshots(host, running=False)
    assert host.call(vm, 'snap1').ok
    killed = next_one(host)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in storage_daemons(host), 'its end')
    assert host.call(vm, 'snap1').ok


def test_next_one_ends_with_virtsnapshotd(host):
    vm = two_snapshots(host, running=False)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        host.ensure_running()
        assert host.call(vm, 'snap1').ok
        next_one(host)
        host.snapshotd.stop(signum)
        wait_until(lambda: not storage_daemons(host), 'end of what it kept')


tap.main(globals())
