#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_witnesses.py: what a snapshot stands on is told by its definition and its overlay

Where these two disagree nothing is guessed: a revert is refused unless it is forced, and a
deletion in any case. libvirt 9.0 brings that about when the metadata of a snapshot alone is
deleted: it rewrites those taken after it. Through virtsnapshotd it does not.
"""

import os
import re

import libvirt

import tap
from refusal import BLUE, FORCE, GREEN, KEEP_CURRENT, RED, RUNNING, check_refused, two_snapshots
from test_front import VIRSH, front_domain, front_snapshot, raised

RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY
INVALID = libvirt.VIR_ERR_OPERATION_INVALID
METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
CURRENT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT


def rewrite(vm, name, old, new):
    """The definition in the snapshot names another image; its overlay stays."""
    xml = vm.snapshot_xml(name)
    disks, definition = xml[:xml.index('</disks>')], xml[xml.index('</disks>'):]
    assert old in definition
    # what is below is left to the headers
    parts = [re.sub(r'<backingStore\b.*</backingStore>', '', part, flags=re.DOTALL)
             for part in definition.split('<inactiveDomain')]
    flags = REDEFINE | (CURRENT if vm.current == name else 0)
    vm.dom.snapshotCreateXML(disks + '<inactiveDomain'.join(parts).replace(old, new), flags)


def rewritten(host, running):
    """snap2 stands on a.snap1, and its definition says a.qcow2."""
    vm = two_snapshots(host, running=running, disks=1)
    rewrite(vm, 'snap2', vm.path('a.snap1'), vm.base['vda'])
    return vm


def both_sides(vm):
    return ("'snap2'", "'vda'", vm.base['vda'], vm.path('a.snap2'), vm.path('a.snap1'),
            'snapshot-create --redefine')


def check(text, fragments):
    for fragment in fragments:
        assert fragment in text, (fragment, text)


def revert_refused(host, vm, running):
    flags, fragments, before = RUNNING if running else 0, both_sides(vm), vm.capture()
    check_refused(host.revert(vm, 'snap2', flags=flags), RISKY, *fragments)
    check_refused(host.revert_desc(vm, 'snap2', flags=flags), RISKY, *fragments)
    with host.front() as conn:
        error = raised(front_domain(conn, vm).revertToSnapshot,
                       front_snapshot(conn, vm, 'snap2'), flags)
    assert error.get_error_code() == RISKY, error
    check(error.get_error_message(), fragments)
    command = ['snapshot-revert', vm.name, 'snap2', *(['--running'] if running else [])]
    check(host.virsh('-c', host.uri, *command).err, fragments)
    check(host.run_command([VIRSH, '-c', host.front_uri(), *command]).stderr, fragments)
    vm.assert_unchanged(before)


def test_revert_running(host):
    revert_refused(host, rewritten(host, running=True), running=True)


def test_revert_off(host):
    revert_refused(host, rewritten(host, running=False), running=False)


def test_revert_by_force(host):
    """The definition is believed."""
    vm = rewritten(host, running=False)
    result = host.revert(vm, 'snap2', flags=FORCE | KEEP_CURRENT)
    assert result.ok, result
    assert vm.chain('vda')[1:] == ['a.qcow2'] and vm.data() == [RED]


def test_revert_to_another_one(host):
    vm = rewritten(host, running=False)
    assert host.revert(vm, 'snap1', flags=KEEP_CURRENT).ok
    assert vm.data() == [RED]


def test_way_out(host):
    vm = rewritten(host, running=True)
    rewrite(vm, 'snap2', vm.base['vda'], vm.path('a.snap1'))
    result = host.revert(vm, 'snap2', flags=RUNNING)
    assert result.ok, result
    assert vm.data() == [BLUE]


def test_overlay_that_is_gone(host):
    """There is one witness left."""
    vm = rewritten(host, running=False)
    assert host.revert(vm, 'snap1').ok
    assert not os.path.exists(vm.path('a.snap2'))
    result = host.revert(vm, 'snap2')
    assert result.ok, result


def deletion_refused(host, running):
    vm = rewritten(host, running)
    before = vm.capture()
    for name in ('snap1', 'snap2'):
        fragments = (f"cannot delete snapshot '{name}'", *both_sides(vm))
        with host.front() as conn:
            error = raised(front_snapshot(conn, vm, name).delete)
        assert error.get_error_code() == INVALID, error
        check(error.get_error_message(), fragments)
        command = ['-c', host.front_uri(), 'snapshot-delete', vm.name, name]
        check(host.virsh(*command).err, fragments)
        check(host.run_command([VIRSH, *command]).stderr, fragments)
        vm.assert_unchanged(before)


def test_deletion_running(host):
    deletion_refused(host, running=True)


def test_deletion_off(host):
    deletion_refused(host, running=False)


# Deletions of metadata alone

def by_python(host, vm, name):
    with host.front() as conn:
        front_snapshot(conn, vm, name).delete(METADATA_ONLY)


def by_stock_virsh(host, vm, name):
    done = host.run_command([VIRSH, '-c', host.front_uri(), 'snapshot-delete', vm.name, name,
                             '--metadata'])
    assert done.returncode == 0, done


def by_virsh(host, vm, name):
    result = host.virsh('-c', host.front_uri(), 'snapshot-delete', vm.name, name,
                        '--metadata')
    assert result.ok, result


def definitions(vm, name):
    """What of a snapshot says where its state is: all but its parent."""
    xml = re.sub(r'<parent>.*?</parent>', '', vm.snapshot_xml(name), flags=re.DOTALL)
    return re.sub(r'\s+', ' ', xml)


def metadata_alone(host, client, running):
    vm = two_snapshots(host, running=running, disks=1)
    vm.snapshot('snap3')
    vm.write_all(0x44)
    before = {name: definitions(vm, name) for name in ('snap2', 'snap3')}
    client(host, vm, 'snap1')
    assert vm.snapshots() == ['snap2', 'snap3'] and vm.current == 'snap3'
    assert vm.parent('snap2') is None and vm.parent('snap3') == 'snap2'
    assert {name: definitions(vm, name) for name in before} == before
    for name, byte in (('snap2', BLUE), ('snap3', GREEN)):
        result = host.revert(vm, name, flags=RUNNING if running else 0)
        assert result.ok, result
        assert vm.data() == [byte], name


def test_metadata_alone_by_python_running(host):
    metadata_alone(host, by_python, running=True)


def test_metadata_alone_by_python_off(host):
    metadata_alone(host, by_python, running=False)


def test_metadata_alone_by_stock_virsh(host):
    metadata_alone(host, by_stock_virsh, running=False)


def test_metadata_alone_by_virsh(host):
    metadata_alone(host, by_virsh, running=False)


def test_metadata_of_the_current_one(host):
    """Its parent is the current one then, as ever."""
    vm = two_snapshots(host, running=False, disks=1)
    assert host.revert(vm, 'snap1', flags=KEEP_CURRENT).ok and vm.current == 'snap1'
    by_python(host, vm, 'snap1')
    assert vm.snapshots() == ['snap2'] and vm.current is None
    assert host.revert(vm, 'snap2').ok
    assert vm.data() == [BLUE]


def test_metadata_alone_past_virtsnapshotd(host):
    """Where libvirt rewrites what was taken after it, that is noticed."""
    vm = two_snapshots(host, running=False, disks=1)
    vm.dom.snapshotLookupByName('snap1').delete(METADATA_ONLY)
    if host.conn.getLibVersion() >= 11003000:
        assert host.revert(vm, 'snap2').ok
        assert vm.data() == [BLUE]
        return
    revert_refused(host, vm, running=False)


if __name__ == '__main__':
    tap.main(globals())
