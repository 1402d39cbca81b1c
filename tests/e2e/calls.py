# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls.py: all calls that are compared

To add one, add a line to the file that fits. Its name becomes the name of a test.
"""

import calls_change
import calls_error
import calls_events
import calls_fds
import calls_host
import calls_object
import calls_python
import calls_read
import calls_running
import calls_snapshot

CALLS = [
    *calls_host.CALLS,
    *calls_read.CALLS,
    *calls_object.CALLS,
    *calls_error.CALLS,
    *calls_python.CALLS,
    *calls_fds.CALLS,
    *calls_change.CALLS,
    *calls_snapshot.CALLS,
    *calls_running.CALLS,
    *calls_events.CALLS,
]
