# SPDX-License-Identifier: LGPL-2.1-or-later
"""foretold.py: what a revert was said to do is what it did

Every revert of the tests is asked for its description first, and held to it.
"""

import os
import xml.etree.ElementTree as ET

import libvirt

import images


def is_internal(vm, snapshot):
    """Such a one is libvirt's own to revert, which has no description."""
    try:
        disks = ET.fromstring(vm.snapshot_xml(snapshot)).iterfind('disks/disk')
    except libvirt.libvirtError:
        return False
    return any(disk.get('snapshot') == 'internal' for disk in disks)


class Foretold:
    def __init__(self, vm, snapshot, description):
        self.vm, self.description = vm, description
        self.internal = is_internal(vm, snapshot)
        self.before = self._files()
        self.overlays, self.backing, self.discards = {}, {}, set()
        if description.ok:
            self._parse(ET.fromstring(description.out))

    def _parse(self, root):
        for disk in root.iterfind('disks/disk'):
            target = disk.get('name')
            self.overlays[target] = disk.find('source').get('file')
            below = disk.find('backingStore')
            self.backing[target] = (below.find('source').get('file'),
                                    below.find('format').get('type'))
        self.discards = {image.get('file') for image in root.iterfind('discard/image')}

    def _files(self):
        return {str(path) for path in self.vm.folder.rglob('*')}

    def check(self):
        """After a revert that succeeded."""
        if self.internal:
            return
        assert self.description.ok, f'not foretold: {self.description}'
        self.vm.refresh()
        for active in {False, self.vm.active}:
            files = self.vm.files(active)
            for target, overlay in self.overlays.items():
                assert files.get(target, overlay) == overlay, (target, files)
        for target, overlay in self.overlays.items():
            assert images.backing(overlay) == self.backing[target], target
        expected = (self.before | set(self.overlays.values())) - self.discards
        here = self.vm.folder
        expected = {file for file in expected
                    if os.path.commonpath([file, here]) == str(here)}
        assert self._files() == expected, self._files() ^ expected
