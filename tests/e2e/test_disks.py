#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_disks.py: every kind of disk, and a configuration that has changed since"""

import os
import re
import stat
import xml.etree.ElementTree as ET

import libvirt

import images
import tap
from refusal import (BLUE, FORCE, GREEN, PAUSED, RED, RESET_NVRAM, RUNNING, refused,
                     two_snapshots)
from vm import sums

RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY

CONFIG = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
UNSUPPORTED = libvirt.VIR_ERR_OPERATION_UNSUPPORTED

MEDIUM = """<disk type='file' device='{device}'>
    <driver name='qemu' type='raw'/>{source}<target dev='{target}' bus='{bus}'/>{more}</disk>"""


def disk(file, target, device='disk', bus='virtio', more='', policy=''):
    source = f"<source file='{file}'{policy}/>" if file else ''
    return MEDIUM.format(device=device, source=source, target=target, bus=bus, more=more)


def with_devices(host, files=(), **options):
    """A VM whose devices may name {folder}/FILE for each of files."""
    folder = host.tmp / 'vms' / 'media'
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        images.create(folder / name, '1M', fmt='raw')
    options['devices'] = options.get('devices', '').replace('{folder}', str(folder))
    return host.vm(disks=1, **options), folder


def snapshot(vm, name='snap1', **excluded):
    """excluded: target=rule"""
    rules = ''.join(f"<disk name='{target}' snapshot='{rule}'/>"
                    for target, rule in excluded.items())
    vm.snapshot(name, inner=f'<disks>{rules}</disks>')


def written(vm, byte=RED):
    vm.write('vda', byte)


def there_and_back(host, vm, flags=RUNNING, **excluded):
    written(vm)
    snapshot(vm, **excluded)
    written(vm, BLUE)
    result = host.revert(vm, 'snap1', flags=flags)
    assert result.ok, result
    assert vm.read('vda') == RED and vm.file('vda') == vm.path('a.snap1-1')


# Who may read the new overlays


def mode_after(host, base, replaced):
    """Of the overlay that replaces one of mode `replaced` and stands on one of `base`."""
    vm = host.vm(disks=1)
    snapshot(vm)
    os.chmod(vm.path('a.qcow2'), base)
    os.chmod(vm.file('vda'), replaced)
    owner = os.stat(vm.file('vda'))
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    written(vm)
    made = os.stat(vm.file('vda'))
    assert (made.st_uid, made.st_gid) == (owner.st_uid, owner.st_gid)
    return oct(stat.S_IMODE(made.st_mode))


def test_overlay_of_a_private_base(host):
    """libvirt gives its own overlays 0644, whatever they stand on."""
    assert mode_after(host, base=0o600, replaced=0o644) == '0o600'


def test_overlay_in_place_of_a_private_one(host):
    assert mode_after(host, base=0o644, replaced=0o600) == '0o600'


def test_overlay_of_a_write_protected_base(host):
    assert mode_after(host, base=0o444, replaced=0o660) == '0o660'


def test_overlay_of_a_write_protected_private_base(host):
    assert mode_after(host, base=0o400, replaced=0o644) == '0o600'


def test_overlay_further_up_than_a_private_base(host):
    """The image between is libvirt's own, which everyone can read."""
    vm = host.vm(disks=1)
    os.chmod(vm.path('a.qcow2'), 0o600)
    snapshot(vm)
    snapshot(vm, 'snap2')
    os.chmod(vm.path('a.snap1'), 0o644)
    assert host.revert(vm, 'snap2').ok
    assert stat.S_IMODE(os.stat(vm.file('vda')).st_mode) == 0o600


def test_overlay_where_the_one_it_replaces_is_gone(host):
    """It is as the base is, and can be written to all the same."""
    vm = host.vm(disks=1)
    snapshot(vm)
    os.chmod(vm.path('a.qcow2'), 0o440)
    os.unlink(vm.file('vda'))
    assert host.revert(vm, 'snap1').ok
    assert stat.S_IMODE(os.stat(vm.file('vda')).st_mode) == 0o640


# Kinds of disks


def test_cdrom_with_a_medium(host):
    vm, folder = with_devices(host, ['cd.iso'], devices=disk(
        '{folder}/cd.iso', 'hda', 'cdrom', 'ide', '<readonly/>'))
    below = sums([folder / 'cd.iso'])
    there_and_back(host, vm)
    assert vm.file('hda') == str(folder / 'cd.iso')
    assert sums(below) == below


def test_cdrom_without_a_medium(host):
    vm, _folder = with_devices(host, devices=disk(None, 'hda', 'cdrom', 'ide', '<readonly/>'))
    there_and_back(host, vm)
    assert 'hda' not in vm.files()


def test_cdrom_whose_medium_was_changed(host):
    """As in the snapshot's definition."""
    vm, folder = with_devices(host, ['cd.iso', 'other.iso'], devices=disk(
        '{folder}/cd.iso', 'hda', 'cdrom', 'ide', '<readonly/>'))
    written(vm)
    snapshot(vm)
    vm.dom = host.conn.defineXML(vm.xml().replace('/cd.iso', '/other.iso'))
    assert host.revert(vm, 'snap1').ok
    assert vm.file('hda') == str(folder / 'cd.iso')


def was_on(host, kind, source, *fragments):
    """In the snapshot's definition; in that of today it is on a file."""
    vm = host.vm(disks=1)
    snapshot(vm)
    base = vm.path('a.qcow2')
    vm.edit_snapshot('snap1', lambda xml: re.sub(
        rf"<disk type='file'([^>]*)>(\s*<driver[^>]*>\s*)<source file='{base}'[^>]*>",
        rf"<disk type='{kind}'\1>\2{source}", xml))
    vm.start()
    refused(host, vm, 'snap1', CONFIG, "disk 'vda'", "snapshot 'snap1'", *fragments)


def test_volume_of_a_pool(host):
    was_on(host, 'volume', "<source pool='pool' volume='a'/>", "type 'volume'")


def test_image_on_the_network(host):
    was_on(host, 'network', "<source protocol='nbd' name='a'><host name='h'/></source>",
           "type 'network'")


def with_lost_medium(host, policy=''):
    vm, folder = with_devices(host, ['cd.iso'], devices=disk(
        '{folder}/cd.iso', 'hda', 'cdrom', 'ide', '<readonly/>', policy))
    written(vm)
    snapshot(vm)
    vm.dom = host.conn.defineXML(re.sub(r"<source file='[^']*cd.iso'[^>]*/>", '', vm.xml()))
    vm.start()
    (folder / 'cd.iso').unlink()
    return vm, str(folder / 'cd.iso')


def test_medium_lost(host):
    """Nothing is stopped for a start that can't succeed; one that isn't started can be."""
    vm, medium = with_lost_medium(host)
    refused(host, vm, 'snap1', FAILED, "'hda'", medium, 'No such file')
    assert host.revert(vm, 'snap1').ok
    assert not vm.active and vm.read('vda') == RED


def test_optional_medium_lost(host):
    vm, _medium = with_lost_medium(host, " startupPolicy='optional'")
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert vm.running and vm.read('vda') == RED


def test_floppy(host):
    vm, folder = with_devices(host, ['fd.img'], devices=disk(
        '{folder}/fd.img', 'fda', 'floppy', 'fdc'))
    there_and_back(host, vm, fda='no')
    assert vm.file('fda') == str(folder / 'fd.img')


def test_readonly_disk(host):
    vm, folder = with_devices(host, ['ro.img'], devices=disk(
        '{folder}/ro.img', 'vdb', more='<readonly/>'))
    below = sums([folder / 'ro.img'])
    there_and_back(host, vm)
    assert vm.file('vdb') == str(folder / 'ro.img')
    assert sums(below) == below


def test_shareable_disk(host):
    vm, folder = with_devices(host, ['shared.img'], devices=disk(
        '{folder}/shared.img', 'vdb', more='<shareable/>'))
    there_and_back(host, vm, vdb='no')
    assert vm.file('vdb') == str(folder / 'shared.img')


LUN = """<controller type='scsi' model='virtio-scsi'/>
    <disk type='block' device='lun'><driver name='qemu' type='raw'/>
    <source dev='{}'/><target dev='sda' bus='scsi'/></disk>"""


def test_lun(host):
    """Of a device that is not there: refused where it would be needed."""
    vm, folder = with_devices(host, devices=LUN.format('{folder}/lun'))
    there_and_back(host, vm, 0, sda='no')
    lun = ET.fromstring(vm.xml()).find("devices/disk[@device='lun']")
    assert lun.find('source').get('dev') == str(folder / 'lun')
    refused(host, vm, 'snap1', FAILED, "'sda'", str(folder / 'lun'))


def test_left_out_goes_on_with_its_present_image(host):
    vm = host.vm()
    vm.write_all(RED)
    snapshot(vm, vdb='no')
    snapshot(vm, 'snap2')
    vm.write_all(BLUE)
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert vm.data() == [RED, BLUE] and vm.file('vdb') == vm.path('b.snap2')


def test_left_to_the_user_goes_on_with_its_present_image(host):
    vm = host.vm()
    vm.write_all(RED)
    snapshot(vm, vdb='manual')
    vm.write_all(BLUE)
    assert host.revert(vm, 'snap1').ok
    assert vm.data() == [RED, BLUE] and vm.file('vdb') == vm.base['vdb']


# Kinds of images


def test_data_file(host):
    vm = host.vm(disks=1)
    base, data = vm.base['vda'], vm.path('a.data')
    os.unlink(base)
    images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', f'data_file={data}',
                base, '64M')
    written(vm)
    snapshot(vm)
    written(vm, BLUE)
    below = sums([base, data])
    result = host.revert(vm, 'snap1')
    assert result.ok, result
    assert vm.read('vda') == RED
    written(vm, GREEN)
    assert sums(below) == below
    os.rename(data, f'{data}.away')
    refused(host, vm, 'snap1', FAILED, "'vda'", base, data)


def test_data_file_is_never_deleted(host):
    """Below a state it belongs to the state."""
    vm = host.vm(disks=1)
    base = vm.base['vda']
    os.unlink(base)
    images.tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-o',
                f'data_file={vm.path("a.data")}', base, '64M')
    vm.snapshot('snap1')
    xml = (f"<domainsnapshotrevert><disks><disk name='vda'><source "
           f"file='{vm.path('a.data')}'/></disk></disks></domainsnapshotrevert>")
    refused(host, vm, 'snap1', FAILED, "'vda'", 'exists', xml=xml)


def with_linked_folder(host, tempting):
    """vda's image is l/top, backed by ../base, and l leads to real/deep."""
    vm = host.vm(disks=1)
    os.makedirs(vm.path('real/deep'))
    os.symlink('real/deep', vm.path('l'))
    images.create(vm.path('real/base'))
    images.write(vm.path('real/base'), RED)
    images.create(vm.path('l/top'), backing='../base')
    if tempting:  # where the name leads to if the link is not followed
        os.rename(vm.file('vda'), vm.path('base'))
    vm.dom = host.conn.defineXML(vm.xml().replace(vm.file('vda'), vm.path('l/top')))
    assert vm.read('vda') == RED
    return vm


def linked_folder(host, tempting):
    vm = with_linked_folder(host, tempting)
    snapshot(vm)
    vm.write('vda', BLUE)
    before = sums([vm.path('real/base'), vm.path('real/deep/top')])
    result = host.revert(vm, 'snap1', foretell=False)  # goes by the names of files
    assert result.ok, result
    assert vm.read('vda') == RED and sums(before) == before
    assert os.path.samefile(os.path.dirname(vm.file('vda')), vm.path('l'))


def test_backing_image_above_a_linked_folder(host):
    linked_folder(host, tempting=False)


def test_backing_image_above_a_linked_folder_and_another(host):
    linked_folder(host, tempting=True)


def test_overlay_above_a_linked_folder_is_needed(host):
    """What the revert would delete is what another domain's image stands on."""
    vm = with_linked_folder(host, tempting=True)
    overlay = vm.path('real/over')
    vm.snapshot('snap1', inner=f"""<disks><disk name='vda'>
        <source file='{overlay}'/></disk></disks>""")
    images.create(vm.path('real/deep/other'), backing='../over')
    other = host.vm(disks=1)
    other.dom = host.conn.defineXML(other.xml().replace(other.file('vda'),
                                                        vm.path('l/other')))
    assert '<image' not in host.revert_desc(vm, 'snap1').out
    result = host.revert(vm, 'snap1', foretell=False)  # goes by the names of files
    assert result.ok, result
    assert os.path.exists(overlay)


def with_chain(host, length):
    """An inactive VM on that many images, with RED at snap1, BLUE now."""
    vm = host.vm(disks=1)
    below = vm.base['vda']
    images.write(below, RED)
    for depth in range(length - 1):
        # -u: it would open the whole chain each time
        images.tool('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', below,
                    '-F', 'qcow2', vm.path(f'c{depth}'), '64M')
        below = vm.path(f'c{depth}')
    vm.dom = host.conn.defineXML(vm.xml().replace(vm.base['vda'], below))
    snapshot(vm)
    written(vm, BLUE)
    return vm


def test_long_chain(host):
    vm = with_chain(host, 24)
    result = host.revert(vm, 'snap1', flags=RUNNING)
    assert result.ok, result
    assert vm.running and vm.read('vda') == RED
    assert len(vm.chain('vda')) == 25


def test_chain_of_fifty(host):
    """Some versions of libvirt could not start the domain on it."""
    vm = with_chain(host, 50)
    if 11003000 <= host.conn.getLibVersion() < 12000000:
        refused(host, vm, 'snap1', RISKY, "'vda'", '51', '25')
        assert host.revert(vm, 'snap1').ok
    else:
        result = host.revert(vm, 'snap1', flags=RUNNING)
        assert result.ok, result
        assert vm.running
    assert vm.read('vda') == RED
    assert len(vm.chain('vda')) == 51


def test_chain_that_leaves_room_for_one(host):
    """libvirt takes 200 images, the new overlay among them."""
    vm = with_chain(host, 199)
    running = not 11003000 <= host.conn.getLibVersion() < 12000000
    result = host.revert(vm, 'snap1', flags=RUNNING if running else 0)
    assert result.ok, result
    assert vm.running == running and vm.read('vda') == RED
    assert len(vm.chain('vda')) == 200


def test_chain_that_leaves_no_room(host):
    vm = with_chain(host, 200)
    refused(host, vm, 'snap1', UNSUPPORTED, "'vda'", 'longer than 199 images')


# A configuration that has changed since


def test_disk_plugged_in_since(host):
    """It is gone from the definition; its files are not touched."""
    vm = two_snapshots(host)
    images.create(vm.path('new.qcow2'))
    images.write(vm.path('new.qcow2'), GREEN)
    vm.destroy()
    vm.dom = host.conn.defineXML(vm.xml().replace('</devices>', f"""
        <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
        <source file='{vm.path('new.qcow2')}'/><target dev='vdc' bus='virtio'/></disk>
        </devices>"""))
    vm.start()
    vm.snapshot('snap3')
    below = sums([vm.path('new.qcow2'), vm.path('new.snap3')])
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert sorted(vm.files()) == ['vda', 'vdb'] and vm.data() == [RED, RED]
    assert sums(below) == below
    assert host.revert(vm, 'snap3', flags=RUNNING).ok  # and it comes back
    assert vm.read('vdc') == GREEN


def test_disk_removed_since(host):
    vm = two_snapshots(host, running=False)
    left = vm.file('vdb')
    vm.dom = host.conn.defineXML(re.sub(
        rf"<disk (?:(?!</disk>).)*{re.escape(left)}.*?</disk>", '', vm.xml(),
        flags=re.DOTALL))
    assert sorted(vm.files()) == ['vda']
    assert host.revert(vm, 'snap1', flags=RUNNING).ok
    assert vm.running and vm.data() == [RED, RED]
    assert os.path.exists(left)  # the domain was not on it


def test_configuration_is_the_snapshots(host):
    vm = host.vm()
    described = vm.xml().replace('<memory ', '<title>one</title><description>first'
                                 '</description><metadata><x:x xmlns:x="urn:x">1</x:x>'
                                 '</metadata><memory ', 1)
    vm.dom = host.conn.defineXML(described)
    vm.dom.setAutostart(True)
    uuid = vm.dom.UUIDString()
    vm.snapshot('snap1')
    vm.dom = host.conn.defineXML(
        vm.xml().replace('>one<', '>two<').replace('>first<', '>second<')
        .replace('>1</x:x>', '>2</x:x>').replace("'static'>1<", "'static'>2<")
        .replace('</devices>', "<controller type='virtio-serial'/></devices>"))
    assert host.revert(vm, 'snap1').ok
    text = vm.xml()
    for kept in ('<title>one<', '<description>first<', '>1</x:x>', "'static'>1<"):
        assert kept in text, kept
    assert 'virtio-serial' not in text
    assert vm.dom.UUIDString() == uuid and vm.dom.name() == vm.name
    assert vm.dom.autostart()  # it is the domain's, and in no snapshot


def test_kernel_lost(host):
    """Found while the domain runs."""
    vm, folder = with_devices(host, ['kernel'])
    plain = vm.xml()
    vm.dom = host.conn.defineXML(
        plain.replace('</type>', f'</type><kernel>{folder}/kernel</kernel>', 1))
    snapshot(vm)
    vm.dom = host.conn.defineXML(plain.replace(vm.base['vda'], vm.path('a.snap1')))
    vm.start()
    (folder / 'kernel').unlink()
    refused(host, vm, 'snap1', FAILED, f'{folder}/kernel', 'No such file')


def test_machine_that_this_host_lacks(host):
    """As after an upgrade of QEMU: it is libvirt that says so, before the stop."""
    vm = two_snapshots(host)
    machine = re.search("machine='([^']*)'", vm.snapshot_xml('snap1'))[1]
    vm.destroy()
    vm.edit_snapshot('snap1', lambda text: text.replace(f"machine='{machine}'",
                                                        "machine='pc-0.1'"))
    vm.start()
    refused(host, vm, 'snap1', CONFIG, vm.name, "'snap1'", 'pc-0.1', foretold=False)


SLOT = "<address type='pci' domain='0x0000' bus='0x00' slot='0x0{}' function='0x0'/>"
BOOT = "<boot order='{}'/>"


def with_settings(vm, *settings):
    """One for each disk, in the place of those that it has."""
    text = vm.xml(active=False).replace("<boot dev='hd'/>", '')
    for target, setting in zip(vm.targets, settings):
        text = re.sub(rf"(<target dev='{target}'[^>]*/>)\s*(<boot[^>]*/>\s*)?"
                      r'<address[^>]*/>', rf'\1{setting}', text)
    vm.dom = vm.host.conn.defineXML(text)


def conflict_of_settings(host, setting, memory, flags, code, fragment):
    """vdb, which was left out and keeps its present settings, has since got what vda had
    in the snapshot. Whatever the domain is to do afterwards, it is not stopped."""
    vm = host.vm()
    with_settings(vm, setting.format(5), setting.format(6))
    vm.start()
    inner = "<disks><disk name='vdb' snapshot='no'/></disks>"
    take = vm.memory_snapshot if memory else vm.snapshot
    take('snap1', inner=inner)
    with_settings(vm, setting.format(6), setting.format(5))
    refused(host, vm, 'snap1', code, vm.name, "'snap1'", fragment, flags=flags,
            foretold=False)


def make_conflict(*what):
    def test(host):
        conflict_of_settings(host, *what)
    return test


for name, *error in (('order', CONFIG, 'boot order'),
                     ('address', libvirt.VIR_ERR_XML_ERROR, 'PCI Address')):
    kind = BOOT if name == 'order' else SLOT
    globals()[f'test_{name}_of_two_disks_off'] = make_conflict(kind, False, 0, *error)
    globals()[f'test_{name}_of_two_disks_booted'] = make_conflict(kind, False, RUNNING, *error)
    globals()[f'test_{name}_of_two_disks_restored'] = make_conflict(kind, True, FORCE, *error)


# UEFI variables


def with_nvram(host):
    """What QEMU maps as firmware need not be any for a domain that stays paused."""
    vm, folder = with_devices(host, ['code.fd', 'vars.fd'])
    nvram = folder / 'nvram.fd'
    vm.dom = host.conn.defineXML(vm.xml().replace(
        '</type>', f"</type><loader readonly='yes' type='pflash'>{folder}/code.fd</loader>"
        f"<nvram template='{folder}/vars.fd'>{nvram}</nvram>", 1).replace(
        '</os>', '</os><features><acpi/></features>', 1))
    snapshot(vm)
    nvram.write_bytes(b'changed'.ljust(1 << 20, b'\0'))
    return vm, nvram


def test_nvram_stays(host):
    vm, nvram = with_nvram(host)
    assert host.revert(vm, 'snap1', flags=PAUSED).ok
    assert vm.paused and nvram.read_bytes().startswith(b'changed')


def test_nvram_is_reset(host):
    vm, nvram = with_nvram(host)
    assert host.revert(vm, 'snap1', flags=PAUSED | RESET_NVRAM).ok
    assert vm.paused and nvram.read_bytes() == bytes(1 << 20)


def test_nvram_is_reset_with_virsh(host):
    vm, nvram = with_nvram(host)
    result = host.virsh('-c', host.uri, 'snapshot-revert', vm.name, 'snap1', '--paused',
                        '--reset-nvram')
    assert result.ok, result
    assert vm.paused and nvram.read_bytes() == bytes(1 << 20)


tap.main(globals())
