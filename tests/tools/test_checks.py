#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks in scripts/ find what they look for: each is given a tree with a fault."""

import pathlib
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / 'scripts'

# check, name of the test, files, what it has to say (None: that all is well)
CASES = [
    ('layers', 'nothing wrong',
     {'src/util/low.h': '', 'src/conf/high.c': '#include "low.h"\n'}, None),
    ('layers', 'upward',
     {'src/util/low.c': '#include "high.h"\n', 'src/conf/high.h': ''},
     'src/util/low.c: util may not include high.h'),
    ('layers', 'into the library',
     {'src/conf/low.c': '#include "high.h"\n', 'src/high.h': ''},
     'src/conf/low.c: conf may not include high.h'),
    ('layers', 'a header that is not there',
     {'src/conf/one.c': '#include "lost.h"\n'},
     'src/conf/one.c: conf may not include lost.h'),
    ('layers', 'circle of two',
     {'src/util/a.c': '#include "b.h"\n', 'src/util/a.h': '',
      'src/util/b.h': '#include "a.h"\n'},
     'in a circle: a -> b -> a'),
    ('layers', 'circle of three',
     {'src/util/a.h': '#include "b.h"\n', 'src/util/b.h': '',
      'src/util/b.c': '#  include "c.h"\n', 'src/util/c.h': '#include "a.h"\n'},
     'in a circle: a -> b -> c -> a'),
    ('layers', 'a module that includes its own header is no circle',
     {'src/util/a.c': '#include "a.h"\n', 'src/util/a.h': ''}, None),
    ('layers', 'folder without a layer',
     {'src/new/a.c': ''}, 'src/new/a.c: no layer has its folder'),

    ('paths', 'nothing wrong',
     {'src/util/virsnappaths.c': 'x = "/run/libvirt";\n',
      'src/util/a.c': '/* "/run/libvirt" */ x = "qemu:///system"; // "/dev/null"\n'}, None),
    ('paths', 'of a system',
     {'src/util/a.c': '\n/* why */\nx = "/run/libvirt";\n'},
     'src/util/a.c:3: "/run/libvirt" belongs in virsnappaths'),
    ('paths', 'in the midst of a string',
     {'src/conf/a.h': r'#define A "say \"no\" to /proc/%d"' '\n'},
     'src/conf/a.h:1: "say \\"no\\" to /proc/%d" belongs in virsnappaths'),
    ('paths', 'behind a quote as a character',
     {'src/a.c': "x = '\"'; y = \"/dev/null\";\n"},
     'src/a.c:1: "/dev/null" belongs in virsnappaths'),
    ('paths', 'in a folder of meson',
     {'src/a.c': 'x = SYSCONFDIR "/libvirt";\n'},
     'src/a.c:1: "/libvirt" belongs in virsnappaths'),

    ('tests', 'nothing wrong',
     {'src/util/a.c': '', 'tests/unit/test-a.c': '',
      'tests/unit/meson.build': "['a', [util_dep]],\n", 'missing': ''}, None),
    ('tests', 'a module without',
     {'src/qemu/plan/a.c': '', 'tests/unit/meson.build': '', 'missing': ''},
     'src/qemu/plan/a.c: there is no tests/unit/test-a.c'),
    ('tests', 'one that is not run',
     {'src/util/a.c': '', 'tests/unit/test-a.c': '', 'tests/unit/meson.build': '',
      'missing': ''},
     'tests/unit/test-a.c: tests/unit/meson.build does not name it'),
    ('tests', 'one that was missing and is no more',
     {'src/util/a.c': '', 'tests/unit/test-a.c': '',
      'tests/unit/meson.build': "['a', [util_dep]],\n", 'missing': 'a'},
     'a: is in the list of those without a test, and has one'),
    ('tests', 'one that is known to be missing',
     {'src/util/a.c': '', 'tests/unit/meson.build': '', 'missing': 'a'}, None),
    ('tests', 'a module that is gone',
     {'src/util/meson.build': '', 'tests/unit/meson.build': '', 'missing': 'a'},
     'a: is in the list of those without a test, and there is no such module'),
]


def run(check, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
        more = [files['missing']] if 'missing' in files else []
        return subprocess.run([SCRIPTS / f'check-{check}', folder, *more],
                              capture_output=True, text=True, timeout=60, check=False)


def good(result, finding):
    if finding is None:
        return result.returncode == 0 and not result.stderr
    return result.returncode == 1 and finding in result.stdout.splitlines()


def main():
    failed = 0
    print(f'1..{len(CASES)}')
    for number, (check, name, files, finding) in enumerate(CASES, 1):
        result = run(check, files)
        ok = good(result, finding)
        failed += not ok
        print(f'{"ok" if ok else "not ok"} {number} {check}: {name}')
        if not ok:
            print(f'# {result.returncode} {result.stdout!r} {result.stderr!r}')
    return 1 if failed else 0


sys.exit(main())
