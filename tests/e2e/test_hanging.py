#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_hanging.py: a storage that does not answer holds up nobody but who needs it"""

import contextlib
import shutil
import subprocess

import libvirt

import hanging
import images
import tap
from harness import Result, wait_until
from refusal import BLUE, GREEN, RED, check_refused, document, two_snapshots
from test_front import raised

TIMEOUT = libvirt.VIR_ERR_OPERATION_TIMEOUT
SECONDS = 2
CALLS = 25


@contextlib.contextmanager
def vm_on_hanging(host, disks=1):
    """Inactive, all its images on a storage that answers yet; virtsnapshotd is patient
    for a short time."""
    with hanging.Folder(host) as folder, \
            host.configured(storage_timeout=SECONDS, storage_daemon_timeout=SECONDS):
        files = [str(folder.path / f'{chr(ord("a") + i)}.qcow2') for i in range(disks)]
        vm = two_snapshots(host, running=False, files=files)
        try:
            yield vm, folder
        finally:
            folder.go_on()
            host.wait_for_recovery()
            vm.remove()
            shutil.rmtree(folder.real)


def silent(result, folder):
    check_refused(result, TIMEOUT, f"storage at '{folder.path}' does not answer")


def names(folder):
    return sorted(file.name for file in folder.real.iterdir())


def is_answered(host):
    assert host.virsh('-c', host.front_uri(), 'list', '--all').ok


def hanging_change(host, change, xml=None, why='does not answer'):
    """A revert whose change of that kind does not return: nothing is undone, before or
    after a restart of virtsnapshotd, until it has."""
    with vm_on_hanging(host) as (vm, folder):
        definition, before = vm.xml(), names(folder)
        folder.hang(change)
        result = host.call(vm, 'snap1', xml and xml(folder))
        check_refused(result, TIMEOUT, why, 'journal')
        (journal,) = host.journals()
        text, left = journal.read_text(), names(folder)
        assert len(left) > len(before), left

        for restart in (False, True):
            if restart:
                host.snapshotd.restart()
            result = host.call(vm, 'snap1')
            check_refused(result, TIMEOUT, f"domain '{vm.name}' waits for storage",
                          f"'{folder.path}'")
            assert journal.read_text() == text
            assert names(folder) == left
            is_answered(host)

        folder.go_on()
        host.wait_for_recovery()
        assert vm.xml() == definition
        assert names(folder) == before
        assert vm.data() == [GREEN]
        result = host.call(vm, 'snap1')
        assert result.ok, result
        assert vm.data() == [RED]


def test_sync_hangs(host):
    hanging_change(host, 'FSYNC')


def test_second_name_hangs(host):
    hanging_change(host, 'LINK',
                   lambda folder: document(('vda', folder.path / 'a.snap2')))


def test_switch_hangs(host):
    hanging_change(host, 'RENAME',
                   lambda folder: document(('vda', folder.path / 'a.snap2')))


def test_storage_daemon_hangs(host):
    """It writes to the overlay, and can't be killed."""
    hanging_change(host, 'WRITE', why='waits for storage and can\'t be ended')


def test_discard_hangs(host):
    """By then the domain is reverted, and stays so."""
    with vm_on_hanging(host) as (vm, folder):
        folder.hang('UNLINK')
        result = host.call(vm, 'snap1')
        check_refused(result, TIMEOUT, 'has been reverted', 'does not answer')
        assert vm.file('vda') == str(folder.path / 'a.snap1-1')
        host.snapshotd.restart()
        check_refused(host.call(vm, 'snap2'), TIMEOUT,
                      f"domain '{vm.name}' waits for storage")
        with host.front() as conn:
            # whatever would change it waits, but for its end
            error = raised(conn.lookupByName(vm.name).create)
            assert error.get_error_code() == TIMEOUT, error
            assert 'waits for storage' in error.get_error_message(), error
            error = raised(conn.lookupByName(vm.name).destroy)
            assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, error
        folder.go_on()
        host.wait_for_recovery()
        assert 'a.snap2' not in names(folder), names(folder)
        assert vm.data() == [RED]


def test_create_hangs(host):
    """Before there is a journal: nothing is left of it, and no domain waits."""
    with vm_on_hanging(host) as (vm, folder):
        before = names(folder)
        folder.hang('CREATE')
        silent(host.call(vm, 'snap1'), folder)
        assert not host.journals()
        folder.go_on()
        wait_until(lambda: names(folder) == before, 'the end of the creation')
        wait_until(lambda: host.call(vm, 'snap1').ok, 'the storage to be asked again')


def test_another_goes_on(host):
    with vm_on_hanging(host) as (vm, folder):
        other = two_snapshots(host, running=False)
        vm_before = vm.xml()
        folder.hang()
        assert host.revert_desc(other, 'snap1').ok
        result = host.call(other, 'snap1')
        assert result.ok, result
        assert other.data() == [RED, RED]
        silent(host.call(vm, 'snap1'), folder)
        assert vm.xml() == vm_before
        # what hangs might stand on what the other has left
        left = other.folder / 'a.snap2'
        assert left.exists()
        folder.go_on()
        wait_until(lambda: host.call(other, 'snap1').ok and not left.exists(),
                   'what was left to be deleted')


def test_many_calls(host):
    """More than there are workers, at once; then a signal."""
    with vm_on_hanging(host) as (vm, folder):
        other = two_snapshots(host, running=False)
        argv = [host.build / 'tests/e2e/revert-client', '--desc', host.uri, vm.name,
                'snap1', '0x0']
        folder.hang()
        calls = [subprocess.Popen(argv, env=host.env, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) for _ in range(CALLS)]
        for call in calls:
            call.stdout, call.stderr = call.communicate()
            silent(Result(call), folder)
        assert host.revert_desc(other, 'snap1').ok
        is_answered(host)
        assert host.snapshotd.stop() == 0
        host.snapshotd.start()
        folder.go_on()
        images.check(vm.file('vda'))


def test_stop_while_it_hangs(host):
    """SIGTERM in the middle of a call."""
    with vm_on_hanging(host) as (vm, folder):
        folder.hang()
        argv = [host.build / 'tests/e2e/revert-client', host.uri, vm.name, 'snap1', '0x0']
        with subprocess.Popen(argv, env=host.env, stdout=subprocess.DEVNULL) as call:
            wait_until(folder.hangs, 'the call to hang')
            assert host.snapshotd.stop() == 0
            call.wait()
        host.snapshotd.start()
        folder.go_on()
        assert vm.data() == [GREEN] and BLUE not in vm.data()


tap.main(globals())
