#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_preflight.py: what a start needs and the host lacks is found before the stop

Each thing that a snapshot's definition names is taken away while the VM runs: the revert
and its description are refused, and the VM runs on in the same process. Put back, the
revert works. Both with a snapshot of the disks and with one that has memory.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ET

import libvirt

import tap
from refusal import FORCE, PAUSED, RUNNING, check_refused, refused

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY
SYSTEM = os.environ.get('SNAPSHOT_MODE') == 'system'
HUGE = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')


def take(vm, memory):
    """Returns the flags with which the snapshot ends running."""
    if memory:
        vm.memory_snapshot('snap1')
        return 0
    vm.snapshot('snap1')
    return RUNNING


def redefine(vm, change):
    vm.dom = vm.host.conn.defineXML(change(vm.xml(active=False)))


def warnings(host, vm, flags=0):
    result = host.revert_desc(vm, 'snap1', flags=flags)
    assert result.ok, result
    return [node.text for node in ET.fromstring(result.out).iterfind('warning')]


def reverted(host, vm, flags=0):
    pid = vm.pid()
    result = host.revert(vm, 'snap1', flags=flags)
    assert result.ok, result
    assert vm.active and vm.pid() != pid


def gone_and_back(host, vm, flags, away, back, code, *fragments):
    away()
    try:
        refused(host, vm, 'snap1', code, vm.name, "'snap1'", *fragments, flags=flags)
    finally:
        back()
    assert not warnings(host, vm, flags)
    reverted(host, vm, flags)


def both(function):
    """Two tests out of one: of a snapshot of the disks and of one with memory."""
    name = function.__name__[1:]
    for kind, memory in (('disks', False), ('memory', True)):
        def test(host, memory=memory):
            function(host, memory)
        globals()[f'test_{name}_{kind}'] = test
    return function


# Files and folders, which the VM's own folder has


def with_device(host, device, memory, prepare):
    vm = host.vm()
    path = vm.path('thing')
    prepare(path)
    redefine(vm, lambda text: text.replace('</devices>',
                                           device.format(path=path) + '</devices>'))
    vm.start()
    return vm, path, take(vm, memory)


def device_gone(host, device, memory, prepare=os.mkdir, code=CONFIG):
    vm, path, flags = with_device(host, device, memory, prepare)
    gone_and_back(host, vm, flags, lambda: os.rename(path, path + '.away'),
                  lambda: os.rename(path + '.away', path), code, path, 'No such file')


@both
def _serial_file(host, memory):
    device_gone(host, "<serial type='file'><source path='{path}/log'/></serial>", memory)


@both
def _log_file(host, memory):
    device_gone(host, "<serial type='pty'><log file='{path}/log'/></serial>", memory)


@both
def _socket(host, memory):
    device_gone(host, "<channel type='unix'><source mode='bind' path='{path}/s'/>"
                "<target type='virtio' name='org.test'/></channel>", memory)


@both
def _shared_folder(host, memory):
    device_gone(host, "<filesystem type='mount' accessmode='mapped'>"
                "<source dir='{path}'/><target dir='share'/></filesystem>", memory)


@both
def _random_device(host, memory):
    device_gone(host, "<rng model='virtio'><backend model='random'>{path}</backend></rng>",
                memory, lambda path: os.symlink('/dev/urandom', path))


@both
def _pipe(host, memory):
    device_gone(host, "<serial type='pipe'><source path='{path}'/></serial>", memory,
                os.mkfifo)


@both
def _folder_is_a_file(host, memory):
    """There, but not what it was."""
    vm, path, flags = with_device(
        host, "<serial type='file'><source path='{path}/log'/></serial>", memory, os.mkdir)

    def away():
        shutil.rmtree(path)
        pathlib.Path(path).touch()

    def back():
        os.unlink(path)
        os.mkdir(path)
        pathlib.Path(path, 'log').touch()  # so that the revert makes no file

    gone_and_back(host, vm, flags, away, back, CONFIG, path, 'Not a directory')


@both
def _socket_of_a_peer(host, memory):
    """Its program may come back: the caller may take the risk."""
    device = ("<channel type='unix'><source mode='connect' path='{path}'/>"
              "<target type='virtio' name='org.test'/></channel>")
    with contextlib.ExitStack() as stack:
        def listen(path):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(path)
            server.listen()

        device_gone(host, device, memory, listen, code=RISKY)


# The machine


@both
def _emulator(host, memory):
    vm = host.vm()
    path = vm.path('qemu')
    usual = ET.fromstring(vm.xml()).find('devices/emulator').text
    os.symlink(usual, path)
    redefine(vm, lambda text: text.replace(usual, path))
    vm.start()
    flags = take(vm, memory)
    # which libvirt says itself, where it is to read a memory file
    code = libvirt.VIR_ERR_SYSTEM_ERROR if memory else CONFIG

    os.unlink(path)
    refused(host, vm, 'snap1', code, path, 'No such file', flags=flags)
    os.symlink(usual, path)
    reverted(host, vm, flags)


def with_nvram(host, memory, template):
    """Returns the VM and the file, which is where a revert may make it."""
    vm = host.vm()
    folder = host.tmp / 'vms' / 'nvram'
    folder.mkdir()
    file = str(folder / 'vars.fd')
    for name in ('code.fd', 'template.fd'):
        pathlib.Path(vm.path(name)).write_bytes(bytes(1 << 20))
    if not template:
        shutil.copy(vm.path('template.fd'), file)
    attribute = f" template='{vm.path('template.fd')}'" if template else ''
    redefine(vm, lambda text: text.replace(
        '</type>', f"</type><loader readonly='yes' type='pflash'>{vm.path('code.fd')}"
        f"</loader><nvram{attribute}>{file}</nvram>", 1).replace(
        '</os>', '</os><features><acpi/></features>', 1))
    # there is nothing in the firmware that a processor could run
    vm.start(libvirt.VIR_DOMAIN_START_PAUSED)
    take(vm, memory)
    return vm, file


@both
def _nvram_without_template(host, memory):
    vm, file = with_nvram(host, memory, template=False)
    gone_and_back(host, vm, PAUSED, lambda: os.rename(file, file + '.away'),
                  lambda: os.rename(file + '.away', file), CONFIG, file,
                  vm.path('code.fd'))


@both
def _nvram_with_template(host, memory):
    """The file may be missing, but then the template may not."""
    vm, file = with_nvram(host, memory, template=True)
    os.unlink(file)
    file = vm.path('template.fd')
    gone_and_back(host, vm, PAUSED, lambda: os.rename(file, file + '.away'),
                  lambda: os.rename(file + '.away', file), CONFIG, file, 'No such file')


def edited(host, memory, change):
    """A VM that runs without what its snapshot's definition has got since."""
    vm = host.vm()
    vm.start()
    flags = take(vm, memory)
    if memory:
        file = vm.path('snap1.mem')
        text = host.conn.saveImageGetXMLDesc(file, libvirt.VIR_DOMAIN_XML_SECURE)
        host.conn.saveImageDefineXML(file, change(text))
    vm.destroy()
    vm.edit_snapshot('snap1', change)
    vm.start()
    return vm, flags


def bound_to(cpus):
    return lambda text: re.sub(r"<vcpu[^>]*>", f"<vcpu placement='static' cpuset='{cpus}'>",
                               text)


@both
def _processors(host, memory):
    vm, flags = edited(host, memory, bound_to('800-803'))
    refused(host, vm, 'snap1', CONFIG, vm.name, "'800-803'", flags=flags)


@both
def _processors_that_are_there(host, memory):
    vm, flags = edited(host, memory, bound_to('0'))
    assert not warnings(host, vm, flags)
    reverted(host, vm, flags)


def test_some_processors(host):
    """libvirt may take them, where it has no say over control groups."""
    vm, flags = edited(host, False, bound_to('0,800-803'))
    refused(host, vm, 'snap1', RISKY, "'0,800-803'", flags=flags)


def test_pci_device(host):
    device = ("<hostdev mode='subsystem' type='pci' managed='yes'><source><address "
              "domain='0x0000' bus='0xfe' slot='0x1e' function='0x3'/></source></hostdev>")
    vm, flags = edited(host, False, lambda text: text.replace('</devices>',
                                                              device + '</devices>'))
    refused(host, vm, 'snap1', CONFIG, vm.name, "'0000:fe:1e.3'", flags=flags)


def test_device_that_was_not_asked_for(host):
    """A snapshot is refused for its own definition, not for that of today."""
    vm = host.vm()
    vm.start()
    flags = take(vm, False)
    vm.destroy()
    os.mkdir(vm.path('thing'))
    redefine(vm, lambda text: text.replace(
        '</devices>', f"<serial type='file'><source path='{vm.path('thing')}/log'/>"
        '</serial></devices>'))
    vm.start()
    shutil.rmtree(vm.path('thing'))
    reverted(host, vm, flags)


def test_off_warns(host):
    """Nothing is started, so nothing is refused; but the next start would fail."""
    vm, path, _ = with_device(
        host, "<serial type='file'><source path='{path}/log'/></serial>", False, os.mkdir)
    shutil.rmtree(path)
    text, = warnings(host, vm)
    assert path in text and vm.name in text, text
    assert host.revert(vm, 'snap1').ok
    assert not vm.active


def test_inactive_to_running(host):
    """There is no guest to be stopped, but the start would fail as well."""
    vm, path, flags = with_device(
        host, "<serial type='file'><source path='{path}/log'/></serial>", False, os.mkdir)
    vm.destroy()
    shutil.rmtree(path)
    refused(host, vm, 'snap1', CONFIG, path, flags=flags)
    refused(host, vm, 'snap1', CONFIG, path, flags=flags | FORCE)


# Ports


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def listening(port, address='127.0.0.1'):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        yield


def with_vnc(host, memory):
    """A VM with a port of its own, which it has in the snapshot, too."""
    vm, port = host.vm(), free_port()
    redefine(vm, lambda text: text.replace(
        '</devices>', f"<graphics type='vnc' port='{port}' autoport='no' "
        "listen='127.0.0.1'/></devices>"))
    vm.start()
    return vm, port, take(vm, memory)


def without_vnc(vm):
    vm.destroy()
    redefine(vm, lambda text: re.sub(r'<graphics.*?</graphics>', '', text, flags=re.DOTALL))
    vm.start()


@both
def _own_port(host, memory):
    """QEMU listens on it itself until it is stopped."""
    vm, _, flags = with_vnc(host, memory)
    assert not warnings(host, vm, flags)
    reverted(host, vm, flags)


@both
def _port_taken(host, memory):
    vm, port, flags = with_vnc(host, memory)
    without_vnc(vm)
    with listening(port):
        refused(host, vm, 'snap1', RISKY, vm.name, f'port {port}', flags=flags)
    reverted(host, vm, flags)


def test_port_taken_for_all_addresses(host):
    vm, port, flags = with_vnc(host, False)
    without_vnc(vm)
    with listening(port, '0.0.0.0'):
        refused(host, vm, 'snap1', RISKY, f'port {port}', flags=flags)


def test_port_of_another_address(host):
    vm, port, flags = with_vnc(host, False)
    without_vnc(vm)
    with listening(port, '127.0.0.2'):
        reverted(host, vm, flags)


def test_port_taken_and_forced(host):
    """The caller takes the risk, and the program goes on listening."""
    vm, port, flags = with_vnc(host, False)
    without_vnc(vm)
    with listening(port):
        text, = warnings(host, vm, flags | FORCE)
        assert f'port {port}' in text, text
        result = host.revert(vm, 'snap1', flags=flags | FORCE, foretell=False)
    assert not result.ok
    assert vm.running and 'graphics' not in vm.xml()


def test_port_taken_of_an_inactive_domain(host):
    """No guest is stopped for it: a warning."""
    vm, port, flags = with_vnc(host, False)
    vm.destroy()
    with listening(port):
        text, = warnings(host, vm, flags)
        assert f'port {port}' in text, text
    assert host.revert(vm, 'snap1', flags=flags).ok
    assert vm.running


def test_port_taken_of_a_serial_port(host):
    vm, port = host.vm(), free_port()
    redefine(vm, lambda text: text.replace(
        '</devices>', f"<serial type='tcp'><source mode='bind' host='127.0.0.1' "
        f"service='{port}'/><protocol type='raw'/></serial></devices>"))
    vm.start()
    flags = take(vm, False)
    assert not warnings(host, vm, flags)
    vm.destroy()
    redefine(vm, lambda text: re.sub(r'<(serial|console).*?</\1>', '', text,
                                     flags=re.DOTALL))
    vm.start()
    with listening(port):
        refused(host, vm, 'snap1', RISKY, f'port {port}', flags=flags)
    reverted(host, vm, flags)


# Memory


def memory_total():
    return int(re.search(r'MemTotal: *(\d+)',
                         pathlib.Path('/proc/meminfo').read_text())[1])


def of_memory(kib, backing=''):
    return lambda text: re.sub(r"(<memory unit='KiB'>)\d+(</memory>\s*<currentMemory "
                               r"unit='KiB'>)\d+(</currentMemory>)",
                               rf'\g<1>{kib}\g<2>{kib}\g<3>{backing}', text)


IMMEDIATE = "<memoryBacking><allocation mode='immediate'/></memoryBacking>"


def test_memory_immediate(host):
    vm, flags = edited(host, False, of_memory(memory_total(), IMMEDIATE))
    refused(host, vm, 'snap1', RISKY, vm.name, 'memory', flags=flags)


def test_memory_immediate_that_is_there(host):
    vm, flags = edited(host, False, of_memory(64 * 1024, IMMEDIATE))
    assert not warnings(host, vm, flags)
    reverted(host, vm, flags)


def test_memory_little_by_little(host):
    """A host may promise more than it has."""
    vm, flags = edited(host, False, of_memory(memory_total() - 64 * 1024))
    text, = warnings(host, vm, flags)
    assert vm.name in text and 'memory' in text, text
    reverted(host, vm, flags)


def test_memory_that_no_kernel_promises(host):
    if pathlib.Path('/proc/sys/vm/overcommit_memory').read_text().strip() != '0':
        raise tap.Skip('the kernel promises memory by another rule')
    vm, flags = edited(host, False, of_memory(64 * memory_total()))
    refused(host, vm, 'snap1', CONFIG, vm.name, 'memory', flags=flags)


@contextlib.contextmanager
def huge_pages(number):
    """So many more than the host has."""
    before = int(HUGE.read_text())
    HUGE.write_text(str(before + number))
    try:
        if int(HUGE.read_text()) < before + number:
            raise tap.Skip('the memory is too scattered for huge pages')
        yield before
    finally:
        HUGE.write_text(str(before))


def huge_backed(text):
    return of_memory(64 * 1024, '<memoryBacking><hugepages/></memoryBacking>')(text)


if SYSTEM:
    @contextlib.contextmanager
    def huge_mount(host):
        """libvirt knows of those that are there when it is started."""
        folder, conf = host.tmp / 'huge', pathlib.Path('/etc/libvirt/qemu.conf')
        usual = conf.read_text()
        folder.mkdir()
        subprocess.run(['mount', '-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', folder],
                       check=True)
        conf.write_text(usual.replace('hugetlbfs_mount = []',
                                      f'hugetlbfs_mount = ["{folder}"]'))
        host.libvirtd.stop()
        host.ensure_running()
        try:
            yield
        finally:
            conf.write_text(usual)
            host.libvirtd.stop()
            subprocess.run(['umount', folder], check=True)
            folder.rmdir()
            host.ensure_running()

    @both
    def _huge_pages(host, memory):
        with huge_pages(32) as before, huge_mount(host):
            vm = host.vm()
            redefine(vm, huge_backed)
            vm.start()
            flags = take(vm, memory)
            # its own, of which the host has no others
            assert not warnings(host, vm, flags)
            reverted(host, vm, flags)
            vm.destroy()
            redefine(vm, lambda text: re.sub(r'<memoryBacking>.*?</memoryBacking>', '',
                                             text, flags=re.DOTALL))
            vm.start()
            gone_and_back(host, vm, flags, lambda: HUGE.write_text(str(before)),
                          lambda: HUGE.write_text(str(before + 32)), RISKY, 'huge pages')
            vm.destroy()

    # Networks, which need the rights of root

    def ip_link(*arguments):
        subprocess.run(['ip', 'link', *arguments], check=True)

    @contextlib.contextmanager
    def bridge():
        name = f'pf{os.getpid()}'
        ip_link('add', name, 'type', 'bridge')
        try:
            yield name
        finally:
            if os.path.exists(f'/sys/class/net/{name}'):
                ip_link('del', name)

    def with_interface(host, interface, memory):
        vm = host.vm()
        redefine(vm, lambda text: text.replace(
            '</devices>', f'{interface}</devices>'))
        vm.start()
        return vm, take(vm, memory)

    @both
    def _bridge(host, memory):
        with bridge() as name:
            vm, flags = with_interface(
                host, f"<interface type='bridge'><source bridge='{name}'/></interface>",
                memory)
            gone_and_back(host, vm, flags, lambda: ip_link('del', name),
                          lambda: ip_link('add', name, 'type', 'bridge'), CONFIG,
                          f"'{name}'")

    NETWORK = ("<network><name>pf</name><forward mode='bridge'/>"
               "<bridge name='{}'/></network>")

    def network_gone(host, memory, *fragments, undefined):
        with bridge() as name:
            net = host.conn.networkDefineXML(NETWORK.format(name))
            net.create()
            vm, flags = with_interface(
                host, "<interface type='network'><source network='pf'/></interface>",
                memory)

            def away():
                net.destroy()
                if undefined:
                    net.undefine()

            def back():
                if undefined:
                    host.conn.networkDefineXML(NETWORK.format(name))
                host.conn.networkLookupByName('pf').create()

            try:
                gone_and_back(host, vm, flags, away, back, CONFIG, "'pf'", *fragments)
            finally:
                vm.destroy()
                net = host.conn.networkLookupByName('pf')
                net.destroy()
                net.undefine()

    @both
    def _network_inactive(host, memory):
        network_gone(host, memory, 'not active', undefined=False)

    @both
    def _network_undefined(host, memory):
        network_gone(host, memory, 'not defined', undefined=True)


@both
def _pool_inactive(host, memory):
    folder = host.tmp / 'vms' / 'pool'
    folder.mkdir(parents=True)
    (folder / 'disc.iso').write_bytes(bytes(1 << 20))
    pool = host.conn.storagePoolDefineXML(
        f"<pool type='dir'><name>pf</name><target><path>{folder}</path></target></pool>")
    pool.create()
    try:
        vm = host.vm()
        redefine(vm, lambda text: text.replace(
            '</devices>', "<disk type='volume' device='cdrom'><driver name='qemu' "
            "type='raw'/><source pool='pf' volume='disc.iso'/><target dev='hdc' "
            "bus='ide'/><readonly/></disk></devices>"))
        vm.start()
        flags = take(vm, memory)
        gone_and_back(host, vm, flags, pool.destroy, pool.create, CONFIG, "'pf'",
                      'not active')
        vm.destroy()
    finally:
        if pool.isActive():
            pool.destroy()
        pool.undefine()


def test_secret_missing(host):
    """As where the domain came from another host."""
    disk = ("<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
            "<auth username='me'><secret type='ceph' usage='pf'/></auth>"
            "<source protocol='rbd' name='pool/image'><host name='127.0.0.1'/></source>"
            "<target dev='vdz' bus='virtio'/></disk>")
    vm = host.vm()
    vm.start()
    inner = "<disks><disk name='vdz' snapshot='no'/></disks>"
    vm.snapshot('snap1')
    vm.destroy()
    vm.edit_snapshot('snap1', lambda text: text.replace('</devices>', disk + '</devices>')
                     .replace('</disks>', inner[7:], 1))
    vm.start()
    result = host.revert_desc(vm, 'snap1', flags=RUNNING)
    check_refused(result, CONFIG, 'secret', "'pf'")


tap.main(globals())
