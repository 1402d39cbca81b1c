#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_busy.py: a domain with a job under way is left alone"""

import libvirt

import images
import tap
from refusal import RED, RUNNING, check_refused, refused, two_snapshots

BUSY = libvirt.VIR_ERR_BLOCK_COPY_ACTIVE


def slow(vm):
    """Disks large enough, at one byte a second, for a job that lasts."""
    vm.write_all(RED, offset=1 << 20, length=8 << 20)


def refused_meanwhile(host, vm, *fragments):
    """All is as before but the files, which the job writes to."""
    before = vm.capture()
    del before['files']
    for call in (host.revert, host.revert_desc):
        check_refused(call(vm, 'snap1', flags=RUNNING), BUSY, vm.name, 'block job',
                      *fragments)
    vm.assert_unchanged(before)
    assert not list(vm.folder.glob('*.snap1-1'))


def ended(host, vm, target='vda'):
    vm.dom.blockJobAbort(target)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result


def test_block_copy(host):
    vm = two_snapshots(host)
    slow(vm)
    copy = host.tmp / 'copy.qcow2'
    images.create(copy)
    vm.dom.blockCopy('vda', f"<disk type='file'><source file='{copy}'/>"
                     "<driver type='qcow2'/></disk>", {'bandwidth': 1},
                     libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT |
                     libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    refused_meanwhile(host, vm, "'vda'")
    ended(host, vm)


def test_block_pull(host):
    vm = two_snapshots(host)
    slow(vm)
    vm.snapshot('snap3')
    vm.dom.blockPull('vdb', 1, libvirt.VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES)
    refused_meanwhile(host, vm, "'vdb'")
    ended(host, vm, 'vdb')


def test_block_commit(host):
    vm = two_snapshots(host)
    slow(vm)
    vm.dom.blockCommit('vda', vm.path('a.snap1'), None, 1, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE |
                       libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES)
    refused_meanwhile(host, vm, "'vda'")
    ended(host, vm)


def test_backup(host):
    vm = two_snapshots(host)
    vm.dom.backupBegin("<domainbackup mode='pull'><server transport='unix' "
                       f"socket='{vm.path('nbd')}'/><disks><disk name='vda' backup='yes' "
                       f"type='file'><scratch file='{vm.path('scratch')}'/></disk>"
                       "</disks></domainbackup>", None)
    refused(host, vm, 'snap1', libvirt.VIR_ERR_OPERATION_INVALID, vm.name, 'backed up')
    vm.dom.abortJob()
    result = host.revert(vm, 'snap1', flags=RUNNING, foretell=False)
    assert result.ok, result


tap.main(globals())
