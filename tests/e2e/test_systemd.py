#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_systemd.py: the units, and the manual's way to libvirt's public socket and back"""

import os
import re
import threading

import libvirt

import tap
from harness import wait_until
from refusal import BLUE, RED, RUNNING, two_snapshots
from systemd_host import Systemd

DAEMONS = {'libvirtd': 'libvirt-sock', 'virtqemud': 'virtqemud-sock'}


def manual(host, number, daemon):
    """The commands of the manual's section on libvirt's sockets."""
    text = (host.source / 'docs/virtsnapshotd.rst').read_text()
    section = text[text.index("IN THE PLACE OF LIBVIRT'S SOCKETS"):text.index('FILES\n')]
    block = re.findall(r'::\n\n((?:    .*\n|\n)+)', section)[number]
    return block.replace('libvirtd', daemon).replace('libvirt-sock', DAEMONS[daemon])


def put_in_front(host, here):
    here.shell(manual(host, 0, here.daemon))
    here.connect()


def put_back(host, here):
    here.shell(manual(host, 1, here.daemon))
    here.connect()


def is_refused(call, *arguments):
    try:
        call(*arguments)
    except libvirt.libvirtError:
        return True
    return False


class Reconnecting(threading.Thread):
    """Clients that come back as soon as they are cut off, as management layers do."""

    def __init__(self, uri):
        super().__init__()
        self.uri, self.end, self.connected = uri, threading.Event(), 0
        self.start()

    def run(self):
        while not self.end.wait(0.001):
            try:
                conn = libvirt.openReadOnly(self.uri)
                conn.getLibVersion()
                conn.close()
                self.connected += 1
            except libvirt.libvirtError:
                continue


def test_units(host):
    """All that a revert needs is open to the service, from a start on demand on."""
    with Systemd(host, 'libvirtd') as here:
        here.systemctl('enable', '--now', 'virtsnapshotd.socket', 'virtsnapshotd-ro.socket')
        assert not here.is_active('virtsnapshotd.service')
        vm = two_snapshots(host)
        result = host.revert(vm, 'snap1', flags=RUNNING)
        assert result.ok and here.is_active('virtsnapshotd.service'), result
        assert vm.running and vm.data() == [RED, RED]
        memory = vm.memory_snapshot('memory')
        vm.write_all(BLUE)
        result = host.revert(vm, 'memory')
        assert result.ok and vm.running and vm.data() == [RED, RED], result
        assert os.path.exists(memory)


def test_killed_service_is_started_again(host):
    with Systemd(host, 'libvirtd') as here:
        here.systemctl('enable', '--now', 'virtsnapshotd.service')
        here.systemctl('kill', '--signal', 'KILL', 'virtsnapshotd.service')
        wait_until(lambda: here.is_active('virtsnapshotd.service'), 'the next one')
        vm = two_snapshots(host, running=False)
        assert host.revert(vm, 'snap1').ok and vm.data() == [RED, RED]


def front_and_back(host, daemon):
    with Systemd(host, daemon) as here:
        here.systemctl('enable', '--now', 'virtsnapshotd.socket', 'virtsnapshotd-ro.socket')
        publics = [name for name in DAEMONS.values() if (host.run / name).exists()]
        assert publics == [DAEMONS[daemon]], publics
        vm = two_snapshots(host)
        others, process = Reconnecting(host.uri), vm.pid()
        try:
            put_in_front(host, here)
            assert vm.running and vm.pid() == process
            vm.dom.revertToSnapshot(vm.dom.snapshotLookupByName('snap1'), RUNNING)
            assert vm.running and vm.file('vda') == vm.path('a.snap1-1')
            assert is_refused(vm.dom.snapshotLookupByName('snap1').delete)
            assert host.revert(vm, 'snap2', flags=RUNNING).ok and vm.data() == [BLUE, BLUE]

            before, process = others.connected, vm.pid()
            put_back(host, here)
            assert vm.running and vm.pid() == process
            assert not here.is_active('virtsnapshotd.service')
            assert host.conn.getLibVersion() and not here.is_active('virtsnapshotd.service')
            wait_until(lambda: others.connected > before, 'other clients')
            assert host.revert(vm, 'snap1', flags=RUNNING).ok and vm.data() == [RED, RED]
        finally:
            others.end.set()
            others.join()


def test_libvirtd_front_and_back(host):
    front_and_back(host, 'libvirtd')


def test_virtqemud_front_and_back(host):
    front_and_back(host, 'virtqemud')


def test_stopped_while_it_reverts(host):
    """systemd waits until the revert that was begun is finished."""
    with Systemd(host, 'libvirtd') as here:
        here.systemctl('enable', '--now', 'virtsnapshotd.socket', 'virtsnapshotd-ro.socket')
        vm, results = two_snapshots(host), []
        caller = threading.Thread(
            target=lambda: results.append(host.revert(vm, 'snap1', flags=RUNNING,
                                                      foretell=False)))
        caller.start()
        wait_until(lambda: os.path.exists(vm.path('a.snap1-1')), 'its beginning')
        here.systemctl('stop', 'virtsnapshotd.socket', 'virtsnapshotd.service')
        caller.join()
        assert results[0].ok and vm.data() == [RED, RED], results[0]


if __name__ == '__main__':
    tap.main(globals())
