# SPDX-License-Identifier: LGPL-2.1-or-later
"""crowd.py: many VMs reverted at once, for scripts/bench

What can't be avoided is the work, shared by all processors, and the longest start of a
single VM: a crowd should take as long as the longer of the two.
"""

import os
import threading
import time

import libvirt

TICKS = os.sysconf('SC_CLK_TCK')


def processor_seconds(host):
    """Of all processes of this host, with those that have ended: their parents have it."""
    ticks = 0
    for pid in host.processes():
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue  # ended meanwhile
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


class Crowd:
    def __init__(self, host, library, count):
        self.host, self.library = host, library
        self.vms = [host.vm(f'crowd{number}', disks=1) for number in range(count)]
        for vm in self.vms:
            vm.start()
            vm.snapshot('snap1')
        # two threads on one connection wait for each other
        self.conns = [libvirt.open(host.uri) for _ in self.vms]
        self.snapshots = [conn.lookupByName(vm.name).snapshotLookupByName('snap1')
                          for conn, vm in zip(self.conns, self.vms)]
        self.longest = max(self.start(vm) for vm in self.vms)

    def close(self):
        del self.snapshots
        for conn in self.conns:
            conn.close()

    @staticmethod
    def start(vm):
        vm.destroy()
        begin = time.perf_counter()
        vm.start()
        return time.perf_counter() - begin

    def revert(self):
        """Seconds that it takes, and that it can't but take."""
        errors = []

        def one(snapshot):
            try:
                self.library.revert(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
            except libvirt.libvirtError as error:
                errors.append(error)
        threads = [threading.Thread(target=one, args=(snapshot,))
                   for snapshot in self.snapshots]
        before, begin = processor_seconds(self.host), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        work = (processor_seconds(self.host) - before) / os.cpu_count()
        if errors:
            raise errors[0]
        return seconds, max(work, self.longest)
