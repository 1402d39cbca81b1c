#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_refuse_handle.py: handles that outlive what they stand for

A caller holds its handle of a snapshot while others delete the snapshot, or the
domain. Then it is virtsnapshotd, not the lookup, that finds it gone. The handles
are those of a program that has loaded the library, this one.
"""

import ctypes
import os

import libvirt

import tap
from harness import Result
from refusal import (KEEP_CURRENT, REUSE_EXT, RUNNING, VALIDATE, check_refused, document,
                     two_snapshots)

NO_SNAPSHOT = libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
NO_DOMAIN = libvirt.VIR_ERR_NO_DOMAIN
DENIED = libvirt.VIR_ERR_OPERATION_DENIED
METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
CHILDREN = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN
SETPRIV = ['setpriv', '--reuid=65534', '--regid=65534']
GROUP = 64000  # of nobody
UNDEFINE = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


class Fault(ctypes.Structure):
    _fields_ = [('code', ctypes.c_int), ('domain', ctypes.c_int),
                ('message', ctypes.c_char_p)]


def load(name, functions):
    library = ctypes.CDLL(str(name))
    for function, result in functions.items():
        getattr(library, function).restype = result
    return library


class Handle:
    """A snapshot's handle, of a connection of its own; calls give a result as
    refusal.check_refused() takes it."""

    def __init__(self, host, vm, snapshot, readonly=False, uri=None):
        pointer = ctypes.c_void_p
        self.libvirt = load('libvirt.so.0', {
            'virConnectOpen': pointer, 'virConnectOpenReadOnly': pointer,
            'virDomainLookupByName': pointer, 'virDomainSnapshotLookupByName': pointer,
            'virGetLastError': ctypes.POINTER(Fault)})
        self.ours = load(host.build / 'src/libvirt-snapshot.so.0', {
            'virDomainRevertToSnapshotXML': ctypes.c_int,
            'virDomainSnapshotGetRevertXMLDesc': pointer})
        connect = (self.libvirt.virConnectOpenReadOnly if readonly else
                   self.libvirt.virConnectOpen)
        self.conn = pointer(connect((uri or host.uri).encode()))
        self.dom = pointer(self.libvirt.virDomainLookupByName(
            self.conn, vm.name.encode()))
        self.snap = pointer(self.libvirt.virDomainSnapshotLookupByName(
            self.dom, snapshot.encode(), 0))
        assert self.conn and self.dom and self.snap

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.libvirt.virDomainSnapshotFree(self.snap)
        self.libvirt.virDomainFree(self.dom)
        self.libvirt.virConnectClose(self.conn)

    def _result(self, function, *arguments):
        self.value = function(self.snap, *arguments)
        self.ok = bool(self.value) if function.restype is ctypes.c_void_p \
            else self.value == 0
        fault = self.libvirt.virGetLastError()
        self.code = fault.contents.code if fault else None
        self.message = fault.contents.message.decode() if fault else ''
        return self

    def __str__(self):
        return f'{self.value}: {self.code} {self.message}'

    def revert(self, xml=None, flags=0):
        return self._result(self.ours.virDomainRevertToSnapshotXML,
                            xml and xml.encode(), ctypes.c_uint(flags))

    def describe(self, xml=None, flags=0):
        return self._result(self.ours.virDomainSnapshotGetRevertXMLDesc,
                            xml and xml.encode(), ctypes.c_uint(flags))


def check_both(handle, code, *fragments):
    check_refused(handle.describe(flags=RUNNING), code, *fragments)
    check_refused(handle.revert(flags=RUNNING), code, *fragments)


def test_snapshot_deleted_since(host):
    vm = two_snapshots(host)
    with Handle(host, vm, 'snap2') as handle:
        vm.dom.snapshotLookupByName('snap2').delete(METADATA_ONLY)
        before = vm.capture()
        check_both(handle, NO_SNAPSHOT, 'snap2')
        vm.assert_unchanged(before)


def test_all_snapshots_deleted_since(host):
    vm = two_snapshots(host, running=False)
    with Handle(host, vm, 'snap1') as handle:
        vm.dom.snapshotLookupByName('snap1').delete(METADATA_ONLY | CHILDREN)
        before = vm.capture()
        check_both(handle, NO_SNAPSHOT, 'snap1')
        vm.assert_unchanged(before)


def test_domain_undefined_since(host):
    vm = two_snapshots(host, running=False)
    with Handle(host, vm, 'snap1') as handle:
        vm.dom.undefineFlags(UNDEFINE)
        files = sorted(vm.folder.iterdir())
        check_both(handle, NO_DOMAIN)
        assert sorted(vm.folder.iterdir()) == files
        assert vm.name not in [dom.name() for dom in host.conn.listAllDomains()]


def test_another_domain_has_the_name_since(host):
    """A domain is its UUID: a namesake is not touched."""
    vm = two_snapshots(host, running=False)
    with Handle(host, vm, 'snap1') as handle:
        xml = vm.xml(active=False)
        vm.dom.undefineFlags(UNDEFINE)
        host.conn.defineXML(xml.replace(vm.dom.UUIDString(),
                                        '11111111-2222-3333-4444-555555555555'))
        vm.refresh()
        before = vm.capture()
        check_both(handle, NO_DOMAIN)
        vm.assert_unchanged(before)


def test_domain_renamed_since(host):
    """The same domain by another name keeps that name."""
    vm = two_snapshots(host, running=False)
    xml = vm.xml(active=False)
    with Handle(host, vm, 'snap1') as handle:
        snapshots = [vm.snapshot_xml(name) for name in ('snap1', 'snap2')]
        for name in ('snap2', 'snap1'):
            vm.dom.snapshotLookupByName(name).delete(METADATA_ONLY)
        vm.dom.rename('renamed')
        vm.name = 'renamed'
        vm.refresh()
        for text in snapshots:
            vm.dom.snapshotCreateXML(
                text, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
        result = handle.revert()
        assert result.ok, result
    vm.refresh()
    assert vm.dom.UUIDString() in xml and vm.dom.name() == 'renamed'
    assert vm.data() == [0x11, 0x11], vm.data()


def test_no_handle(host):
    """As libvirt's own functions answer it, and without an end of the caller."""
    vm = two_snapshots(host, running=False)
    with Handle(host, vm, 'snap1') as handle:
        for call in (handle.ours.virDomainRevertToSnapshotXML,
                     handle.ours.virDomainSnapshotGetRevertXMLDesc):
            assert call(None, None, 0) in (-1, None)
            fault = handle.libvirt.virGetLastError().contents
            assert fault.code == libvirt.VIR_ERR_INVALID_DOMAIN_SNAPSHOT, fault.message


def test_an_error_does_not_stay(host):
    vm = two_snapshots(host, running=False)
    with Handle(host, vm, 'snap1') as handle:
        check_refused(handle.describe(document(('vdz', vm.path('x')))),
                      libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "'vdz'")
        result = handle.describe()
        assert result.ok and result.code is None, result


def test_read_only_connection(host):
    """It may ask what would be done, over the socket that it could open itself."""
    vm = two_snapshots(host)
    before = vm.capture()
    with Handle(host, vm, 'snap1', readonly=True) as handle:
        for flags in (0, RUNNING, KEEP_CURRENT, VALIDATE):
            check_refused(handle.revert(flags=flags), DENIED)
        check_refused(handle.revert(document(('vda', vm.path('x')))), DENIED)
        result = handle.describe()
        assert result.ok, result
    vm.assert_unchanged(before)


if os.environ.get('SNAPSHOT_MODE') != 'session':
    def test_read_only_socket_alone_is_enough_to_ask(host):
        """Also where the read-write one can't be opened."""
        vm = two_snapshots(host, running=False)
        away = host.snapshotd.socket.with_name('away')
        host.snapshotd.socket.rename(away)
        try:
            with Handle(host, vm, 'snap1', readonly=True) as handle:
                result = handle.describe()
                assert result.ok, result
            with Handle(host, vm, 'snap1') as handle:
                check_refused(handle.revert(), libvirt.VIR_ERR_NO_CONNECT,
                              'virtsnapshotd-sock')
        finally:
            away.rename(host.snapshotd.socket)

    def test_document_over_the_read_only_socket(host):
        """It may name any file, which root would look into."""
        vm = two_snapshots(host, running=False)
        before = vm.capture()
        with Handle(host, vm, 'snap1', readonly=True,
                    uri=host.front_uri(readonly=True)) as handle:
            for flags in (0, REUSE_EXT):
                check_refused(handle.describe(document(('vda', vm.path('x'))), flags),
                              DENIED, 'read-only socket')
            result = handle.describe()
            assert result.ok, result
        vm.assert_unchanged(before)

    def test_document_of_those_who_may_revert(host):
        """They may ask first, through the library, whatever their connection."""
        vm = two_snapshots(host, running=False)
        for readonly in (False, True):
            with Handle(host, vm, 'snap1', readonly=readonly) as handle:
                result = handle.describe(document(('vda', vm.path('x'))))
                assert result.ok, result

    def dry_run(host, vm, *more, user=()):
        return Result(host.run_command(
            [*user, host.build / 'tools/virsh', '-c', host.uri, 'snapshot-revert', vm.name,
             'snap1', '--dry-run', *more]))

    def test_dry_run_of_a_user(host):
        """One of the socket's group may ask with a document, others without."""
        vm = two_snapshots(host, running=False)
        named = ['--diskspec', f'vda,file={vm.path("x")}']
        group, other = ([*SETPRIV, f'--groups={gid}'] for gid in (GROUP, GROUP + 1))
        os.chown(host.snapshotd.socket, 0, GROUP)
        try:
            for user in ([], group):
                result = dry_run(host, vm, *named, user=user)
                assert result.ok and vm.path('x') in result.out, result
            result = dry_run(host, vm, *named, user=other)
            assert not result.ok and 'Permission denied' in result.err, result
            for user in ([], group, other):
                result = dry_run(host, vm, user=user)
                assert result.ok and vm.path('a.snap1-1') in result.out, result
        finally:
            os.chown(host.snapshotd.socket, 0, 0)


tap.main(globals())
