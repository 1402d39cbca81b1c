#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_refuse_target.py: domains, snapshots and connections that a revert refuses"""

import libvirt

import images
import tap
from refusal import (BLUE, FORCE, GREEN, KEEP_CURRENT, RED, check_refused, document,
                     refused, two_snapshots)
from vm import sums

RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY
CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY


def test_no_such_snapshot(host):
    vm = two_snapshots(host)
    refused(host, vm, 'snap9', libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT, 'snap9')


def test_no_such_domain(host):
    check_refused(host.call('nosuch', 'snap1'), libvirt.VIR_ERR_NO_DOMAIN, 'nosuch')


def test_read_only_connection(host):
    vm = two_snapshots(host)
    before = vm.capture()
    check_refused(host.call(vm, 'snap1', options=['--readonly']),
                  libvirt.VIR_ERR_OPERATION_DENIED)
    result = host.revert_desc(vm, 'snap1')
    assert result.ok, result
    vm.assert_unchanged(before)


def test_no_driver_but_qemu(host):
    result = host.call('test', 'snap1', uri='test:///default')
    check_refused(result, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT)
    result = host.virsh('-c', 'test:///default', 'snapshot-revert', 'test', 'x', '--dry-run')
    assert result.status == 1, result


def test_internal_snapshot_is_left_to_libvirt(host):
    vm = host.vm()
    vm.write_all(RED)
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>', 0)
    vm.write_all(BLUE)
    result = host.revert(vm, 'inner')
    assert result.ok, result
    assert vm.data() == [RED, RED], vm.data()


def test_internal_snapshot_with_a_document(host):
    vm = host.vm()
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>', 0)
    refused(host, vm, 'inner', CONFIG, "'vda'", 'internal', flags=0,
            xml=document(('vda', vm.path('x'))))


def test_internal_beside_external(host):
    vm = two_snapshots(host, running=False)
    xml = vm.snapshot_xml('snap2')
    at = xml.index("<disk name='vdb'")
    mixed = (xml[:at] + "<disk name='vdb' snapshot='internal'/>" +
             xml[xml.index('</disk>', at) + len('</disk>'):])
    vm.dom.snapshotLookupByName('snap2').delete(METADATA_ONLY)
    try:
        vm.dom.snapshotCreateXML(mixed, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    except libvirt.libvirtError as error:
        assert 'mixing' in str(error) or 'internal' in str(error), error
        return  # this libvirt does not let it come to that
    refused(host, vm, 'snap2', CONFIG, "'vdb'", 'internal', flags=0)


def on_its_base(host):
    """A domain that someone pointed at the image that holds snap1's state."""
    vm = two_snapshots(host, running=False)
    xml = vm.xml(active=False)
    for target, file in vm.files().items():
        xml = xml.replace(file, vm.base[target])
    host.conn.defineXML(xml)
    vm.refresh()
    return vm


def test_directly_on_the_state(host):
    vm = on_its_base(host)
    refused(host, vm, 'snap1', RISKY, "'vda'", vm.base['vda'], "'snap1'", flags=0)


def test_directly_on_the_state_with_force(host):
    vm = on_its_base(host)
    before = sums(vm.base.values())
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert result.ok, result
    assert vm.data() == [RED, RED], vm.data()
    assert sums(vm.base.values()) == before


def test_running_directly_on_the_state(host):
    vm = on_its_base(host)
    vm.start()
    refused(host, vm, 'snap1', RISKY, "'vda'")


def saved(host):
    vm = two_snapshots(host)
    vm.dom.managedSave()
    return vm


def test_managed_save(host):
    vm = saved(host)
    refused(host, vm, 'snap1', RISKY, vm.name, 'managed save')
    assert vm.dom.hasManagedSaveImage()


def test_managed_save_with_force(host):
    vm = saved(host)
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert result.ok, result
    assert not vm.dom.hasManagedSaveImage()
    assert vm.data() == [RED, RED], vm.data()


def test_virsh_force_tries_without_first(host):
    vm = saved(host)
    arguments = ['-c', host.uri, 'snapshot-revert', vm.name, 'snap1']
    assert host.virsh(*arguments).status == 1
    result = host.virsh(*arguments, '--force')
    assert result.status == 0, result
    assert not vm.dom.hasManagedSaveImage()


def test_kept_state_stays(host):
    vm = two_snapshots(host)
    left = vm.files()
    result = host.revert(vm, 'snap1', flags=KEEP_CURRENT)
    assert result.ok, result
    assert [images.pattern(file) for file in left.values()] == [GREEN, GREEN]


tap.main(globals())
