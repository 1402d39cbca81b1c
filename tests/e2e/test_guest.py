#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_guest.py: Linux, before and after

It counts in memory and in a file; both go on from where the snapshot was.
"""

import tap
from guest import Guest
from refusal import KEEP_CURRENT, PAUSED, REUSE_EXT, RUNNING, document
from vm import sums

def snapshot(guest, name):
    """Returns the last tick before it and the first one after it."""
    before = guest.wait_tick()[0]
    guest.memory_snapshot(name)
    after = guest.wait_tick()[0]
    while guest.wait_tick()[0] < after + 3:
        pass  # what goes on from here can't be taken for the snapshot's
    return before, after


def check_goes_on(guest, before, after):
    """The first tick since is one that the guest had not done at the snapshot.

    The one after it, where the snapshot was taken in the middle of a line.
    """
    match = guest.expect(r'tick (\d+) disk=(\d+)')
    count, stored = int(match[1]), int(match[2])
    assert before < count <= after + 1, (before, count, after)
    assert stored == count, (stored, count)


def revert(host, guest, name, flags=0):
    """From now on the console has what the reverted guest says, and nothing else."""
    guest.dom.suspend()
    guest.console.skip()
    result = host.revert(guest, name, flags=flags)
    assert result.ok, result


def test_memory(host):
    """As often as one likes, in any order; what was written later is not there."""
    guest = Guest(host)
    assert guest.boot() == 1
    guest.command('write early one')
    counters = {name: snapshot(guest, name) for name in ('snap1', 'snap2')}
    guest.command('write late two')
    below = sums([*guest.folder.glob('*.mem'), guest.base['vda'], guest.path('a.snap1')])
    for name in ('snap1', 'snap2', 'snap2', 'snap1'):
        revert(host, guest, name)
        check_goes_on(guest, *counters[name])
        assert guest.command('cat early') == 'early=one'
        assert guest.command('cat late') == 'late absent'
        guest.command(f'write late {name}')
    assert sums(below) == below
    guest.destroy()
    guest.fsck(guest.file('vda'))


def test_paused_and_resumed(host):
    guest = Guest(host)
    guest.boot()
    counters = snapshot(guest, 'snap1')
    revert(host, guest, 'snap1', PAUSED)
    assert guest.paused
    guest.dom.resume()
    check_goes_on(guest, *counters)


def test_booted_from_a_disk_snapshot(host):
    """Like after a power failure at the time of the snapshot."""
    guest = Guest(host)
    guest.boot()
    guest.command('write early one')
    guest.snapshot('snap1')
    guest.command('write late two')
    guest.console.skip()
    result = host.revert(guest, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert guest.expect(r'boot count=(\d+)', 60)[1] == '2'
    assert guest.command('cat early') == 'early=one'
    assert guest.command('cat late') == 'late absent'
    guest.destroy()
    guest.fsck(guest.file('vda'))


def test_state_that_was_left_is_come_back_to(host):
    guest = Guest(host)
    guest.boot()
    guest.snapshot('snap1')
    guest.command('write mark here')
    left = guest.files()
    assert host.revert(guest, 'snap1', flags=RUNNING | KEEP_CURRENT).ok
    guest.expect(r'boot count=2', 60)
    assert guest.command('cat mark') == 'mark absent'
    guest.console.skip()
    assert host.revert(guest, 'snap1', document(*left.items()), RUNNING | REUSE_EXT).ok
    guest.expect(r'boot count=2', 60)
    assert guest.command('cat mark') == 'mark=here'


tap.main(globals())
