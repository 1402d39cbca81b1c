#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_states.py: each kind of snapshot, from each state, with each flag

The table in docs/virsh-snapshot-revert.rst, cell by cell.
"""

import re

import libvirt

import tap
from refusal import BLUE, FORCE, PAUSED, RED, RUNNING, check_refused, refused
from vm import sums

INACTIVE = 'shut off'

# What a snapshot is of -> where a revert to it ends: by itself, with RUNNING,
# with PAUSED.
ENDS = {
    'running': ('running', 'running', 'paused'),
    'live': ('running', 'running', 'paused'),
    'paused': ('paused', 'running', 'paused'),
    'disk-snapshot': (INACTIVE, 'running', 'paused'),
    'shutoff': (INACTIVE, 'running', 'paused'),
}
FLAGS = (0, RUNNING, PAUSED)
DOMAIN_STATES = ('running', 'paused', INACTIVE)


def state(vm):
    return 'paused' if vm.paused else 'running' if vm.running else INACTIVE


def bring_to(vm, wanted):
    if state(vm) == wanted:
        return
    if wanted == INACTIVE:
        vm.destroy()
    elif not vm.active:
        vm.start(libvirt.VIR_DOMAIN_START_PAUSED if wanted == 'paused' else 0)
    elif wanted == 'paused':
        vm.dom.suspend()
    else:
        vm.dom.resume()
    assert state(vm) == wanted


def take(vm, kind):
    bring_to(vm, {'paused': 'paused', 'shutoff': INACTIVE}.get(kind, 'running'))
    vm.write_all(RED)
    if kind in ('running', 'paused'):
        vm.memory_snapshot('snap1')
    elif kind == 'live':
        vm.memory_snapshot('snap1', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE)
    else:
        vm.snapshot('snap1')
    recorded = re.search('<state>(.*)</state>', vm.snapshot_xml('snap1'))[1]
    assert recorded == ('running' if kind == 'live' else kind)


def make(kind):
    def test(host):
        vm = host.vm()
        take(vm, kind)
        below = sums([*vm.base.values(), *vm.folder.glob('*.mem')])
        for came_from in DOMAIN_STATES:
            for flags, ends in zip(FLAGS, ENDS[kind]):
                bring_to(vm, came_from)
                vm.write_all(BLUE)
                result = host.revert(vm, 'snap1', flags=flags)
                cell = f'{kind} snapshot, domain {came_from}, flags {flags}'
                assert result.ok, f'{cell}: {result}'
                assert state(vm) == ends, f'{cell}: {state(vm)} and not {ends}'
                assert vm.data() == [RED, RED], f'{cell}: {vm.data()}'
                assert vm.current == 'snap1'
                tap.diagnose(f'{cell}: {ends}')
        assert sums(below) == below
    return test


for name in ENDS:
    globals()[f'test_{name.replace("-", "_")}'] = make(name)


def test_both_flags(host):
    vm = host.vm()
    take(vm, 'running')
    refused(host, vm, 'snap1', libvirt.VIR_ERR_INVALID_ARG, 'exclusive',
            flags=RUNNING | PAUSED)


def test_pmsuspended(host):
    """libvirt takes no such snapshot, and does not read one either."""
    vm = host.vm()
    take(vm, 'paused')
    vm.edit_snapshot('snap1', lambda text: text.replace('<state>paused',
                                                        '<state>pmsuspended'))
    if 'snap1' not in vm.snapshots():
        check_refused(host.revert(vm, 'snap1', foretell=False),
                      libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT)
        return
    refused(host, vm, 'snap1', libvirt.VIR_ERR_OPERATION_UNSUPPORTED, 'pmsuspended')


def redefined(vm, *changes):
    xml = vm.snapshot_xml('snap1')
    for old, new in changes:
        assert old in xml, old
        xml = xml.replace(old, new)
    vm.dom.snapshotLookupByName('snap1').delete(
        libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    vm.dom.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)


def test_running_without_memory(host):
    vm = host.vm()
    take(vm, 'shutoff')
    redefined(vm, ('<state>shutoff', '<state>running'))
    refused(host, vm, 'snap1', libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "'snap1'", 'running',
            'memory')


def test_shut_off_with_memory(host):
    vm = host.vm()
    take(vm, 'shutoff')
    redefined(vm, ("<memory snapshot='no'/>",
                   f"<memory snapshot='external' file='{vm.path('mem')}'/>"),
              ('<state>shutoff', '<state>crashed'))
    refused(host, vm, 'snap1', libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "'snap1'", 'crashed',
            'memory')


def test_without_a_definition(host):
    """FORCE is asked for, as libvirt does, but can't help: the images are not known."""
    vm = host.vm()
    take(vm, 'shutoff')
    vm.edit_snapshot('snap1', lambda text: re.sub(
        r'<domain type.*</domain>', f'<domain><uuid>{vm.dom.UUIDString()}</uuid></domain>',
        text, flags=re.DOTALL))
    for flags, code in ((0, libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY),
                        (FORCE, libvirt.VIR_ERR_CONFIG_UNSUPPORTED)):
        refused(host, vm, 'snap1', code, "'snap1'", 'definition', vm.name, flags=flags)


tap.main(globals())
