# SPDX-License-Identifier: LGPL-2.1-or-later
"""images.py: make disk images and look into them, with QEMU's own tools"""

import contextlib
import hashlib
import json
import re
import subprocess

COMMAND_SECONDS = 60


def tool(*argv):
    process = subprocess.run(
        [str(arg) for arg in argv], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=COMMAND_SECONDS, check=False)
    if process.returncode != 0:
        raise RuntimeError(f'{" ".join(map(str, argv))}: {process.stderr.strip()}')
    return process.stdout


def create(path, size='64M', fmt='qcow2', backing=None, backing_fmt='qcow2'):
    on_top = ['-b', backing, '-F', backing_fmt] if backing else []
    tool('qemu-img', 'create', '-q', '-f', fmt, *on_top, path,
         *([] if backing else [size]))


def chain(path, fmt='qcow2'):
    """The file names of an image and all below it, from the top."""
    info = tool('qemu-img', 'info', '-U', '--backing-chain', '-f', fmt,
                '--output=json', path)
    return [image['filename'] for image in json.loads(info)]


def backing(path):
    """The name and the format of a qcow2's backing image, as its header has them."""
    info = json.loads(tool('qemu-img', 'info', '-U', '-f', 'qcow2', '--output=json', path))
    return info.get('backing-filename'), info.get('backing-filename-format')


def write(path, pattern, offset=0, length=65536, fmt='qcow2'):
    out = tool('qemu-io', '-f', fmt, '-c', f'write -P {pattern} {offset} {length}', path)
    if f'wrote {length}/{length} bytes' not in out:
        raise RuntimeError(out)


def pattern(path, offset=0, length=65536, fmt='qcow2'):
    """The byte that fills this range, or None where there is more than one."""
    first = tool('qemu-io', '-r', '-U', '-f', fmt, '-c', f'read -v {offset} 512', path)
    byte = int(re.match(r'[0-9a-f]{8}:\s+([0-9a-f]{2})', first)[1], 16)
    whole = subprocess.run(
        ['qemu-io', '-r', '-U', '-f', fmt, '-c', f'read -P {byte} {offset} {length}', path],
        capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    return None if 'verification failed' in whole.stdout else byte


@contextlib.contextmanager
def held_open(path, command='read 0 512'):
    """qemu-io has it open, and has carried out the command, for the time of a with."""
    with subprocess.Popen(['qemu-io', '-f', 'qcow2', path], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        print(command, file=holder.stdin, flush=True)
        line = holder.stdout.readline()
        while line and not re.match(r'(qemu-io> )?(read|wrote) ', line):
            line = holder.stdout.readline()
        try:
            yield
        finally:
            holder.stdin.close()


def check(path, fmt='qcow2'):
    """Raises where the metadata of an image nobody writes to is damaged."""
    if fmt == 'qcow2':
        tool('qemu-img', 'check', '-q', '-f', fmt, path)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as image:
        while block := image.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
