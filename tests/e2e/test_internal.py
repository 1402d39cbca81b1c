#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_internal.py: going back to an internal snapshot takes nothing from others

It rewrites the image that it is kept in. Where another snapshot's state is in that image
or stands on it, or another domain, it is refused, by whatever client; nothing overrides
that. Else libvirt does it.
"""

import contextlib
import os

import libvirt

import images
import tap
from refusal import BLUE, FORCE, GREEN, KEEP_CURRENT, RED
from test_front import VIRSH, front_domain, front_snapshot, raised
from vm import sums
from volumes import volume_of_another

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY


def internal(vm, name):
    vm.dom.snapshotCreateXML(f'<domainsnapshot><name>{name}</name></domainsnapshot>')


def internal_only(host, running):
    """RED at i1, BLUE now."""
    vm = host.vm(disks=1)
    if running:
        vm.start()
    vm.write_all(RED)
    internal(vm, 'i1')
    vm.write_all(BLUE)
    return vm


def mixed(host, running):
    """RED at i1, BLUE at e1, whose overlay holds i2 (GREEN)."""
    vm = internal_only(host, running)
    vm.snapshot('e1')
    vm.write_all(GREEN)
    internal(vm, 'i2')
    return vm


# Each client's way; each returns what it was told, or None where it succeeded.

def by_python(host, vm, name, flags=0):
    with host.front() as conn:
        try:
            front_domain(conn, vm).revertToSnapshot(front_snapshot(conn, vm, name), flags)
        except libvirt.libvirtError as error:
            assert error.get_error_code() == INVALID, error
            return error.get_error_message()
    return None


def by_stock_virsh(host, vm, name, flags=0):
    force = ['--force'] if flags & FORCE else []
    done = host.run_command([VIRSH, '-c', host.front_uri(), 'snapshot-revert', vm.name,
                             name, *force])
    return done.stderr if done.returncode else None


def by_virsh(host, vm, name, flags=0):
    force = ['--force'] if flags & FORCE else []
    result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, name, *force)
    return None if result.ok else result.err


def by_library(host, vm, name, flags=0):
    result = host.call(vm, name, flags=flags)
    if result.ok:
        return None
    assert result.code == INVALID, result
    return result.message


def by_library_through_the_front(host, vm, name, flags=0):
    result = host.call(vm, name, flags=flags, uri=host.front_uri())
    return None if result.ok else result.message


CLIENTS = (by_python, by_stock_virsh, by_virsh, by_library, by_library_through_the_front)


def refused(host, vm, name, *fragments):
    """Whoever asks for it, and also by force."""
    before = vm.capture()
    for client in CLIENTS:
        for flags in (0, FORCE):
            message = client(host, vm, name, flags)
            assert message, (client, flags, 'it was not refused')
            for fragment in (f"'{name}'", *fragments):
                assert fragment in message, (client, fragment, message)
            vm.assert_unchanged(before)


def state_of_an_external_snapshot(host, running):
    vm = mixed(host, running)
    refused(host, vm, 'i1', vm.base['vda'], "needed as it is by snapshot '",
            "snapshot 'e1'", "snapshot 'i2'", '; delete snapshot', 'first')
    assert images.pattern(vm.base['vda']) == BLUE  # e1
    assert vm.data() == [GREEN]


def test_state_of_an_external_snapshot_running(host):
    state_of_an_external_snapshot(host, running=True)


def test_state_of_an_external_snapshot_off(host):
    state_of_an_external_snapshot(host, running=False)


def test_started_since(host):
    """Taken while it was off, and gone back to while it runs."""
    vm = mixed(host, running=False)
    vm.start()
    refused(host, vm, 'i1', vm.base['vda'], "snapshot 'e1'")


def test_ended_since(host):
    vm = mixed(host, running=True)
    vm.destroy()
    refused(host, vm, 'i1', vm.base['vda'], "snapshot 'e1'")


def test_internal_snapshot_in_an_overlay(host):
    """i2 stands on the image by way of an overlay; e1 is known to libvirt no more."""
    vm = mixed(host, running=False)
    vm.dom.snapshotLookupByName('e1').delete(METADATA_ONLY)
    refused(host, vm, 'i1', vm.base['vda'], "needed as it is by snapshot 'i2'",
            "delete snapshot 'i2' first")


def test_way_out(host):
    """What the error asks for makes it possible."""
    vm = mixed(host, running=False)
    vm.dom.snapshotLookupByName('i2').delete()
    vm.dom.snapshotLookupByName('e1').delete(METADATA_ONLY)
    assert by_python(host, vm, 'i1') is None
    assert vm.file('vda') == vm.base['vda'] and vm.data() == [RED]


def above_in_another_domain(host, vm):
    other = host.vm(disks=1)
    images.create(other.path('top'), backing=vm.base['vda'])
    other.dom = host.conn.defineXML(other.xml().replace(other.base['vda'],
                                                        other.path('top')))
    return other


def another_domain(host, running):
    vm = internal_only(host, running)
    other = above_in_another_domain(host, vm)
    refused(host, vm, 'i1', vm.base['vda'], f"needed as it is by domain '{other.name}'")
    assert other.data() == [BLUE]


def test_another_domain_running(host):
    another_domain(host, running=True)


def test_another_domain_off(host):
    another_domain(host, running=False)


def test_snapshot_of_another_domain(host):
    vm = internal_only(host, running=False)
    other = above_in_another_domain(host, vm)
    other.snapshot('theirs')
    host.conn.defineXML(other.xml().replace(other.file('vda'), other.base['vda']))
    refused(host, vm, 'i1', vm.base['vda'],
            f"delete snapshot 'theirs' of domain '{other.name}' first")


def test_what_can_not_be_told(host):
    vm = internal_only(host, running=False)
    with volume_of_another(host, vm.folder, undefined=True):
        refused(host, vm, 'i1', "it can't be told what disk 'vda' of domain 'vm1'")
    images.create(vm.path('top'), backing=vm.base['vda'])
    with volume_of_another(host, vm.folder) as pool:
        pool.destroy()
        refused(host, vm, 'i1', "domain 'vm1'")
        assert images.pattern(vm.path('top')) == BLUE


def test_image_that_no_domain_has(host):
    """A template, a clone that is not defined now, one of another host."""
    vm = internal_only(host, running=False)
    images.create(vm.path('clone'), backing=vm.base['vda'])
    refused(host, vm, 'i1', f"image '{vm.path('clone')}'")
    assert images.pattern(vm.path('clone')) == BLUE


# What is not refused

def allowed(host, vm, name, byte):
    for client in CLIENTS:
        vm.write_all(GREEN)
        message = client(host, vm, name)
        assert message is None, (client, message)
        assert vm.file('vda') == vm.base['vda'] and vm.data() == [byte], client
        assert vm.current == name


def test_nothing_but_internal_ones_running(host):
    vm = internal_only(host, running=True)
    internal(vm, 'i2')
    allowed(host, vm, 'i1', RED)
    allowed(host, vm, 'i2', BLUE)
    assert vm.running


def test_nothing_but_internal_ones_off(host):
    vm = internal_only(host, running=False)
    internal(vm, 'i2')
    allowed(host, vm, 'i1', RED)
    allowed(host, vm, 'i2', BLUE)


def test_own_chain_is_lost_anyway(host):
    """The domain is on an overlay that no snapshot needs."""
    vm = internal_only(host, running=False)
    for client in CLIENTS:
        vm.snapshot('e1')
        vm.write_all(GREEN)
        vm.dom.snapshotLookupByName('e1').delete(METADATA_ONLY)
        assert vm.chain('vda') == ['a.e1', 'a.qcow2']
        assert client(host, vm, 'i1') is None, client
        assert vm.file('vda') == vm.base['vda'] and vm.data() == [RED]
        os.unlink(vm.path('a.e1'))


def test_internal_snapshot_in_the_topmost_image(host):
    """Nothing stands on that one."""
    vm = mixed(host, running=False)
    vm.write_all(RED)
    below = sums([vm.base['vda']])
    assert by_python(host, vm, 'i2') is None
    assert vm.data() == [GREEN] and sums(below) == below


def test_description_is_refused_as_ever(host):
    vm = internal_only(host, running=False)
    result = host.revert_desc(vm, 'i1')
    assert not result.ok and "disk 'vda' has an internal snapshot" in result.message, result


def test_our_flags_are_refused_as_ever(host):
    vm = internal_only(host, running=False)
    before = vm.capture()
    result = host.call(vm, 'i1', flags=KEEP_CURRENT)
    assert not result.ok, result
    vm.assert_unchanged(before)


def test_error_of_libvirts_own(host):
    """What it refuses, it says itself."""
    vm = internal_only(host, running=False)
    images.tool('qemu-img', 'snapshot', '-d', 'i1', vm.base['vda'])
    error = raised(vm.dom.revertToSnapshot, vm.dom.snapshotLookupByName('i1'))
    for client in (by_virsh, by_stock_virsh):
        message = client(host, vm, 'i1')
        assert message and error.get_error_message() in message, (message, error)


def test_external_snapshot_taken_since(host):
    """Each call looks anew."""
    vm = internal_only(host, running=False)
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(host.front()) for _ in range(2)]
        front_domain(conns[0], vm).revertToSnapshot(front_snapshot(conns[0], vm, 'i1'))
        front_domain(conns[1], vm).snapshotCreateXML(
            '<domainsnapshot><name>e1</name></domainsnapshot>',
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        error = raised(front_domain(conns[0], vm).revertToSnapshot,
                       front_snapshot(conns[0], vm, 'i1'))
    assert "snapshot 'e1'" in error.get_error_message(), error


if __name__ == '__main__':
    tap.main(globals())
