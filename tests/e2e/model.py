# SPDX-License-Identifier: LGPL-2.1-or-later
"""model.py: what a disk may hold while several change it at once

A Register is one disk. Each operation takes effect at one moment between its begin and
its end, nobody knows which; so what the disk holds is known as a set. The set has one
value where the last change was alone, and is never smaller than the truth.
"""

import threading


class Operation:
    """A change to one of some values, or, where there are none, a look."""

    def __init__(self, values, seen):
        self.values = frozenset(values)
        self.seen = set(seen) | self.values   # all that was there since it began
        self.met = set(self.values)           # all that may have come after it


class Register:
    def __init__(self, value):
        self.now, self.under_way = {value}, []

    def possible(self):
        return self.now.union(*(one.seen for one in self.under_way if one.values))

    def begin(self, values=()):
        operation = Operation(values, self.possible())
        for other in self.under_way:
            other.seen |= operation.values
            other.met |= operation.values
            operation.met |= other.values
        self.under_way.append(operation)
        return operation

    def end(self, operation, done):
        """A change that was not done may be taken back at its end, to anything that was
        there since its begin."""
        self.under_way.remove(operation)
        if not operation.values:
            return
        if done:
            self.now = set(operation.met)
            return
        self.now |= operation.seen
        for other in self.under_way:
            other.seen |= operation.seen
            other.met |= operation.seen

    def settle(self, value):
        """Nothing is under way, and this is what the disk holds."""
        assert value in self.possible(), (value, self.possible())
        self.now, self.under_way = {value}, []


class Content:
    """All disks of a VM. An operation is begun, and ended, on all of them."""

    def __init__(self, targets, value):
        self.lock = threading.Lock()
        self.disks = {target: Register(value) for target in targets}

    def begin(self, values=None):
        """values: target -> values that it may change to; None for a look."""
        with self.lock:
            return {target: disk.begin(values[target] if values else ())
                    for target, disk in self.disks.items()}

    def end(self, operations, done=True):
        """Returns target -> all values that were there between begin and end."""
        with self.lock:
            for target, operation in operations.items():
                self.disks[target].end(operation, done)
            return {target: frozenset(operation.seen)
                    for target, operation in operations.items()}

    def write(self, byte):
        return self.begin({target: {byte} for target in self.disks})

    def settle(self, values):
        with self.lock:
            for target, value in values.items():
                self.disks[target].settle(value)
