# SPDX-License-Identifier: LGPL-2.1-or-later
"""situations.py: what is hard about a revert, for scripts/compare

Each situation is given to one side on a VM of its own, and returns that subject and what
was seen of it.
"""

import contextlib
import functools
import os
import pathlib
import threading
import time

import libvirt

import images
from harness import wait_until
from observed import Seen, Subject, Verdict, look, look_after_crash, look_at_rest, names, \
    plain, two_states
from refusal import BLUE, GREEN, RED

SETTLED_SECONDS, UNSETTLED_SECONDS = 1, 20
MIB = 1 << 20


def base_missing(host, side):
    """The image that holds the snapshot's state is not there"""
    subject = two_states(host, side)
    base = subject.vm.base['vda']
    os.rename(base, f'{base}.away')
    error = subject.revert('snap1')
    return subject, look(subject, 'snap1', error, lambda: os.rename(f'{base}.away', base))


def with_other_base(host, side, fmt):
    subject = two_states(host, side)
    base = subject.vm.base['vda']
    os.rename(base, f'{base}.away')
    images.create(base, fmt=fmt)
    images.write(base, BLUE, fmt=fmt)
    error = subject.revert('snap1')
    return subject, look(subject, 'snap1', error, lambda: os.rename(f'{base}.away', base))


def base_raw(host, side):
    """It is defined as qcow2 and was replaced by a raw image"""
    return with_other_base(host, side, 'raw')


def base_vmdk(host, side):
    """It is defined as qcow2 and was replaced by a VMDK image"""
    return with_other_base(host, side, 'vmdk')


def folder_full(host, side):
    """No space is left where the overlays go"""
    subject = two_states(host, side, small=True)
    filler = subject.small / 'filler'
    with contextlib.suppress(OSError), open(filler, 'wb', buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    error = subject.revert('snap1')
    return subject, look(subject, 'snap1', error, filler.unlink)


def twice_in_one_second(host, side):
    """Two reverts of an inactive VM in one second"""
    while True:
        subject = two_states(host, side, running=False)
        now = int(time.time())
        wait_until(lambda: int(time.time()) > now, 'the next second')
        errors = [subject.revert('snap1', flags=0, at_once=True) for _ in range(2)]
        if int(time.time()) == now + 1:
            break
        subject.close()  # on a loaded machine
    if errors[0]:
        raise RuntimeError(errors[0])
    subject.content = subject.reverted('snap1')
    return subject, look(subject, 'snap1', errors[1])


def differ_in_suffix(host, side):
    """Two disks that differ only in suffix: disk.qcow2 and disk.img"""
    subject = Subject(host, side, files=['disk.qcow2', 'disk.img'])
    subject.take('snap1', RED, disks={'vda': 'one', 'vdb': 'two'})
    subject.write(GREEN)
    return subject, look(subject, 'snap1', subject.revert('snap1'))


def disk_excluded(host, side):
    """A disk that is not in the snapshot (snapshot='no'), written to between two reverts"""
    subject = Subject(host, side)
    subject.take('snap1', RED, excluded=['vdb'])
    subject.write(GREEN)
    first = look(subject, 'snap1', subject.revert('snap1'))
    if first.verdict != Verdict.DONE:
        return subject, first
    subject.write(BLUE)
    seen = look(subject, 'snap1', subject.revert('snap1'))
    for file in subject.vm.chain('vdb')[:-1]:
        seen.add(Verdict.DONE, f'an overlay over the excluded disk: {names([file])}')
    return subject, seen


READ_ONLY = """
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <source file='{folder}/cd.iso'/>
      <target dev='hda' bus='ide'/>
      <readonly/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{folder}/ro.qcow2'/>
      <target dev='vdr' bus='virtio'/>
      <readonly/>
    </disk>"""


def read_only(host, side):
    """A CD-ROM and a disk that is <readonly/>"""
    subject = Subject(host, side, running=False, name='readonly', disks=1,
                      devices=READ_ONLY.format(folder=host.tmp / 'vms/readonly'))
    for file, fmt in (('cd.iso', 'raw'), ('ro.qcow2', 'qcow2')):
        images.create(subject.vm.path(file), fmt=fmt)
        images.write(subject.vm.path(file), BLUE, fmt=fmt)
    subject.vm.start()
    subject.take('snap1', RED)
    subject.write(GREEN)
    subject.content.update(hda={0: BLUE}, vdr={0: BLUE})
    return subject, look(subject, 'snap1', subject.revert('snap1'))


def named_by_caller(host, side):
    """The caller wants to say what the overlay is called"""
    subject = two_states(host, side)
    wanted = {target: subject.vm.path(f'mine.{target}') for target in subject.vm.targets}
    subject.remember()
    error = side.revert_to_names(subject.vm, 'snap1', wanted)
    seen = look(subject, 'snap1', error)
    if subject.vm.files() != wanted:
        seen.add(Verdict.LACKING, 'not as wanted')
    return subject, seen


def wanted_back(host, side):
    """The state that was left is wanted back"""
    subject = two_states(host, side)
    left, content = subject.vm.files(), subject.content
    subject.remember()
    error = side.revert_and_keep(subject.vm, 'snap1')
    seen = look(subject, 'snap1', error)
    if gone := [file for file in left.values() if not os.path.exists(file)]:
        seen.add(Verdict.LACKING, f'the state that was left is gone: {names(gone)}')
        return subject, seen
    subject.remember()
    error = side.come_back(subject.vm, 'snap2', left)
    subject.states['snap2'] = content
    back = Seen()
    subject.vm.refresh()
    if error or subject.current_wrong(content):
        back.add(Verdict.LACKING, 'it does not come back')
    else:
        back.add(Verdict.DONE, f'and back, runs on {names(subject.vm.files().values())}, '
                               'with the state that was left')
    seen.sentences += back.sentences
    return subject, seen


def look_at_deletion(subject, snapshot):
    """The snapshots that remain still show what they did."""
    subject.remember()
    error = subject.side.delete(subject.vm, snapshot)
    seen, vm = Seen(), subject.vm
    if error:
        seen.add(Verdict.REFUSED, f'refused: "{plain(error)}"')
    elif snapshot in vm.snapshots():
        seen.add(Verdict.LACKING, f'{snapshot} is still there')
    else:
        seen.add(Verdict.DONE, 'deleted')
    if vm.pid() != subject.pid:
        seen.add(Verdict.STOPPED, 'the VM is off')
    if wrong := subject.current_wrong(subject.content):
        seen.add(Verdict.LOST, f'lost: of the current state, {wrong}')
    look_at_rest(subject, seen)
    if seen.verdict == Verdict.DONE or error and seen.verdict == Verdict.REFUSED:
        seen.add(seen.verdict, f'data of {", ".join(vm.snapshots())} right')
    return subject, seen


def in_line(host, side):
    subject = Subject(host, side)
    for name, byte in (('snap1', RED), ('snap2', BLUE), ('snap3', GREEN)):
        subject.take(name, byte)
    return subject


def delete_in_line(host, side):
    """Deletion of the second of three snapshots in a line"""
    return look_at_deletion(in_line(host, side), 'snap2')


def delete_beside(host, side):
    """The same, where the VM runs beside it after a revert to the first"""
    subject = in_line(host, side)
    subject.go('snap1')
    return look_at_deletion(subject, 'snap2')


def delete_reverted_leaf(host, side):
    """Deletion of the last snapshot, after a revert to it"""
    subject = two_states(host, side)
    subject.go('snap2')
    subject.write(GREEN)
    return look_at_deletion(subject, 'snap2')


def delete_reverted_inner(host, side):
    """Deletion of the first of two snapshots, after a revert to it"""
    subject = two_states(host, side)
    subject.go('snap1')
    subject.write(GREEN)
    return look_at_deletion(subject, 'snap1')


def delete_under_branch(host, side):
    """Deletion of a snapshot that another branch stands on"""
    subject = two_states(host, side)
    subject.go('snap1')
    subject.take('snap3', GREEN, offset=MIB)
    subject.go('snap2')
    return look_at_deletion(subject, 'snap1')


def delete_under_another_vm(host, side):
    """Deletion of the second of two snapshots, after a revert to the first; another VM,
    which is off, stands on the image with its state"""
    subject, clone = two_states(host, side), host.vm(disks=1)
    top = clone.path('top')
    images.create(top, backing=subject.vm.path('a.snap1'))
    host.conn.defineXML(clone.xml().replace(clone.file('vda'), top))
    subject.go('snap1')
    subject, seen = look_at_deletion(subject, 'snap2')
    if wrong := subject.wrong({'vda': top}, {'vda': {0: BLUE}}, {'vda': 'qcow2'}):
        seen.add(Verdict.LOST, f'lost: of the other VM, {wrong}')
    host.vms.remove(clone)
    clone.remove()
    return subject, seen


# Killed in the middle

MOMENTS = ('0.05 s', '0.3 s', '0.6 s', 'first overlay made', 'last overlay made',
           'VM ended', 'VM defined', 'first overlay gone')
STARTED = 'VM started'


def changed(file):
    before = file.stat()
    return lambda: (file.stat().st_ino, file.stat().st_mtime_ns) != (
        before.st_ino, before.st_mtime_ns)


def moments(subject):
    """What to wait for: the same of both sides, seen from outside."""
    vm, before, start = subject.vm, subject.files, time.monotonic()

    def after(seconds):
        return lambda: time.monotonic() > start + seconds

    def made():
        return subject.listing() - before

    return {
        '0.05 s': after(0.05),
        '0.3 s': after(0.3),
        '0.6 s': after(0.6),
        'first overlay made': made,
        'last overlay made': lambda: len(made()) == len(vm.targets),
        'VM ended': lambda: vm.pid() != subject.pid,
        'VM defined': changed(pathlib.Path(f'/etc/libvirt/qemu/{vm.name}.xml')),
        STARTED: lambda: vm.pid() not in (None, subject.pid),
        'first overlay gone': lambda: before - subject.listing(),
    }


def settle(vm):
    """A VM that is about to end, or libvirtd that looks for it, may take a while."""
    seen, since = None, time.monotonic()

    def steady():
        nonlocal seen, since
        now = vm.pid()
        if now != seen or vm.active != (now is not None):
            seen, since = now, time.monotonic()
        return time.monotonic() - since > SETTLED_SECONDS
    with contextlib.suppress(libvirt.libvirtError, TimeoutError):  # not defined, stuck
        vm.refresh()
        wait_until(steady, 'rest', UNSETTLED_SECONDS)


def killed_at(host, side, daemon, moment):
    """Nothing is seen where the revert is over before."""
    subject = two_states(host, side)
    subject.remember()
    come = moments(subject)[moment]
    call = threading.Thread(target=side.revert, args=(subject.vm, 'snap1'))
    call.start()
    while not come() and call.is_alive():
        time.sleep(0.0005)
    over = not call.is_alive()
    if not over:
        daemon.kill()
    call.join()
    host.ensure_running()
    settle(subject.vm)
    if not subject.stuck:
        host.wait_for_recovery()
        settle(subject.vm)
    seen = None if over else look_after_crash(subject, 'snap1')
    print(f'    {moment}: {seen.text if seen else "over"}', flush=True)
    subject.close()
    return seen


@functools.lru_cache
def killed(host, side, daemon, at):
    """All that is as bad as the worst that is seen."""
    print(f'  {side.title}, {daemon.name} is killed:')
    every = [killed_at(host, side, daemon, moment) for moment in at]
    worst = Seen()
    worst.verdict = max(seen.verdict for seen in every if seen)
    texts = {seen.text for seen in every if seen and seen.verdict == worst.verdict}
    worst.sentences = ['. At another moment: '.join(sorted(texts, reverse=True))]
    return None, worst


def daemon_killed(host, side):
    """The daemon that reverts is killed in the middle (the worst of eight moments)"""
    return killed(host, side, side.daemon, MOMENTS)


def libvirtd_killed(host, side):
    """libvirtd is killed in the middle (the worst of eight moments)"""
    return killed(host, side, host.libvirtd, MOMENTS)


def libvirtd_killed_at_start(host, side):
    """libvirtd is killed just when it starts the VM on the new disks"""
    return killed(host, side, host.libvirtd, (STARTED,))


SITUATIONS = (
    base_missing, base_raw, base_vmdk, folder_full, twice_in_one_second, differ_in_suffix,
    disk_excluded, read_only, named_by_caller, wanted_back, daemon_killed, libvirtd_killed,
    libvirtd_killed_at_start, delete_in_line, delete_beside, delete_reverted_leaf,
    delete_reverted_inner, delete_under_branch, delete_under_another_vm)
