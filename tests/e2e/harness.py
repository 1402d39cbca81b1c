# SPDX-License-Identifier: LGPL-2.1-or-later
"""harness.py: the host that end-to-end tests run against

A Host is a private libvirtd and virtsnapshotd, with their logs, a connection
to libvirtd, and the ways to call what is tested: revert() through the public C
API, virsh() through the front end. See scripts/private-host for what makes
it private.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import libvirt

from foretold import Foretold
from invariants import check_host
from vm import VM

# The first start probes QEMU, up to 11 s; on a loaded machine more.
START_SECONDS = 60
STOP_SECONDS = 20
COMMAND_SECONDS = 90
LOG_LINES = 60

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# The module libvirt_snapshot, for tests; other programs get it from Host.env.
sys.path.insert(0, os.path.join(os.environ.get('BUILDDIR') or SOURCE / 'build', 'python'))

libvirt.registerErrorHandler(lambda _context, _error: None, None)


def enter_private_host(mode=None):
    """Unless it is there, replaces this process by itself in a private host."""
    if 'SNAPSHOT_TMP' in os.environ:
        return
    script = SOURCE / 'scripts/private-host'
    options = [f'--{mode}'] if mode else []
    sys.stdout.flush()
    os.execv(script, [str(script), *options, '/usr/bin/python3', *sys.argv])


def wait_until(condition, what, seconds=START_SECONDS):
    """Polls; returns the first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f'{what}: not within {seconds} s')
        time.sleep(0.01)


def accepts(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


class Daemon:
    """One of the two daemons: its process, its socket, its log."""

    def __init__(self, argv, sock, log, env):
        self.argv, self.socket, self.log, self.env = argv, sock, log, env
        self.name = pathlib.Path(argv[0]).name
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._up, f'start of {self.name}')

    def _up(self):
        if not self.running:
            raise RuntimeError(
                f'{self.name} ended with status {self.process.returncode}')
        return accepts(self.socket)

    def stop(self, signum=signal.SIGTERM):
        """Returns the exit status, as subprocess has it."""
        if self.process is None:
            return None
        if self.running:
            self.process.send_signal(signum)
        status = self.process.wait(STOP_SECONDS)
        self.process = None
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()


class Result:
    """What a call said: of a C program of ours or of virsh."""

    def __init__(self, process):
        self.status = process.returncode
        self.out, self.err = process.stdout, process.stderr
        fault = re.match(r'(\d+) (\d+) (.*)', self.out, re.DOTALL) if self.status else None
        self.code, self.domain = (int(fault[1]), int(fault[2])) if fault else (None, None)
        self.message = fault[3].strip() if fault else self.err.strip()

    @property
    def ok(self):
        return self.status == 0

    def __str__(self):
        return f'status {self.status}: {self.out.strip()} {self.err.strip()}'


class Host:
    def __init__(self):
        self.tmp = pathlib.Path(os.environ['SNAPSHOT_TMP'])
        self.mode = os.environ['SNAPSHOT_MODE']
        self.build = pathlib.Path(os.environ['SNAPSHOT_BUILDDIR'])
        self.source = pathlib.Path(os.environ['SNAPSHOT_SRCDIR'])
        self.uri = f'qemu:///{self.mode}'
        self.env = self._environment()
        self.vms = []
        self.conn = None
        self.log_marks = {}
        run = '/run' if self.mode == 'system' else os.environ['XDG_RUNTIME_DIR']
        self.run = pathlib.Path(run) / 'libvirt'
        self.libvirtd = self._daemon('/usr/sbin/libvirtd', 'libvirt-sock')
        self.snapshotd = self._daemon(
            self.build / 'src/virtsnapshotd/virtsnapshotd', 'virtsnapshotd-sock')

    def direct_uri(self, readonly=False):
        """Of libvirtd's own socket."""
        return self._socket_uri(self.libvirtd.socket, readonly)

    def front_uri(self, readonly=False):
        """Of virtsnapshotd's, through which all of libvirt is reached, too."""
        return self._socket_uri(self.snapshotd.socket, readonly)

    def _socket_uri(self, path, readonly):
        suffix = '-ro' if readonly and self.mode == 'system' else ''
        return f'qemu+unix:///{self.mode}?socket={path}{suffix}'

    def front(self):
        """A connection through virtsnapshotd, to be used in a with."""
        return contextlib.closing(libvirt.open(self.front_uri()))

    def _environment(self):
        env = dict(os.environ)
        prepend = {
            'PATH': [self.build / 'tools', self.build / 'src/virtsnapshotd'],
            'LD_LIBRARY_PATH': [self.build / 'src'],
            'PYTHONPATH': [self.build / 'python'],
        }
        for name, folders in prepend.items():
            env[name] = ':'.join([*map(str, folders), *filter(None, [env.get(name)])])
        env['VIRTSNAPSHOTD_PATH'] = str(self.build / 'src/virtsnapshotd/virtsnapshotd')
        env['VIRTSNAPSHOTD_SCHEMADIR'] = str(self.source / 'src/conf/schemas')
        return env

    def _daemon(self, program, sock):
        log = self.tmp / f'{pathlib.Path(program).name}.log'
        return Daemon([str(program)], self.run / sock, log, self.env)

    def __enter__(self):
        try:
            self.ensure_running()
        except Exception:
            print(self.new_log_lines(), file=sys.stderr)
            raise
        return self

    def __exit__(self, *_):
        if self.libvirtd.running:
            self.remove_vms()
        self.snapshotd.stop()
        self.conn.close()
        self.libvirtd.stop()

    def ensure_running(self):
        if not self.libvirtd.running:
            self.libvirtd.start()
            self.conn = None
        if self.conn is None or not self.conn.isAlive():
            self.conn = libvirt.open(self.uri)
        if not self.snapshotd.running:
            self.snapshotd.start()

    def vm(self, name=None, **options):
        """A new VM in a folder of its own; removed at the end of the test."""
        self.vms.append(VM(self, name or f'vm{len(self.vms)}', **options))
        return self.vms[-1]

    def remove_vms(self):
        while self.vms:
            self.vms.pop().remove()
        shutil.rmtree(self.tmp / 'vms', ignore_errors=True)

    def begin_test(self):
        self.log_marks = {log: log.stat().st_size for log in self._logs()}

    def end_test(self):
        self.ensure_running()
        self.wait_for_recovery()
        check_host(self)
        self.remove_vms()

    def journals(self):
        folder = pathlib.Path('/var/lib' if self.mode == 'system' else
                              os.environ['XDG_DATA_HOME'], 'libvirt/snapshot-revert')
        return sorted(file for file in folder.glob('*') if file.suffix != '.postponed')

    def wait_for_recovery(self):
        """Until virtsnapshotd has finished or undone what was broken off."""
        wait_until(lambda: not self.journals(), 'the end of the recovery')

    def _logs(self):
        return sorted(self.tmp.glob('*.log')) + sorted(self.tmp.glob('vms/*/*.log'))

    def new_log_lines(self):
        """The last lines that the daemons logged since begin_test()."""
        text = []
        for log in self._logs():
            with open(log, errors='replace') as stream:
                stream.seek(self.log_marks.get(log, 0))
                lines = stream.read().splitlines()
            text += [f'--- {log.name}', *lines[-LOG_LINES:]] if lines else []
        return '\n'.join(text)

    def run_command(self, argv, stdin=None):
        return subprocess.run(
            [str(arg) for arg in argv], env=self.env, input=stdin or '', text=True,
            capture_output=True, timeout=COMMAND_SECONDS, check=False)

    def program(self, name, text):
        """An executable script, to be run in the place of another program."""
        path = self.tmp / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def configured(self, **settings):
        """virtsnapshotd with another configuration, for the time of a with."""
        usual, file = list(self.snapshotd.argv), self.tmp / 'configured.conf'
        file.write_text(''.join(
            f'{key} = {value}\n' if isinstance(value, int) else f'{key} = "{value}"\n'
            for key, value in settings.items()))
        self.snapshotd.argv = [*usual, '--config', str(file)]
        self.snapshotd.restart()
        try:
            yield
        finally:
            self.snapshotd.argv = usual
            self.snapshotd.restart()

    def processes(self):
        """pid -> command line of what runs in this private host, and no other."""
        mark, found = f'SNAPSHOT_TMP={self.tmp}'.encode(), {}
        for folder in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                if mark in (folder / 'environ').read_bytes().split(b'\0'):
                    found[int(folder.name)] = (folder / 'cmdline').read_bytes()
            except OSError:
                continue  # ended meanwhile, or not ours to look into
        return found

    def revert(self, vm, snapshot, xml=None, flags=0, foretell=True):
        """virDomainRevertToSnapshotXML(), from a C program, as a Result.

        foretell: it does just what virDomainSnapshotGetRevertXMLDesc() says, which
        can't be asked of one that others interfere with.
        """
        foretold = Foretold(vm, snapshot, self.revert_desc(vm, snapshot, xml, flags)) \
            if foretell else None
        result = self.call(vm, snapshot, xml, flags)
        if result.ok and foretold:
            foretold.check()
        return result

    def call(self, vm, snapshot, xml=None, flags=0, options=(), uri=None):
        """Like revert(), whatever vm and uri are."""
        argv = [self.build / 'tests/e2e/revert-client', *options, uri or self.uri,
                getattr(vm, 'name', vm), snapshot, hex(flags)]
        if xml is not None:
            document = self.tmp / 'revert.xml'
            document.write_bytes(xml if isinstance(xml, bytes) else xml.encode())
            argv.append(document)
        return Result(self.run_command(argv))

    def revert_desc(self, vm, snapshot, xml=None, flags=0, **more):
        """virDomainSnapshotGetRevertXMLDesc(); the document is in .out."""
        return self.call(vm, snapshot, xml, flags, options=['--desc'], **more)

    def virsh(self, *arguments, stdin=None):
        return Result(self.run_command([self.build / 'tools/virsh', *arguments], stdin))
