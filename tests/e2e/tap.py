# SPDX-License-Identifier: LGPL-2.1-or-later
"""tap.py: run the test functions of a module and report in TAP

A test file ends with tap.main(globals()). Run by hand or by meson, it goes
into a private environment (scripts/private-host) by itself:

    tests/e2e/test_revert.py [--session | --system] [--list] [NAME...]

NAME may be a pattern, as in 'kill_*'.

Each function named test_* is one test and gets the Host of the file. Tests do
not see each other's domains: the Host removes them in between.
"""

import faulthandler
import fnmatch
import os
import signal
import sys
import time
import traceback

from harness import Host, enter_private_host

# With TCG and a debugging build the slowest test takes some ten seconds.
SECONDS_PER_TEST = 120


class Skip(Exception):
    """Raised by a test that can't run here; the text says what is missing."""


def diagnose(text):
    for line in str(text).rstrip('\n').split('\n'):
        print(f'# {line}', flush=True)


def no_skip():
    return os.environ.get('SNAPSHOT_TEST_NO_SKIP') == '1'


def on_alarm(_signum, _frame):
    raise TimeoutError(f'no end after {SECONDS_PER_TEST} s')


def run_one(function, host):
    """Returns the TAP words after the number, and whether it is a failure."""
    host.begin_test()
    signal.alarm(SECONDS_PER_TEST)
    # Where Python is stuck in a call of libvirt the alarm is not delivered.
    faulthandler.dump_traceback_later(SECONDS_PER_TEST + 10, exit=True)
    try:
        function(host)
        failed, skip = False, ''
    except Skip as reason:
        failed, skip = no_skip(), '' if no_skip() else f' # SKIP {reason}'
        diagnose(reason)
    except Exception:  # a test may fail in any way
        failed, skip = True, ''
        diagnose(traceback.format_exc())
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    if failed:
        diagnose(host.new_log_lines())
    return skip, failed


def run(functions, host):
    failures = 0
    print(f'1..{len(functions)}', flush=True)
    for number, (name, function) in enumerate(functions, 1):
        start = time.monotonic()
        skip, failed = run_one(function, host)
        try:
            host.end_test()
        except Exception:  # what a test leaves behind may be broken
            failed = True
            diagnose(traceback.format_exc())
        failures += failed
        diagnose(f'{name}: {time.monotonic() - start:.2f} s')
        print(f'{"not ok" if failed else "ok"} {number} {name}{skip}', flush=True)
    return failures


def select(module, names):
    tests = {name[5:]: value for name, value in module.items()
             if name.startswith('test_') and callable(value)}
    unknown = [name for name in names if not fnmatch.filter(tests, name)]
    if unknown:
        sys.exit(f'no such test: {", ".join(unknown)}')
    return [(name, test) for name, test in tests.items()
            if not names or any(fnmatch.fnmatch(name, pattern) for pattern in names)]


def main(module):
    arguments = sys.argv[1:]
    mode = next((a[2:] for a in arguments if a in ('--session', '--system')), None)
    tests = select(module, [a for a in arguments if not a.startswith('--')])
    if '--list' in arguments:
        print('\n'.join(name for name, _ in tests))
        return
    if mode == 'system' and os.geteuid() != 0:
        print('1..0 # SKIP a system libvirtd needs root')
        sys.exit(1 if no_skip() else 0)
    enter_private_host(mode)
    signal.signal(signal.SIGALRM, on_alarm)
    with Host() as host:
        failures = run(tests, host)
    sys.exit(1 if failures else 0)
