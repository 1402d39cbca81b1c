# SPDX-License-Identifier: LGPL-2.1-or-later
"""gate.py: reverts that go no further than the test wants

The storage daemon of the first revert waits at a gate, as one on slow storage
would, until the gate is opened.
"""

import os
import subprocess
import threading

from harness import wait_until

# The first to make the folder waits; whoever comes later goes on at once.
SCRIPT = """#!/bin/sh
if mkdir '@DIR@/closed' 2>/dev/null; then
    until [ -e '@DIR@/open' ]; do sleep 0.01; done
fi
exec qemu-storage-daemon "$@"
"""


class Call(threading.Thread):
    """A revert under way; .result once it is over."""

    def __init__(self, host, vm, flags=0):
        super().__init__()
        self.host, self.arguments, self.result = host, (vm, 'snap1', None, flags), None
        self.start()

    def run(self):
        self.result = self.host.call(*self.arguments)


class Gate:
    def __init__(self, host):
        self.host, self.folder = host, host.tmp / 'gate'
        self.folder.mkdir()
        script = SCRIPT.replace('@DIR@', str(self.folder))
        self.configured = host.configured(
            storage_daemon=str(host.program('gated', script)))
        self.calls = []

    def __enter__(self):
        self.configured.__enter__()
        return self

    def __exit__(self, *exception):
        self.open()
        for call in self.calls:
            call.join()
        self.host.ensure_running()
        self.configured.__exit__(*exception)
        subprocess.run(['rm', '-r', self.folder], check=True)

    def call(self, vm, flags=0):
        self.calls.append(Call(self.host, vm, flags))
        return self.calls[-1]

    def hold(self, vm, flags=0):
        """A revert that has made its files and got no further."""
        call = self.call(vm, flags)
        wait_until(lambda: os.path.exists(vm.path('b.snap1-1')) or not call.is_alive(),
                   'the files of the overlays')
        assert call.is_alive(), call.result
        return call

    def open(self):
        (self.folder / 'open').touch()

    def end(self, call):
        self.open()
        call.join()
        return call.result
