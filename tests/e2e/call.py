# SPDX-License-Identifier: LGPL-2.1-or-later
"""call.py: what one call of the comparison is, as data

The front must answer each call as libvirtd itself does. What a call needs, changes and
may say differently is told here; differential.py acts on it, calls.py has them all.
"""

import dataclasses
import typing

# What the domain that the call gets must be; the third has never run a cycle, so that
# its counters stand still.
NONE, INACTIVE, RUNNING, PAUSED = 'none', 'inactive', 'running', 'paused'

# What it comes to, where that is known; ANY depends on the machine.
OK, ERROR, ANY = 'ok', 'error', 'any'

# not for an ordinary user
ROOTS = {'expect': {'system': OK, 'session': ERROR}}

# How it is denied: by the client's library, or by the daemon because of the socket.
BY_CLIENT, BY_SOCKET = 'client', 'socket'


@dataclasses.dataclass(frozen=True)
class Call:
    """line: for virsh; or function: takes a Side and returns what can be compared.

    changes: it gets a domain of its own, in a known state before each run; the others
    share one.
    before, after: lines for virsh, directly with libvirtd, around each of the two runs.
    files: what it writes into the folder of the comparison, compared as well.
    varies: a regular expression; what matches is not compared.
    expect: what it comes to, by mode where that differs.
    """

    name: str
    line: str = ''
    function: typing.Callable = None
    state: str = NONE
    changes: bool = False
    readonly: str = ''
    expect: typing.Union[str, dict] = OK
    before: tuple = ()
    after: tuple = ()
    files: tuple = ()
    varies: str = ''

    @property
    def kind(self):
        return 'python' if self.function else 'virsh'

    def expected(self, mode):
        return self.expect[mode] if isinstance(self.expect, dict) else self.expect


def table(rows, suffix='', **common):
    """Calls from name -> line, or name -> (line, what is different from common)."""
    calls = []
    for name, row in rows.items():
        line, more = (row, {}) if isinstance(row, str) else row
        calls.append(Call(name + suffix, line, **{**common, **more}))
    return calls


class Functions:
    """Collects the functions of a module: @calls(state=RUNNING)."""

    def __init__(self):
        self.calls = []

    def __call__(self, **more):
        def add(function):
            self.calls.append(Call(function.__name__, function=function, **more))
            return function
        return add
