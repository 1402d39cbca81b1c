# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_fds.py: file descriptors in both directions, and streams in both directions"""

import os
import socket

import libvirt
import libvirt_qemu

from call import ERROR, INACTIVE, PAUSED, RUNNING, Functions
from differential import digest
from subjects import FRESH

calls = Functions()

SECONDS = 20
BANNER = 12
UART = 0x3f8


def banner(client):
    """What a VNC server says first."""
    client.settimeout(SECONDS)
    return client.recv(BANNER, socket.MSG_WAITALL)


@calls(state=PAUSED)
def graphics_fd(side):
    with socket.socket(fileno=side.dom.openGraphicsFD(0)) as client:
        return banner(client)


@calls(state=RUNNING)
def graphics_fds_in_a_row(side):
    clients = [socket.socket(fileno=side.dom.openGraphicsFD(0)) for _ in range(5)]
    banners = [banner(client) for client in clients]
    for client in clients:
        client.close()
    return banners


@calls(state=PAUSED, expect=ERROR)
def graphics_fd_unknown(side):
    return side.dom.openGraphicsFD(7)


@calls(state=INACTIVE, expect=ERROR)
def graphics_fd_inactive(side):
    return side.dom.openGraphicsFD(0)


@calls(state=PAUSED)
def graphics_given(side):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return side.dom.openGraphics(0, theirs.fileno()), banner(ours)


@calls(state=PAUSED, expect=ERROR)
def graphics_given_unknown(side):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return side.dom.openGraphics(7, theirs.fileno())


def nothing(how_many):
    return [os.open('/dev/null', os.O_RDONLY) for _ in range(how_many)]


@calls(state=INACTIVE, expect=ERROR)
def create_with_files(side):
    files = nothing(3)
    try:
        return side.dom.createWithFiles(files, 0)
    finally:
        for file in files:
            os.close(file)


@calls(expect=ERROR)
def create_xml_with_files(side):
    files = nothing(32)
    try:
        return side.conn.createXMLWithFiles(FRESH.format(virt='qemu'), files, 0)
    finally:
        for file in files:
            os.close(file)


# Streams


def monitor(side, command):
    return libvirt_qemu.qemuMonitorCommand(
        side.dom, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)


def receive(stream, count):
    data = b''
    while len(data) < count:
        data += stream.recv(count - len(data))
    return data


@calls(state=PAUSED)
def console(side):
    """The guest's end of the serial line is moved through QEMU's monitor."""
    stream = side.conn.newStream()
    side.dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    for byte in b'from the guest':
        monitor(side, f'o /b {UART} {byte}')
    got = receive(stream, len(b'from the guest'))
    return got, stream.finish()


@calls(state=PAUSED)
def console_input(side):
    stream = side.conn.newStream()
    side.dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    sent = stream.send(b'Q')
    received = ''
    while '0x51' not in received:  # the alarm of the test is the bound
        received = monitor(side, f'i /b {UART}')
    return sent, received, stream.finish()


@calls(state=PAUSED, expect=ERROR)
def console_twice(side):
    first, second = side.conn.newStream(), side.conn.newStream()
    side.dom.openConsole(None, first, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    try:
        return side.dom.openConsole(None, second, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
    finally:
        first.abort()


@calls(state=PAUSED, expect=ERROR)
def console_unknown(side):
    return side.dom.openConsole('nothing', side.conn.newStream(), 0)


@calls(state=INACTIVE, expect=ERROR)
def console_inactive(side):
    return side.dom.openConsole(None, side.conn.newStream(), 0)


@calls(state=PAUSED)
def channel(side):
    stream = side.conn.newStream()
    side.dom.openChannel('org.example.0', stream,
                         libvirt.VIR_DOMAIN_CHANNEL_FORCE)
    return stream.send(b'to nobody'), stream.finish()


@calls(state=PAUSED, expect=ERROR)
def channel_unknown(side):
    return side.dom.openChannel('org.example.9', side.conn.newStream(), 0)


@calls(state=PAUSED)
def screenshot_stream(side):
    stream, data = side.conn.newStream(), []
    kind = side.dom.screenshot(stream, 0)
    stream.recvAll(lambda _stream, block, _opaque: data.append(block) or 0, None)
    return kind, digest(b''.join(data)), stream.finish()


def volume(side, name):
    return side.conn.storagePoolLookupByName('shared').storageVolLookupByName(name)


@calls()
def download_aborted(side):
    """The connection is good for another one then."""
    stream = side.conn.newStream()
    volume(side, 'large.raw').download(stream, 0, 0, 0)
    first = receive(stream, 1000)
    return digest(first), stream.abort(), side.conn.getHostname()


@calls()
def downloads_at_once(side):
    """Two streams of one connection, read in turn."""
    streams = [side.conn.newStream() for _ in range(2)]
    for stream, name in zip(streams, ('large.raw', 'sparse.raw')):
        volume(side, name).download(stream, 0, 0, 0)
    data = [b'', b'']
    for _ in range(10):
        for number, stream in enumerate(streams):
            data[number] += receive(stream, 50000)
    return [digest(part) for part in data], [stream.abort() for stream in streams]


@calls()
def download_with_holes(side):
    stream, found = side.conn.newStream(), []
    volume(side, 'sparse.raw').download(
        stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    while True:
        data = stream.recvFlags(262144, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
        if data == -3:
            found.append(('hole', stream.recvHole()))
        elif not data:
            break
        elif found and found[-1][0] == 'data':
            found[-1] = ('data', found[-1][1] + len(data))
        else:
            found.append(('data', len(data)))
    return found, stream.finish()


@calls()
def download_not_blocking(side):
    """What there is not yet is told as such, never as the end."""
    stream, data = side.conn.newStream(libvirt.VIR_STREAM_NONBLOCK), b''
    volume(side, 'many049.raw').download(stream, 0, 0, 0)
    while len(data) < 49:
        block = stream.recv(100)
        assert block == -2 or block, 'the end came early'
        data += b'' if block == -2 else block
    return digest(data), stream.abort()


@calls(before=('vol-create-as shared v.raw 1M --format raw',),
       after=('vol-delete v.raw shared',), files=('pool/v.raw',))
def upload_aborted(side):
    stream = side.conn.newStream()
    volume(side, 'v.raw').upload(stream, 0, 65536, 0)
    return stream.send(b'x' * 65536), stream.finish()


def upload_too_much(side):
    """The daemon fails in the middle of the stream; its connection may end with that."""
    conn = side.open()
    stream = conn.newStream()
    pool = conn.storagePoolLookupByName('shared')
    pool.storageVolLookupByName('v.raw').upload(stream, 0, 1000, 0)
    stream.send(b'x' * 2000)
    return stream.finish()


# libvirtd 11.3 comes to its end by it.
if libvirt.getVersion() < 11003000:
    calls(before=('vol-create-as shared v.raw 1M --format raw',),
          after=('vol-delete v.raw shared',), expect=ERROR)(upload_too_much)


@calls(expect=ERROR)
def download_unknown(side):
    return volume(side, 'absent.raw').download(side.conn.newStream(), 0, 0, 0)


@calls()
def download_beyond_the_end(side):
    stream = side.conn.newStream()
    volume(side, 'many049.raw').download(stream, 1 << 40, 0, 0)
    return digest(stream.recv(100)), stream.finish()


CALLS = calls.calls
