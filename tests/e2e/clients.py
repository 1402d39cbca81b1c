# SPDX-License-Identifier: LGPL-2.1-or-later
"""clients.py: clients that do what they like to the same VMs, and what is known of these

A Machine is a VM with what each of its snapshots may hold (model.py). A Client takes
machines and operations at random. Whatever it asks for may fail, since others are at it;
what must never be is that an answer is untrue.
"""

import collections
import contextlib
import re
import threading

import libvirt
import libvirt_qemu

from model import Content
from refusal import PAUSED, RUNNING
from vm import SNAPSHOT_FLAGS

SNAPSHOTS_MAX = 12
LOG_LINES = 500

# What takes a snapshot, and what is done with one.
CREATING = ('snapshot', 'exact', 'memory', 'internal')
REVERTS = {'revert': 3, 'revert_running': 2, 'revert_paused': 1}
NAMING = (*REVERTS, 'delete', 'metadata')

# What a revert says whose end is still to come.
UNFINISHED = ('is tried again', 'not all is done')

# What is said of a deletion that was refused before anything was done.
UNTOUCHED = ('cannot delete snapshot', 'could not find base disk source',
             'no domain snapshot with matching name')

# What libvirt says of a connection that has ended under the client.
LOST = (libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INVALID_CONN)


class Refused(Exception):
    """The answer to an operation was an error."""


class Turn:
    """Many share it, or one is alone; who wants to be alone goes before those who come
    later."""

    def __init__(self):
        self.free = threading.Condition()
        self.sharing, self.waiting, self.taken = 0, 0, False

    @contextlib.contextmanager
    def shared(self):
        with self.free:
            self.free.wait_for(lambda: not self.waiting and not self.taken)
            self.sharing += 1
        try:
            yield
        finally:
            with self.free:
                self.sharing -= 1
                self.free.notify_all()

    @contextlib.contextmanager
    def alone(self):
        with self.free:
            self.waiting += 1
            self.free.wait_for(lambda: not self.sharing and not self.taken)
            self.waiting -= 1
            self.taken = True
        try:
            yield
        finally:
            with self.free:
                self.taken = False
                self.free.notify_all()


# Of the one connection that all clients have in common, which two threads can't use.
common = threading.Lock()


class Machine:
    """A VM, its snapshots, and what both may hold."""

    def __init__(self, vm):
        self.vm, self.name, self.turn = vm, vm.name, Turn()
        self.lock = threading.Lock()
        # libvirt 9.0 to 11.3 waits for good, and keeps the domain, where QEMU ends at one
        # moment of taking a snapshot: what ends it does not come then
        self.living = threading.Lock()
        self.content = Content(vm.targets, 0)
        self.byte, self.count = 0, 0
        self.held = {}            # snapshot -> target -> what it may hold
        self.failed = {}          # those that could not be taken, the same
        self.deletions = {}       # each that was begun and not refused -> its snapshot
        self.merged = set()       # those that were there when another was deleted
        self.disowned = set()     # files of those whose metadata was deleted alone

    def next_byte(self):
        with self.lock:
            self.byte = self.byte % 250 + 1
            return self.byte

    def next_name(self):
        with self.lock:
            self.count += 1
            return f's{self.count}'

    def write_alone(self):
        """To all disks, running or not; nobody else may be at the VM."""
        byte = self.next_byte()
        change, done = self.content.write(byte), False
        try:
            with common:
                self.vm.write_all(byte)
            done = True
        except RuntimeError as error:
            raise Refused(str(error)) from error
        finally:
            self.content.end(change, done)

    def full(self):
        with self.lock:
            return len(self.held) >= SNAPSHOTS_MAX

    @property
    def doomed(self):
        """Those that are deleted, or half deleted: nothing is promised of them."""
        with self.lock:
            return set(self.deletions.values())

    def choose(self, rand):
        """The name of a snapshot, most often a late one; or None."""
        with self.lock:
            names = list(self.held)
        return rand.choice(names + names[-3:]) if names else None


class Log:
    """What has been done, for those who have to find out what went wrong."""

    def __init__(self):
        self.lines, self.lock = collections.deque(maxlen=LOG_LINES), threading.Lock()
        self.outcomes = collections.Counter()

    def line(self, clock, text):
        with self.lock:
            self.lines.append(f'{clock:8.3f} {text}')

    def tail(self):
        return '\n'.join(self.lines)

    def outcome(self, operation, error):
        """Counted without names and numbers, so that what is alike counts as one."""
        text = re.sub(r"'[^']*'|\d+|/\S+", '_', error)[:100] if error else 'done'
        with self.lock:
            self.outcomes[operation, text] += 1


class Client:
    """One connection, and the operations as libvirt-python has them."""

    # each by how often it is wanted
    OPERATIONS = {'snapshot': 4, 'exact': 2, 'memory': 1, 'write': 4, 'start': 5,
                  'destroy': 3, 'suspend': 1, 'resume': 2}

    def __init__(self, uri):
        self.conn, self.uri = libvirt.open(uri), uri

    def close(self):
        self.conn.close()

    def domain(self, machine):
        return self.conn.lookupByName(machine.name)

    # what takes no part in the model

    def start(self, machine):
        self.domain(machine).create()

    def destroy(self, machine):
        with machine.living:
            self.domain(machine).destroy()

    def suspend(self, machine):
        self.domain(machine).suspend()

    def resume(self, machine):
        self.domain(machine).resume()

    # snapshots

    def create(self, machine, name, flags, memory=''):
        xml = f'<domainsnapshot><name>{name}</name>{memory}</domainsnapshot>'
        look, done = machine.content.begin(), False
        try:
            with machine.living:
                self.domain(machine).snapshotCreateXML(xml, flags)
            done = True
        finally:
            seen = machine.content.end(look)
            with machine.lock:
                (machine.held if done else machine.failed)[name] = seen

    def snapshot(self, machine, name):
        self.create(machine, name, SNAPSHOT_FLAGS)

    def memory(self, machine, name):
        self.create(machine, name, 0, "<memory snapshot='external' "
                    f"file='{machine.vm.path(name + '.mem')}'/>")

    def internal(self, machine, name):
        self.create(machine, name, 0)

    def exact(self, machine, name):
        """One of which it is known what it holds: who takes it has the VM alone."""
        machine.write_alone()
        self.snapshot(machine, name)

    # what changes the disks

    def write(self, machine):
        """Through QEMU's monitor; who is alone can write to one that is off."""
        dom, byte = self.domain(machine), machine.next_byte()
        if dom.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            raise Refused('it does not run')
        change, done = machine.content.write(byte), False
        try:
            for number in range(len(machine.vm.targets)):
                self._write_disk(dom, number, byte)
            done = True
        finally:
            machine.content.end(change, done)

    @staticmethod
    def _write_disk(dom, number, byte):
        for command in (f'write -P {byte} 0 64k', 'flush'):
            output = libvirt_qemu.qemuMonitorCommand(
                dom, f'qemu-io -d /machine/peripheral/virtio-disk{number}/virtio-backend '
                f'"{command}"', libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
            if 'rror' in output or 'ailed' in output:
                raise Refused(output)

    def perform(self, operation, machine, rand):
        """In turn. Returns the error, or None, and the name of the snapshot."""
        alone = operation == 'exact'
        name = machine.choose(rand) if operation in NAMING else None
        if operation in CREATING and not machine.full():
            name = machine.next_name()
        if not name and operation in CREATING + NAMING:
            return 'nothing to be done', None
        with machine.turn.alone() if alone else machine.turn.shared():
            try:
                getattr(self, operation)(machine, *([name] if name else []))
            except libvirt.libvirtError as error:
                assert error.get_error_code() not in LOST or self.conn.isAlive(), error
                return str(error), name
            except Refused as error:
                return str(error), name
        return None, name


class FrontClient(Client):
    """A stock client that comes through virtsnapshotd: it may revert and delete, too."""

    OPERATIONS = {**Client.OPERATIONS, **REVERTS, 'delete': 3}

    def revert(self, machine, name, flags=0):
        with machine.lock:
            values = machine.held.get(name)
        if not values:
            raise Refused('deleted meanwhile')
        change, error = machine.content.begin(values), 'unknown'
        try:
            self.call_revert(machine, name, flags)
            error = ''
        except (libvirt.libvirtError, Refused) as failure:
            error = str(failure)
            raise
        finally:
            # one that is finished or undone later stays under way until all is at rest
            if not any(text in error for text in UNFINISHED):
                machine.content.end(change, not error)

    def revert_running(self, machine, name):
        self.revert(machine, name, RUNNING)

    def revert_paused(self, machine, name):
        self.revert(machine, name, PAUSED)

    def call_revert(self, machine, name, flags):
        dom = self.domain(machine)
        dom.revertToSnapshot(dom.snapshotLookupByName(name), flags)

    def delete(self, machine, name, flags=0):
        deletion = object()
        with machine.lock:
            machine.deletions[deletion] = name
        try:
            self.call_delete(machine, name, flags)
        except (libvirt.libvirtError, Refused) as error:
            if any(text in str(error) for text in UNTOUCHED):
                with machine.lock:
                    del machine.deletions[deletion]
            raise
        with machine.lock:
            machine.held.pop(name, None)
            machine.merged |= machine.held.keys()

    def metadata(self, machine, name):
        """What it leaves is nobody's: neither its files, nor what stood on them."""
        snap = self.domain(machine).snapshotLookupByName(name)
        files = re.findall(r"<source file='([^']*)'", snap.getXMLDesc())
        with machine.lock:
            machine.disowned |= {*files, machine.vm.path(f'{name}.mem')}
        self.delete(machine, name, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)

    def call_delete(self, machine, name, flags):
        self.domain(machine).snapshotLookupByName(name).delete(flags)


class VirshClient(FrontClient):
    """The same by our virsh, in a process for each."""

    def __init__(self, host):
        super().__init__(host.front_uri())
        self.host = host

    def virsh(self, *arguments):
        result = self.host.virsh('-c', self.uri, *arguments)
        if not result.ok:
            raise Refused(result.message.rpartition('error: ')[2])

    def start(self, machine):
        self.virsh('start', machine.name)

    def call_revert(self, machine, name, flags):
        states = {0: (), RUNNING: ('--running',), PAUSED: ('--paused',)}
        self.virsh('snapshot-revert', machine.name, name, *states[flags])

    def call_delete(self, machine, name, flags):
        self.virsh('snapshot-delete', machine.name, name, *(['--metadata'] if flags else []))


class LibraryClient(FrontClient):
    """Connected to libvirtd itself; it reverts by our library, and can't delete."""

    OPERATIONS = {**Client.OPERATIONS, **REVERTS}

    def __init__(self, host):
        super().__init__(host.uri)
        self.host = host

    def call_revert(self, machine, name, flags):
        result = self.host.call(machine.vm, name, None, flags, uri=self.uri)
        if not result.ok:
            raise Refused(result.message)
