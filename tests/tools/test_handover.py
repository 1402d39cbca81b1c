#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our virsh and the host's say the same, for everything but our own options.

The list is data: add a line for what must stay the same.
"""

import subprocess
import sys

HOST = '/usr/bin/virsh'
TEST = ['-c', 'test:///default']

SAME = [
    TEST + ['list'],
    TEST + ['list', '--all', '--name'],
    ['--connect=test:///default', 'domstate', 'test'],
    ['-ctest:///default', '-q', 'vcpucount', 'test'],
    TEST + ['-r', 'destroy', 'test'],
    TEST + ['-t', 'domstate', 'nosuch'],
    TEST + ['nosuchcommand'],
    TEST + ['domstate', 'nosuch'],
    TEST + ['help', 'domstate'],
    TEST + ['help', 'nosuch'],
    TEST + ['domstate test; domid test'],
    TEST + ["domstate 'test'; nosuchcommand"],
    TEST + ['list "'],
    TEST + ['echo', '--shell', "a b", "c'd"],
    ['--version'],
    ['-V'],
    ['--nosuchoption', 'list'],
    ['-c'],
    TEST + ['snapshot-revert'],
    TEST + ['snapshot-revert', 'test'],
    TEST + ['snapshot-revert', 'test', '--nosuch'],
    TEST + ['snapshot-revert', 'test', 'a', 'b'],
    TEST + ['snapshot-revert', 'test', 'a', '--current'],
    TEST + ['snapshot-revert', 'nosuch', 'a'],
    TEST + ['snapshot-revert', 'test', 'a'],
    TEST + ['snapshot-revert', '--domain', 'test', '--snapshotname', 'a'],
    TEST + ['snapshot-revert', '--domain=test', '--snapshotname=a', '--running'],
    TEST + ['snapshot-revert', '1', 'a'],
    TEST + ['-q', 'snapshot-revert', 'test', '--current'],
    TEST + ['snapshot-revert test a; domstate test'],
    TEST + ['domstate test; snapshot-revert test "a b"'],
    TEST + ['snapshot-revert test a # domstate'],
    ['-c', 'nosuch:///', 'snapshot-revert', 'test', 'a'],
]


def run(program, arguments):
    done = subprocess.run([program] + arguments, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)
    lines = [line for line in done.stdout.splitlines() if not line.startswith('(Time')]
    return done.returncode, lines, done.stderr.replace(program, 'virsh')


def main():
    ours = sys.argv[1]
    failed = 0
    print(f'1..{len(SAME)}')
    for number, arguments in enumerate(SAME, 1):
        theirs, mine = run(HOST, arguments), run(ours, arguments)
        if theirs != mine:
            failed += 1
            print('not ', end='')
        print(f'ok {number} {" ".join(arguments).replace("#", "")}')
        if theirs != mine:
            print(f'# theirs: {theirs}\n# ours:   {mine}')
    sys.exit(1 if failed else 0)


main()
