#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_front.py: libvirt's own clients, through virtsnapshotd"""

import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import threading

import libvirt

import tap
from gate import Gate
from harness import wait_until
from invariants import at_rest, connections
from refusal import BLUE, RED, RUNNING, two_snapshots
from test_daemon import NO_PROGRAM, connect, message, receive

VIRSH = '/usr/bin/virsh'
TIMED_OUT = libvirt.VIR_ERR_OPERATION_TIMEOUT
REMOTE_PROGRAM = 0x20008086
LIMIT = 32 * 1024 * 1024


# As systemd does it: the socket is descriptor 3.
HAND_OVER = ('import os, sys; os.dup2(int(sys.argv[1]), 3); '
             'os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid())); '
             'os.execv(sys.argv[2], sys.argv[2:])')


class Background(threading.Thread):
    """A call that may have to wait; .error is libvirt's, where it failed.

    Each has a connection of its own: with two threads on one, libvirt's library of
    that time may miss that the second has something to send (mended in 9.1).
    """

    def __init__(self, host, call, *arguments):
        super().__init__()
        self.host, self.call, self.arguments, self.error = host, call, arguments, None
        self.start()

    def run(self):
        try:
            with self.host.front() as conn:
                self.call(conn, *self.arguments)
        except libvirt.libvirtError as error:
            self.error = error


def front_domain(conn, vm):
    return conn.lookupByName(vm.name)


def front_snapshot(conn, vm, name='snap1'):
    return front_domain(conn, vm).snapshotLookupByName(name)


def revert_to(conn, vm, name):
    front_domain(conn, vm).revertToSnapshot(front_snapshot(conn, vm, name), RUNNING)


def raised(call, *arguments):
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        return error
    raise AssertionError('it succeeded')


def same_error(first, second):
    """As libvirt's own says it, to the last word."""
    for part in ('get_error_code', 'get_error_domain', 'get_error_message',
                 'get_error_level', 'get_str1', 'get_str2'):
        assert getattr(first, part)() == getattr(second, part)(), (part, first, second)


# Reverts

def test_revert(host):
    vm = two_snapshots(host)
    with host.front() as conn:
        domain = front_domain(conn, vm)
        domain.revertToSnapshot(front_snapshot(conn, vm), RUNNING)
        assert domain.isActive() and domain.snapshotCurrent().getName() == 'snap1'
    assert vm.data() == [RED, RED] and vm.file('vda') == vm.path('a.snap1-1')


def test_revert_with_hosts_virsh(host):
    vm = two_snapshots(host, running=False)
    done = host.run_command([VIRSH, '-c', host.front_uri(), 'snapshot-revert', vm.name,
                             'snap2'])
    assert done.returncode == 0, done
    assert vm.data() == [BLUE, BLUE]


def test_revert_refused(host):
    """libvirt's flags, and the errors of our own revert."""
    vm = two_snapshots(host)
    vm.snapshot('snap3')
    os.unlink(vm.base['vda'])
    before = vm.pid()
    with host.front() as conn:
        error = raised(front_domain(conn, vm).revertToSnapshot, front_snapshot(conn, vm),
                       RUNNING)
    assert vm.base['vda'] in error.get_error_message(), error
    assert vm.pid() == before


def test_internal_snapshot_is_libvirts(host):
    vm = host.vm()
    vm.write_all(RED)
    vm.dom.snapshotCreateXML('<domainsnapshot><name>inner</name></domainsnapshot>')
    vm.write_all(BLUE)
    with host.front() as conn:
        front_domain(conn, vm).revertToSnapshot(front_snapshot(conn, vm, 'inner'))
    assert vm.data() == [RED, RED] and vm.file('vda') == vm.base['vda']


def test_missing_snapshot_is_libvirts(host):
    vm = two_snapshots(host, running=False)
    direct = libvirt.open(host.direct_uri())
    with host.front() as conn:
        errors = []
        for connection in (direct, conn):
            snapshot = front_snapshot(connection, vm, 'snap2')
            errors.append((connection, snapshot))
        vm.dom.snapshotLookupByName('snap2').delete(
            libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        same_error(*[raised(front_domain(connection, vm).revertToSnapshot, snapshot)
                     for connection, snapshot in errors])
    direct.close()


def test_snapshot_that_cannot_be_read(host):
    """It is not known whether libvirt may have the call, and so it does not get it."""
    vm = two_snapshots(host)
    before, away = vm.capture(), host.libvirtd.socket.with_name('away')
    host.snapshotd.restart()  # has no connection of its own yet
    with host.front() as conn:
        snapshot = front_snapshot(conn, vm)
        host.libvirtd.socket.rename(away)
        try:
            error = raised(front_domain(conn, vm).revertToSnapshot, snapshot, RUNNING)
        finally:
            away.rename(host.libvirtd.socket)
        assert 'cannot connect to libvirt' in error.get_error_message(), error
        vm.assert_unchanged(before)
        front_domain(conn, vm).revertToSnapshot(snapshot, RUNNING)
    assert vm.data() == [RED, RED]


# Meanwhile

def test_other_calls_of_the_same_client(host):
    """The answers are told apart by the caller's serials."""
    vm = two_snapshots(host)
    with Gate(host) as gate, connect(host) as client:
        name = vm.name.encode()
        client.sendall(message(
            program=REMOTE_PROGRAM, procedure=192, serial=5,
            payload=b'\0\0\0\5snap1\0\0\0' + struct.pack('>I', len(name)) + name +
            b'\0' * (-len(name) % 4) + vm.dom.UUID() + b'\xff' * 4 +
            struct.pack('>I', RUNNING)))
        wait_until(lambda: os.path.exists(vm.path('b.snap1-1')), 'the overlays')
        for serial in (6, 7):
            client.sendall(message(program=NO_PROGRAM, serial=serial))
            assert receive(client)[:2] == (serial, 1)
        assert vm.current == 'snap2'
        gate.open()
        assert receive(client)[:2] == (5, 0)
    assert vm.data() == [RED, RED]


def change_waits(host, change):
    """change(conn, vm) is carried out when the revert is over, and not before."""
    vm = two_snapshots(host)
    with Gate(host) as gate, host.front() as conn:
        call = gate.hold(vm, RUNNING)
        waiting = Background(host, change, vm)
        assert conn.getLibVersion() and front_domain(conn, vm).isActive()
        assert waiting.is_alive() and call.is_alive()
        gate.open()
        call.join()
        assert call.result.ok, call.result
        waiting.join()
        assert waiting.error is None, waiting.error
    return vm


def test_suspend_waits(host):
    vm = change_waits(host, lambda conn, vm: front_domain(conn, vm).suspend())
    assert vm.paused and vm.data() == [RED, RED]


def test_destroy_does_not_wait(host):
    """The revert, which was to stop it, finds it off and goes on."""
    vm = two_snapshots(host)
    with Gate(host) as gate, host.front() as conn:
        call = gate.hold(vm, RUNNING)
        front_domain(conn, vm).destroy()
        assert call.is_alive() and not vm.active
        result = gate.end(call)
    assert result.ok, result
    assert vm.running and vm.data() == [RED, RED]


def test_abort_does_not_wait(host):
    """Of what libvirt does with the domain, which is nothing."""
    vm = two_snapshots(host)
    with Gate(host) as gate, host.front() as conn:
        call = gate.hold(vm, RUNNING)
        error = raised(front_domain(conn, vm).abortJob)
        assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, error
        assert call.is_alive()
        assert gate.end(call).ok


def ask_newer(client, serial):
    """A procedure that no libvirt has yet."""
    client.sendall(message(program=REMOTE_PROGRAM, procedure=100000, serial=serial))


def test_newer_procedure_waits_for_all(host):
    """It may change any domain. Nobody waits for it."""
    vm, other = two_snapshots(host), two_snapshots(host)
    with Gate(host) as gate, connect(host) as client, connect(host) as second:
        ask_newer(client, 4)
        assert receive(client)[:2] == (4, 1)
        call = gate.hold(vm, RUNNING)
        ask_newer(client, 5)
        # what libvirt answers goes on meanwhile, and so do changes of others
        second.sendall(message(program=REMOTE_PROGRAM, procedure=1, serial=6))
        assert receive(second)[0] == 6
        with host.front() as conn:
            front_domain(conn, other).suspend()
        client.setblocking(False)
        try:
            raise AssertionError(f'it was answered: {client.recv(1)}')
        except BlockingIOError:
            client.settimeout(20)
        gate.open()
        assert receive(client)[:2] == (5, 1)
        call.join()
        assert call.result.ok, call.result


def test_deletion_that_cannot_be_decoded(host):
    """It can't be looked at, and so libvirt does not get it."""
    with connect(host) as client:
        for procedure in (192, 193):
            client.sendall(message(program=REMOTE_PROGRAM, procedure=procedure,
                                   payload=b'\0\0\0\5sn', serial=procedure))
            serial, status, payload = receive(client)
            assert (serial, status) == (procedure, 1) and b"can't be decoded" in payload


def test_definition_waits(host):
    vm = change_waits(host, lambda conn, vm: conn.defineXML(vm.xml(active=False).replace(
        '<devices>', '<description>mine</description><devices>')))
    assert '<description>mine' in vm.xml(active=False)


def test_perf_events_wait(host):
    """Let through, they would change the definition that the revert looks at."""
    change_waits(host, lambda conn, vm: front_domain(conn, vm).setPerfEvents(
        {'cpu_cycles': True}, libvirt.VIR_DOMAIN_AFFECT_CONFIG))


def test_snapshot_waits(host):
    vm = change_waits(host, lambda conn, vm: front_domain(conn, vm).snapshotCreateXML(
        '<domainsnapshot><name>snap3</name></domainsnapshot>',
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY))
    assert vm.parent('snap3') == 'snap1'


def test_change_of_another_domain_does_not_wait(host):
    vm, other = two_snapshots(host), two_snapshots(host)
    with Gate(host) as gate, host.front() as conn:
        call = gate.hold(vm, RUNNING)
        front_domain(conn, other).suspend()
        assert other.paused and call.is_alive()
        assert gate.end(call).ok


def test_change_gives_up(host):
    """As libvirt's own calls do, after thirty seconds."""
    vm = two_snapshots(host)
    with Gate(host) as gate, host.front() as conn:
        call = gate.hold(vm, RUNNING)
        error = raised(front_domain(conn, vm).suspend)
        assert call.is_alive() and vm.running
        assert error.get_error_code() == TIMED_OUT, error
        assert error.get_error_domain() == libvirt.VIR_FROM_QEMU, error
        assert 'cannot acquire state change lock' in error.get_error_message(), error
        assert gate.end(call).ok


def test_reverts_of_one_domain_queue(host):
    vm, other = two_snapshots(host), two_snapshots(host, running=False)
    with Gate(host) as gate:
        first = gate.hold(vm, RUNNING)
        more = [Background(host, revert_to, vm, 'snap2') for _ in range(4)]
        # more wait than there are workers, and another domain's does not
        result = host.call(other, 'snap1')
        assert result.ok and first.is_alive(), result
        assert all(call.is_alive() for call in more)
        assert gate.end(first).ok
        for call in more:
            call.join()
            assert call.error is None, call.error
    assert vm.running and vm.data() == [BLUE, BLUE]


# Events

def lifecycle(host, vm, act):
    """(event, detail) as a client of the front sees them while act() is done."""
    seen = []
    libvirt.virEventRegisterDefaultImpl()
    with host.front() as conn:
        conn.domainEventRegisterAny(
            conn.lookupByName(vm.name), libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lambda _conn, _dom, event, detail, _opaque: seen.append((event, detail)), None)
        caller = threading.Thread(target=act)
        caller.start()
        end = threading.Event()

        def turn_until(condition):
            timer = libvirt.virEventAddTimeout(20, lambda *_: None, None)
            while not condition():
                libvirt.virEventRunDefaultImpl()
            libvirt.virEventRemoveTimeout(timer)
        turn_until(lambda: not caller.is_alive())
        # what comes last is known: the end of this one
        vm.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, 'end', None, None,
                           libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        conn.domainEventRegisterAny(
            conn.lookupByName(vm.name), libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
            lambda *_: end.set(), None)
        vm.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, 'end', None, None,
                           libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        turn_until(end.is_set)
    return seen


def test_events_of_a_revert(host):
    vm = two_snapshots(host)
    seen = lifecycle(host, vm, lambda: host.call(vm, 'snap1', flags=RUNNING))
    assert (libvirt.VIR_DOMAIN_EVENT_STOPPED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT) in seen, seen
    assert (libvirt.VIR_DOMAIN_EVENT_STARTED,
            libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT) in seen, seen
    plain = {(libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED),
             (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED),
             (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED)}
    assert not plain & set(seen), seen


def test_events_right_after_a_revert(host):
    """The start that someone makes after the revert of an inactive domain is one."""
    vm = two_snapshots(host, running=False)

    def act():
        assert host.call(vm, 'snap1').ok
        vm.start()
    seen = lifecycle(host, vm, act)
    assert (libvirt.VIR_DOMAIN_EVENT_STARTED,
            libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED) in seen, seen


def test_pause_right_after_a_revert(host):
    vm = two_snapshots(host)

    def act():
        assert host.call(vm, 'snap1', flags=RUNNING).ok
        vm.dom.suspend()
    seen = lifecycle(host, vm, act)
    assert (libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED) in seen, seen


def test_events_of_others(host):
    vm = two_snapshots(host)

    def act():
        vm.destroy()
        vm.start()
    seen = lifecycle(host, vm, act)
    assert (libvirt.VIR_DOMAIN_EVENT_STOPPED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED) in seen, seen


# Connections

def test_read_only(host):
    vm = two_snapshots(host, running=False)
    opens = [libvirt.openReadOnly(uri) for uri in
             (host.direct_uri(readonly=True), host.front_uri(readonly=True))]
    calls = [lambda c: c.lookupByName(vm.name).create(),
             lambda c: front_domain(c, vm).revertToSnapshot(front_snapshot(c, vm)),
             lambda c: front_snapshot(c, vm).delete()]
    before = vm.capture()
    for call in calls:
        same_error(*[raised(call, conn) for conn in opens])
    for conn in opens:
        conn.close()
    vm.assert_unchanged(before)


def test_libvirtd_restarted(host):
    """Clients are disconnected, as they would be, and the next one is served."""
    client = connect(host)
    client.sendall(message(program=NO_PROGRAM))
    assert receive(client) is not None
    host.libvirtd.stop()
    assert client.recv(1) == b''
    client.close()
    with connect(host) as refused:
        refused.sendall(message(program=NO_PROGRAM))
        _serial, status, payload = receive(refused)
    assert status == 1 and b'Failed to connect socket to' in payload, payload
    host.ensure_running()
    with host.front() as conn:
        assert conn.getLibVersion()


def test_session_libvirtd_is_started(host):
    """As libvirt does for its own clients, once for all that come."""
    if host.mode == 'system':
        return
    host.snapshotd.env = {**host.env, 'LIBVIRT_AUTOSTART': '1'}
    host.snapshotd.restart()
    host.libvirtd.stop()
    clients = [connect(host) for _ in range(5)]
    for client in clients:
        client.sendall(message(program=NO_PROGRAM))
    for client in clients:
        _serial, status, payload = receive(client)
        assert status == 1 and b'Cannot find program' in payload, payload
        client.close()
    pid = int((host.run / 'libvirtd.pid').read_text())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f'/proc/{pid}'), "that libvirtd's end")
    host.snapshotd.env = host.env
    host.snapshotd.restart()


def test_last_words(host):
    """What was sent before the end of a connection comes through."""
    with connect(host) as client:
        client.sendall(message(program=NO_PROGRAM) * 50)
        client.shutdown(socket.SHUT_RD)
    with connect(host) as client:
        client.sendall(message(program=NO_PROGRAM))
        assert receive(client) is not None


def rss(host):
    with open(f'/proc/{host.snapshotd.pid}/statm', encoding='ascii') as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def test_client_that_does_not_read(host):
    """It is not read from any more, and costs no more than a buffer."""
    before = rss(host)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(connect(host))
            client.setblocking(False)
            data = message(program=NO_PROGRAM) * 10000
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < LIMIT:
                    sent += client.send(data[sent % len(data):])
            assert sent < LIMIT, 'all was taken'
        with connect(host) as other:
            other.sendall(message(program=NO_PROGRAM))
            assert receive(other) is not None
        assert rss(host) - before < 20 << 20, rss(host) - before


def test_thousand_idle_clients(host):
    count = 1000
    host.snapshotd.restart()
    with connect(host) as first:  # when it answers its start is over
        first.sendall(message(program=NO_PROGRAM))
        assert receive(first) is not None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    for pid in (0, host.libvirtd.pid):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    folder = f'/proc/{host.snapshotd.pid}/fd'
    before = wait_until(lambda: at_rest(host), 'the end of the first connections')
    clients = []
    try:
        for _ in range(count):
            clients.append(connect(host))
            clients[-1].sendall(message(program=NO_PROGRAM))
            assert receive(clients[-1]) is not None
        assert connections(host) >= 2 * count, connections(host)
        assert rss(host) < 100 << 20, rss(host)
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: len(os.listdir(folder)) <= before, 'the closing of all')


def test_in_the_place_of_libvirts_socket(host):
    """libvirtd on a private path, as its drop-in has it, and we on the public one."""
    vm = two_snapshots(host)
    private = host.run / 'private'
    private.mkdir()
    public = host.libvirtd.socket
    host.snapshotd.stop()
    host.libvirtd.stop()
    usual = list(host.libvirtd.argv)
    config = host.tmp / 'private.conf'
    config.write_text(f'unix_sock_dir = "{private}"\nauth_unix_rw = "none"\n'
                      'auth_unix_ro = "none"\n')
    host.libvirtd.argv = [*usual, '--config', str(config)]
    host.libvirtd.socket = private / public.name
    own = host.tmp / 'front.conf'
    own.write_text(f'backend_socket = "{private / public.name}"\n')
    try:
        host.libvirtd.start()
        with socket.socket(socket.AF_UNIX) as listener:
            public.unlink(missing_ok=True)
            listener.bind(str(public))
            listener.listen(50)
            with subprocess.Popen(
                    ['/usr/bin/python3', '-c', HAND_OVER, str(listener.fileno()),
                     *host.snapshotd.argv, '--config', str(own)], env=host.env,
                    pass_fds=[listener.fileno()]) as daemon:
                done = host.run_command([VIRSH, '-c', host.uri, 'snapshot-revert', vm.name,
                                         'snap1', '--running'])
                daemon.terminate()
                assert daemon.wait(20) == 0
        assert done.returncode == 0, done
    finally:
        host.libvirtd.stop()
        host.libvirtd.argv, host.libvirtd.socket = usual, public
        public.unlink(missing_ok=True)
        host.ensure_running()
    vm.refresh()
    assert vm.data() == [RED, RED] and vm.file('vda') == vm.path('a.snap1-1')


def test_own_socket_is_not_the_backend(host):
    """What it would connect to is itself."""
    host.libvirtd.stop()
    host.snapshotd.stop()
    with socket.socket(socket.AF_UNIX) as listener:
        host.libvirtd.socket.unlink(missing_ok=True)
        listener.bind(str(host.libvirtd.socket))
        listener.listen()
        done = subprocess.run(
            ['/usr/bin/python3', '-c', HAND_OVER, str(listener.fileno()),
             *host.snapshotd.argv], env=host.env, pass_fds=[listener.fileno()],
            capture_output=True, text=True, timeout=30, check=False)
    host.libvirtd.socket.unlink(missing_ok=True)
    host.ensure_running()
    assert done.returncode == 1 and 'backend_socket' in done.stderr, done


if __name__ == '__main__':
    tap.main(globals())
