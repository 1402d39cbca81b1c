#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_meanwhile.py: what others do while a revert makes its overlays

The revert waits at a gate (gate.py) until the test has done what it does.
"""

import os
import signal
import subprocess
import threading

import libvirt

import images
import tap
from gate import Gate
from harness import wait_until
from refusal import GREEN, RED, RUNNING, check_refused, two_snapshots
from vm import sums

FAILED = libvirt.VIR_ERR_OPERATION_FAILED

def overlays_made(vm):
    return [name for name in os.listdir(vm.folder) if 'snap1-' in name]


def test_domain_runs_on(host):
    """Until the overlays are made it is not touched, and can be asked about."""
    vm = two_snapshots(host)
    pid = vm.pid()
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        assert vm.running and vm.pid() == pid
        vm.write_all(0x44)
        assert host.revert_desc(vm, 'snap1').ok
        assert gate.end(call).ok, call.result
    assert vm.pid() != pid and vm.data() == [RED, RED]


def test_other_domains_do_not_wait(host):
    vm, other = two_snapshots(host), two_snapshots(host, running=False)
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        result = host.revert(other, 'snap1')
        assert result.ok and call.is_alive(), result
        assert other.data() == [RED, RED]
        assert gate.end(call).ok, call.result
    assert vm.running and vm.data() == [RED, RED]


def test_same_domain_waits(host):
    vm = two_snapshots(host, running=False)
    with Gate(host) as gate:
        first = gate.hold(vm)
        second = gate.call(vm)
        assert host.revert_desc(vm, 'snap1').ok  # asking does not wait
        assert first.is_alive() and second.is_alive()
        assert sorted(overlays_made(vm)) == ['a.snap1-1', 'b.snap1-1']
        assert gate.end(first).ok, first.result
        second.join()
        assert second.result.ok, second.result
    assert {os.path.basename(file) for file in vm.files().values()} == {
        'a.snap1-2', 'b.snap1-2'}
    assert sorted(overlays_made(vm)) == ['a.snap1-2', 'b.snap1-2']


def test_client_killed(host):
    """The call that was taken is carried out."""
    vm = two_snapshots(host, running=False)
    with Gate(host) as gate:
        with subprocess.Popen(
                [host.build / 'tests/e2e/revert-client', host.uri, vm.name, 'snap1', '0'],
                env=host.env) as client:
            wait_until(lambda: os.path.exists(vm.path('b.snap1-1')), 'the files')
            client.kill()
        gate.open()
        wait_until(lambda: vm.current == 'snap1' and
                   not os.path.exists(vm.path('b.snap2')), 'the end of the revert')
    assert vm.data() == [RED, RED]


def test_daemon_stopped(host):
    """It finishes the revert, says so and ends well; nobody new is let in."""
    vm = two_snapshots(host)
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        daemon = host.snapshotd.process
        daemon.send_signal(signal.SIGTERM)
        gate.open()
        assert daemon.wait(30) == 0
        call.join()
        assert call.result.ok, call.result
    assert vm.running and vm.current == 'snap1' and vm.data() == [RED, RED]


def test_daemon_killed(host):
    """It takes its storage daemon along. The domain has not been touched."""
    vm = two_snapshots(host)
    before = vm.capture()
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        host.snapshotd.kill()
        call.join()
        assert not call.result.ok and 'virtsnapshotd' in call.result.message, call.result
        wait_until(lambda: not [line for line in host.processes().values()
                                if b'gated' in line], 'end of its storage daemon')
    host.wait_for_recovery()
    vm.assert_unchanged(before)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result


def libvirtd_ends(host, again):
    vm = two_snapshots(host)
    pid, lower = vm.pid(), sums([*vm.base.values(), vm.path('a.snap1')])
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        host.libvirtd.kill()
        if again:
            host.ensure_running()
        result = gate.end(call)
        assert not result.ok and vm.name in result.message, result
        host.ensure_running()
        vm.refresh()
        assert vm.running and vm.pid() == pid
        assert overlays_made(vm) == []
        assert vm.current == 'snap2'
        assert vm.data() == [GREEN, GREEN]
        assert sums(lower) == lower
        result = host.revert(vm, 'snap1', flags=RUNNING)  # the same virtsnapshotd
        assert result.ok, result
    assert vm.data() == [RED, RED]


def test_libvirtd_killed(host):
    libvirtd_ends(host, again=False)


def test_libvirtd_killed_and_back_again(host):
    libvirtd_ends(host, again=True)


def test_domain_ends_by_itself(host):
    """Which is where the revert was taking it anyway."""
    vm = two_snapshots(host)
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        vm.destroy()
        assert gate.end(call).ok, call.result
    assert vm.running and vm.data() == [RED, RED]


def test_domain_is_started(host):
    """Never does a domain run on what a revert said it had left."""
    vm = two_snapshots(host, running=False)
    with Gate(host) as gate:
        call = gate.hold(vm)
        vm.start()
        result = gate.end(call)
    if result.ok:
        assert not vm.active, 'it runs on the state that was reverted'
        assert vm.data() == [RED, RED]
    else:
        assert vm.running and vm.name in result.message, result
        assert vm.data() == [GREEN, GREEN] and overlays_made(vm) == []


def test_domain_is_undefined(host):
    """It does not come back to life."""
    vm = two_snapshots(host, running=False)
    with Gate(host) as gate:
        call = gate.hold(vm)
        vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
        result = gate.end(call)
    assert vm.name not in [dom.name() for dom in host.conn.listAllDomains()]
    check_refused(result, libvirt.VIR_ERR_NO_DOMAIN, vm.name)
    host.wait_for_recovery()  # whether it may be undone is not known at first
    assert overlays_made(vm) == []


def snapshot_meanwhile(host, running):
    """The state that the revert leaves is one that a snapshot has come to need."""
    vm = two_snapshots(host, running=running)
    with Gate(host) as gate:
        call = gate.hold(vm)
        vm.snapshot('snap3')
        result = gate.end(call)
    assert os.path.exists(vm.path('a.snap2')), f'snap3 has lost its state; {result}'
    assert images.pattern(vm.path('a.snap2')) == GREEN
    again = host.revert(vm, 'snap3')
    assert again.ok, again
    assert vm.data() == [GREEN, GREEN]


def test_snapshot_is_taken_while_inactive(host):
    snapshot_meanwhile(host, running=False)


def test_snapshot_is_taken_while_running(host):
    snapshot_meanwhile(host, running=True)


def test_domain_is_saved(host):
    """Memory that belongs to the old disks does not come back on the new ones."""
    vm = two_snapshots(host)
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        vm.dom.managedSave()
        result = gate.end(call)
    assert not result.ok and vm.name in result.message, result
    assert vm.dom.hasManagedSaveImage() and overlays_made(vm) == []
    vm.start()
    assert vm.data() == [GREEN, GREEN]


def test_another_domain_comes_to_use_it(host):
    vm = two_snapshots(host, running=False)
    left, other = vm.file('vda'), host.vm(disks=1)
    with Gate(host) as gate:
        call = gate.hold(vm)
        host.conn.defineXML(other.xml().replace(other.base['vda'], left))
        assert gate.end(call).ok, call.result
    assert images.pattern(left) == GREEN


def test_overlay_of_the_name_is_not_overwritten(host):
    """Two callers' documents for two domains name one path."""
    vm, other = two_snapshots(host, running=False), two_snapshots(host, running=False)
    xml = ("<domainsnapshotrevert><disks><disk name='vda'><source "
           f"file='{vm.path('a.snap1-1')}'/></disk></disks></domainsnapshotrevert>")
    with Gate(host) as gate:
        call = gate.hold(vm)
        before = other.capture()
        check_refused(host.revert(other, 'snap1', xml), FAILED, "'vda'", 'exists')
        other.assert_unchanged(before)
        assert gate.end(call).ok, call.result
    assert vm.data() == [RED, RED]


tap.main(globals())
