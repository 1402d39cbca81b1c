#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_holders.py: who stands on an image, whether or not libvirt knows, then and later"""

import os
import pathlib
import time

import libvirt

import images
import tap
from harness import wait_until
from refusal import GREEN, RED, RUNNING, check_refused, document, two_snapshots
from test_delete import refused

# Nobody can read what is at its begin: an image there may stand on any other.
UNREADABLE = '/proc/self/mem'
# The daemon takes a stamp for nothing that is younger.
STAMP_SECONDS = 3


def revert(host, vm, name='snap1', flags=0, xml=None):
    result = host.call(vm, name, xml, flags)
    assert result.ok, result


def overlays(vm):
    return [file for file in vm.files().values() if os.path.exists(file)]


def on_disk(host, file):
    """Another domain, off, whose disk is that file."""
    other = host.vm(disks=1)
    other.dom = host.conn.defineXML(other.xml().replace(other.base['vda'], str(file)))
    return other


def test_clone_that_no_domain_has(host):
    """And virsh says that the image under it is kept."""
    vm = two_snapshots(host, running=False)
    left, clone = vm.file('vda'), vm.path('clone')
    images.create(clone, backing=left)
    description = host.revert_desc(vm, 'snap1')
    assert description.ok and left not in description.out, description
    result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1')
    assert result.ok and f"image '{left}' is kept" in result.err, result
    assert f"image '{clone}'" in result.err, result
    assert images.pattern(clone) == GREEN
    quiet = host.virsh('-c', host.uri, '-q', 'snapshot-revert', vm.name, 'snap2')
    assert quiet.ok and not quiet.err, quiet


def test_deletion_below_a_clone_that_no_domain_has(host):
    vm = two_snapshots(host)
    clone = vm.path('clone')
    images.create(clone, backing=vm.path('a.snap1'))
    refused(host, vm, 'snap1', f"image '{clone}'")


def test_kept_overlay(host):
    """What a revert has kept is known by nobody but its header."""
    vm = two_snapshots(host, running=False)
    revert(host, vm, flags=1 << 18)
    refused(host, vm, 'snap1', f"image '{vm.path('a.snap2')}'")


def test_internal_snapshot_that_libvirt_does_not_know(host):
    vm = two_snapshots(host, running=False)
    left = vm.files()
    images.tool('qemu-img', 'snapshot', '-c', 'mine', left['vda'])
    check_refused(host.call(vm, 'snap1', document(('vda', left['vda']))),
                  libvirt.VIR_ERR_CONFIG_UNSUPPORTED, 'internal snapshots', left['vda'])
    revert(host, vm)
    assert os.path.exists(left['vda']) and not os.path.exists(left['vdb'])
    assert 'mine' in images.tool('qemu-img', 'snapshot', '-l', left['vda'])


def postponed(vm):
    host = vm.host
    folder = pathlib.Path('/var/lib' if host.mode == 'system' else
                          os.environ['XDG_DATA_HOME'], 'libvirt/snapshot-revert')
    return (folder / f'{vm.dom.UUIDString()}.postponed').exists()


def kept_by_doubt(host):
    """A VM, what its revert could not delete, and the domain that is why."""
    vm = two_snapshots(host, running=False)
    left, other = overlays(vm), on_disk(host, UNREADABLE)
    revert(host, vm)
    assert all(map(os.path.exists, left)), left
    assert f"'{left[0]}' is kept: it can't be told what disk 'vda' of domain " \
        f"'{other.name}'" in host.new_log_lines()
    assert postponed(vm)
    other.dom.undefine()
    return vm, left


def gone(vm, left):
    return not any(map(os.path.exists, left)) and not postponed(vm)


def test_deleted_by_the_next_revert(host):
    vm, left = kept_by_doubt(host)
    revert(host, vm, 'snap2')
    assert gone(vm, left), left


def test_deleted_before_a_deletion(host):
    vm, left = kept_by_doubt(host)
    with host.front() as conn:
        dom = conn.lookupByName(vm.name)
        dom.snapshotLookupByName('snap2').delete(
            libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    assert gone(vm, left), left


def test_deleted_when_the_daemon_starts(host):
    vm, left = kept_by_doubt(host)
    host.snapshotd.restart()
    wait_until(lambda: gone(vm, left), 'the end of what was kept')


def test_not_deleted_once_it_was_written_to(host):
    vm, left = kept_by_doubt(host)
    images.write(left[0], RED)
    revert(host, vm, 'snap2')
    assert os.path.exists(left[0]) and not os.path.exists(left[1])
    assert not postponed(vm)


def test_not_deleted_once_somebody_has_it(host):
    vm, left = kept_by_doubt(host)
    other = on_disk(host, left[0])
    revert(host, vm, 'snap2')
    assert os.path.exists(left[0]) and other.data() == [GREEN]
    assert not postponed(vm)


def settle(host, vm):
    """The daemon knows all domains, and may take none of them for unchanged without
    reason: its stamps are old enough."""
    newest = time.time()
    wait_until(lambda: time.time() > newest + STAMP_SECONDS, 'the stamps to be old')
    for name in ('snap2', 'snap1'):
        assert host.revert_desc(vm, name).ok


def test_every_change_of_another_domain_is_seen(host):
    """Made at libvirt's own socket, after the daemon has read all of it."""
    vm, other = two_snapshots(host, running=False), host.vm(disks=1)
    running = host.vm(disks=1)
    running.start()
    other.snapshot('before')
    taken = other.snapshot_xml('before')

    def defined(file):
        other.dom = host.conn.defineXML(other.xml().replace(other.file('vda'), file))

    def config(file):
        other.dom.attachDeviceFlags(
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
            f"<source file='{file}'/><target dev='vdz' bus='virtio'/></disk>",
            libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def live(file):
        running.snapshot('late', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT |
                         libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
                         f"<disks><disk name='vda'><source file='{file}'/></disk></disks>")

    def redefined(file):
        other.dom.snapshotCreateXML(
            taken.replace(other.base['vda'], file),
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)

    def new(file):
        on_disk(host, file)

    for change in (defined, config, live, redefined, new):
        settle(host, vm)
        left = vm.file('vda')
        clone = str(host.tmp / f'{change.__name__}.qcow2')
        images.create(clone, backing=left)
        try:
            change(clone)
            revert(host, vm)
            assert os.path.exists(left), change.__name__
            assert images.pattern(clone) == images.pattern(left)
        finally:
            if change is live:
                running.destroy()
            os.unlink(clone)


def test_running_domain_that_was_restarted(host):
    vm = two_snapshots(host)
    settle(host, vm)
    vm.destroy()
    vm.start()
    left = vm.file('vda')
    revert(host, vm, flags=RUNNING)
    assert not os.path.exists(left) and vm.data() == [RED, RED]


if __name__ == '__main__':
    tap.main(globals())
