#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_differential.py: the front answers each call as libvirtd itself does

One test for each call of calls.py.
"""

import collections
import functools

import tap
from call import ANY, ERROR, OK
from calls import CALLS
from differential import Comparison

CALLS_AT_LEAST = 140

comparison = functools.cache(Comparison)


def compare(call, host):
    comparison(host).compare(call)


for _call in CALLS:
    globals()[f'test_{_call.name}'] = functools.partial(compare, _call)


def test_number_of_calls(host):
    """And that they are not just so many ways to fail."""
    names = collections.Counter(call.name for call in CALLS)
    assert not [name for name, count in names.items() if count > 1], names.most_common(5)
    expected = collections.Counter(call.expected(host.mode) for call in CALLS)
    tap.diagnose(f'{len(CALLS)} calls: {dict(expected)}')
    assert len(CALLS) >= CALLS_AT_LEAST
    assert expected[OK] >= CALLS_AT_LEAST, expected
    assert expected[ERROR] >= 40 and expected[ANY] <= 25, expected


tap.main(globals())
