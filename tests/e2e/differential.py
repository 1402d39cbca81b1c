# SPDX-License-Identifier: LGPL-2.1-or-later
"""differential.py: run a call directly with libvirtd and through the front, and compare

A run yields text: what the call said, whether it worked, the files it wrote and how its
domain is afterwards. The two texts must be the same.
"""

import functools
import hashlib
import pprint
import re
import string
import threading

import libvirt

import images
from call import ANY, BY_CLIENT, ERROR, INACTIVE, NONE, OK, PAUSED, RUNNING
from subjects import Subject, add_snapshots, extents, make_files, without_ids
from vm import difference, virt_type

SHARED = {INACTIVE: 'idle', RUNNING: 'live', PAUSED: 'paused'}
CHANGED = 'subject'


@functools.cache
def event_loop():
    """libvirt's own, in a thread; before the first connection that wants events."""
    libvirt.virEventRegisterDefaultImpl()

    def loop():
        while True:
            libvirt.virEventRunDefaultImpl()
    threading.Thread(target=loop, daemon=True).start()


def describe_error(error):
    return ('error', error.get_error_code(), error.get_error_domain(),
            error.get_error_level(), error.get_error_message(), error.get_str1(),
            error.get_str2(), error.get_str3(), error.get_int1(), error.get_int2())


class Side:
    """One of the two ways to libvirtd, and what a function of a call may want."""

    def __init__(self, comparison, uri):
        self.comparison, self.uri = comparison, uri
        self.folder = comparison.folder
        self.subject = None
        self._conn = None

    @property
    def conn(self):
        """The same one for all calls: they must not disturb each other."""
        if self._conn is None or not self._conn.isAlive():
            self._conn = self.open()
        return self._conn

    def open(self):
        event_loop()
        return libvirt.open(self.uri())

    def open_reader(self):
        event_loop()
        return libvirt.openReadOnly(self.uri(readonly=True))

    @property
    def dom(self):
        return self.conn.lookupByName(self.subject.name)

    def path(self, name):
        return str(self.folder / name)

    def virsh(self, line, readonly=''):
        one_socket = self.comparison.host.mode == 'session'
        option = ['-r'] if readonly == BY_CLIENT or readonly and one_socket else []
        return self.comparison.host.run_command(
            ['/usr/bin/virsh', '-c', self.uri(readonly=bool(readonly)), *option, line])


class Comparison:
    """The folder, the domains and the two sides, made with the first call."""

    def __init__(self, host):
        self.host = host
        self.folder = host.tmp / 'compared'
        self.folder.mkdir()
        make_files(self.folder, virt_type(host.conn))
        self.direct = Side(self, host.direct_uri)
        self.front = Side(self, host.front_uri)
        self.subjects = {}
        for state, name in SHARED.items():
            self._subject(name).reset(state)
        add_snapshots(self.subjects[SHARED[INACTIVE]])
        self._subject(CHANGED).reset(PAUSED)
        self.must(f'save {CHANGED} $dir/kept.save', self._values(None))
        self.must('pool-create-as shared dir --target $dir/pool', self._values(None))

    def _subject(self, name):
        if name not in self.subjects:
            self.subjects[name] = Subject(self.host, self.folder, name)
        return self.subjects[name]

    def _values(self, subject):
        values = {'dir': str(self.folder)}
        if subject:
            values.update(vm=subject.name, uuid=subject.uuid, vmdir=str(subject.folder))
        return values

    def must(self, line, values):
        line = string.Template(line).safe_substitute(values)
        result = self.direct.virsh(line)
        assert result.returncode == 0, f'{line}: {result.stderr}'

    def _prepared(self, call):
        """The subject as the call needs it."""
        if call.state == NONE:
            return None
        if not call.changes:
            return self.subjects[SHARED[call.state]]
        subject = self._subject(CHANGED)
        subject.reset(call.state)
        return subject

    def run(self, call, side):
        """(whether it worked, all that is to be compared)"""
        side.subject = self._prepared(call)
        values = self._values(side.subject)
        if call.before:
            self.must('; '.join(call.before), values)
        try:
            if call.kind == 'virsh':
                line = string.Template(call.line).safe_substitute(values)
                result = side.virsh(line, call.readonly)
                worked = result.returncode == 0
                text = f'{result.returncode}\n{result.stdout}\n{result.stderr}'
            else:
                worked, text = self._run_function(call, side)
            text += ''.join(self._file(name) for name in call.files)
            if call.changes and side.subject:
                text += side.subject.look()
        finally:
            if call.after:
                line = string.Template('; '.join(call.after)).safe_substitute(values)
                self.direct.virsh(line)
        return worked, self._normal(call, text)

    @staticmethod
    def _run_function(call, side):
        try:
            return True, pprint.pformat(call.function(side), width=1000)
        except libvirt.libvirtError as error:
            return False, pprint.pformat(describe_error(error), width=1000)

    def _file(self, name):
        """Its sum, size and holes; the next run is to write it anew."""
        path = self.folder / name
        if not path.exists():
            return f'\n{name}: there is none'
        text = f'\n{name}: {path.stat().st_size} {images.sha256(path)} {extents(path)}'
        path.unlink()
        return text

    def _normal(self, call, text):
        text = text.replace(str(self.host.snapshotd.socket), str(self.host.libvirtd.socket))
        text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}', '(time)', text)
        text = re.sub(r'<creationTime>\d+<', '<creationTime>(time)<', text)
        if call.varies:
            text = re.sub(call.varies, '(varies)', text)
        return without_ids(text)

    def compare(self, call):
        expected = call.expected(self.host.mode)
        worked, direct = self.run(call, self.direct)
        if expected != ANY:
            assert worked == (expected == OK), f'directly:\n{direct}'
        assert expected in (OK, ERROR, ANY)
        _, front = self.run(call, self.front)
        assert direct == front, difference(direct, front)


def digest(data):
    """For what is too long to be shown."""
    data = data if isinstance(data, bytes) else data.encode()
    return len(data), hashlib.sha256(data).hexdigest()
