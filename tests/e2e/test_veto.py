#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_veto.py: a deletion is judged by the images that libvirt will merge or remove

Which these are differs by the version: up to 9.8 the overlay that the snapshot records is
merged, from 9.9 on whatever is right above the snapshot's state in the chain that the
domain is on. After reverts that is not the same.
"""

import os

import images
import tap
from refusal import BLUE, GREEN, RED, RUNNING, two_snapshots
from test_delete import INVALID, METADATA_ONLY, allowed
from test_front import VIRSH, front_snapshot, raised

BLACK = 0x44


def by_recorded_name(host):
    return host.conn.getLibVersion() < 9009000


def revert(host, vm, name, running):
    result = host.call(vm, name, flags=RUNNING if running else 0)
    assert result.ok, result


def refused(host, vm, name, *fragments):
    """By each of libvirt's own clients; libvirtd is still the same process after it."""
    before, pid = vm.capture(), host.libvirtd.pid
    with host.front() as conn:
        error = raised(front_snapshot(conn, vm, name).delete)
    assert error.get_error_code() == INVALID, error
    command = ['-c', host.front_uri(), 'snapshot-delete', vm.name, name]
    for done in (host.run_command([VIRSH, *command]), host.virsh(*command)):
        said = done.stderr if hasattr(done, 'stderr') else done.err
        for text in (error.get_error_message(), said):
            for fragment in (f"'{name}'", *fragments):
                assert fragment in text, (fragment, text)
    assert host.libvirtd.running and host.libvirtd.pid == pid
    vm.assert_unchanged(before)


def on_its_second_overlay(host, running):
    """a <- a.s1-1 <- a.s3 (now); s1 still records a.s1, which nothing needs.
    RED at s1, GREEN at s3."""
    vm = two_snapshots(host, running=running, disks=1)
    revert(host, vm, 'snap1', running)
    vm.write_all(GREEN)
    vm.snapshot('snap3')
    vm.write_all(BLACK)
    if by_recorded_name(host):
        with host.front() as conn:
            front_snapshot(conn, vm, 'snap2').delete(METADATA_ONLY)
        os.unlink(vm.path('a.snap1'))
    else:
        allowed(host, vm, 'snap2')
    assert vm.chain('vda') == ['a.snap3', 'a.snap1-1', 'a.qcow2']
    assert "a.snap1'" in vm.snapshot_xml('snap1')
    return vm


def another_domain_on_the_overlay(host, running):
    vm, other = on_its_second_overlay(host, running), host.vm(disks=1)
    images.create(other.path('top'), backing=vm.path('a.snap1-1'))
    other.dom = host.conn.defineXML(other.xml().replace(other.base['vda'],
                                                        other.path('top')))
    if by_recorded_name(host):
        refused(host, vm, 'snap1', vm.path('a.snap1'))
    else:
        refused(host, vm, 'snap1', f"'{vm.path('a.snap1-1')}' would be",
                f"domain '{other.name}'")
    assert other.data() == [GREEN]
    other.start()


def test_another_domain_on_the_overlay_running(host):
    another_domain_on_the_overlay(host, running=True)


def test_another_domain_on_the_overlay_off(host):
    another_domain_on_the_overlay(host, running=False)


def nothing_else_on_the_overlay(host, running):
    """The recorded name, which is of nothing any more, hinders nothing."""
    vm = on_its_second_overlay(host, running)
    if by_recorded_name(host):
        refused(host, vm, 'snap1', vm.path('a.snap1'), 'is not among the images')
        return
    allowed(host, vm, 'snap1')
    assert vm.chain('vda') == ['a.snap3', 'a.qcow2'] and vm.data() == [BLACK]
    revert(host, vm, 'snap3', running)
    assert vm.data() == [GREEN]


def test_nothing_else_on_the_overlay_running(host):
    nothing_else_on_the_overlay(host, running=True)


def test_nothing_else_on_the_overlay_off(host):
    nothing_else_on_the_overlay(host, running=False)


# libvirtd 11.3 crashes where a snapshot on another branch stands on the overlay by a chain
# that its definition does not tell

def branch_on_the_overlay(host, running):
    """S s1, S s2, R s1, S s3, D s2, R s3, S s4, S s5, R s3, D s1"""
    vm = two_snapshots(host, running=running, disks=1)
    revert(host, vm, 'snap1', running)
    vm.snapshot('snap3')
    revert(host, vm, 'snap2', running)
    with host.front() as conn:
        front_snapshot(conn, vm, 'snap2').delete()
    revert(host, vm, 'snap3', running)
    vm.write_all(BLACK)
    vm.snapshot('snap4')
    vm.write_all(GREEN)
    vm.snapshot('snap5')
    revert(host, vm, 'snap3', running)
    overlay = 'a.snap1' if by_recorded_name(host) else 'a.snap1-1'
    more = () if by_recorded_name(host) else ("snapshot 'snap4'", "snapshot 'snap5'")
    refused(host, vm, 'snap1', vm.path(overlay), *more)
    for name, byte in (('snap5', GREEN), ('snap4', BLACK), ('snap3', RED)):
        revert(host, vm, name, running)
        assert vm.data() == [byte], name


def test_branch_on_the_overlay_running(host):
    branch_on_the_overlay(host, running=True)


def test_branch_on_the_overlay_off(host):
    branch_on_the_overlay(host, running=False)


def short_branch_on_the_overlay(host, running):
    """The shortest that it crashed for, of those that were tried."""
    vm = on_its_second_overlay(host, running)
    vm.snapshot('snap4')
    revert(host, vm, 'snap3', running)
    if by_recorded_name(host):
        refused(host, vm, 'snap1', vm.path('a.snap1'))
        return
    refused(host, vm, 'snap1', vm.path('a.snap1-1'), "snapshot 'snap4'")
    allowed(host, vm, 'snap4')  # the way out
    allowed(host, vm, 'snap1')
    revert(host, vm, 'snap3', running)
    assert vm.data() == [GREEN]


def test_short_branch_on_the_overlay_running(host):
    short_branch_on_the_overlay(host, running=True)


def test_short_branch_on_the_overlay_off(host):
    short_branch_on_the_overlay(host, running=False)


# A leaf of another branch

def leaf_of_another_branch(host, running):
    vm = two_snapshots(host, running=running, disks=1)
    revert(host, vm, 'snap1', running)
    if not by_recorded_name(host):
        allowed(host, vm, 'snap2')
        assert vm.data() == [RED]
        return
    refused(host, vm, 'snap2', vm.path('a.snap2'), f"domain '{vm.name}' is on",
            "revert to snapshot 'snap2' first")
    revert(host, vm, 'snap2', running)  # the way out
    allowed(host, vm, 'snap2')
    assert vm.data() == [BLUE]
    revert(host, vm, 'snap1', running)
    assert vm.data() == [RED]


def test_leaf_of_another_branch_running(host):
    leaf_of_another_branch(host, running=True)


def test_leaf_of_another_branch_off(host):
    leaf_of_another_branch(host, running=False)


def test_leaf_above_an_internal_snapshot(host):
    """11.3 leaves the image alone that the parent is kept in."""
    vm = host.vm(disks=1)
    vm.write_all(RED)
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>')
    vm.start()
    vm.write_all(BLUE)
    vm.memory_snapshot('outer')
    # past virtsnapshotd, which would refuse it: it takes the state of 'outer' along
    vm.dom.revertToSnapshot(vm.dom.snapshotLookupByName('inner'))
    if host.conn.getLibVersion() < 11003000:
        refused(host, vm, 'outer', vm.path('a.outer') if by_recorded_name(host) else
                vm.base['vda'])
        return
    allowed(host, vm, 'outer')
    assert vm.chain('vda') == ['a.qcow2'] and vm.data() == [RED]
    # libvirt leaves the overlay behind, which stands on the image whoever has it
    os.unlink(vm.path('a.outer'))
    with host.front() as conn:
        domain = conn.lookupByName(vm.name)
        domain.revertToSnapshot(domain.snapshotLookupByName('inner'))
    assert vm.data() == [RED]


if __name__ == '__main__':
    tap.main(globals())
