#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_refuse_path.py: paths that an overlay may not take, by whatever name

A path of the snapshot tree is never used again, be its file there or not, and
no file that was there before a refused revert is missing after it.
"""

import os

import libvirt

import images
import tap
from refusal import (FORCE, GREEN, KEEP_CURRENT, RED, RUNNING, check_refused, document,
                     refused, two_snapshots)
from vm import sums

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE


def ok(result):
    assert result.ok, result


def test_generated_name_that_a_snapshot_records(host):
    """The overlay of a revert became the state of snap3, and then was lost."""
    vm = two_snapshots(host, running=False)
    ok(host.revert(vm, 'snap1'))
    vm.snapshot('snap3')
    os.unlink(vm.path('a.snap1-1'))
    refused(host, vm, 'snap1', CONFIG, "'vda'", vm.path('a.snap1-1'), "'snap3'",
            xml=document(('vda', vm.path('a.snap1-1'))), flags=0)
    ok(host.revert(vm, 'snap1'))
    assert vm.file('vda') == vm.path('a.snap1-2'), vm.file('vda')


def test_memory_file(host):
    """Its file is gone, but snap2 still names it."""
    vm = host.vm()
    vm.start()
    vm.snapshot('snap1')
    memory = vm.path('memory')
    vm.dom.snapshotCreateXML(
        f"<domainsnapshot><name>snap2</name><memory snapshot='external' "
        f"file='{memory}'/></domainsnapshot>", 0)
    os.unlink(memory)
    refused(host, vm, 'snap1', CONFIG, "'vda'", memory, "'snap2'",
            xml=document(('vda', memory)))


def test_deleted_image_by_way_of_a_link(host):
    """A folder's other name does not make it another path."""
    vm = two_snapshots(host, running=False)
    ok(host.revert(vm, 'snap1'))  # deletes a.snap2, which snap2 still names
    vm.folder.with_name('alias').symlink_to(vm.folder)
    try:
        refused(host, vm, 'snap1', CONFIG, "'vda'", "'snap2'", flags=0,
                xml=document(('vda', f'{vm.folder.with_name("alias")}/a.snap2')))
    finally:
        vm.folder.with_name('alias').unlink()


def test_one_path_by_way_of_a_link(host):
    vm = two_snapshots(host)
    os.mkdir(vm.path('folder'))
    os.symlink('folder', vm.path('alias'))
    refused(host, vm, 'snap1', libvirt.VIR_ERR_XML_ERROR, "'vda'", "'vdb'",
            xml=document(('vda', vm.path('folder/x')), ('vdb', vm.path('alias/x'))))


def test_generated_name_that_the_document_gives_another_disk(host):
    vm = two_snapshots(host, running=False)
    ok(host.revert(vm, 'snap1', document(('vdb', vm.path('a.snap1-1')))))
    assert vm.file('vdb') == vm.path('a.snap1-1')
    assert vm.file('vda') == vm.path('a.snap1-2')
    assert vm.data() == [RED, RED]


def test_current_overlay_of_the_other_disk(host):
    vm = two_snapshots(host)
    refused(host, vm, 'snap1', CONFIG, "'vda'", vm.file('vdb'),
            xml=document(('vda', vm.file('vdb')), ('vdb', vm.file('vda'))))


def test_existing_file_and_a_name_that_is_too_long(host):
    """What was found out about another file is not said of this one."""
    vm = two_snapshots(host, running=False)
    vm.dom = host.conn.defineXML(vm.xml().replace(vm.file('vda'), f'/{"n" * 300}/a'))
    images.create(vm.path('there'))
    refused(host, vm, 'snap1', FAILED, "'vda'", vm.path('there'), 'exists already', flags=0,
            xml=document(('vda', vm.path('there'))))


def test_links_without_end(host):
    vm = two_snapshots(host)
    os.symlink('loop', vm.path('loop'))
    refused(host, vm, 'snap1', FAILED, "'vda'", vm.path('loop/x'), 'Too many levels',
            xml=document(('vda', vm.path('loop/x'))))


# In place


def test_in_place_is_never_a_state(host):
    """A disk pointed at the image that holds snap1's state, FORCE or not."""
    vm = two_snapshots(host, running=False)
    host.conn.defineXML(vm.xml().replace(vm.file('vda'), vm.base['vda']))
    vm.refresh()
    for flags in (0, FORCE):
        refused(host, vm, 'snap1', CONFIG, "'vda'", vm.base['vda'], 'snap',
                xml=document(('vda', vm.base['vda'])), flags=flags)


def test_in_place_of_what_runs_but_is_not_defined(host):
    vm = two_snapshots(host)
    running_on = vm.file('vda')
    images.create(vm.path('other.qcow2'))
    host.conn.defineXML(vm.xml(active=False).replace(running_on, vm.path('other.qcow2')))
    vm.refresh()
    refused(host, vm, 'snap1', CONFIG, "'vda'", running_on,
            xml=document(('vda', running_on)))


def test_in_place_and_kept(host):
    vm = two_snapshots(host)
    current = document(*vm.files().items())
    refused(host, vm, 'snap1', libvirt.VIR_ERR_INVALID_ARG, "'vda'", vm.file('vda'),
            'kept', xml=current, flags=RUNNING | KEEP_CURRENT)
    ok(host.revert(vm, 'snap1', current, RUNNING))
    assert vm.running and vm.data() == [RED, RED]


def test_in_place_twice_leaves_nothing_beside(host):
    vm = two_snapshots(host)
    current, names = vm.files(), sorted(os.listdir(vm.folder))
    for _ in range(2):
        vm.write_all(GREEN)
        ok(host.revert(vm, 'snap1', document(*current.items()), RUNNING))
        assert vm.files() == current and vm.data() == [RED, RED]
        assert sorted(os.listdir(vm.folder)) == names


def make_in_the_way(suffix):
    """What another program, or a crash, left by the name that is used meanwhile."""
    def test(host):
        vm = two_snapshots(host)
        beside = vm.folder / f'.b.snap2.{suffix}'
        beside.write_text('precious')
        refused(host, vm, 'snap1', FAILED, "'vdb'", str(beside), 'exists',
                xml=document(*vm.files().items()), foretold=False)
        assert beside.read_text() == 'precious'
    return test


test_in_place_with_its_new_name_in_the_way = make_in_the_way('revert-new')
test_in_place_with_its_old_name_in_the_way = make_in_the_way('revert-old')


def test_second_of_two_overlays_can_not_be_made(host):
    """The first, made already, is gone again; what stood in the way is not."""
    vm = two_snapshots(host)
    folder = vm.folder / 'closed'
    folder.mkdir(0o755)
    name = 'x' * 255
    (folder / name).write_text('precious')
    before = vm.capture()
    result = host.revert(vm, 'snap1', document(
        ('vda', vm.path('mine')), ('vdb', str(folder / name))), RUNNING)
    check_refused(result, FAILED, "'vdb'", 'exists')
    vm.assert_unchanged(before)


def test_refusal_leaves_lower_images(host):
    vm = two_snapshots(host, running=False)
    lower = sums([*vm.base.values(), vm.path('a.snap1'), vm.path('b.snap1')])
    for _ in range(3):
        check_refused(host.revert(vm, 'snap2', document(('vdz', vm.path('x')))), CONFIG)
        ok(host.revert(vm, 'snap2'))
    assert sums(lower) == lower


def test_snapshot_redefined_without_a_disk(host):
    """The disk is then not in the snapshot, whatever its images are called."""
    vm = two_snapshots(host, running=False)
    xml = vm.snapshot_xml('snap2')
    at = xml.index("<disk name='vdb'")
    without = (xml[:at] + "<disk name='vdb' snapshot='no'/>" +
               xml[xml.index('</disk>', at) + len('</disk>'):])
    vm.dom.snapshotCreateXML(without, REDEFINE)
    refused(host, vm, 'snap2', CONFIG, "'vdb'", 'no external snapshot',
            xml=document(('vdb', vm.path('x'))), flags=0)


tap.main(globals())
