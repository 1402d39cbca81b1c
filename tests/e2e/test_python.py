#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_python.py: the module libvirt_snapshot, loaded by this very program"""

import concurrent.futures
import contextlib
import gc
import os
import re
import socket
import sys
import threading
import xml.etree.ElementTree as ET

import libvirt

import tap
from gate import Gate
from refusal import (BLUE, KEEP_CURRENT, RED, REUSE_EXT, RUNNING, VALIDATE, check_refused,
                     document, two_snapshots)

# where harness.py says that it is
import libvirt_snapshot
import libvirtmod_snapshot

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
DENIED = libvirt.VIR_ERR_OPERATION_DENIED

BOTH = (libvirt_snapshot.revertToSnapshotXML, libvirt_snapshot.snapshotGetRevertXMLDesc)

# A program that has heard of nothing but the module's documentation.
PROGRAM = """
import sys
import libvirt_snapshot
import libvirt
snapshot = libvirt.open(sys.argv[1]).lookupByName(sys.argv[2]).snapshotLookupByName('snap1')
libvirt_snapshot.revertToSnapshotXML(snapshot)
"""


def lookup(vm, name='snap1'):
    return vm.dom.snapshotLookupByName(name)


def check_raises(kind, function, *arguments, **named):
    """Returns the exception, which is of that kind and no other."""
    try:
        result = function(*arguments, **named)
    except Exception as error:  # told apart below
        assert type(error) is kind, repr(error)
        return error
    raise AssertionError(f'{function.__name__}{arguments} returned {result!r}')


class Raised:
    """What a call raised, as refusal.check_refused() takes it."""
    ok = False

    def __init__(self, function, *arguments, **named):
        self.error = check_raises(libvirt.libvirtError, function, *arguments, **named)
        self.code = self.error.get_error_code()
        self.domain = self.error.get_error_domain()
        self.message = self.error.get_error_message()

    def __str__(self):
        return f'{self.code} {self.domain} {self.message}'


# Reverts


def test_generated_names(host):
    vm = two_snapshots(host)
    assert libvirt_snapshot.revertToSnapshotXML(lookup(vm)) == 0
    assert vm.data() == [RED, RED] and not vm.active
    assert vm.chain('vda') == ['a.snap1-1', 'a.qcow2'], vm.chain('vda')


def test_names_from_xml(host):
    vm = two_snapshots(host)
    xml = document(('vdb', vm.path('bé.mine')))
    assert libvirt_snapshot.revertToSnapshotXML(lookup(vm, 'snap2'), xml=xml,
                                                flags=RUNNING | VALIDATE) == 0
    assert vm.data() == [BLUE, BLUE] and vm.running
    assert vm.chain('vda') == ['a.snap2-1', 'a.snap1', 'a.qcow2'], vm.chain('vda')
    assert vm.chain('vdb') == ['bé.mine', 'b.snap1', 'b.qcow2'], vm.chain('vdb')


def test_flags(host):
    """To snap1 and back to the very overlays that were left."""
    vm = two_snapshots(host, running=False)
    left, data = vm.files(), vm.data()
    snap1, snap2 = lookup(vm), lookup(vm, 'snap2')
    libvirt_snapshot.revertToSnapshotXML(
        snap1, None, libvirt_snapshot.VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT)
    assert vm.data() == [RED, RED], vm.data()
    libvirt_snapshot.revertToSnapshotXML(
        snap2, document(*left.items()),
        libvirt_snapshot.VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT)
    assert vm.files() == left and vm.data() == data


def test_constants_are_those_of_the_header(host):
    header = (host.source / 'include/libvirt-domain-snapshot.h').read_text()
    found = {name: 1 << int(bit) for name, bit in
             re.findall(r'(VIR_DOMAIN_SNAPSHOT_REVERT_\w+) *= \(1 << (\d+)\)', header)}
    assert set(found.values()) == {VALIDATE, REUSE_EXT, KEEP_CURRENT}, found
    module = {name: value for name, value in vars(libvirt_snapshot).items()
              if name.startswith('VIR_')}
    assert module == found, module


def test_program_of_its_own(host):
    vm = two_snapshots(host)
    result = host.run_command(['/usr/bin/python3', '-c', PROGRAM, host.uri, vm.name])
    assert result.returncode == 0 and not result.stderr, result.stderr
    assert vm.data() == [RED, RED], vm.data()


# The description


def test_description_changes_nothing_and_is_taken_back(host):
    vm = two_snapshots(host)
    given = document(('vda', vm.path('a.mine')))
    before = vm.capture()
    desc = libvirt_snapshot.snapshotGetRevertXMLDesc(lookup(vm), given, RUNNING)
    vm.assert_unchanged(before)
    assert desc == host.revert_desc(vm, 'snap1', given, RUNNING).out, desc
    overlays = {disk.get('name'): disk.find('source').get('file')
                for disk in ET.fromstring(desc).iterfind('disks/disk')}
    libvirt_snapshot.revertToSnapshotXML(lookup(vm), desc, RUNNING | VALIDATE)
    assert vm.files() == overlays, (vm.files(), overlays)


# Errors


def test_error_is_that_of_the_c_function(host):
    vm = two_snapshots(host)
    before = vm.capture()
    unknown = document(('vdz', vm.path('x')))
    for function, call in zip(BOTH, (host.call, host.revert_desc)):
        raised, wanted = Raised(function, lookup(vm), unknown), call(vm, 'snap1', unknown)
        check_refused(raised, CONFIG, "'vdz'")
        assert raised.domain == libvirt.VIR_FROM_DOMAIN_SNAPSHOT, raised
        assert str(raised) == f'{wanted.code} {wanted.domain} {wanted.message}', wanted
        assert str(raised.error) == raised.message, raised.error
    vm.assert_unchanged(before)


def test_flags_that_exclude_each_other(host):
    vm = two_snapshots(host)
    before = vm.capture()
    for function in BOTH:
        check_refused(Raised(function, lookup(vm), flags=3), libvirt.VIR_ERR_INVALID_ARG)
        check_refused(Raised(function, lookup(vm), flags=1 << 31),
                      libvirt.VIR_ERR_INVALID_ARG)
    vm.assert_unchanged(before)


def test_schema_is_asked_for(host):
    vm = two_snapshots(host)
    before = vm.capture()
    wrong = '<domainsnapshotrevert><nothing/></domainsnapshotrevert>'
    for function in BOTH:
        check_refused(Raised(function, lookup(vm), wrong, VALIDATE),
                      libvirt.VIR_ERR_XML_INVALID_SCHEMA)
    vm.assert_unchanged(before)


def test_read_only_connection(host):
    """It may ask, and no more."""
    vm = two_snapshots(host)
    before = vm.capture()
    with contextlib.closing(libvirt.openReadOnly(host.uri)) as conn:
        snapshot = conn.lookupByName(vm.name).snapshotLookupByName('snap1')
        for xml, flags in ((None, 0), (None, RUNNING), (document(), KEEP_CURRENT)):
            check_refused(Raised(libvirt_snapshot.revertToSnapshotXML, snapshot, xml,
                                 flags), DENIED)
        assert vm.path('a.snap1-1') in libvirt_snapshot.snapshotGetRevertXMLDesc(snapshot)
    vm.assert_unchanged(before)


# What is done, and was

def job_info(vm, flags=0):
    return libvirt_snapshot.snapshotJobInfo(vm.dom, flags)


COMPLETED = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED


def test_job_info_of_a_revert(host):
    vm = two_snapshots(host, running=False)
    assert job_info(vm) == {} and job_info(vm, COMPLETED) == {}
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        # the gate belongs to a daemon that was started for it
        info = job_info(vm)
        assert info.pop('time_elapsed') >= 0
        assert info == {'operation': 'revert', 'domain': vm.name, 'snapshot': 'snap1',
                        'step': 'create', 'done': 0, 'total': 2, 'unit': 'disks'}, info
        assert job_info(vm, COMPLETED) == {}
        assert gate.end(call).ok
        assert job_info(vm) == {}
        info = job_info(vm, COMPLETED)
    assert info.pop('time_elapsed') > 0
    assert info == {'operation': 'revert', 'domain': vm.name, 'snapshot': 'snap1',
                    'step': 'clear', 'done': 2, 'total': 2, 'unit': 'disks',
                    'success': True}, info


def test_job_info_of_a_failure(host):
    vm = two_snapshots(host, running=False)
    os.unlink(vm.base['vda'])
    error = Raised(libvirt_snapshot.revertToSnapshotXML, lookup(vm))
    with contextlib.closing(libvirt.openReadOnly(host.uri)) as conn:
        info = libvirt_snapshot.snapshotJobInfo(conn.lookupByName(vm.name), COMPLETED)
    assert info['success'] is False and info['step'] == 'plan', info
    assert info['errmsg'] in error.message, (info, error.message)


def test_job_info_has_warnings(host):
    """Each time the same, as it is not used up; and virsh has them on standard error."""
    vm = two_snapshots(host, running=False)
    left = vm.file('vda')
    other = host.vm(disks=1)
    host.conn.defineXML(other.xml().replace(other.base['vda'], left))
    done = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1')
    assert done.ok, done
    for _ in range(2):
        info = job_info(vm, COMPLETED)
        assert info['success'] and left in info['warning.0'], info
        assert 'warning.1' not in info, info
    assert done.err == f"warning: {info['warning.0']}\n", done.err
    other.refresh()
    host.conn.defineXML(other.xml().replace(left, vm.file('vda')))
    done = host.virsh('-q', '-c', host.uri, 'snapshot-revert', vm.name, 'snap2')
    assert done.ok and not done.err and not done.out, done
    assert 'warning.0' in job_info(vm, COMPLETED)


def test_job_info_refused(host):
    vm = two_snapshots(host, running=False)
    check_refused(Raised(job_info, vm, 1 << 20), libvirt.VIR_ERR_INVALID_ARG, '0x100000')
    check_raises(TypeError, libvirt_snapshot.snapshotJobInfo, lookup(vm))


def test_each_thread_has_its_own_error(host):
    vm = two_snapshots(host, running=False)
    snapshot, count = lookup(vm), 8
    together = threading.Barrier(count)

    def ask(number):
        together.wait()
        return Raised(libvirt_snapshot.snapshotGetRevertXMLDesc, snapshot,
                      document((f'none{number}', vm.path('x'))))

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for number, raised in enumerate(pool.map(ask, range(count))):
            check_refused(raised, CONFIG, f"'none{number}'")


# What is not called at all


def test_wrong_types(host):
    vm = two_snapshots(host)
    before = vm.capture()
    snapshot = lookup(vm)

    class Alike:
        _o = snapshot._o

    for function in BOTH:
        for wrong in (None, 'snap1', vm.dom, host.conn, snapshot._o, Alike()):
            error = check_raises(TypeError, function, wrong)
            assert f"'{type(wrong).__name__}'" in str(error), error
        for wrong in (b'<domainsnapshotrevert/>', 1, ET.Element('domainsnapshotrevert')):
            error = check_raises(TypeError, function, snapshot, wrong)
            assert f"'{type(wrong).__name__}'" in str(error), error
        for wrong in ('1', 1.0, None):
            check_raises(TypeError, function, snapshot, None, wrong)
        check_raises(TypeError, function)
    vm.assert_unchanged(before)


def test_wrong_values(host):
    """None of them loses a part on its way to C."""
    vm = two_snapshots(host)
    before = vm.capture()
    for function in BOTH:
        for wrong in (-1, 1 << 32, 1 << 64):
            check_raises(OverflowError, function, lookup(vm), None, wrong)
        check_raises(ValueError, function, lookup(vm), document() + '\0more')
        check_raises(UnicodeEncodeError, function, lookup(vm), document() + '\udc80')
    vm.assert_unchanged(before)


def test_wrong_capsule(host):
    vm = two_snapshots(host)
    before = vm.capture()
    snapshot = lookup(vm)
    capsule = snapshot._o
    try:
        for wrong in (vm.dom._o, host.conn._o, None):
            snapshot._o = wrong
            for function in BOTH:
                error = check_raises(TypeError, function, snapshot)
                assert 'virDomainSnapshotPtr' in str(error), error
    finally:
        snapshot._o = capsule
    vm.assert_unchanged(before)


# Threads and references


def message(stream):
    """The next of libvirt's, which begins with its own length."""
    head = stream.read(4)
    return head + stream.read(int.from_bytes(head, 'big') - len(head))


class Relay(threading.Thread):
    """Stands in for a socket of virtsnapshotd: a call is answered only if this thread,
    with all that it does in Python, runs on while the caller waits for the answer."""

    def __init__(self, path, meanwhile):
        super().__init__()
        self.path, self.real = path, path.with_name('real-sock')
        self.meanwhile, self.seen = meanwhile, []
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.path.rename(self.real)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.real.rename(self.path)
        self.join()

    def run(self):
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                self._pass_on(self.listener.accept()[0])

    def _pass_on(self, client):
        with client, socket.socket(socket.AF_UNIX) as daemon, \
                client.makefile('rb') as calls, daemon.makefile('rb') as answers:
            daemon.connect(str(self.real))
            daemon.sendall(message(calls))
            answer = message(answers)
            self.seen.append(self.meanwhile())
            client.sendall(answer)


def read_only(path):
    """The one to ask for a description, where there are two."""
    other = path.with_name(f'{path.name}-ro')
    return other if other.exists() else path


def test_other_threads_run_on(host):
    """They may use the same connection too."""
    vm = two_snapshots(host)
    snapshot, path = lookup(vm), host.snapshotd.socket

    def meanwhile():
        return vm.current, vm.active

    with Relay(read_only(path), meanwhile) as relay:
        desc = libvirt_snapshot.snapshotGetRevertXMLDesc(snapshot)
        assert relay.seen == [('snap2', True)], relay.seen
    with Relay(path, meanwhile) as relay:
        libvirt_snapshot.revertToSnapshotXML(snapshot, desc)
        assert relay.seen == [('snap1', False)], relay.seen
    assert vm.data() == [RED, RED], vm.data()


def test_references(host):
    vm = two_snapshots(host, running=False)
    snapshot, flags = lookup(vm), RUNNING | KEEP_CURRENT
    good, bad = document(('vda', vm.path('a.mine'))), document(('vdz', vm.path('x')))

    def count():
        gc.collect()  # an exception and the frames that it came through
        return [sys.getrefcount(thing) for thing in
                (snapshot, snapshot._o, good, bad, flags, libvirtmod_snapshot)]

    before = count()
    for _ in range(20):
        libvirt_snapshot.snapshotGetRevertXMLDesc(snapshot, good, flags)
        Raised(libvirt_snapshot.snapshotGetRevertXMLDesc, snapshot, bad, flags)
        Raised(libvirt_snapshot.revertToSnapshotXML, snapshot, bad, flags)
        for function in BOTH:
            check_raises(TypeError, function, snapshot, None, 'flags')
            check_raises(TypeError, function, snapshot, b'', flags)
            check_raises(OverflowError, function, snapshot, good, -flags)
    libvirt_snapshot.revertToSnapshotXML(snapshot, good, flags)
    assert count() == before, (before, count())
    assert os.path.exists(vm.path('a.mine'))


tap.main(globals())
