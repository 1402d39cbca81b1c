# SPDX-License-Identifier: LGPL-2.1-or-later
"""observed.py: what has become of a VM, in words that are found by looking

For scripts/compare: the two sides that revert, libvirt's own way and ours, and what can be
said of a VM after either, from its process, its files and its data.
"""

import contextlib
import enum
import os
import pathlib
import re
import time
import xml.etree.ElementTree as ET

import libvirt

import images
from harness import wait_until
from refusal import BLUE, GREEN, KEEP_CURRENT, RED, REUSE_EXT, RUNNING, document

COLOURS = {None: 'a mixture', 0: 'nothing', RED: 'red', BLUE: 'blue', GREEN: 'green'}


class Verdict(enum.IntEnum):
    """From the best to the worst."""
    DONE = 0
    LACKING = 1
    REFUSED = 2
    UNTIDY = 3
    STUCK = 4  # libvirtd's own: it is so wherever it is killed while it starts a VM
    STOPPED = 5
    BROKEN = 6
    LOST = 7


class Seen:
    def __init__(self):
        self.verdict, self.sentences = Verdict.DONE, []

    def add(self, verdict, sentence):
        self.verdict = max(self.verdict, verdict)
        self.sentences.append(sentence)

    @property
    def text(self):
        text = '; '.join(self.sentences)
        return text[:1].upper() + text[1:]


def plain(text):
    """Without what differs from one run to the next."""
    text = re.sub(r"/[^\s'\",:;]*/([^/\s'\",:;]+)", r'\1', text.strip())
    return re.sub(r'\b1\d{9}\b', '<time>', text)


def names(files):
    return plain(', '.join(os.path.basename(file) for file in files))


# The two sides: each call returns the error's text, or None


def error_of(function, *arguments):
    try:
        function(*arguments)
    except libvirt.libvirtError as error:
        return error.get_error_message()
    return None


class Theirs:
    """libvirt alone. It names overlays by the second."""
    title = "libvirt's own"

    def __init__(self, host):
        self.host, self.daemon, self.last = host, host.libvirtd, 0

    def revert(self, vm, snapshot, flags=RUNNING, at_once=False):
        if not at_once:
            wait_until(lambda: int(time.time()) != self.last, 'the next second')
        with contextlib.closing(libvirt.open(self.host.uri)) as conn:
            dom = conn.lookupByName(vm.name)
            error = error_of(dom.revertToSnapshot, dom.snapshotLookupByName(snapshot), flags)
        self.last = int(time.time())
        return error

    def revert_to_names(self, vm, snapshot, _files):
        """There is no way to say them."""
        return self.revert(vm, snapshot)

    def revert_and_keep(self, vm, snapshot):
        """There is no way to say that."""
        return self.revert(vm, snapshot)

    def come_back(self, vm, snapshot, _files):
        return self.revert(vm, snapshot)

    def delete(self, vm, snapshot):
        return error_of(vm.dom.snapshotLookupByName(snapshot).delete)


class Ours:
    title = 'virtsnapshotd'

    def __init__(self, host):
        self.host, self.daemon = host, host.snapshotd

    def revert(self, vm, snapshot, flags=RUNNING, at_once=False, xml=None):
        del at_once  # as ever
        result = self.host.call(vm, snapshot, xml, flags)
        return None if result.ok else result.message

    def revert_to_names(self, vm, snapshot, files):
        return self.revert(vm, snapshot, xml=document(*files.items()))

    def revert_and_keep(self, vm, snapshot):
        return self.revert(vm, snapshot, RUNNING | KEEP_CURRENT)

    def come_back(self, vm, snapshot, files):
        return self.revert(vm, snapshot, RUNNING | REUSE_EXT, xml=document(*files.items()))

    def delete(self, vm, snapshot):
        with self.host.front() as conn:
            return error_of(conn.lookupByName(vm.name).snapshotLookupByName(snapshot).delete)


# What is looked at


class Subject:
    """A VM of which it is known what each disk shows, now and in each snapshot.

    That is target -> offset -> byte; a range that is not there is not looked at.
    """

    def __init__(self, host, side, running=True, small=False, **options):
        self.host, self.side, self.vm = host, side, host.vm(**options)
        self.small = small and self._move_to_small_folder()
        self.content = {target: {} for target in self.vm.targets}
        self.states, self.pid, self.files = {}, None, set()
        if running:
            self.vm.start()

    def _move_to_small_folder(self):
        """One that is full soon; unmounted by the end of the situation."""
        folder = pathlib.Path(self.vm.path('small'))
        folder.mkdir()
        images.tool('mount', '-t', 'tmpfs', '-o', 'size=8m', 'none', folder)
        xml = self.vm.xml()
        for target, file in self.vm.base.items():
            images.tool('mv', file, folder)
            self.vm.base[target] = str(folder / os.path.basename(file))
            xml = xml.replace(file, self.vm.base[target])
        self.vm.dom = self.host.conn.defineXML(xml)
        return folder

    def write(self, byte, offset=0, targets=None):
        for target in targets or self.vm.targets:
            self.vm.write(target, byte, offset)
            self.content[target][offset] = byte

    def take(self, name, byte, offset=0, disks=None, excluded=()):
        """A snapshot of this; disks: target -> overlay, where libvirt can't tell."""
        self.write(byte, offset)
        inner = ''.join(f"<disk name='{target}' snapshot='no'/>" for target in excluded)
        inner += ''.join(f"<disk name='{target}'><source file='{self.vm.path(file)}'/></disk>"
                         for target, file in (disks or {}).items())
        self.vm.snapshot(name, inner=f'<disks>{inner}</disks>' if inner else '')
        self.states[name] = {target: dict(ranges) for target, ranges in self.content.items()
                             if target not in excluded}

    def reverted(self, snapshot):
        """What the disks are to show after a revert to it."""
        return {**self.content, **{target: dict(ranges) for target, ranges
                                   in self.states[snapshot].items()}}

    def remember(self):
        self.pid, self.files = self.vm.pid(), self.listing()

    def revert(self, snapshot, **options):
        self.remember()
        return self.side.revert(self.vm, snapshot, **options)

    def go(self, snapshot):
        """A revert that leads to a situation, and is not the one that is watched."""
        error = self.revert(snapshot)
        if error:
            raise RuntimeError(f'{self.side.title}, back to {snapshot}: {error}')
        self.vm.refresh()
        self.content = self.reverted(snapshot)

    def listing(self):
        return {str(path) for path in self.vm.folder.rglob('*') if path.is_file()}

    def wrong(self, files, expected, formats):
        """The first disk that does not show what it should, in words, or None."""
        for target, ranges in expected.items():
            for offset, byte in ranges.items():
                try:
                    shown = images.pattern(files[target], offset, fmt=formats[target])
                except (RuntimeError, TypeError):  # where qemu-io does not open it
                    return f'{target} cannot be read'
                if shown != byte:
                    return f'{target} shows {COLOURS[shown]}, not {COLOURS[byte]}'
        return None

    def current_wrong(self, expected):
        files = self.vm.files()
        return self.wrong(files, expected, {target: element.find('driver').get('type')
                                            for target, element
                                            in self.vm._disk_elements().items()})

    def snapshot_wrong(self, name):
        """Of the images that its definition names today."""
        disks = {disk.find('target').get('dev'): disk for disk in
                 ET.fromstring(self.vm.snapshot_xml(name)).iterfind('domain/devices/disk')}
        return self.wrong(
            {target: disk.find('source').get('file') for target, disk in disks.items()},
            self.states[name],
            {target: disk.find('driver').get('type') for target, disk in disks.items()})

    def unnamed(self):
        """The new files that neither the domain nor a snapshot knows."""
        texts = [self.vm.xml(active) for active in {False, self.vm.active}]
        texts += [self.vm.snapshot_xml(name) for name in self.vm.snapshots()]
        known = set(re.findall(r"file='([^']*)'", ''.join(texts)))
        return sorted(self.listing() - self.files - known)

    @property
    def stuck(self):
        """libvirtd waits for a process that is not there, and does so for ever."""
        return self.vm.active and self.vm.pid() is None

    def get_unstuck(self):
        """What docs/recovery.rst says; then the recovery goes on."""
        self.host.libvirtd.kill()
        pathlib.Path(f'/run/libvirt/qemu/{self.vm.name}.xml').unlink()
        self.host.ensure_running()
        self.host.wait_for_recovery()

    def close(self):
        if self.small:
            images.tool('umount', '-l', self.small)
        if self.stuck:
            self.get_unstuck()
        self.host.vms.remove(self.vm)
        self.vm.remove()


def look_at_rest(subject, seen):
    """Whatever has happened: the snapshots, the files, the two definitions."""
    vm = subject.vm
    for name in vm.snapshots():
        if wrong := subject.snapshot_wrong(name):
            seen.add(Verdict.LOST, f'lost: of {name}, {wrong}')
    if vm.active and vm.files(True) != vm.files(False):
        seen.add(Verdict.UNTIDY, f'defined with other disks: {names(vm.files(False).values())}')
    if unnamed := subject.unnamed():
        seen.add(Verdict.UNTIDY, f'left behind, named by nothing: {names(unnamed)}')


def look_at_one_off(subject, seen, *contents):
    """A VM that should run and doesn't: is it lost, too?"""
    missing = [file for file in subject.vm.files().values() if not os.path.exists(file)]
    error = error_of(subject.vm.start)
    if error and missing:  # which of them is a matter of luck
        seen.add(Verdict.BROKEN, 'it does not start: an image it is defined with is gone')
    elif error:
        seen.add(Verdict.BROKEN, f'it does not start: "{plain(error)}"')
    elif all(subject.current_wrong(content) for content in contents):
        seen.add(Verdict.LOST, f'lost: {subject.current_wrong(contents[0])}')
    else:
        seen.add(Verdict.STOPPED, f'it can be started, on {names(subject.vm.files().values())}')


def look(subject, snapshot, error, mend=lambda: None):
    """After a revert to the snapshot; mend: so that images can be read again."""
    seen, vm = Seen(), subject.vm
    vm.refresh()
    pid, told = vm.pid(), f': "{plain(error)}"' if error else ''
    mend()
    if error is None:
        subject.content = subject.reverted(snapshot)
        seen.add(Verdict.DONE, f'reverted, {"runs " if pid else ""}on '
                               f'{names(vm.files().values())}')
    elif subject.pid is None:
        seen.add(Verdict.REFUSED, f'refused{told}')
    elif pid == subject.pid:
        seen.add(Verdict.REFUSED, f'refused, the VM runs on{told}')
    elif pid is None:
        seen.add(Verdict.STOPPED, f'stopped in vain, the VM is off{told}')
        look_at_one_off(subject, seen, subject.content)
    else:
        seen.add(Verdict.STOPPED, f'stopped in vain and started again{told}')
    if wrong := subject.current_wrong(subject.content):
        seen.add(Verdict.LOST, f'lost: {wrong}')
    elif error is None:
        seen.add(Verdict.DONE, 'data right')
    look_at_rest(subject, seen)
    return seen


def look_after_crash(subject, snapshot):
    """Where the VM is, or where it was going, is as good."""
    seen, vm = Seen(), subject.vm
    try:
        vm.refresh()
    except libvirt.libvirtError:
        seen.add(Verdict.LOST, 'lost: the VM is not defined any more')
        return seen
    old, new = subject.content, subject.reverted(snapshot)
    if subject.stuck:
        seen.add(Verdict.STUCK, 'libvirtd takes the VM for active, without a process, as '
                                'after any start that it was killed at: "'
                                f'{plain(error_of(vm.destroy) or "")}"; when that is mended '
                                'by hand')
        subject.get_unstuck()
        vm.refresh()
    pid = vm.pid()
    if pid is None:
        seen.add(Verdict.STOPPED, 'the VM is off')
        look_at_one_off(subject, seen, old, new)
    elif not subject.current_wrong(new):
        seen.add(Verdict.DONE, 'the revert is finished, the VM runs')
    elif wrong := subject.current_wrong(old):
        seen.add(Verdict.LOST, f'lost: {wrong}')
    else:
        seen.add(Verdict.DONE, 'the revert is undone, the VM runs' +
                 (' on' if pid == subject.pid else ' again'))
    look_at_rest(subject, seen)
    return seen


def two_states(host, side, **options):
    """Red at snap1, blue at snap2, green now."""
    subject = Subject(host, side, **options)
    subject.take('snap1', RED)
    subject.take('snap2', BLUE)
    subject.write(GREEN)
    return subject
