#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_refuse_document.py: what a revert document may not say

Each row of CASES is a test. {dir} stands for the VM's folder.
"""

import libvirt

import tap
from refusal import (KEEP_CURRENT, PAUSED, RUNNING, VALIDATE,
                     check_refused, document, refused, two_snapshots)

XML = libvirt.VIR_ERR_XML_ERROR
MALFORMED = libvirt.VIR_ERR_XML_DETAIL
SCHEMA = libvirt.VIR_ERR_XML_INVALID_SCHEMA
CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
ARGUMENT = libvirt.VIR_ERR_INVALID_ARG

ROOT = 'domainsnapshotrevert'
BOMB = ('<!DOCTYPE x [<!ENTITY a "' + 'a' * 1000 + '">' + ''.join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 100}">' for i in range(8)) +
    f']><{ROOT}>&i;</{ROOT}>')


def disk(inner, name='vda', attributes=''):
    return (f"<{ROOT}><disks><disk name='{name}' {attributes}>{inner}</disk></disks>"
            f'</{ROOT}>')


# name: document, flags, code, what the message holds
CASES = {
    'unknown_disk': (document(('vdz', '{dir}/x')), 0, CONFIG, "'vdz'", "'snap1'"),
    'disk_named_twice': (document(('vda', '{dir}/x'), ('vda', '{dir}/y')), 0, XML,
                         "'vda'", 'twice'),
    'disk_named_by_target_and_path': (
        document(('vda', '{dir}/x'), ('{dir}/a.qcow2', '{dir}/y')), 0, XML,
        "'vda'", 'twice'),
    'disk_without_name': (f"<{ROOT}><disks><disk/></disks></{ROOT}>", 0, XML, 'name'),
    'two_disks_with_one_path': (document(('vda', '{dir}/x'), ('vdb', '{dir}/x')), 0, XML,
                                "'vda'", "'vdb'", '{dir}/x'),
    'two_disks_with_one_path_written_differently': (
        document(('vda', '{dir}/x'), ('vdb', '{dir}/.//x')), 0, XML, "'vdb'"),
    'relative_path': (document(('vda', 'x.qcow2')), 0, XML, "'vda'", 'absolute'),
    'path_with_dots': (document(('vda', '{dir}/../x')), 0, XML, "'vda'", "'..'"),
    'path_is_a_folder': (document(('vda', '{dir}/')), 0, XML, "'vda'", 'folder'),
    'path_too_long': (document(('vda', '{dir}/' + 'x' * 256)), 0, XML, "'vda'", 'long'),
    'path_exists': (document(('vda', '{dir}/there')), 0, FAILED, "'vda'",
                    '{dir}/there', 'exists'),
    'path_is_a_dangling_link': (document(('vda', '{dir}/link')), 0, FAILED, "'vda'",
                                'exists'),
    'path_of_a_base': (document(('vda', '{dir}/a.qcow2')), 0, CONFIG, "'vda'",
                       '{dir}/a.qcow2'),
    'path_of_an_inner_image': (document(('vda', '{dir}/a.snap1')), 0, CONFIG, "'vda'",
                               '{dir}/a.snap1'),
    'path_of_the_other_disk': (document(('vda', '{dir}/b.snap2')), 0, CONFIG, "'vda'",
                               '{dir}/b.snap2'),
    'driver_raw': (disk("<driver type='raw'/><source file='{dir}/x'/>"), 0, CONFIG,
                   "'vda'", "'raw'"),
    'type_block': (disk("<source dev='/dev/null'/>", attributes="type='block'"), 0,
                   CONFIG, "'vda'", "'block'"),
    'type_network': (disk("<source protocol='nbd' name='x'/>",
                          attributes="type='network'"), 0, CONFIG, "'vda'", "'network'"),
    'in_place_but_kept': (document(('vda', '{dir}/a.snap2')), KEEP_CURRENT, ARGUMENT,
                          "'vda'", '{dir}/a.snap2'),
    'not_valid_by_the_schema': (disk("<serial>1</serial>"), VALIDATE, SCHEMA),
    'empty': ('', 0, XML),
    'blank': (' \n ', 0, XML),
    'not_xml': ('revert, please', 0, MALFORMED),
    'truncated': (document(('vda', '{dir}/x'))[:-20], 0, MALFORMED),
    'another_root': ('<domainsnapshot/>', 0, XML, 'domainsnapshot'),
    'not_utf8': (b'<domainsnapshotrevert>\xff\xfe</domainsnapshotrevert>', 0, MALFORMED),
    'ten_megabytes': (f'<{ROOT}>' + ' ' * 10_000_000 + f'</{ROOT}>', 0, None),
    'deeply_nested': (f'<{ROOT}>' + '<a>' * 100_000 + '</a>' * 100_000 + f'</{ROOT}>',
                      0, MALFORMED),
    'dtd': (f'<!DOCTYPE {ROOT}><{ROOT}/>', 0, XML, 'DTD'),
    'entity_bomb': (BOMB, 0, XML, 'DTD'),
    'external_entity': (f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
                        f'<{ROOT}>&a;</{ROOT}>', 0, XML, 'DTD'),
    'unknown_flags': (None, 1 << 19, ARGUMENT, '0x80000'),
    'running_with_paused': (None, RUNNING | PAUSED, ARGUMENT, 'exclusive'),
}


def make(xml, flags, code, *fragments):
    def test(host):
        vm = two_snapshots(host)
        (vm.folder / 'there').touch()
        (vm.folder / 'link').symlink_to('nowhere')
        folder = str(vm.folder)
        text = xml.replace('{dir}', folder) if isinstance(xml, str) else xml
        expected = [fragment.replace('{dir}', folder) for fragment in fragments]
        if code is None:  # too large to be sent at all
            before = vm.capture()
            result = host.revert(vm, 'snap1', text, flags)
            assert not result.ok and 'larger' in result.message, result
            vm.assert_unchanged(before)
        else:
            refused(host, vm, 'snap1', code, *expected, xml=text, flags=flags)
    return test


for case, row in CASES.items():
    globals()[f'test_{case}'] = make(*row)


def test_path_of_a_snapshot_whose_file_is_gone(host):
    vm = two_snapshots(host, running=False)
    assert host.revert(vm, 'snap1').ok  # deletes a.snap2, which snap2 still names
    refused(host, vm, 'snap1', CONFIG, "'vda'", "'snap2'",
            xml=document(('vda', vm.path('a.snap2'))))


def test_disk_that_the_snapshot_left_out(host):
    vm = host.vm()
    vm.snapshot('snap1', inner="<disks><disk name='vdb' snapshot='no'/></disks>")
    refused(host, vm, 'snap1', CONFIG, "'vdb'", 'no external snapshot',
            xml=document(('vdb', vm.path('x'))))


def test_cdrom(host):
    vm = host.vm(devices="<disk type='file' device='cdrom'>"
                 "<target dev='hdc' bus='ide'/><readonly/></disk>")
    vm.snapshot('snap1')
    refused(host, vm, 'snap1', CONFIG, "'hdc'", 'no external snapshot',
            xml=document(('hdc', vm.path('x'))))


def test_virsh_says_the_same(host):
    vm = two_snapshots(host)
    before = vm.capture()
    result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1',
                        '--diskspec', f'vdz,file={vm.path("x")}')
    assert result.status == 1, result
    assert "no disk 'vdz' in snapshot 'snap1'" in result.err, result
    check_refused(host.revert(vm, 'snap1', document(('vdz', vm.path('x')))), CONFIG)
    vm.assert_unchanged(before)


tap.main(globals())
