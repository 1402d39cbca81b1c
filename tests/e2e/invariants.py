# SPDX-License-Identifier: LGPL-2.1-or-later
"""invariants.py: what holds after whatever has happened

The one checker: of a host at the end of each test, and of a VM where a test knows what
its snapshots need.
"""

import contextlib
import glob
import os
import pathlib
import stat
import time

import images
from vm import sums

PROCESS_SECONDS = 10


def storage_daemons(host):
    return [pid for pid, line in host.processes().items()
            if line.startswith(b'qemu-storage-daemon')]


def at_work(pid):
    """The storage daemon has a file open; one that is kept for the next revert has
    none."""
    # a look that fails is one at what has just been closed, or at one that has ended
    return any(os.path.isfile(path) for path in glob.glob(f'/proc/{pid}/fd/*'))


def left_over(host):
    """Storage daemons that should have ended."""
    daemons = storage_daemons(host)
    kept = [pid for pid in daemons if not at_work(pid)]
    return [pid for pid in daemons if pid not in kept[:1]]


def check_host(host):
    """Nothing is under way any more."""
    assert not host.journals(), host.journals()
    # one that was killed needs a moment to end
    end = time.monotonic() + PROCESS_SECONDS
    while left := left_over(host):
        assert time.monotonic() < end, f'processes are left: {left}'
        time.sleep(0.01)


def storage_children(host):
    """The processes that look at storage for the daemon: forks of it, with one socket of
    the daemon's each."""
    daemon = host.snapshotd.pid
    line = pathlib.Path(f'/proc/{daemon}/cmdline').read_bytes()
    return [pid for pid, other in host.processes().items() if other == line and pid != daemon]


def connections(host):
    """How many of the daemon's sockets are connected, but for those to its children."""
    children = len(storage_children(host))
    with open('/proc/net/unix', encoding='ascii', errors='replace') as table:
        connected = {fields[6] for fields in map(str.split, table)
                     if len(fields) > 6 and fields[5] == '03'}
    count = 0
    for link in pathlib.Path(f'/proc/{host.snapshotd.pid}/fd').iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(link)[len('socket:['):-1] in connected
    return count - children


def at_rest(host):
    """The number of the daemon's descriptors, without connections; 0: it has some."""
    folder = f'/proc/{host.snapshotd.pid}/fd'
    before, connected, after = len(os.listdir(folder)), connections(host), os.listdir(folder)
    return before if connected == 0 and before == len(after) else 0


def check_rights(file):
    """As an image has them that libvirt made: what one replaces is not known here."""
    backing, _format = images.backing(file)
    if backing is None:
        return
    over, under = os.stat(file), os.stat(backing)
    assert stat.S_IMODE(over.st_mode) & ~0o664 == 0, f'{file}: {oct(over.st_mode)}'
    assert over.st_uid == under.st_uid, f'{file} belongs to {over.st_uid}'


def check_vm(vm, frozen, kept=()):
    """frozen: image or memory file -> checksum, of all that the snapshots need.

    kept: files that a test has made or kept itself.
    """
    changed = {file for file, digest in sums(frozen).items() if digest != frozen[file]}
    assert not changed, f'what a snapshot needs has changed: {changed}'
    for file in frozen:
        if not file.endswith('.mem'):
            images.check(file)
    current = set(vm.files(active=False).values())
    for file in current:
        assert os.path.exists(file), f'the definition names {file}, which is gone'
        check_rights(file)
    if vm.active:
        assert set(vm.files(active=True).values()) == current, 'it runs on other disks'
    assert vm.current in vm.snapshots(), f'{vm.current} is the current snapshot'
    found = {str(path) for path in vm.folder.iterdir()}
    known = set(frozen) | current | set(kept)
    assert found == known, f'files: left {found - known}, missing {known - found}'
