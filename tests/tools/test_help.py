#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages and --help know the same options, and so does completion."""

import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / 'docs'
CONF = DOCS.parent / 'src/virtsnapshotd/virtsnapshotd.conf'


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=True).stdout


def options_of_page(name):
    text = (DOCS / name).read_text(encoding='utf-8')
    section = text.split('\nOPTIONS\n', 1)[1].split('\n====', 1)[0]
    titles = re.findall(r'^``-.*$', section, re.M)
    return set(re.findall(r'--[a-z-]+', ' '.join(titles)))


def options_of_help(text):
    return set(re.findall(r'--[a-z-]+', text))


def check_virsh(virsh, _daemon):
    return options_of_help(output(virsh, 'help', 'snapshot-revert')), \
        options_of_page('virsh-snapshot-revert.rst')


def check_virsh_option(virsh, _daemon):
    return output(virsh, 'snapshot-revert', '--help'), \
        output(virsh, 'help', 'snapshot-revert')


def check_daemon(_virsh, daemon):
    return options_of_help(output(daemon, '--help')), \
        options_of_page('virtsnapshotd.rst')


def check_configuration(_virsh, _daemon):
    page = (DOCS / 'virtsnapshotd.rst').read_text(encoding='utf-8')
    section = page.split('\nCONFIGURATION\n', 1)[1].split('\nFILES\n', 1)[0]
    titles = ' '.join(re.findall(r'^``[a-z].*$', section, re.M))
    return set(re.findall(r'^#(\w+) =', CONF.read_text(encoding='utf-8'), re.M)), \
        set(re.findall(r'``(\w+)``', titles))


def check_completion(virsh, _daemon):
    words = output(virsh, '-c', 'test:///default', 'complete', '--',
                   'snapshot-revert', '--').split()
    return set(words) & {'--xml', '--diskspec', '--dry-run', '--running'}, \
        {'--xml', '--diskspec', '--dry-run', '--running'}


def main():
    checks = [(name, check) for name, check in globals().items()
              if name.startswith('check_')]
    failed = 0
    print(f'1..{len(checks)}')
    for number, (name, check) in enumerate(checks, 1):
        one, other = check(*sys.argv[1:3])
        good = one == other and bool(one)
        failed += not good
        print(f'{"ok" if good else "not ok"} {number} {name[6:]}')
        if not good:
            print(f'# {sorted(one)}\n# {sorted(other)}')
    sys.exit(1 if failed else 0)


main()
