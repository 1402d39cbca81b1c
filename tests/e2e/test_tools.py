#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_tools.py: stock tools that know nothing of the front work through it

virt-install, virt-xml and a Perl program each do the same directly and through the
front, with a domain of the same definition.
"""

import pathlib
import re
import shutil

import libvirt

import images
import tap
from subjects import without_ids
from vm import UNDEFINE_FLAGS, difference, virt_type

UUID = '11111111-2222-3333-4444-0000000000aa'
PERL = pathlib.Path(__file__).with_name('tools.pl')


def tool(host, name):
    if shutil.which(name) is None:
        raise tap.Skip(f'{name} is missing')
    return lambda uri, *arguments: host.run_command([name, '--connect', uri, *arguments])


def perl(host):
    if host.run_command(['/usr/bin/perl', '-MSys::Virt', '-e', '1']).returncode != 0:
        raise tap.Skip('Sys::Virt is missing (libsys-virt-perl)')
    return lambda uri, *arguments: host.run_command(
        ['/usr/bin/perl', PERL, uri, *arguments])


def told(host, result):
    text = f'{result.returncode}\n{result.stdout}\n{result.stderr}'
    text = text.replace(str(host.snapshotd.socket), str(host.libvirtd.socket))
    return without_ids(re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', '(time)', text))


def remove(host, name):
    try:
        dom = host.conn.lookupByName(name)
    except libvirt.libvirtError:
        return
    if dom.isActive():
        dom.destroy()
    dom.undefineFlags(UNDEFINE_FLAGS)


def definition(host, name):
    """As it is afterwards, whoever asks."""
    try:
        dom = host.conn.lookupByName(name)
    except libvirt.libvirtError:
        return 'there is none'
    texts = [dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)]
    if dom.isActive():
        texts += [f'{dom.state()}', dom.XMLDesc()]
    return without_ids('\n'.join(texts))


def compare(host, run, name, prepare, fails=False):
    """run(uri) on each side, after prepare(); what it said, and what it made of name."""
    seen = []
    for uri in (host.direct_uri(), host.front_uri()):
        remove(host, name)
        prepare()
        try:
            result = run(uri)
            assert (result.returncode != 0) == fails, told(host, result)
            seen.append(f'{told(host, result)}\n{definition(host, name)}')
        finally:
            remove(host, name)
    assert seen[0] == seen[1], difference(*seen)
    return seen[0]


def disk(host):
    """One image, for all the tests."""
    file = host.tmp / 'tools.qcow2'
    if not file.exists():
        images.create(file, '4M')
    return file


def edited(host, *arguments, running=False, fails=False):
    """What virt-xml makes of a small domain."""
    run = tool(host, 'virt-xml')

    def prepare():
        dom = host.conn.defineXML(f"""
            <domain type='{virt_type(host.conn)}'><name>tools</name><uuid>{UUID}</uuid>
            <memory unit='MiB'>32</memory>
            <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
            <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
            <source file='{disk(host)}'/><target dev='vda' bus='virtio'/></disk>
            <controller type='usb' model='none'/><memballoon model='none'/>
            </devices></domain>""")
        if running:
            dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    return compare(host, lambda uri: run(uri, 'tools', *arguments), 'tools', prepare,
                   fails)


def test_virt_xml_edit(host):
    assert '<vcpu placement=\'static\'>3</vcpu>' in edited(host, '--edit', '--vcpus', '3')


def test_virt_xml_edit_disk(host):
    assert "cache='none'" in edited(host, '--edit', 'target=vda', '--disk', 'cache=none')


def test_virt_xml_add_device(host):
    assert '/dev/urandom' in edited(host, '--add-device', '--rng', '/dev/urandom')


def test_virt_xml_remove_device(host):
    assert '<disk' not in edited(host, '--remove-device', '--disk', '1')


def test_virt_xml_print_diff(host):
    assert '+' in edited(host, '--edit', '--metadata', 'title=other', '--print-diff')


def test_virt_xml_while_running(host):
    edited(host, '--edit', '--metadata', 'title=other', running=True)


def test_virt_xml_fails(host):
    edited(host, '--edit', 'target=vdz', '--disk', 'cache=none', fails=True)


def test_virt_xml_unknown_domain(host):
    run = tool(host, 'virt-xml')
    compare(host, lambda uri: run(uri, 'nobody', '--edit', '--vcpus', '3'), 'nobody',
            lambda: None, fails=True)


def installed(host, *options, fails=False):
    run = tool(host, 'virt-install')
    arguments = ['--import', '--name', 'tools', '--memory', '32', '--uuid', UUID,
                 '--osinfo', 'detect=off,require=off', '--virt-type',
                 virt_type(host.conn), '--disk', disk(host), '--network', 'none',
                 '--graphics', 'none', '--cpu', 'qemu64,check=none',
                 '--noautoconsole', *options]
    return compare(host, lambda uri: run(uri, *arguments), 'tools', lambda: None, fails)


def test_virt_install_print_xml(host):
    assert '<name>tools</name>' in installed(host, '--print-xml')


def test_virt_install(host):
    assert 'tools.qcow2' in installed(host)


def test_virt_install_transient_noreboot(host):
    installed(host, '--noreboot', '--dry-run')


def test_virt_install_fails(host):
    installed(host, '--machine', 'no-such', fails=True)


def perl_told(host, command, snapshots=True, fails=False):
    """Of a VM with two internal snapshots."""
    run = perl(host)
    if snapshots and not host.vms:
        vm = host.vm()
        for name in ('one', 'two'):
            vm.dom.snapshotCreateXML(f'<domainsnapshot><name>{name}</name>'
                                     '</domainsnapshot>')
    seen = []
    for uri in (host.direct_uri(), host.front_uri()):
        result = run(uri, 'vm0', command)
        assert (result.returncode != 0) == fails, told(host, result)
        seen.append(told(host, result))
    assert seen[0] == seen[1], difference(*seen)
    return seen[0]


def test_perl_list(host):
    assert 'vm0' in perl_told(host, 'list')


def test_perl_xml(host):
    assert '<name>vm0</name>' in perl_told(host, 'xml')


def test_perl_info(host):
    perl_told(host, 'info')


def test_perl_error(host):
    assert 'Sys::Virt::Error' in perl_told(host, 'unknown')


def test_perl_snapshots(host):
    assert 'one two two' in perl_told(host, 'snapshots')


def test_perl_revert(host):
    assert 'one' in perl_told(host, 'revert')
    assert host.vms[0].current == 'one'


def test_perl_events(host):
    perl_told(host, 'events')


tap.main(globals())
