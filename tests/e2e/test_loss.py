#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_loss.py: what can't be told to be free is neither written to, renamed nor removed

Another domain's disk is a volume of a storage pool that is not active, or that nobody knows:
then what it stands on can't be told.
"""

import contextlib
import os
import threading

import libvirt

import images
import tap
from gate import Gate
from harness import wait_until
from refusal import (BLUE, GREEN, RED, REUSE_EXT, RUNNING, check_refused, document, refused,
                     two_snapshots)
from test_undo import that_can_not_start
from volumes import volume_of_another

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
UNKNOWN = "it can't be told what disk 'vda' of"


@contextlib.contextmanager
def hidden_above(host, vm, file):
    """Another domain's volume stands on the file, and its pool is not active."""
    images.create(vm.path('top'), backing=file)
    with volume_of_another(host, vm.folder) as pool:
        pool.destroy()
        yield pool


@contextlib.contextmanager
def lost(host, vm):
    """Another domain is on a volume of a pool that nobody knows."""
    with volume_of_another(host, vm.folder, undefined=True):
        yield


def reuse_of_what_may_be_needed(host, running):
    vm = two_snapshots(host, running=running)
    made = vm.path('a.made')
    images.create(made, backing=vm.base['vda'])
    images.write(made, BLUE)
    xml, flags = document(('vda', made)), REUSE_EXT | (RUNNING if running else 0)
    with hidden_above(host, vm, made) as pool:
        for _active in (False, True):
            refused(host, vm, 'snap1', CONFIG, made, "domain 'vm1' uses it", xml=xml,
                    flags=flags)
            if not pool.isActive():
                pool.create()
        assert images.pattern(vm.path('top')) == BLUE
    os.unlink(vm.path('top'))
    with lost(host, vm):
        refused(host, vm, 'snap1', CONFIG, "'vda'", made, UNKNOWN, xml=xml, flags=flags)


def test_reuse_running(host):
    reuse_of_what_may_be_needed(host, running=True)


def test_reuse_off(host):
    reuse_of_what_may_be_needed(host, running=False)


def test_reuse_by_virsh(host):
    vm = two_snapshots(host, running=False)
    made, file = vm.path('a.made'), vm.path('revert.xml')
    images.create(made, backing=vm.base['vda'])
    with open(file, 'w', encoding='utf-8') as stream:
        stream.write(document(('vda', made)))
    with lost(host, vm):
        before = vm.capture()
        for force in ([], ['--force']):
            result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1',
                                '--xml', file, '--reuse-external', *force)
            assert result.status == 1 and UNKNOWN in result.err, result
        vm.assert_unchanged(before)


def test_reuse_of_what_is_free(host):
    """A pool that is active hides nothing."""
    vm = two_snapshots(host, running=False)
    made = vm.path('a.made')
    images.create(made, backing=vm.base['vda'])
    with hidden_above(host, vm, vm.base['vdb']) as pool:
        pool.create()
        result = host.revert(vm, 'snap1', document(('vda', made)), REUSE_EXT)
        assert result.ok, result
    assert vm.file('vda') == made and vm.data() == [RED, RED]


def in_place_of_what_may_be_needed(host, running):
    vm = two_snapshots(host, running=running)
    current = vm.file('vda')
    xml, flags = document(('vda', current)), RUNNING if running else 0
    with hidden_above(host, vm, current) as pool:
        for _active in (False, True):
            refused(host, vm, 'snap1', CONFIG, current, "domain 'vm1' uses", xml=xml,
                    flags=flags)
            if not pool.isActive():
                pool.create()
    # whoever that may be
    refused(host, vm, 'snap1', CONFIG, current, f"image '{vm.path('top')}'", xml=xml,
            flags=flags)
    assert vm.data() == [GREEN, GREEN]


def test_in_place_running(host):
    in_place_of_what_may_be_needed(host, running=True)


def test_in_place_off(host):
    in_place_of_what_may_be_needed(host, running=False)


def held_revert(host, gate, vm, xml, flags, file):
    """A revert that has made its file and got no further; a list for its result."""
    results = []
    thread = threading.Thread(
        target=lambda: results.append(host.call(vm, 'snap1', xml, flags)))
    gate.calls.append(thread)
    thread.start()
    wait_until(lambda: os.path.exists(file) or not thread.is_alive(), 'the new overlay')
    assert thread.is_alive(), results
    return thread, results


def test_in_place_of_what_is_needed_meanwhile(host):
    """An image that came after the plan was made is seen before anything is stopped."""
    vm = two_snapshots(host)
    current, clone = vm.file('vda'), vm.path('clone')
    with Gate(host) as gate:
        thread, results = held_revert(
            host, gate, vm, document(('vda', current)), RUNNING,
            vm.path(f'.{os.path.basename(current)}.revert-new'))
        images.create(clone, backing=current)
        before = vm.pid()
        gate.open()
        thread.join()
        check_refused(results[0], CONFIG, "'vda'", current, f"image '{clone}'")
    assert vm.pid() == before and vm.data() == [GREEN, GREEN]


def test_new_overlay_that_is_needed_is_kept(host):
    """Someone has taken to it before the revert fails."""
    vm = that_can_not_start(host)
    before, overlay, clone = vm.files(), vm.path('b.snap1-1'), vm.path('clone')
    with Gate(host) as gate:
        call = gate.hold(vm, RUNNING)
        # it is no image yet
        images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', overlay, '-F',
                    'qcow2', clone, '64M')
        result = gate.end(call)
    assert not result.ok and 'nosuch' in result.message, result
    assert os.path.exists(overlay) and not os.path.exists(vm.path('a.snap1-1'))
    log = host.new_log_lines()
    assert f"overlay '{overlay}' is kept: it is needed by image '{clone}'" in log, log
    assert vm.files() == before and vm.data() == [GREEN, GREEN]


if __name__ == '__main__':
    tap.main(globals())
