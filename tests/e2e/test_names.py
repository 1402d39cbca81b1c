#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_names.py: the names that overlays are given

disk.qcow2 at snap1 becomes disk.snap1-1, or the next number that nothing goes by:
no file, no image of the tree, no other disk of the same revert. Random walks
through trees of snapshots are in test_tree.py.
"""

import os
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import libvirt

import images
import tap
from refusal import GREEN, KEEP_CURRENT, RED, RUNNING, document, refused
from vm import sums

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED


def snapped(host, files, overlays=None, name='snap1', **options):
    """RED at the snapshot, GREEN now; overlays: by disk, where libvirt can't tell."""
    vm = host.vm(files=files, **options)
    vm.write_all(RED)
    inner = ''.join(f"<disk name='{target}'><source file='{vm.path(file)}'/></disk>"
                    for target, file in (overlays or {}).items())
    vm.snapshot(escape(name), inner=f'<disks>{inner}</disks>' if inner else '')
    vm.write_all(GREEN)
    return vm


def check_names(host, vm, *names, snapshot='snap1', flags=0):
    """The description, the call and the definition agree."""
    told = host.revert_desc(vm, snapshot, flags=flags)
    assert told.ok, told
    files = [vm.path(name) for name in names]
    if ''.join(files).isascii():  # the client speaks the locale's C
        assert [disk.find('source').get('file') for disk in
                ET.fromstring(told.out).iterfind('disks/disk')] == files, told
    result = host.revert(vm, snapshot, flags=flags)
    assert result.ok, result
    assert list(vm.files().values()) == files, vm.files()
    assert vm.data() == [RED] * len(files), vm.data()


# How the name is made of that of the image


STEMS = {
    'suffix': ('disk.qcow2', 'disk.snap1-1'),
    'no_suffix': ('disk', 'disk.snap1-1'),
    'two_suffixes': ('disk.tar.qcow2', 'disk.tar.snap1-1'),
    'closing_dot': ('disk.', 'disk.snap1-1'),
    'space': ('my disk.qcow2', 'my disk.snap1-1'),
    'comma': ('di,sk.qcow2', 'di,sk.snap1-1'),
    'colon': ('di:sk.qcow2', 'di:sk.snap1-1'),
    'percent': ('100%s%n.qcow2', '100%s%n.snap1-1'),
    'umlaut': ('plättchen.qcow2', 'plättchen.snap1-1'),
    'dash_first': ('-disk.qcow2', '-disk.snap1-1'),
}


def make_stem(file, overlay):
    def test(host):
        vm = snapped(host, [file], {'vda': 'first.overlay'})
        check_names(host, vm, overlay, flags=RUNNING)
        assert vm.running
    return test


for case, row in STEMS.items():
    globals()[f'test_stem_{case}'] = make_stem(*row)


def test_folder_with_a_dot(host):
    vm = snapped(host, ['disk'], name='snap1')
    assert vm.path('x').count('.') > 0  # that of the scratch folder
    check_names(host, vm, 'disk.snap1-1')


SNAPSHOTS = {'space': 'snap 1', 'umlaut': 'schnäppchen', 'xml': 'a&b<c>"d\'',
             'percent': '%s%n', 'dots': 'a..b', 'comma': 'a,b'}


def make_snapshot_name(name):
    def test(host):
        vm = snapped(host, ['disk.qcow2'], {'vda': 'first'}, name)
        check_names(host, vm, f'disk.{name}-1', snapshot=name, flags=RUNNING)
    return test


for case, text in SNAPSHOTS.items():
    globals()[f'test_snapshot_called_{case}'] = make_snapshot_name(text)


def test_umlaut_in_a_locale_without(host):
    """The document is UTF-8 whatever the terminal has."""
    vm = snapped(host, ['plättchen.qcow2'])
    host.env['LC_ALL'] = 'C'
    try:
        result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1', '--dry-run')
    finally:
        del host.env['LC_ALL']
    assert result.ok and f"file=\"{vm.path('plättchen.snap1-1')}\"" in result.out, result


def test_name_too_long(host):
    """For a generated name; one that the document gives is fine."""
    vm = snapped(host, ['d' * 250], {'vda': 'first'})
    refused(host, vm, 'snap1', CONFIG, 'd' * 250, "'snap1'", 'name', flags=0)
    result = host.revert(vm, 'snap1', document(('vda', vm.path('second'))))
    assert result.ok, result
    assert vm.data() == [RED]


# Which number


def test_disks_that_differ_in_suffix_alone(host):
    vm = snapped(host, ['disk.qcow2', 'disk.raw'], {'vda': 'one', 'vdb': 'two'})
    below = sums(vm.base.values())
    check_names(host, vm, 'disk.snap1-1', 'disk.snap1-2')
    chains = [vm.chain(target)[1] for target in vm.targets]
    assert chains == ['disk.qcow2', 'disk.raw'], chains
    vm.write_all(GREEN)
    check_names(host, vm, 'disk.snap1-3', 'disk.snap1-4')
    check_names(host, vm, 'disk.snap1-1', 'disk.snap1-2')
    assert sums(below) == below


def test_smallest_free_number(host):
    vm = snapped(host, ['disk.qcow2'])
    for number in (1, 2, 4):
        (vm.folder / f'disk.snap1-{number}').write_text('precious')
    check_names(host, vm, 'disk.snap1-3')
    check_names(host, vm, 'disk.snap1-5')
    check_names(host, vm, 'disk.snap1-3')
    for number in (1, 2, 4):
        assert (vm.folder / f'disk.snap1-{number}').read_text() == 'precious'


def test_what_is_not_an_image_takes_a_name_too(host):
    vm = snapped(host, ['disk.qcow2'])
    os.symlink('nowhere', vm.path('disk.snap1-1'))
    os.mkdir(vm.path('disk.snap1-2'))
    os.mkfifo(vm.path('disk.snap1-3'))
    check_names(host, vm, 'disk.snap1-4')
    assert not os.path.lexists(vm.path('nowhere'))


def test_kept_overlays_keep_their_numbers(host):
    vm = snapped(host, ['disk.qcow2'])
    for number in range(1, 6):
        check_names(host, vm, f'disk.snap1-{number}', flags=KEEP_CURRENT)
        vm.write_all(number)
    kept = [images.pattern(vm.path(f'disk.snap1-{number}')) for number in range(1, 6)]
    assert kept == [1, 2, 3, 4, 5], kept


def test_name_of_a_snapshot_like_a_generated_one(host):
    """A snapshot called snap1-1 has libvirt make disk.snap1-1 by itself."""
    vm = snapped(host, ['disk.qcow2'])
    vm.snapshot('snap1-1')
    assert vm.file('vda') == vm.path('disk.snap1-1')
    check_names(host, vm, 'disk.snap1-2')
    result = host.revert(vm, 'snap1-1')
    assert result.ok, result
    # the state of that snapshot is in libvirt's own overlay of snap1
    assert vm.file('vda') == vm.path('disk.snap1-1-1'), vm.file('vda')
    assert vm.data() == [GREEN]


def test_two_domains_in_one_folder(host):
    """Both on images with one stem: neither takes the other's name."""
    first = snapped(host, ['disk.one'], {'vda': 'first.overlay'})
    other = host.vm(files=['unused'])
    base = first.path('disk.two')
    images.create(base)
    host.conn.defineXML(other.xml().replace(other.base['vda'], base))
    other.refresh()
    other.write_all(RED)
    other.snapshot('snap1', inner="<disks><disk name='vda'><source "
                   f"file='{first.path('second.overlay')}'/></disk></disks>")
    check_names(host, first, 'disk.snap1-1')
    result = host.revert(other, 'snap1')
    assert result.ok, result
    assert other.file('vda') == first.path('disk.snap1-2'), other.file('vda')
    check_names(host, first, 'disk.snap1-3')


tap.main(globals())
