#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_delete.py: no deletion of a snapshot that another branch would not survive"""

import contextlib
import fcntl
import os
import random
import signal
import struct
import termios
import xml.etree.ElementTree as ET

import libvirt

import images
import tap
from gate import Gate
from harness import wait_until
from refusal import BLUE, GREEN, RED, RUNNING, two_snapshots
from test_daemon import connect, message, receive
from test_front import REMOTE_PROGRAM, Background, front_domain, front_snapshot, raised
from vm import sums
from volumes import volume_of_another

METADATA_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
CHILDREN = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN
# procedures of libvirt's
OPEN, GET_CAPABILITIES, DELETE = 1, 7, 193
# in bytes; a socket holds some more
UNREAD = 100_000
INVALID = libvirt.VIR_ERR_OPERATION_INVALID


def branches(host, running=True):
    """a <- a.snap1 <- a.snap2-1 (now) and a <- a.snap1-1, which is snap3's state."""
    vm = two_snapshots(host, running=running)
    flags = RUNNING if running else 0
    assert host.call(vm, 'snap1', flags=flags).ok
    vm.write_all(GREEN, offset=1 << 20)
    vm.snapshot('snap3')
    assert host.call(vm, 'snap2', flags=flags).ok
    return vm


def delete(conn, vm, name, flags=0):
    front_snapshot(conn, vm, name).delete(flags)


def refused(host, vm, name, *fragments, flags=0):
    before = vm.capture()
    with host.front() as conn:
        error = raised(delete, conn, vm, name, flags)
    assert error.get_error_code() == INVALID, error
    for fragment in (f"'{name}'", *fragments):
        assert fragment in error.get_error_message(), (fragment, error)
    vm.assert_unchanged(before)


def allowed(host, vm, name, flags=0):
    with host.front() as conn:
        delete(conn, vm, name, flags)
    assert name not in vm.snapshots()


def test_libvirt_itself_destroys_a_branch(host):
    """What all this is about. Later ones refuse this one case themselves."""
    vm = branches(host)
    before = sums([vm.base['vda']])
    state = images.pattern(vm.path('a.snap1-1'))
    assert state == RED
    snap = vm.dom.snapshotLookupByName('snap1')
    if host.conn.getLibVersion() >= 9009000:
        assert 'multiple children' in str(raised(snap.delete))
        return
    snap.delete()
    assert sums(before) != before
    assert images.pattern(vm.path('a.snap1-1')) == BLUE  # snap3 was RED


def test_base_of_another_branch(host):
    vm = branches(host)
    refused(host, vm, 'snap1', vm.path('a.snap1'), "snapshot 'snap3'")
    assert host.call(vm, 'snap3', flags=RUNNING).ok
    assert vm.data() == [RED, RED]


def test_base_of_another_branch_inactive(host):
    vm = branches(host, running=False)
    refused(host, vm, 'snap1', vm.path('a.snap1'), "snapshot 'snap3'")


def test_all_that_need_it_are_named(host):
    vm = branches(host)
    assert host.call(vm, 'snap3', flags=RUNNING).ok
    vm.snapshot('snap4')
    assert host.call(vm, 'snap2', flags=RUNNING).ok
    refused(host, vm, 'snap1', "snapshot 'snap3'", "snapshot 'snap4'")


def test_overlay_of_another_domain(host):
    """Two down, in an image that only the header of the other's tells of."""
    vm = two_snapshots(host)
    other = host.vm(disks=1)
    images.create(other.path('top'), backing=vm.path('a.snap1'))
    other.dom = host.conn.defineXML(other.xml().replace(other.file('vda'),
                                                        other.path('top')))
    refused(host, vm, 'snap1', vm.path('a.snap1'), f"domain '{other.name}'")


def test_overlay_of_another_domains_volume(host):
    vm = two_snapshots(host)
    images.create(vm.path('top'), backing=vm.path('a.snap1'))
    with volume_of_another(host, vm.folder) as pool:
        refused(host, vm, 'snap1', vm.path('a.snap1'), "domain 'vm1'")
        pool.destroy()
        refused(host, vm, 'snap1', vm.path('a.snap1'), "domain 'vm1'")


def test_volume_that_can_not_be_found(host):
    vm = two_snapshots(host)
    with volume_of_another(host, vm.folder, undefined=True):
        refused(host, vm, 'snap1', "it can't be told what disk 'vda' of domain 'vm1'")


def test_current_state_on_another_branch(host):
    """After a revert the snapshots of the branch that was left can't be merged."""
    vm = two_snapshots(host)
    assert host.call(vm, 'snap1', flags=RUNNING).ok
    refused(host, vm, 'snap1', vm.path('a.snap1'), "snapshot 'snap2'")


def test_one_line_of_snapshots(host):
    vm = two_snapshots(host)
    allowed(host, vm, 'snap1')
    assert vm.data() == [GREEN, GREEN]
    assert host.call(vm, 'snap2', flags=RUNNING).ok
    assert vm.data() == [BLUE, BLUE]


def test_last_of_a_line(host):
    vm = two_snapshots(host)
    allowed(host, vm, 'snap2')
    assert vm.data() == [GREEN, GREEN]
    assert host.call(vm, 'snap1', flags=RUNNING).ok
    assert vm.data() == [RED, RED]


def test_leaf_that_was_reverted_to(host):
    """Its <disks> name the overlays of the revert, which are merged."""
    vm = two_snapshots(host)
    assert host.call(vm, 'snap2', flags=RUNNING).ok
    vm.write_all(GREEN)
    allowed(host, vm, 'snap2')
    assert vm.data() == [GREEN, GREEN]


def test_metadata_alone(host):
    vm = branches(host)
    allowed(host, vm, 'snap1', METADATA_ONLY)
    assert host.call(vm, 'snap3', flags=RUNNING).ok
    assert vm.data() == [RED, RED]


def test_internal_snapshot(host):
    vm = host.vm()
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>')
    allowed(host, vm, 'inner')


def test_internal_snapshot_of_another_branch(host):
    """It is within an image that stands on the one that would be merged."""
    vm = two_snapshots(host)
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>')
    vm.write_all(RED)
    assert host.call(vm, 'snap2', flags=RUNNING).ok
    assert os.path.exists(vm.path('a.snap2'))
    refused(host, vm, 'snap1', vm.path('a.snap1'), "snapshot 'inner'")


def test_missing_snapshot_is_libvirts(host):
    vm = two_snapshots(host, running=False)
    with host.front() as conn:
        snapshot = front_snapshot(conn, vm, 'snap2')
        vm.dom.snapshotLookupByName('snap2').delete(METADATA_ONLY)
        error = raised(snapshot.delete)
    assert error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT, error


class Tree:
    """Snapshots of a disk, and reverts to them, by chance, and what each has to show:
    a byte at the begin, and one of its own elsewhere."""

    def __init__(self, host, rand, running):
        self.host, self.rand = host, rand
        self.flags = RUNNING if running else 0
        self.vm = host.vm(disks=1)
        self.states, self.now, self.steps = {}, {}, []
        if running:
            self.vm.start()
        self.snapshot()
        for _ in range(rand.randint(3, 6)):
            rand.choice((self.snapshot, self.revert))()
        self.write()

    def write(self):
        byte = len(self.steps) + 1
        for offset in (0, byte << 20):
            self.vm.write('vda', byte, offset=offset)
            self.now[offset] = byte

    def snapshot(self):
        self.write()
        name = f's{len(self.states)}'
        self.vm.snapshot(name)
        self.states[name] = dict(self.now)
        self.steps.append(f'snapshot {name}')

    def revert(self):
        name = self.rand.choice(sorted(self.states))
        result = self.host.call(self.vm, name, flags=self.flags)
        assert result.ok, result
        self.now = dict(self.states[name])
        self.steps.append(f'revert {name}')

    def delete(self, conn):
        """Whether it was allowed, by us and by libvirt."""
        name = self.rand.choice(sorted(self.states))
        self.steps.append(f'delete {name}')
        try:
            delete(conn, self.vm, name)
        except libvirt.libvirtError as error:
            # libvirt 11.3 may have crashed
            if error.get_error_domain() == libvirt.VIR_FROM_RPC:
                wait_until(lambda: not self.host.libvirtd.running, 'end of libvirtd')
                tap.diagnose(f'libvirtd crashed: {", ".join(self.steps)}')
                self.host.ensure_running()
                self.vm.refresh()
            return False
        del self.states[name]
        return True

    def check(self):
        assert self.vm.snapshots() == sorted(self.states), self.steps
        files = {name: source_file(self.vm.snapshot_xml(name)) for name in self.states}
        for name, file in (*files.items(), (None, self.vm.file('vda'))):
            wanted = self.states[name] if name else self.now
            found = {offset: images.pattern(file, offset) for offset in wanted}
            assert found == wanted, (self.steps, name, found, wanted)


def source_file(snapshot_xml):
    domain = ET.fromstring(snapshot_xml).find('domain')
    return domain.find("devices/disk[@device='disk']/source").get('file')


def test_what_is_allowed_loses_nothing(host):
    rand = random.Random(int(os.environ.get('SNAPSHOT_TEST_SEED', 2)))
    allowed_ones = 0
    for number in range(10):
        tree = Tree(host, rand, running=number % 2 == 0)
        tree.check()
        with host.front() as conn:
            allowed_ones += tree.delete(conn)
        tree.check()
    tap.diagnose(f'{allowed_ones} of 10 were allowed')
    assert allowed_ones > 0


def test_deletion_waits_for_a_revert(host):
    """Which changes what may be deleted."""
    vm = two_snapshots(host)
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        waiting = Background(host, delete, vm, 'snap1')
        assert host.revert_desc(vm, 'snap1').ok and waiting.is_alive()
        gate.open()
        call.join()
        waiting.join()
    assert call.result.ok, call.result
    assert waiting.error and waiting.error.get_error_code() == INVALID, waiting.error
    assert os.path.exists(vm.path('a.snap1'))


def has_terminated(pid):
    """Whether it has been sent SIGTERM, which one that is stopped does not take."""
    with open(f'/proc/{pid}/status', encoding='utf-8') as status:
        fields = dict(line.split(':', 1) for line in status)
    pending = int(fields['SigPnd'], 16) | int(fields['ShdPnd'], 16)
    return bool(pending & 1 << signal.SIGTERM - 1)


def test_deletion_does_not_keep_a_destroy_waiting(host):
    """As with libvirt alone. QEMU is stopped, so that the deletion goes on."""
    vm = two_snapshots(host)
    pid = vm.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        deletion = Background(host, delete, vm, 'snap1')
        wait_until(lambda: vm.dom.controlInfo()[0] != libvirt.VIR_DOMAIN_CONTROL_OK,
                   "libvirt's begin of the deletion")
        destroy = Background(host, lambda conn: front_domain(conn, vm).destroy())
        wait_until(lambda: not destroy.is_alive() or has_terminated(pid),
                   "libvirt's end of QEMU")
        assert destroy.is_alive() and deletion.is_alive(), destroy.error
    finally:
        os.kill(pid, signal.SIGCONT)
    destroy.join()
    deletion.join()
    assert destroy.error is None and not vm.active, destroy.error
    assert deletion.error, 'it succeeded'


def remote_call(procedure, serial, payload=b''):
    return message(program=REMOTE_PROGRAM, procedure=procedure, serial=serial,
                   payload=payload)


def xdr_string(text):
    data = text.encode()
    return struct.pack('>I', len(data)) + data + b'\0' * (-len(data) % 4)


def ask_for_deletion(host, client, vm, name, more=b''):
    """As libvirt's library does; more: what it never adds."""
    domain = xdr_string(vm.name) + vm.dom.UUID() + struct.pack('>i', vm.dom.ID())
    client.sendall(remote_call(OPEN, 1, struct.pack('>I', 1) + xdr_string(host.uri) +
                               struct.pack('>I', 0)))
    assert receive(client)[:2] == (1, 0)
    client.sendall(remote_call(DELETE, 2, xdr_string(name) + domain + b'\0' * 4 + more))


def refused_by_hand(host, *fragments, **call):
    vm = branches(host)
    before = vm.capture()
    with connect(host) as client:
        ask_for_deletion(host, client, vm, 'snap1', **call)
        serial, status, payload = receive(client)
    assert (serial, status) == (2, 1), payload
    for fragment in fragments:
        assert fragment in payload, payload
    vm.assert_unchanged(before)


def test_more_than_the_arguments(host):
    """libvirt takes no notice of what is behind them."""
    refused_by_hand(host, b'a.snap1', b"snapshot 'snap3'", more=b'\0' * 4)


def test_much_more_than_the_arguments(host):
    refused_by_hand(host, b'a.snap1', b"snapshot 'snap3'", more=b'\0' * 100_000)


def test_too_much_more_than_the_arguments(host):
    refused_by_hand(host, b'larger than', more=b'\0' * 5_000_000)


@contextlib.contextmanager
def unread_deletion(host, vm, name):
    """libvirt has been asked for it, by a client that reads no more; QEMU is stopped, so
    that it goes on. What others have asked is in front of its reply."""
    pid = vm.pid()
    with connect(host) as client:
        os.kill(pid, signal.SIGSTOP)
        try:
            ask_for_deletion(host, client, vm, name)
            wait_until(lambda: vm.dom.controlInfo()[0] != libvirt.VIR_DOMAIN_CONTROL_OK,
                       "libvirt's begin of the deletion")
            client.sendall(remote_call(GET_CAPABILITIES, 3) * 200)
            wait_until(lambda: unread(client) > UNREAD, 'more than it takes')
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def unread(client):
    return struct.unpack('i', fcntl.ioctl(client, termios.FIONREAD, b'\0' * 4))[0]


def test_deletion_of_a_client_that_does_not_read(host):
    """Its domain is not locked for ever."""
    vm = two_snapshots(host)
    with unread_deletion(host, vm, 'snap1'):
        os.kill(vm.pid(), signal.SIGCONT)
        wait_until(lambda: 'snap1' not in vm.snapshots(), 'the deletion')
        result = host.call(vm, 'snap2', flags=RUNNING)
    assert result.ok, result
    assert vm.data() == [BLUE, BLUE]


if __name__ == '__main__':
    tap.main(globals())
