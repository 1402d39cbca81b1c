# SPDX-License-Identifier: LGPL-2.1-or-later
"""pulse.py: a guest of 18 bytes that is heard while it runs

Its boot sector writes a byte to QEMU's debug port about every millisecond, where the
firmware also writes to from its first instructions on. So the longest silence around a
revert is the time from the guest's stop to its next instruction.
"""

import os
import threading
import time

import images

PORT = 0x402

#       mov dx, PORT; mov al, 'x'; 1: out dx, al; mov ecx, N; 2: dec ecx; jnz 2b; jmp 1b
CODE = bytes.fromhex('ba0204 b078 ee 66b900000400 6649 75fc ebf3')
SECTOR = CODE.ljust(510, b'\0') + b'\x55\xaa'

DEVICE = """<serial type='pipe'><source path='{path}'/>
    <target type='isa-debug' port='0'><model name='isa-debugcon'/></target>
    <address type='isa' iobase='0x402'/></serial>"""

HEARD_SECONDS = 20


def device(path):
    """What a domain needs to be heard through the pipe at path."""
    for end in ('in', 'out'):
        os.mkfifo(f'{path}.{end}')
    return DEVICE.format(path=path)


def install(image):
    """Makes a qcow2 boot it."""
    sector = f'{image}.sector'
    with open(sector, 'wb') as file:
        file.write(SECTOR)
    try:
        images.tool('qemu-io', '-f', 'qcow2', '-c', f'write -s {sector} 0 512', image)
    finally:
        os.unlink(sector)


class Pulse:
    """Listens in a thread of its own, until this process ends."""

    def __init__(self, path):
        self.path = path
        self.longest, self.last, self.count = 0.0, None, 0

    def start(self):
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        # for writing, too: that no process has it open for a while is no end
        pipe = os.open(f'{self.path}.out', os.O_RDWR)
        while True:
            os.read(pipe, 4096)
            now = time.perf_counter()
            if self.last:
                self.longest = max(self.longest, now - self.last)
            self.last = now
            self.count += 1

    def wait(self):
        """Until it is heard steadily."""
        end, before = time.monotonic() + HEARD_SECONDS, self.count
        while self.count < before + 50:
            if time.monotonic() > end:
                raise TimeoutError('the guest is silent')
            time.sleep(0.01)

    def reset(self):
        self.longest = 0.0
