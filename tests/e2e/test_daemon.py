#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_daemon.py: virtsnapshotd, its sockets, and a libvirtd that goes away"""

import grp
import os
import signal
import socket
import stat
import struct
import subprocess
import threading

import libvirt

import tap
from harness import wait_until
from refusal import RED, RUNNING, check_refused, two_snapshots

RPC = libvirt.VIR_ERR_RPC
NO_PROGRAM = 0x12345678
SNAPSHOT_PROGRAM = 0x2000808a
# of a message without the four bytes of its length
LIMIT = 32 * 1024 * 1024


def message(program=SNAPSHOT_PROGRAM, version=1, procedure=1, payload=b'', length=None,
            kind=0, serial=7):
    header = struct.pack('>6I', program, version, procedure, kind, serial, 0)
    return struct.pack('>I', length or 28 + len(payload)) + header + payload


def connect(host, sock=None):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(sock or host.snapshotd.socket))
    client.settimeout(20)
    return client


def receive_exactly(client, count):
    data = b''
    while len(data) < count:
        try:
            more = client.recv(count - len(data))
        except ConnectionResetError:  # it hung up on what it had not read
            more = b''
        if not more:
            return None
        data += more
    return data


def receive(client):
    """(serial, status, payload) of a reply; None where the daemon hung up."""
    header = receive_exactly(client, 28)
    if header is None:
        return None
    fields = struct.unpack('>7I', header)
    return fields[5], fields[6], receive_exactly(client, fields[0] - 28)


def ask(host, data, sock=None):
    with connect(host, sock) as client:
        try:
            client.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up before it had all of it
        return receive(client)


def check_error(reply, text):
    assert reply is not None, 'no reply'
    serial, status, payload = reply
    assert (serial, status) == (7, 1), reply
    assert struct.unpack('>I', payload[:4])[0] == RPC, reply
    assert text.encode() in payload, payload


def test_another_program(host):
    """It is libvirtd's to refuse, in its own words."""
    check_error(ask(host, message(program=NO_PROGRAM)),
                f'Cannot find program {NO_PROGRAM} version 1')


def test_another_version(host):
    check_error(ask(host, message(version=2)),
                f'Cannot find program {SNAPSHOT_PROGRAM} version 2')


def test_unknown_procedure(host):
    check_error(ask(host, message(procedure=99)), 'unknown procedure: 99')


def test_arguments_are_garbage(host):
    check_error(ask(host, message(payload=os.urandom(100))), "can't be decoded")


def test_arguments_are_cut_off(host):
    check_error(ask(host, message(payload=b'\0\0\0\5sn')), "can't be decoded")


def test_arguments_too_large(host):
    check_error(ask(host, message(payload=b'\0' * 5_000_000)), 'larger than')


def test_large_message_of_another_program(host):
    check_error(ask(host, message(program=NO_PROGRAM, payload=b'\0' * 20_000_000)),
                'Cannot find program')


def test_largest_message_of_another_program(host):
    """libvirtd itself takes it, and not four bytes more."""
    for sock in (host.libvirtd.socket, host.snapshotd.socket):
        largest = message(program=NO_PROGRAM, payload=b'\0' * (LIMIT - 24))
        check_error(ask(host, largest, sock), 'Cannot find program')
        assert ask(host, message(program=NO_PROGRAM, length=LIMIT + 8), sock) is None


def test_broken_framing_ends_that_connection_alone(host):
    broken = [message(length=27), message(length=33 * 1024 * 1024), message(kind=7),
              b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', b'\xff' * 64]
    with connect(host) as good:
        for data in broken:
            assert ask(host, data) is None, data[:40]
        good.sendall(message(procedure=99))
        check_error(receive(good), 'unknown procedure')


def test_half_messages(host):
    whole = message(procedure=99)
    half = [connect(host) for _ in range(20)]
    for number, client in enumerate(half):
        client.sendall(whole[:number + 1])
    check_error(ask(host, whole), 'unknown procedure')
    half[4].sendall(whole[5:])
    check_error(receive(half[4]), 'unknown procedure')
    for client in half:
        client.close()
    check_error(ask(host, whole), 'unknown procedure')


def test_two_messages_at_once(host):
    with connect(host) as client:
        client.sendall(message(procedure=98) + message(procedure=99))
        check_error(receive(client), 'unknown procedure: 98')
        check_error(receive(client), 'unknown procedure: 99')


def descriptors(host):
    return len(os.listdir(f'/proc/{host.snapshotd.pid}/fd'))


def test_idle_connections(host):
    vm = two_snapshots(host, running=False)
    before = descriptors(host)
    idle = [connect(host) for _ in range(200)]
    assert host.revert(vm, 'snap1').ok
    wait_until(lambda: descriptors(host) >= before + 200, 'the daemon accepting them')
    for client in idle:
        client.close()
    wait_until(lambda: descriptors(host) < before + 20, 'the daemon closing them')


def test_libvirtd_gone(host):
    vm = two_snapshots(host, running=False)
    assert host.revert(vm, 'snap1').ok
    host.libvirtd.stop(signal.SIGKILL)
    snapshot = b'\0\0\0\5snap1\0\0\0' + b'\0\0\0\3vm0\0' + vm.dom.UUID() + b'\xff' * 4
    reply = ask(host, message(payload=snapshot + b'\0' * 8))
    assert reply is not None and reply[1] == 1, reply
    host.ensure_running()
    vm.refresh()
    result = host.revert(vm, 'snap1')
    assert result.ok, result


def test_libvirtd_restarted(host):
    vm = two_snapshots(host, running=False)
    assert host.revert(vm, 'snap1').ok
    host.libvirtd.stop()
    host.ensure_running()
    vm.refresh()
    result = host.revert(vm, 'snap1')
    assert result.ok, result


def revert_together(host, vm, count, flags):
    results = []
    callers = [threading.Thread(
        target=lambda: results.append(host.call(vm, 'snap1', flags=flags)))
        for _ in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == count
    assert all(result.ok for result in results), [str(result) for result in results]


def test_daemon_not_running(host):
    vm = two_snapshots(host, running=False)
    host.snapshotd.stop()
    before = vm.capture()
    if host.mode == 'system':
        check_refused(host.revert(vm, 'snap1'), libvirt.VIR_ERR_NO_CONNECT,
                      str(host.snapshotd.socket))
        vm.assert_unchanged(before)
        return
    # a session daemon is started on demand, and just one
    revert_together(host, vm, 4, 0)
    pid = int((host.run / 'virtsnapshotd.pid').read_text())
    assert os.readlink(f'/proc/{pid}/exe') == str(host.build / 'src/virtsnapshotd/virtsnapshotd')
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f'/proc/{pid}'), 'end of the session daemon')


def test_two_reverts_of_one_domain_queue(host):
    vm = two_snapshots(host)
    revert_together(host, vm, 2, RUNNING)
    assert vm.running and vm.data() == [RED, RED]
    assert vm.file('vda') == vm.path('a.snap1-2')
    assert not os.path.exists(vm.path('a.snap1-1'))


def send_revert(host, vm):
    client = connect(host)
    name = vm.name.encode()
    payload = (b'\0\0\0\5snap1\0\0\0' + struct.pack('>I', len(name)) + name +
               b'\0' * (-len(name) % 4) + vm.dom.UUID() + b'\xff' * 4 + b'\0' * 4 +
               struct.pack('>I', RUNNING))
    client.sendall(message(payload=payload))
    return client


def test_client_gone_half_way(host):
    vm = two_snapshots(host)
    send_revert(host, vm).close()
    wait_until(lambda: vm.current == 'snap1', 'end of the revert', 30)
    wait_until(lambda: not os.path.exists(vm.path('b.snap2')), 'the deletion', 30)
    assert vm.running and vm.data() == [RED, RED]


def test_stopped_half_way(host):
    """The revert is finished, and answered, first."""
    vm = two_snapshots(host)
    with send_revert(host, vm) as client:
        wait_until(lambda: os.path.exists(vm.path('a.snap1-1')), 'its beginning', 30)
        assert host.snapshotd.stop() == 0
        reply = receive(client)
    assert reply is not None and reply[:2] == (7, 0), reply
    assert vm.running and vm.data() == [RED, RED]
    assert vm.current == 'snap1'


def test_second_daemon_is_refused(host):
    second = subprocess.run(host.snapshotd.argv, env=host.env, capture_output=True,
                            text=True, timeout=30, check=False)
    assert second.returncode == 1 and 'running already' in second.stderr, second
    check_error(ask(host, message(procedure=99)), 'unknown procedure')


def test_bad_configuration(host):
    config = host.tmp / 'bad.conf'
    config.write_text('max_clients = 10\nnosuch = 1\n')
    for arguments, text in ((['-f', str(config)], "'nosuch', in line 2"),
                            (['-f', '/nosuch'], '/nosuch'),
                            (['extra'], "'extra'"), (['--nosuch'], '--nosuch')):
        done = subprocess.run([*host.snapshotd.argv, *arguments], env=host.env,
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and text in done.stderr, done


def test_version_and_clean_stop(host):
    done = subprocess.run([*host.snapshotd.argv, '--version'], env=host.env,
                          capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith('virtsnapshotd (libvirt-snapshot) '), done
    assert host.snapshotd.stop() == 0


def test_socket_modes(host):
    mode = stat.S_IMODE(os.stat(host.snapshotd.socket).st_mode)
    readonly = host.run / 'virtsnapshotd-sock-ro'
    if host.mode == 'session':
        assert mode == 0o600, oct(mode)
        assert not readonly.exists()
        return
    assert mode == 0o660, oct(mode)
    assert stat.S_IMODE(os.stat(readonly).st_mode) == 0o666

    assert os.stat(host.snapshotd.socket).st_gid == grp.getgrnam('libvirt').gr_gid


def test_read_only_socket(host):
    if host.mode == 'session':
        return
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(host.run / 'virtsnapshotd-sock-ro'))
        client.sendall(message(payload=b'\0' * 48))
        _serial, status, payload = receive(client)
    assert status == 1 and b'read-only socket' in payload, payload


def test_socket_activation(host):
    """Descriptors that systemd, or another, has opened are taken."""
    host.snapshotd.stop()
    with socket.socket(socket.AF_UNIX) as listener:
        host.snapshotd.socket.unlink(missing_ok=True)
        listener.bind(str(host.snapshotd.socket))
        listener.listen()
        start = ('import os, sys; os.dup2(int(sys.argv[1]), 3); '
                 'os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid())); '
                 'os.execv(sys.argv[2], sys.argv[2:])')
        with subprocess.Popen(
                ['/usr/bin/python3', '-c', start, str(listener.fileno()),
                 *host.snapshotd.argv], env=host.env,
                pass_fds=[listener.fileno()]) as daemon:
            check_error(ask(host, message(procedure=99)), 'unknown procedure')
            daemon.terminate()
            assert daemon.wait(20) == 0


if __name__ == '__main__':
    tap.main(globals())
