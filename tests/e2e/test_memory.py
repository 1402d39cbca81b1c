#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_memory.py: snapshots with a memory file"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import threading

import libvirt

import images
import tap
from harness import wait_until
from refusal import BLUE, FORCE, GREEN, RED, RUNNING, refused
from vm import sums

FAILED = libvirt.VIR_ERR_OPERATION_FAILED
RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY

HEADER = 92  # of a save image; then comes the definition, then QEMU's stream


def with_memory(host, inner='', **options):
    """RED at snap1, BLUE now."""
    vm = host.vm(**options)
    vm.start()
    vm.write_all(RED)
    memory = vm.memory_snapshot('snap1', inner=inner)
    vm.write_all(BLUE)
    return vm, memory


def test_there_and_back(host):
    vm, _memory = with_memory(host)
    vm.memory_snapshot('snap2')
    below = sums(vm.folder.glob('*.mem'))
    for name, byte in (('snap1', RED), ('snap2', BLUE), ('snap1', RED)):
        vm.write_all(GREEN)
        assert host.revert(vm, name).ok
        assert vm.running and vm.data() == [byte, byte]
        assert vm.current == name
    assert sums(below) == below


def test_files_of_the_running_domain_are_the_new_overlays(host):
    vm, _memory = with_memory(host)
    assert host.revert(vm, 'snap1').ok
    assert vm.files(active=True) == vm.files(active=False)
    vm.snapshot('snap2')
    vm.destroy()
    assert host.revert(vm, 'snap2').ok and vm.data() == [RED, RED]


def test_without_any_disk(host):
    vm = host.vm(disks=0)
    vm.start()
    vm.memory_snapshot('snap1')
    pid = vm.pid()
    result = host.revert(vm, 'snap1')
    assert result.ok, result
    assert vm.running and vm.pid() != pid and vm.current == 'snap1'


def test_machine_is_that_of_the_file(host):
    """Also where the definition has changed since, and comes back with it."""
    vm, _memory = with_memory(host)
    vm.destroy()
    vm.dom = host.conn.defineXML(
        vm.xml().replace("<vcpu placement='static'>1<", "<vcpu placement='static'>3<"))
    vm.start()
    assert host.revert(vm, 'snap1').ok
    for active in (True, False):
        assert "<vcpu placement='static'>1<" in vm.xml(active)


def test_genid_is_new_each_time(host):
    vm = host.vm()
    vm.dom = host.conn.defineXML(vm.xml().replace('<memory ', '<genid/><memory ', 1))
    vm.start()
    vm.memory_snapshot('snap1')
    seen = set()
    for _ in range(3):
        for active in (True, False):
            seen.add(re.search('<genid>(.*)</genid>', vm.xml(active))[1])
        assert host.revert(vm, 'snap1').ok
    assert len(seen) >= 5, seen  # at first both definitions have the same


def test_disk_plugged_into_the_running_domain_alone(host):
    """The memory knows it, so it is there again; the next boot is without it."""
    vm = host.vm(disks=1, devices="<controller type='scsi' model='virtio-scsi'/>")
    vm.start()
    images.create(vm.path('hot.qcow2'), '64M')
    vm.dom.attachDevice(f"""<disk type='file' device='disk'>
        <driver name='qemu' type='qcow2'/><source file='{vm.path('hot.qcow2')}'/>
        <target dev='sda' bus='scsi'/></disk>""")
    vm.memory_snapshot('snap1')
    result = host.revert(vm, 'snap1')
    assert result.ok, result
    assert vm.files(True)['sda'] == vm.path('hot.snap1-1')
    assert vm.files(False) == {'vda': vm.path('a.snap1-1')}


# Disks that the snapshot left out


EXCLUDED = "<disks><disk name='vdb' snapshot='{}'/></disks>"


def test_left_out_and_unchanged(host):
    vm = host.vm()
    vm.start()
    vm.memory_snapshot('snap1', inner=EXCLUDED.format('no'))
    vm.write('vda', BLUE)
    assert host.revert(vm, 'snap1').ok
    assert vm.file('vdb') == vm.base['vdb']


def test_left_out_and_written_to(host):
    vm, _memory = with_memory(host, EXCLUDED.format('no'))
    refused(host, vm, 'snap1', RISKY, "'vdb'", "'snap1'", 'changed since', flags=0)
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert result.ok, result
    assert vm.running and vm.data() == [RED, BLUE]


def test_left_out_and_on_another_image(host):
    vm = host.vm()
    vm.start()
    vm.memory_snapshot('snap1', inner=EXCLUDED.format('no'))
    vm.snapshot('snap2')
    refused(host, vm, 'snap1', RISKY, "'vdb'", "'snap1'", flags=0)


def test_left_to_the_user(host):
    vm = host.vm()
    vm.start()
    vm.write_all(RED)
    vm.memory_snapshot('snap1', inner=EXCLUDED.format('manual'))
    vm.dom.resume()  # libvirt has it paused until the user is ready, too
    vm.write_all(BLUE)
    assert host.revert(vm, 'snap1').ok
    assert vm.running and vm.data() == [RED, BLUE]


# What is wrong with a file is found out while the domain runs


def test_missing(host):
    vm, memory = with_memory(host)
    os.rename(memory, f'{memory}.away')
    refused(host, vm, 'snap1', FAILED, memory, 'No such file', "'virsh snapshot-edit'",
            flags=0)


def test_folder(host):
    vm, memory = with_memory(host)
    os.rename(memory, f'{memory}.away')
    os.mkdir(memory)
    refused(host, vm, 'snap1', FAILED, memory, 'not a save image', flags=0)


def test_fifo(host):
    vm, memory = with_memory(host)
    os.rename(memory, f'{memory}.away')
    os.mkfifo(memory)
    refused(host, vm, 'snap1', FAILED, memory, 'not a save image', flags=0)


def overwrite(file, offset, data):
    with open(file, 'r+b') as stream:
        stream.seek(offset)
        stream.write(data)


def test_something_else(host):
    vm, memory = with_memory(host)
    overwrite(memory, 0, b'MZ')
    refused(host, vm, 'snap1', FAILED, memory, 'not a save image', flags=0)


def test_never_completed(host):
    vm, memory = with_memory(host)
    overwrite(memory, 0, b'LibvirtQemudPart')
    refused(host, vm, 'snap1', FAILED, memory, 'never completed', flags=0)


def make_truncated(where, code, fragment):
    def test(host):
        vm, memory = with_memory(host)
        os.truncate(memory, where(os.path.getsize(memory)))
        refused(host, vm, 'snap1', code, memory, fragment, flags=0)
    return test


test_empty = make_truncated(lambda _size: 0, FAILED, 'not a save image')
test_cut_in_the_definition = make_truncated(lambda _size: HEADER + 99, FAILED, 'truncated')
test_cut_in_half = make_truncated(lambda size: size // 2, RISKY, 'truncated')
test_cut_near_the_end = make_truncated(lambda size: size - 1000, RISKY, 'truncated')
test_cut_by_one_byte = make_truncated(lambda size: size - 1, RISKY, 'truncated')


def test_truncated_with_force(host):
    """QEMU finds out; the domain is started on what it was on."""
    vm, memory = with_memory(host)
    os.truncate(memory, os.path.getsize(memory) // 2)
    before = vm.files()
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert not result.ok and 'started again on its old disks' in result.message, result
    assert vm.running and vm.files() == before and vm.data() == [BLUE, BLUE]
    assert not list(vm.folder.glob('*-1'))


def test_failed_restore_keeps_the_managed_save(host):
    """It is lost by a revert, not by the failure of one."""
    vm, memory = with_memory(host)
    os.truncate(memory, os.path.getsize(memory) // 2)
    vm.dom.managedSave()
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert not result.ok, result
    assert vm.dom.hasManagedSaveImage() and not vm.active
    vm.start()
    assert not vm.dom.hasManagedSaveImage() and vm.data() == [BLUE, BLUE]


def test_restore_drops_the_managed_save(host):
    vm, _memory = with_memory(host)
    vm.dom.managedSave()
    result = host.revert(vm, 'snap1', flags=FORCE)
    assert result.ok, result
    assert vm.running and not vm.dom.hasManagedSaveImage()
    assert vm.data() == [RED, RED]


def test_of_another_domain(host):
    vm, memory = with_memory(host)
    _other, foreign = with_memory(host)
    shutil.copy(foreign, memory)
    refused(host, vm, 'snap1', FAILED, memory, 'another domain', 'vm1', flags=0)


def test_of_another_snapshot(host):
    vm, memory = with_memory(host)
    shutil.copy(vm.memory_snapshot('snap2'), memory)
    refused(host, vm, 'snap1', FAILED, memory, "'snap1'", "'vda'", vm.base['vda'], flags=0)


def test_domain_renamed(host):
    vm, memory = with_memory(host)
    vm.destroy()
    vm.dom.rename('newname')
    vm.name = 'newname'
    refused(host, vm, 'snap1', libvirt.VIR_ERR_OPERATION_UNSUPPORTED, memory, 'newname',
            'vm0', flags=0)
    vm.dom.rename('vm0')
    vm.name = 'vm0'
    vm.refresh()
    assert host.revert(vm, 'snap1').ok and vm.running


def sigterm_waits(pid):
    """Or it is too late."""
    try:
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
    except FileNotFoundError:
        return True
    waiting = re.search(r'^ShdPnd:\s*([0-9a-f]+)$', status, re.MULTILINE)[1]
    return int(waiting, 16) >> (signal.SIGTERM - 1) & 1


def go_on(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def take_while_it_ends(host, vm):
    """libvirt reads what is asked for while the domain runs, and takes the snapshot when
    its end, which has been begun before, is over. Returns whether it came to that."""
    pid = vm.pid()
    with contextlib.closing(libvirt.open(host.uri)) as other:
        end = threading.Thread(target=other.lookupByName(vm.name).destroy)
        os.kill(pid, signal.SIGSTOP)
        end.start()
        wait_until(lambda: sigterm_waits(pid), 'the end to be begun')
        later = threading.Timer(0.2, go_on, [pid])
        later.start()
        try:
            vm.memory_snapshot('late')
        except libvirt.libvirtError:
            return False
        finally:
            later.join()
            end.join()
    return True


def test_none_was_written(host):
    """libvirt says that there is one of a domain that has ended meanwhile."""
    vm = host.vm()
    for _ in range(20):
        if not vm.active:
            vm.start()
        vm.write_all(RED)
        if take_while_it_ends(host, vm):
            break
    assert not os.path.exists(vm.path('late.mem'))
    assert "file='" + vm.path('late.mem') in vm.snapshot_xml('late')
    vm.write_all(BLUE)
    result = host.revert(vm, 'late')
    assert result.ok, result
    assert not vm.active and vm.data() == [RED, RED], vm.data()
    # libvirt would have lost it
    host.libvirtd.stop()
    host.ensure_running()
    vm.refresh()
    assert vm.snapshots() == ['late'], vm.snapshots()
    assert host.revert(vm, 'late', flags=RUNNING).ok
    assert vm.running and vm.data() == [RED, RED], vm.data()


# Formats


def set_format(memory, number):
    with open(memory, 'r+b') as image:
        image.seek(28)
        image.write(number.to_bytes(4, 'little'))


def check_restored(host, vm, memory):
    below, names = sums([memory]), set(os.listdir(vm.folder))
    vm.write_all(BLUE)
    pid = vm.pid()
    result = host.revert(vm, 'snap1')
    assert result.ok, result
    assert vm.running and vm.pid() != pid and vm.data() == [RED, RED]
    assert sums([memory]) == below
    assert {name for name in os.listdir(vm.folder) if 'mem' in name} == \
        {name for name in names if 'mem' in name}


def test_stream_that_is_said_to_be_sparse(host):
    """As libvirt 11.3 writes it; here the header alone is made so."""
    vm, memory = with_memory(host)
    set_format(memory, 6)
    check_restored(host, vm, memory)


def test_stream_that_is_said_to_be_sparse_without_its_end(host):
    vm, memory = with_memory(host)
    set_format(memory, 6)
    os.truncate(memory, os.path.getsize(memory) - 1)
    refused(host, vm, 'snap1', RISKY, 'truncated', memory, flags=0)


class SparseFormat:
    """libvirt writes memory so, for the time of a with."""

    def __init__(self, host):
        self.host = host
        self.file = pathlib.Path('/etc' if host.mode == 'system' else
                                 os.environ['XDG_CONFIG_HOME'], 'libvirt/qemu.conf')
        self.usual = self.file.read_text()

    def _restart(self, text):
        self.file.write_text(text)
        self.host.libvirtd.stop()
        self.host.ensure_running()

    def __enter__(self):
        self._restart(self.usual + 'snapshot_image_format = "sparse"\n'
                      'save_image_format = "sparse"\n')

    def __exit__(self, *_):
        self._restart(self.usual)


# Before it there is no such format, and later ones refuse to take such a snapshot.
if 11002000 <= libvirt.getVersion() < 12000000:

    def test_sparse_snapshot_of_libvirt(host):
        with SparseFormat(host):
            vm, memory = with_memory(host)
            assert pathlib.Path(memory).read_bytes()[28] == 6
            check_restored(host, vm, memory)

    def test_truly_sparse(host):
        """What virDomainSave() writes, in the place of the snapshot's own."""
        with SparseFormat(host):
            vm = host.vm()
            vm.start()
            vm.write_all(RED)
            saved = vm.path('saved')
            vm.dom.saveFlags(saved, None, libvirt.VIR_DOMAIN_SAVE_RUNNING)
            assert b'mapped-ram' in pathlib.Path(saved).read_bytes()
            host.conn.restore(saved)
            memory = vm.memory_snapshot('snap1')
            os.replace(saved, memory)
            check_restored(host, vm, memory)


tap.main(globals())
