# SPDX-License-Identifier: LGPL-2.1-or-later
"""guest.py: a domain in which Linux runs, with a file system and a console

What the guest does is in guest-init: it counts, in memory and in a file of its
disk, says so on the serial console, and obeys commands typed there. Its kernel
is made by scripts/test-guest.
"""

import array
import fcntl
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import termios

import images
import tap
from harness import wait_until
from vm import DISK, VM, virt_type

BOOT_SECONDS = 60
ANSWER_SECONDS = 30
LAST_LINES = 10

DOMAIN = """
<domain type='{virt}'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}/vmlinuz</kernel>
    <initrd>{kernel}/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices>{disks}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='unix'>
      <source mode='bind' path='{console}/socket'/>
      <log file='{console}/console.log' append='on'/>
      <target type='isa-serial' port='0'/>
    </serial>
  {devices}</devices>
</domain>"""


def guest_virt_type(conn):
    """kvm only on a processor made for it, as it boots nothing in time without."""
    flags = pathlib.Path('/proc/cpuinfo').read_text()
    if 'SNAPSHOT_VIRT' in os.environ or re.search(r'\b(vmx|svm)\b', flags):
        return virt_type(conn)
    return 'qemu'


class Console:
    """The serial console: what the guest says is in a log, for good.

    One process of QEMU after the other appends to it. The socket is only for
    typing, and connected to only then: output nobody reads would stop the guest.
    """

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / 'console.log'
        self.log.touch()
        self.position = 0

    def lines(self):
        """All whole lines since the first boot."""
        return [line for line, _end in self._lines_from(0)]

    def _lines_from(self, position):
        with open(self.log, 'rb') as log:
            log.seek(position)
            whole, newline, _begun = log.read().rpartition(b'\n')
        for line in (whole + newline).splitlines(keepends=True):
            position += len(line)
            yield line.decode(errors='replace').strip('\r\n'), position

    def skip(self):
        """What was said so far is not expected any more."""
        self.position = self.log.stat().st_size

    def _find(self, regex):
        for line, end in self._lines_from(self.position):
            if match := re.fullmatch(regex, line):
                self.position = end
                return match
        return None

    def expect(self, regex, seconds=ANSWER_SECONDS):
        """The match of the next such line; the lines before it are passed over."""
        try:
            return wait_until(lambda: self._find(regex), f'"{regex}"', seconds)
        except TimeoutError as error:
            last = '\n'.join(self.lines()[-LAST_LINES:])
            raise TimeoutError(f'{error}; the guest said last:\n{last}') from None

    def send(self, text, seconds=ANSWER_SECONDS):
        """Types; returns when QEMU has taken the last letter."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(str(self.folder / 'socket'))
            client.sendall(text.encode())
            wait_until(lambda: self._taken(client), f'typing "{text}"', seconds)

    @staticmethod
    def _taken(client):
        try:
            client.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        unread = array.array('i', [0])
        fcntl.ioctl(client, termios.TIOCOUTQ, unread)
        return unread[0] == 0


class Guest(VM):
    """disks: the first, vda, has an ext4 file system, which the guest mounts."""

    def __init__(self, host, name='guest', disks=1, memory=256, **options):
        self.kernel = host.build / 'guest'
        if not (self.kernel / 'initrd.gz').exists():
            raise tap.Skip('no guest: run scripts/test-guest')
        self.memory = memory
        # Not in the VM's folder, which tests watch for changes.
        self.console = Console(host.tmp / 'vms' / f'{name}-console')
        super().__init__(host, name, disks, **options)
        host.vms.append(self)
        self._make_file_system(self.base['vda'])

    def _xml(self, devices):
        disks = ''.join(DISK.format(format=self.format, file=file, target=target)
                        for target, file in self.base.items())
        return DOMAIN.format(virt=guest_virt_type(self.host.conn), name=self.name,
                             memory=self.memory, kernel=self.kernel, disks=disks,
                             console=self.console.folder, devices=devices)

    def _make_file_system(self, path):
        with tempfile.TemporaryDirectory(dir=self.host.tmp) as folder:
            raw = f'{folder}/raw'
            images.tool('qemu-img', 'convert', '-O', 'raw', path, raw)
            images.tool('/usr/sbin/mkfs.ext4', '-q', '-F', raw)
            images.tool('qemu-img', 'convert', '-f', 'raw', '-O', self.format, raw, path)

    def boot(self):
        """Starts the domain; returns how often its disk was booted from."""
        self.console.skip()
        self.start()
        return int(self.console.expect(r'boot count=(\d+)', BOOT_SECONDS)[1])

    def lines(self):
        return self.console.lines()

    def expect(self, regex, seconds=ANSWER_SECONDS):
        return self.console.expect(regex, seconds)

    def send(self, text):
        self.console.send(text)

    def wait_tick(self, seconds=ANSWER_SECONDS):
        """The next that begins after the call: the counters in memory, on disk."""
        self.console.skip()
        match = self.console.expect(r'tick (\d+) disk=(\w+)', seconds)
        return int(match[1]), int(match[2])

    def command(self, line):
        """'write NAME TEXT' or 'cat NAME'; returns the answer."""
        name = re.escape(line.split()[1])
        self.console.skip()
        self.console.send(f'{line}\n')
        return self.console.expect(rf'wrote {name}|{name}=.*|{name} (absent|failed)')[0]

    def fsck(self, path, fmt='qcow2'):
        """Asserts that a mount would find a file system without errors in an image.

        A copy is looked at, after what a mount does first: replay the journal
        and free the files that were deleted while open.
        """
        with tempfile.TemporaryDirectory(dir=self.host.tmp) as folder:
            raw = f'{folder}/raw'
            images.tool('qemu-img', 'convert', '-f', fmt, '-O', 'raw', path, raw)
            replay = e2fsck('-p', raw)
            assert replay.returncode in (0, 1) and ': clean, ' in replay.stdout, \
                f'{path}: {replay.stdout}'
            check = e2fsck('-fn', raw)
            assert check.returncode == 0, f'{path}: {check.stdout}'


def e2fsck(*arguments):
    return subprocess.run(
        ['/usr/sbin/e2fsck', *arguments], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=images.COMMAND_SECONDS, check=False)
