# SPDX-License-Identifier: LGPL-2.1-or-later
"""walk.py: what the walks at random share: how long they last, which seed they have, and
when all is at rest after what they did

SNAPSHOT_TEST_SECONDS and SNAPSHOT_TEST_SEED set the first two.
"""

import os
import random

import tap
from harness import wait_until

SECONDS = int(os.environ.get('SNAPSHOT_TEST_SECONDS', 60))


def seed():
    """A number that makes the same walk again, as far as the machine lets it."""
    number = int(os.environ.get('SNAPSHOT_TEST_SEED', random.randrange(1 << 30)))
    tap.diagnose(f'SNAPSHOT_TEST_SEED={number}')
    return number


def settle(host):
    """Nothing is left to be finished or undone."""
    host.ensure_running()
    wait_until(lambda: not host.journals(), 'the end of the recovery')
