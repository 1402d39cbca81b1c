# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd_host.py: a private host on which systemd has started libvirt's daemon and ours

What is installed is what `meson install` installs; libvirt's own units are those of
Debian's packages. systemd is process 1 of namespaces of its own and shares the private
host's folders, /run among them; what it started ends with it.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import libvirt

from harness import wait_until

# All that the units of libvirt and of ours need of a system around them.
TARGETS = ['sysinit', 'basic', 'sockets', 'shutdown', 'multi-user']
LOG = """[Service]
StandardOutput=append:{log}
StandardError=append:{log}
"""
UNIT_FOLDERS = ['lib/systemd/system', 'usr/lib/systemd/system']


def unit_folders(host):
    """Where libvirt's units may be: unpacked, or installed."""
    return [folder / part for folder in (host.build / 'units', pathlib.Path('/'))
            for part in UNIT_FOLDERS]


def libvirts_units(host, daemon):
    """file name -> text. Debian does not have virtqemud: libvirtd stands in for it."""
    found = {}
    for folder in unit_folders(host):
        for pattern in ('libvirtd*.s*', 'virtlo*d*.s*'):
            for file in folder.glob(pattern):
                if file.is_file():  # of some there are drop-ins, in a folder
                    found.setdefault(file.name, file.read_text())
    assert 'libvirtd.socket' in found, "libvirt's units are not here"
    if daemon == 'libvirtd':
        return found
    return {name.replace('libvirtd', daemon): stand_in(name, text)
            for name, text in found.items()}


def stand_in(name, text):
    if not name.startswith('libvirtd'):
        return text
    text = text.replace('libvirtd.s', 'virtqemud.s').replace('libvirt-', 'virtqemud-')
    # the names by which libvirtd knows its sockets
    return text.replace('[Socket]', f'[Socket]\nFileDescriptorName={name}')


class Systemd:
    """In a with: host's libvirt is what systemd has started."""

    def __init__(self, host, daemon):
        self.host, self.daemon = host, daemon
        self.folder = host.tmp / 'systemd'
        self.units, self.tree = self.folder / 'units', self.folder / 'tree'
        options = json.loads(subprocess.run(
            ['meson', 'introspect', '--buildoptions', host.build],
            check=True, capture_output=True, text=True).stdout)
        values = {option['name']: option['value'] for option in options}
        self.prefix = values['prefix']
        self.etc = os.path.join(self.prefix, values['sysconfdir'])
        self.process = None

    def _write_units(self):
        self.units.mkdir(parents=True)
        for name in TARGETS:
            (self.units / f'{name}.target').write_text(
                f'[Unit]\nDescription={name}\nDefaultDependencies=no\n')
        for name, text in libvirts_units(self.host, self.daemon).items():
            (self.units / name).write_text(text)
        for file in (self.tree / self.prefix[1:] / 'lib/systemd/system').iterdir():
            shutil.copy(file, self.units)
        for name in (self.daemon, 'virtsnapshotd'):
            drop_ins = self.units / f'{name}.service.d'
            drop_ins.mkdir()
            (drop_ins / 'log.conf').write_text(
                LOG.format(log=self.host.tmp / f'{name}-unit.log'))

    def _boot(self):
        init = self.host.source / 'tests/e2e/systemd-init'
        with open(self.host.tmp / 'systemd.log', 'ab') as log:
            self.process = subprocess.Popen(
                ['unshare', '--mount', '--propagation', 'private', '--cgroup', '--pid',
                 '--fork', '--kill-child', init, self.units, self.tree, self.prefix],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.pid_of_init() and self.systemctl('is-active', 'basic.target',
                                                          check=False) == 0, 'systemd')

    def __enter__(self):
        self.host.snapshotd.stop()
        self.host.conn.close()
        self.host.libvirtd.stop()
        subprocess.run(['meson', 'install', '-C', self.host.build, '--no-rebuild', '--quiet',
                        '--destdir', self.tree], check=True, stdout=subprocess.DEVNULL)
        self._write_units()
        self._boot()
        self.systemctl('enable', '--now', f'{self.daemon}.socket', f'{self.daemon}-ro.socket')
        self.connect()
        return self

    def __exit__(self, *_):
        self.connect()
        self.host.remove_vms()
        self.host.conn.close()
        self.host.conn = None
        os.kill(int(self.pid_of_init()), signal.SIGKILL)  # and all that it has started
        self.process.wait(20)
        shutil.rmtree(self.folder)
        for path in self.host.run.glob('*sock*'):
            path.unlink()
        shutil.rmtree(self.host.run / 'backend', ignore_errors=True)

    def connect(self):
        """As any client of the host does it, without a word about sockets."""
        self.host.conn = libvirt.open(self.host.uri)
        for vm in self.host.vms:
            vm.refresh()

    def pid_of_init(self):
        """Empty as long as there is none."""
        return subprocess.run(['pgrep', '--parent', str(self.process.pid)], check=False,
                              capture_output=True, text=True).stdout.strip()

    def run(self, *argv, check=True):
        """A command on that system; returns its status."""
        done = subprocess.run(
            ['nsenter', '--target', self.pid_of_init(), '--mount', '--pid', *argv],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, (argv, done.stdout, done.stderr)
        return done.returncode

    def systemctl(self, *arguments, check=True):
        return self.run('systemctl', *arguments, check=check)

    def shell(self, commands):
        """Commands as the manual has them, where things are here."""
        for usual, here in (('/usr/share/', f'{self.prefix}/share/'),
                            ('/etc/libvirt/', f'{self.etc}/libvirt/')):
            commands = commands.replace(usual, here)
        self.run('bash', '-e', '-c', commands)

    def is_active(self, unit):
        return self.systemctl('is-active', '--quiet', unit, check=False) == 0
