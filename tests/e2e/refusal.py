# SPDX-License-Identifier: LGPL-2.1-or-later
"""refusal.py: a refused revert changes nothing and says what is wrong"""

import libvirt

RED, BLUE, GREEN = 0x11, 0x22, 0x33

RUNNING = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING
PAUSED = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED
FORCE = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
RESET_NVRAM = 8
VALIDATE = 1 << 16
REUSE_EXT = 1 << 17
KEEP_CURRENT = 1 << 18


def two_snapshots(host, running=True, **options):
    """RED at snap1, BLUE at snap2, GREEN now."""
    vm = host.vm(**options)
    if running:
        vm.start()
    for name, byte in (('snap1', RED), ('snap2', BLUE)):
        vm.write_all(byte)
        vm.snapshot(name)
    vm.write_all(GREEN)
    return vm


def document(*disks):
    """Of (name, path) pairs; a path of None leaves the name to be generated."""
    inner = ''.join(
        f"<disk name='{name}'>" + (f"<source file='{path}'/>" if path else '') + '</disk>'
        for name, path in disks)
    return f'<domainsnapshotrevert><disks>{inner}</disks></domainsnapshotrevert>'


def check_refused(result, code, *fragments):
    assert not result.ok, 'it was not refused'
    assert result.code == code, result
    for fragment in fragments:
        assert fragment in result.message, f'{fragment!r} is not in: {result.message}'


def refused(host, vm, snapshot, code, *fragments, xml=None, flags=RUNNING, foretold=True):
    """The revert fails so, and its description too where that is foretold."""
    before = vm.capture()
    check_refused(host.revert(vm, snapshot, xml, flags), code, *fragments)
    if foretold:
        check_refused(host.revert_desc(vm, snapshot, xml, flags), code, *fragments)
    vm.assert_unchanged(before)
