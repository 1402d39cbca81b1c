#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_recovery.py: what happens to a revert that was broken off, in particular

test_faults.py has it at every point; here is what it does not vary.
"""

import contextlib
import hashlib
import os
import re

import libvirt

import images
import tap
from harness import wait_until
from refusal import BLUE, FORCE, GREEN, RED, REUSE_EXT, RUNNING, document, two_snapshots
from vm import sums

FAILED = libvirt.VIR_ERR_OPERATION_FAILED


@contextlib.contextmanager
def broken_off(host, vm, point, flags=RUNNING, xml=None, before=()):
    """The revert to snap1 was killed there, and virtsnapshotd does not run yet.

    before: other faults, which come first.
    """
    fault = host.tmp / 'fault'
    host.env['VIRTSNAPSHOTD_FAULT'] = str(fault)
    host.snapshotd.restart()
    fault.write_text(''.join(f'{line}\n' for line in (*before, f'{point} kill')))
    assert not host.call(vm, 'snap1', xml, flags).ok
    host.snapshotd.process.wait(10)
    host.snapshotd.stop()
    fault.unlink()
    (journal,) = host.journals()
    yield journal
    host.snapshotd.start()


def check(vm, byte, snapshot=None):
    vm.refresh()
    assert vm.data() == [byte, byte], vm.data()
    assert snapshot is None or vm.current == snapshot


def test_repeated(host):
    """The same call, made again at once."""
    for point in ('after-verify', 'domain-destroyed', 'after-define', 'after-start'):
        vm = two_snapshots(host)
        with broken_off(host, vm, point):
            pass
        result = host.call(vm, 'snap1', None, RUNNING)
        assert result.ok, (point, result)
        assert vm.running
        check(vm, RED, 'snap1')
        assert not host.journals()


def test_readable_and_private(host):
    vm = two_snapshots(host)
    with broken_off(host, vm, 'domain-destroyed') as journal:
        text = journal.read_text()
        assert journal.stat().st_mode & 0o777 == 0o600
        assert text.startswith('libvirt-snapshot revert journal 1\n')
        assert re.search(r'\nrecords:\nprocess \d+ \d+\nstop\n$', text), text[-80:]
        assert vm.path('a.snap1-1') in text


def test_libvirtd_away(host):
    """It waits for it; a revert says why it is refused; then it is undone."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'domain-destroyed'):
        host.libvirtd.stop()
    assert host.journals()
    host.ensure_running()
    host.wait_for_recovery()
    check(vm, GREEN, 'snap2')
    assert vm.running


def test_refused_until_recovered(host):
    """As where a storage is away: the reason is said, and all else works."""
    vm = two_snapshots(host, running=False)
    away = vm.folder.with_name('away')
    with broken_off(host, vm, 'after-verify'):
        vm.folder.rename(away)
    result = host.call(vm, 'snap1')
    assert not result.ok and 'broken off' in result.message, result
    assert vm.path('a.snap1-1') in result.message, result
    assert host.virsh('-c', host.uri, 'domstate', vm.name).ok
    away.rename(vm.folder)
    host.wait_for_recovery()
    assert not list(vm.folder.glob('*.snap1-1'))
    check(vm, GREEN, 'snap2')


def damage(text):
    return [text[:len(text) // 2], '', 'x' + text, text.replace('snap1', 'snap2'),
            text + 'unknown\n', text.replace('journal 1', 'journal 2')]


def test_damaged(host):
    """Set aside with a clear message, and never acted on."""
    for number in range(len(damage(''))):
        vm = two_snapshots(host)
        with broken_off(host, vm, 'after-verify') as journal:
            journal.write_text(damage(journal.read_text())[number])
            before = vm.capture()
        aside = journal.with_suffix('.journal.damaged')
        wait_until(aside.exists, 'the journal to be set aside')
        vm.assert_unchanged(before)
        assert 'damaged' in host.new_log_lines() and str(aside) in host.new_log_lines()
        aside.unlink()
        result = host.call(vm, 'snap1', None, RUNNING)
        assert result.ok, result
        check(vm, RED, 'snap1')


def test_torn_record(host):
    """A record that the power failure cut was not followed by what it says."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'after-verify') as journal:
        with open(journal, 'a', encoding='utf-8') as stream:
            stream.write('sto')
    host.wait_for_recovery()
    check(vm, GREEN, 'snap2')


def edit_plan(journal, pattern, replacement):
    """With the sum that goes with it."""
    head, _sum, rest = journal.read_text().split('\n', 2)
    plan, records = rest.split('\nrecords:\n', 1)
    plan, count = re.subn(pattern, replacement, plan, flags=re.S)
    assert count == 1, plan
    new = hashlib.sha256(plan.encode()).hexdigest()
    journal.write_text(f'{head}\n{new}\n{plan}\nrecords:\n{records}')


def of_another_boot(journal):
    edit_plan(journal, r'("boot" : )"[^"]*"', r'\1"another"')


def test_host_restarted_before_the_commit(host):
    """The domain had been stopped; the host would have ended it anyway."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'domain-destroyed') as journal:
        of_another_boot(journal)
    host.wait_for_recovery()
    check(vm, GREEN, 'snap2')
    assert not vm.active


def test_host_restarted_after_the_commit(host):
    vm = two_snapshots(host)
    with broken_off(host, vm, 'after-define') as journal:
        of_another_boot(journal)
    host.wait_for_recovery()
    check(vm, RED, 'snap1')
    assert not vm.active


def test_guest_that_has_run_is_not_restored_again(host):
    """It ended by itself, with data on its disks that its memory does not know."""
    vm = host.vm()
    vm.start()
    vm.write_all(RED)
    vm.memory_snapshot('snap1')
    vm.write_all(GREEN)
    with broken_off(host, vm, 'domain-started', 0):
        vm.write_all(BLUE)
        vm.destroy()
    host.wait_for_recovery()
    assert not vm.active
    check(vm, BLUE, 'snap1')


def check_not_restored_again(host, vm, flags=0, xml=None):
    with broken_off(host, vm, 'domain-started', flags, xml):
        if vm.targets:
            vm.write(vm.targets[-1], BLUE)
        vm.destroy()
    host.wait_for_recovery()
    assert not vm.active and vm.current == 'snap1'
    assert not vm.targets or vm.read(vm.targets[-1]) == BLUE


def test_not_restored_again_on_overlays_of_the_caller(host):
    vm = host.vm()
    vm.start()
    vm.memory_snapshot('snap1')
    files = {target: vm.path(f'{target}.made') for target in vm.targets}
    for target, file in files.items():
        images.create(file, backing=vm.base[target])
    check_not_restored_again(host, vm, REUSE_EXT, document(*files.items()))
    assert vm.files() == files


def test_not_restored_again_on_a_disk_left_out(host):
    """What the guest wrote to that does not show on the new overlays."""
    vm = host.vm()
    vm.start()
    vm.memory_snapshot('snap1', inner="<disks><disk name='vdb' snapshot='no'/></disks>")
    check_not_restored_again(host, vm)


def test_not_restored_again_without_a_disk(host):
    vm = host.vm(disks=0)
    vm.start()
    vm.memory_snapshot('snap1')
    check_not_restored_again(host, vm)


def test_snapshot_taken_since_it_was_recorded(host):
    """It stays the current one, and what the target says of its overlays is not made
    anew: by now they hold the state of another."""
    vm = two_snapshots(host, running=False)
    with broken_off(host, vm, 'before-clear', 0):
        vm.snapshot('snap3')
        before = vm.capture()
    host.wait_for_recovery()
    vm.assert_unchanged(before)
    assert vm.current == 'snap3'


def test_target_deleted_since_it_was_recorded(host):
    vm = two_snapshots(host, running=False)
    with broken_off(host, vm, 'before-clear', 0):
        vm.dom.snapshotLookupByName('snap1').delete(
            libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    host.wait_for_recovery()
    assert vm.snapshots() == ['snap2']


def test_file_of_that_name_by_someone_else(host):
    """What has taken the name of an overlay meanwhile is not ours to remove."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'after-verify'):
        os.unlink(vm.path('a.snap1-1'))
        images.create(vm.path('a.snap1-1'))
        kept = sums([vm.path('a.snap1-1')])
    host.wait_for_recovery()
    assert sums(kept) == kept
    assert not os.path.exists(vm.path('b.snap1-1'))
    os.unlink(vm.path('a.snap1-1'))


def test_domain_gone(host):
    vm = two_snapshots(host, running=False)
    with broken_off(host, vm, 'after-verify'):
        vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    host.wait_for_recovery()
    assert not list(vm.folder.glob('*.snap1-1'))
    assert os.path.exists(vm.path('a.snap2'))


def test_transient_domain_gone_after_its_revert(host):
    """Nothing is left but its images: the old ones are deleted already."""
    vm = two_snapshots(host)
    vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    with broken_off(host, vm, 'before-clear'):
        files = vm.files().values()
        vm.destroy()
    host.wait_for_recovery()
    assert [images.pattern(file) for file in files] == [RED, RED]


def test_domain_gone_after_its_start(host):
    """It has written to the new overlays; whoever undefines it has its images still."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'before-record'):
        vm.write_all(BLUE)
        files = vm.files().values()
        vm.destroy()
        vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    host.wait_for_recovery()
    assert [images.pattern(file) for file in files] == [BLUE, BLUE]


def without_metadata(xml):
    """As someone has it who keeps definitions in files of their own."""
    return re.sub('<metadata>.*</metadata>', '', xml, flags=re.S)


def test_defined_anew_on_the_new_overlays(host):
    """Whether the revert is undone or finished, they are needed."""
    for point in ('after-define', 'before-clear'):
        vm = two_snapshots(host, running=False)
        with broken_off(host, vm, point, 0):
            xml = without_metadata(vm.xml())
            assert xml != vm.xml()
            host.conn.defineXML(xml)
        host.wait_for_recovery()
        check(vm, RED)
        assert vm.file('vda') == vm.path('a.snap1-1')


def test_defined_anew_on_the_old_overlays(host):
    """Before they could be deleted."""
    vm = two_snapshots(host, running=False)
    xml = vm.xml()
    with broken_off(host, vm, 'before-discard', 0):
        host.conn.defineXML(xml)
    host.wait_for_recovery()
    check(vm, GREEN, 'snap1')


def test_transient_domain_defined_since(host):
    """It is not made transient again: that it is defined is others' doing."""
    vm = two_snapshots(host)
    vm.dom.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    with broken_off(host, vm, 'before-clear'):
        host.conn.defineXML(without_metadata(vm.xml(active=False)))
    host.wait_for_recovery()
    vm.refresh()
    assert vm.dom.isPersistent() and vm.running
    check(vm, RED)


def test_snapshot_taken_on_the_new_overlays(host):
    """And the domain is elsewhere since, as after libvirt's own revert."""
    vm = two_snapshots(host, running=False)
    old = vm.xml()
    with broken_off(host, vm, 'after-define', 0):
        vm.snapshot('snap3')
        state = sums(map(vm.path, ('a.snap1-1', 'b.snap1-1')))
        host.conn.defineXML(old)
    host.wait_for_recovery()
    check(vm, GREEN, 'snap3')
    assert sums(state) == state
    assert host.revert(vm, 'snap3').ok
    check(vm, RED, 'snap3')


def test_snapshot_taken_on_a_new_overlay_in_place(host):
    """What it replaced can't have its name back before that snapshot is gone."""
    vm = two_snapshots(host, running=False)
    old, files = vm.xml(), vm.files()
    with broken_off(host, vm, 'after-define', 0, document(*files.items())):
        vm.snapshot('snap3')
        state = sums(files.values())
        host.conn.defineXML(old)
    result = host.call(vm, 'snap1', None, 0)
    assert not result.ok and "snapshot 'snap3' needs" in result.message, result
    assert sums(state) == state
    vm.dom.snapshotLookupByName('snap3').delete(
        libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    # its overlay still stands on it, whosever that is
    result = host.call(vm, 'snap1', None, 0)
    assert not result.ok and f"image '{vm.path('a.snap3')}'" in result.message, result
    for path in vm.folder.glob('*.snap3'):
        path.unlink()
    host.wait_for_recovery()
    assert vm.files() == files
    check(vm, GREEN)


def test_definition_is_durable_before_the_overlays_go(host):
    """Else one that the power failure brings back names what is gone."""
    vm = two_snapshots(host, running=False)
    with broken_off(host, vm, 'libvirt-sync', before=['domain-start fail']):
        assert vm.file('vda') == vm.path('a.snap2')
        assert os.path.exists(vm.path('a.snap1-1'))
    host.wait_for_recovery()
    assert not os.path.exists(vm.path('a.snap1-1'))
    check(vm, GREEN, 'snap2')


def test_new_overlay_is_gone(host):
    """The old state is not deleted then."""
    for running in (False, True):
        vm = two_snapshots(host, running)
        old, new = vm.file('vda'), vm.path('a.snap1-1')
        with broken_off(host, vm, 'before-record' if running else 'after-define'):
            os.rename(new, vm.path('away'))
        result = host.call(vm, 'snap1', None, RUNNING)
        assert not result.ok and f"'{new}'" in result.message, result
        assert host.journals() and images.pattern(old) == GREEN
        os.rename(vm.path('away'), new)
        host.wait_for_recovery()
        check(vm, RED, 'snap1')
        assert vm.running and not os.path.exists(old)


def test_started_on_an_overlay_in_place(host):
    """By its path, before it was defined: it is not taken away from under the domain, nor
    what was written to it afterwards."""
    vm = two_snapshots(host, running=False)
    files = vm.files()
    with broken_off(host, vm, 'before-define', 0, document(*files.items())):
        vm.start()
    result = host.call(vm, 'snap1', None, 0)
    assert not result.ok and 'a program has the overlay open' in result.message, result
    vm.write_all(BLUE)
    vm.destroy()
    result = host.call(vm, 'snap1', None, 0)
    assert not result.ok and 'something was written to' in result.message, result
    assert vm.data() == [BLUE, BLUE]
    kept = sorted(vm.folder.glob('.*.revert-old'))
    assert [images.pattern(file) for file in kept] == [GREEN, GREEN]
    # as the manual says, where the old state is wanted
    for file, name in zip(kept, sorted(files.values())):
        os.rename(file, name)
    host.wait_for_recovery()
    check(vm, GREEN, 'snap2')


def saved(host):
    vm = two_snapshots(host)
    vm.dom.managedSave()
    return vm


def test_saved_and_host_restarted_after_the_commit(host):
    """The save belongs to the old disks; the next start would take it."""
    vm = saved(host)
    with broken_off(host, vm, 'after-define', RUNNING | FORCE) as journal:
        of_another_boot(journal)
    host.wait_for_recovery()
    assert not vm.active and not vm.dom.hasManagedSaveImage()
    check(vm, RED, 'snap1')


def test_saved_since_on_the_new_overlays(host):
    vm = saved(host)
    with broken_off(host, vm, 'before-record', RUNNING | FORCE):
        vm.dom.managedSave()
    host.wait_for_recovery()
    assert vm.dom.hasManagedSaveImage()
    vm.start()
    check(vm, RED, 'snap1')


def test_left_image_replaced_since(host):
    """What has its path by now, as a backup that was put back, is not what was left."""
    vm = two_snapshots(host)
    left = vm.path('a.snap2')
    with broken_off(host, vm, 'before-discard'):
        images.create(vm.path('backup'))
        os.rename(vm.path('backup'), left)
        kept = sums([left])
    host.wait_for_recovery()
    assert sums([left]) == kept
    assert not os.path.exists(vm.path('b.snap2'))
    assert f"'{left}' is kept" in host.new_log_lines()


def test_journal_that_does_not_know_the_left_images(host):
    """As before this was written down: they stay."""
    vm = two_snapshots(host)
    with broken_off(host, vm, 'before-discard') as journal:
        edit_plan(journal, r'("file" : "[^"]*a\.snap2"),\s*"inode" : \d+,\s*"born" : \d+',
                  r'\1')
    host.wait_for_recovery()
    assert images.pattern(vm.path('a.snap2')) == GREEN
    assert not os.path.exists(vm.path('b.snap2'))
    check(vm, RED, 'snap1')


def test_files_that_have_names_at_once(host):
    """As with NFS: what was made before the journal was goes, too."""
    fault = host.tmp / 'fault'
    host.env['VIRTSNAPSHOTD_FAULT'] = str(fault)
    host.snapshotd.restart()
    for faults in (['overlay-open pass', 'overlay-open fail'], ['journal-write fail'],
                   ['journal-rename fail'], ['after-journal fail'], ['overlay-link fail'],
                   ['after-create fail']):
        vm = two_snapshots(host)
        before = vm.capture()
        fault.write_text('\n'.join(['file-unnamed fail', 'file-unnamed fail', *faults, '']))
        result = host.call(vm, 'snap1', None, RUNNING)
        assert not result.ok, faults
        vm.assert_unchanged(before)
        assert fault.read_text().split('\n').count('file-unnamed fail') <= 1
    fault.unlink()


tap.main(globals())
