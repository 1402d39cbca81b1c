#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""demo.py: show a reader, step by step, that a revert does what it should

The part of scripts/demo that runs in the private environment. Every command
that it prints is one that it runs.
"""

import os
import signal
import subprocess
import sys

import images
import peer
from harness import Host, enter_private_host
from vm import sums, virt_type

COLOURS = {0x11: 'red', 0x22: 'blue', 0x33: 'green', None: 'mixed'}
RED, BLUE, GREEN = 0x11, 0x22, 0x33

REVERT_XML = """\
<domainsnapshotrevert>
  <disks>
    <disk name='vda'><source file='{folder}/system.mine'/></disk>
    <disk name='vdb'><source file='{folder}/data.mine'/></disk>
  </disks>
</domainsnapshotrevert>
"""


class Failure(Exception):
    pass


def say(*lines):
    print(*lines, sep='\n', flush=True)


def indented(text):
    for line in filter(str.strip, text.splitlines()):
        say('    ' + line)


def shell(host, command, fails=False):
    """Prints a command as a reader would type it, runs it, prints its output."""
    say(f'  $ {command}')
    done = subprocess.run(['bash', '-o', 'pipefail', '-c', command], env=host.env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=120, cwd=host.tmp / 'vms/vm')
    indented(done.stdout + done.stderr)
    if (done.returncode != 0) != fails:
        raise Failure(f'{command}: {"it should have failed" if fails else done.stderr.strip()}')


def colour(path):
    return COLOURS.get(images.pattern(path), 'something else')


def show_disks(vm, expected):
    """A table of the VM's disks; fails where they do not hold what they should."""
    say('', f'    {"disk":<6}{"image chain":<50}data found')
    for target in vm.targets:
        chain = ' <- '.join(reversed(vm.chain(target)))
        say(f'    {target:<6}{chain:<50}{colour(vm.file(target))}')
    if any(byte != expected for byte in vm.data()):
        raise Failure(f'the disks should hold {COLOURS[expected]}')


def check_below(vm, before):
    """The images that snap1 and snap2 stand on, which nothing may write to."""
    if sums(before) != before:
        raise Failure('a revert wrote to an image below the overlays')
    holds = ', '.join(f'{os.path.basename(file)} {colour(file)}' for file in before)
    say(f'    untouched, by checksum: {holds}', '')


def make_snapshots(host, vm):
    say('1. A VM with two disks: snap1 is taken when they hold red, snap2 when they',
        '   hold blue; then green is written.', '')
    vm.start()
    for name, byte in (('snap1', RED), ('snap2', BLUE)):
        vm.write_all(byte)
        shell(host, f'virsh snapshot-create-as vm {name} --disk-only --atomic')
    vm.write_all(GREEN)
    show_disks(vm, GREEN)
    say('')
    if not peer.available():
        say("   libvirt's own virsh can't go back to such a snapshot:")
        shell(host, '/usr/bin/virsh snapshot-revert vm snap1 --running', fails=True)
        say('')


def revert_with_names(host, vm, before):
    say('2. Back to snap1, on overlays that we name:', '')
    (vm.folder / 'revert.xml').write_text(REVERT_XML.format(folder=vm.folder))
    shell(host, 'cat revert.xml')
    shell(host, 'virsh snapshot-revert vm snap1 --running --xml revert.xml')
    vm.refresh()
    show_disks(vm, RED)
    check_below(vm, before)


def revert_with_generated_names(host, vm, before):
    say('3. On to snap2, on overlays with generated names; first, what it would do:', '')
    shell(host, "virsh snapshot-revert vm snap2 --dry-run | grep -E '<(source|image) '")
    shell(host, 'virsh snapshot-revert vm snap2 --running')
    vm.refresh()
    show_disks(vm, BLUE)
    check_below(vm, before)
    shell(host, 'virsh snapshot-list vm --tree')


def show(host):
    vm = host.vm('vm', files=['system.qcow2', 'data.qcow2'])
    library = host.conn.getLibVersion()
    say(f'libvirt {library // 1000000}.{library // 1000 % 1000}.{library % 1000},'
        f' a private {host.mode} libvirtd, {virt_type(host.conn)}', '')
    make_snapshots(host, vm)
    before = sums(file for target in vm.targets
                  for file in (vm.base[target],
                               vm.base[target].replace('.qcow2', '.snap1')))
    revert_with_names(host, vm, before)
    revert_with_generated_names(host, vm, before)
    say('', 'Both reverts gave the data of their snapshot.')


def interrupted(_signum, _frame):
    """Cleaning up is left to the private host, which gets the signal too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('\ndemo: interrupted', file=sys.stderr, flush=True)
    os._exit(130)


def main():
    enter_private_host()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with Host() as host:
            show(host)
    except Exception as fault:  # whatever it is, a reader gets one line
        sys.exit(f'demo: failed: {fault}')


main()
