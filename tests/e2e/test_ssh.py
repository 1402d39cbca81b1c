#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_ssh.py: the virtsnapshotd of another host, through a real sshd

The other host is this one; what runs on it was started by sshd.
"""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import libvirt

import tap
from harness import wait_until
from refusal import RED, RUNNING, check_refused, document, two_snapshots

NO_CONNECT = libvirt.VIR_ERR_NO_CONNECT

# What the accounts of the other host have in their environment.
PASSED = ['PATH', 'LD_LIBRARY_PATH', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME',
          'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'SNAPSHOT_TMP', 'LIBVIRT_AUTOSTART',
          'VIRTSNAPSHOTD_PATH', 'VIRTSNAPSHOTD_SCHEMADIR']


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Server:
    """sshd, its keys, and the ssh that knows them."""

    def __init__(self, host):
        self.host, self.port = host, free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='ssh', dir=host.tmp))
        self.user = pwd.getpwuid(os.getuid()).pw_name
        for key in ('host', 'user', 'other'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                            self.folder / key], check=True)
        self.ssh = host.program('ssh-here', f"""#!/bin/sh
echo "$*" >>'{self.folder}/calls'
exec ssh -F /dev/null -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
""")

    def __enter__(self):
        config = self.folder / 'sshd_config'
        env = ' '.join(f'"{name}={self.host.env[name]}"' for name in PASSED
                       if name in self.host.env)
        config.write_text(f"""
Port {self.port}
ListenAddress 127.0.0.1
HostKey {self.folder}/host
PidFile none
AuthorizedKeysFile {self.folder}/user.pub
StrictModes no
UsePAM no
SetEnv {env}
""")
        unpacked = self.host.build / 'sshd'
        # newer ones have parts of their own
        with open(config, 'a') as file:
            for part in ('session', 'auth'):
                program = unpacked / f'usr/lib/openssh/sshd-{part}'
                if program.exists():
                    print(f'Sshd{part.capitalize()}Path {program}', file=file)
        if os.getuid() == 0:  # it gives up its rights to this user, in this folder
            os.makedirs('/run/sshd', exist_ok=True)
        env = {**self.host.env,
               'LD_LIBRARY_PATH': f'{unpacked}/usr/lib/x86_64-linux-gnu'}
        with open(self.folder / 'sshd.log', 'wb') as log:
            self.process = subprocess.Popen(
                [unpacked / 'usr/sbin/sshd', '-D', '-e', '-f', config], env=env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._accepts, 'sshd')
        return self

    def _accepts(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / 'sshd.log').read_text())
        with socket.socket() as client:
            return client.connect_ex(('127.0.0.1', self.port)) == 0

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder)

    def uri(self, more='', key='user', name=None):
        return (f'qemu+ssh://{name or self.user}@127.0.0.1:{self.port}/{self.host.mode}'
                f'?no_verify=1&no_tty=1&proxy=native&command={self.ssh}'
                f'&keyfile={self.folder}/{key}{more}')

    def calls(self):
        return (self.folder / 'calls').read_text().splitlines()


def test_revert(host):
    vm = two_snapshots(host)
    with Server(host) as server:
        result = host.call(vm, 'snap1', flags=RUNNING, uri=server.uri())
        assert result.ok, result
        assert '--relay' in server.calls()[-1], server.calls()
    assert vm.data() == [RED, RED] and vm.file('vda') == vm.path('a.snap1-1')
    assert not [line for line in host.processes().values() if b'--relay' in line]


def test_description(host):
    vm = two_snapshots(host, running=False)
    before = vm.capture()
    with Server(host) as server:
        result = host.revert_desc(vm, 'snap1', uri=server.uri())
    assert result.ok and vm.path('a.snap1-1') in result.out, result
    vm.assert_unchanged(before)


def test_refusal_comes_back(host):
    """In the daemon's own words."""
    vm = two_snapshots(host, running=False)
    faulty = document(('vdz', vm.path('x')))
    with Server(host) as server:
        far = host.call(vm, 'snap1', faulty, uri=server.uri())
    near = host.call(vm, 'snap1', faulty)
    assert not far.ok and (far.code, far.domain, far.message) == (
        near.code, near.domain, near.message), (str(far), str(near))


def through(host, relay):
    """An ssh that goes wrong where ours is asked for, and is right for libvirt."""
    return host.program('ssh-wrong', f"""#!/bin/sh
case "$*" in
    *--relay*) {relay} ;;
esac
exec '{host.tmp}/ssh-here' "$@"
""")


def refused(host, relay, code, *fragments):
    vm = two_snapshots(host)
    before = vm.capture()
    with Server(host) as server:
        wrong = through(host, relay.replace('@SSH@', str(server.ssh)))
        uri = server.uri().replace(str(server.ssh), str(wrong))
        check_refused(host.call(vm, 'snap1', flags=RUNNING, uri=uri), code, *fragments)
    vm.assert_unchanged(before)


def test_ssh_fails(host):
    refused(host, 'echo "the network is down" >&2; exit 255', NO_CONNECT,
            "'127.0.0.1'", 'the network is down')


def test_ssh_is_killed(host):
    refused(host, 'kill -9 $$', NO_CONNECT, "'127.0.0.1' through ssh")


def test_ssh_says_much(host):
    refused(host, 'head -c 1000000 /dev/zero | tr "\\0" x >&2; exit 1', NO_CONNECT, 'xxx')


def test_daemon_is_missing(host):
    """ssh gets there, and finds no program of that name."""
    refused(host, """count=$#
        for word; do
            shift; count=$((count - 1))
            [ $count = 0 ] || set -- "$@" "$word"
        done
        exec '@SSH@' "$@" 'exec /nonexistent/virtsnapshotd --relay x'""", NO_CONNECT,
            '/nonexistent/virtsnapshotd')


def test_daemon_does_not_run(host):
    if host.mode == 'session':
        return  # it is started
    vm = two_snapshots(host)
    host.snapshotd.stop()
    with Server(host) as server:
        check_refused(host.call(vm, 'snap1', flags=RUNNING, uri=server.uri()), NO_CONNECT,
                      'cannot connect to virtsnapshotd', str(host.snapshotd.socket))
    assert vm.running and vm.current == 'snap2'


def test_relay_alone(host):
    """Its input may end before the answers have come."""
    relay = [host.snapshotd.argv[0], '--relay', str(host.snapshotd.socket)]
    call = b'\0\0\0\x1c\x20\0\x80\x8a' + b'\0\0\0\1' + b'\0\0\0\x63' + b'\0' * 12
    done = subprocess.run(relay, input=call * 3, env=host.env, capture_output=True,
                          timeout=30, check=False)
    assert done.returncode == 0 and len(done.stdout) > 3 * 28, done
    assert done.stdout.count(b'unknown procedure: 99') == 3 * 2, done  # text and detail
    failed = subprocess.run([*relay[:2], '/nonexistent'], env=host.env, timeout=30,
                            stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert failed.returncode == 1 and b"'/nonexistent'" in failed.stderr, failed


tap.main(globals())
