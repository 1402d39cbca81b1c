# SPDX-License-Identifier: LGPL-2.1-or-later
"""hanging.py: a folder on a storage that stops answering when told to

It is a FUSE file system of one folder, whose files are those of another one, spoken in the
kernel's protocol (linux/fuse.h). It runs in a process of its own: what hangs in it, hangs
until that process is told to go on, or ends.
"""

import contextlib
import ctypes
import errno
import os
import pathlib
import select
import struct
import subprocess
import sys

BUFFER = 1 << 20
ROOT = 1
OPCODES = {
    'LOOKUP': 1, 'FORGET': 2, 'GETATTR': 3, 'SETATTR': 4, 'UNLINK': 10, 'RENAME': 12,
    'LINK': 13, 'OPEN': 14, 'READ': 15, 'WRITE': 16, 'STATFS': 17, 'RELEASE': 18,
    'FSYNC': 20, 'FLUSH': 25, 'INIT': 26, 'OPENDIR': 27, 'READDIR': 28, 'RELEASEDIR': 29,
    'FSYNCDIR': 30, 'ACCESS': 34, 'CREATE': 35, 'INTERRUPT': 36, 'DESTROY': 38,
    'BATCH_FORGET': 42, 'RENAME2': 45,
}
NAMES = {number: name for name, number in OPCODES.items()}
SILENT = {'FORGET', 'BATCH_FORGET', 'INTERRUPT', 'DESTROY'}
SETATTR_MODE, SETATTR_UID, SETATTR_GID, SETATTR_SIZE = 1, 2, 4, 8


class Server:
    def __init__(self, fd, folder):
        self.fd = fd
        self.folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self.nodes = {ROOT: self.folder}
        self.hangs, self.kept = set(), []

    # What files are, and how that is said

    def _stat(self, node):
        return os.stat(f'/proc/self/fd/{self.nodes[node]}')

    @staticmethod
    def _attr(st):
        return struct.pack('<6Q10I', st.st_ino, st.st_size, st.st_blocks, int(st.st_atime),
                           int(st.st_mtime), int(st.st_ctime), st.st_atime_ns % 10**9,
                           st.st_mtime_ns % 10**9, st.st_ctime_ns % 10**9, st.st_mode,
                           st.st_nlink, st.st_uid, st.st_gid, st.st_rdev, 4096, 0)

    def _entry(self, name):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self.folder)
        st = os.fstat(fd)
        if st.st_ino in self.nodes:
            os.close(fd)
        else:
            self.nodes[st.st_ino] = fd
        return struct.pack('<4Q2I', st.st_ino, 0, 0, 0, 0, 0) + self._attr(st)

    def _reopen(self, node, flags):
        return os.open(f'/proc/self/fd/{self.nodes[node]}', flags)

    @staticmethod
    def _names(data):
        return data.split(b'\0')

    # Requests: each returns what is answered

    def do_init(self, _node, data):
        major, minor = struct.unpack_from('<2I', data)
        return struct.pack('<4I2H2I2H8I', major, min(minor, 31), 1 << 17, 0, 16, 12,
                           1 << 17, 1, 0, 0, *[0] * 8)

    def do_lookup(self, _node, data):
        return self._entry(self._names(data)[0])

    def do_getattr(self, node, _data):
        return struct.pack('<Q2I', 0, 0, 0) + self._attr(self._stat(node))

    def do_setattr(self, node, data):
        valid = struct.unpack_from('<I', data)[0]
        size = struct.unpack_from('<Q', data, 16)[0]
        mode, _, uid, gid = struct.unpack_from('<4I', data, 68)
        path = f'/proc/self/fd/{self.nodes[node]}'
        if valid & SETATTR_SIZE:
            os.truncate(path, size)
        if valid & (SETATTR_UID | SETATTR_GID):
            os.chown(path, uid if valid & SETATTR_UID else -1,
                     gid if valid & SETATTR_GID else -1)
        if valid & SETATTR_MODE:
            os.chmod(path, mode & 0o7777)
        return self.do_getattr(node, data)

    def do_open(self, node, data):
        flags = struct.unpack_from('<I', data)[0] & (os.O_ACCMODE | os.O_TRUNC)
        return struct.pack('<Q2I', self._reopen(node, flags), 0, 0)

    def do_create(self, _node, data):
        flags, mode = struct.unpack_from('<2I', data)
        name = self._names(data[16:])[0]
        flags &= os.O_ACCMODE | os.O_TRUNC | os.O_EXCL
        fd = os.open(name, flags | os.O_CREAT, mode & 0o7777, dir_fd=self.folder)
        return self._entry(name) + struct.pack('<Q2I', fd, 0, 0)

    def do_read(self, _node, data):
        fd, offset, size = struct.unpack_from('<2QI', data)
        return os.pread(fd, size, offset)

    def do_write(self, _node, data):
        fd, offset, size = struct.unpack_from('<2QI', data)
        return struct.pack('<2I', os.pwrite(fd, data[40:40 + size], offset), 0)

    def do_release(self, _node, data):
        os.close(struct.unpack_from('<Q', data)[0])
        return b''

    def do_unlink(self, _node, data):
        os.unlink(self._names(data)[0], dir_fd=self.folder)
        return b''

    def do_link(self, _node, data):
        node, name = struct.unpack_from('<Q', data)[0], self._names(data[8:])[0]
        os.link(f'/proc/self/fd/{self.nodes[node]}', name, dst_dir_fd=self.folder,
                follow_symlinks=True)
        return self._entry(name)

    def do_rename(self, _node, data, head=8):
        old, new = self._names(data[head:])[:2]
        os.rename(old, new, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        return b''

    def do_rename2(self, node, data):
        return self.do_rename(node, data, 16)

    def do_statfs(self, _node, _data):
        return struct.pack('<5Q4I6I', 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096,
                           255, 4096, 0, *[0] * 6)

    def do_opendir(self, _node, _data):
        return struct.pack('<Q2I', 0, 0, 0)

    def do_readdir(self, _node, data):
        offset, size = struct.unpack_from('<QI', data, 8)
        entries, text = ['.', '..', *sorted(os.listdir(f'/proc/self/fd/{self.folder}'))], b''
        for number, name in list(enumerate(entries))[offset:]:
            name = os.fsencode(name)
            entry = struct.pack('<2Q2I', 1, number + 1, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(text) + len(entry) > size:
                break
            text += entry
        return text

    def do_nothing(self, _node, _data):
        return b''

    do_fsync = do_fsyncdir = do_flush = do_releasedir = do_access = do_nothing

    # Between the kernel and them

    def answer(self, message):
        _, opcode, unique, node = struct.unpack_from('<2I2Q', message)
        name = NAMES.get(opcode, '')
        if name in SILENT:
            return
        error, data = errno.ENOSYS, b''
        method = getattr(self, f'do_{name.lower()}', None)
        if method:
            try:
                error, data = 0, method(node, message[40:])
            except OSError as fault:
                error = fault.errno
        with contextlib.suppress(FileNotFoundError):  # who asked has been killed
            os.write(self.fd, struct.pack('<IiQ', 16 + len(data), -error, unique) + data)

    def take(self, message):
        name = NAMES.get(struct.unpack_from('<2I', message)[1], '')
        if name not in SILENT and ('ALL' in self.hangs or name in self.hangs):
            self.kept.append(message)
        else:
            self.answer(message)

    def obey(self, words):
        """The names of what hangs from now on; none: all goes on. '?': how much does?"""
        if words == ['?']:
            print(len(self.kept), flush=True)
            return
        self.hangs = set(words)
        if not self.hangs:
            while self.kept:
                self.answer(self.kept.pop(0))
        print('done', flush=True)

    def run(self):
        while True:
            for ready in select.select([self.fd, sys.stdin], [], [])[0]:
                if ready == self.fd:
                    try:
                        self.take(os.read(self.fd, BUFFER))
                    except OSError as fault:
                        if fault.errno == errno.ENODEV:
                            return
                        if fault.errno not in (errno.ENOENT, errno.EINTR):
                            raise
                else:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.obey(line.split())


class Folder:
    """For a with: .path is the folder, hang() and go_on() tell it what to do."""

    def __init__(self, host, name='hanging'):
        self.path = host.tmp / name
        self.real = host.tmp / f'{name}.real'
        self.process = None

    def __enter__(self):
        self.path.mkdir()
        self.real.mkdir()
        self.process = subprocess.Popen(
            ['/usr/bin/python3', __file__, str(self.path), str(self.real)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect('done')
        return self

    def _expect(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f'the file system said {line!r}')

    def _tell(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()
        self._expect('done')

    def hang(self, *what):
        """All of it, or requests of that name: see OPCODES."""
        self._tell(' '.join(what or ['ALL']))

    def go_on(self):
        self._tell('')

    def hangs(self):
        """Whether someone waits for it."""
        self.process.stdin.write('?\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) > 0

    def __exit__(self, *_):
        """Ends what still hangs in it, with an error."""
        self.process.kill()
        self.process.wait()
        subprocess.run(['umount', '--lazy', str(self.path)], check=True)
        self.path.rmdir()


def main(path, real):
    fd = os.open('/dev/fuse', os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f'fd={fd},rootmode=40755,user_id=0,group_id=0,allow_other'
    if libc.mount(b'hanging', os.fsencode(path), b'fuse', 0, options.encode()) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    server = Server(fd, pathlib.Path(real))
    server.take(os.read(fd, BUFFER))
    print('done', flush=True)
    server.run()


if __name__ == '__main__':
    main(*sys.argv[1:])
