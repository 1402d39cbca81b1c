# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_running.py: what virsh changes of a running domain

Where after= undoes it, the domain need not be started again for the next run.
"""

from call import ERROR, INACTIVE, PAUSED, RUNNING, table

NO_DISK = ('detach-disk $vm sda --live',)
FROM_SAVED = ('destroy $vm', 'managedsave-remove $vm')

CALLS = [
    *table({
        'suspend': ('suspend $vm', {'after': ('resume $vm',)}),
        'reset': 'reset $vm',
        'reboot': 'reboot $vm --mode acpi',
        'autostart': ('autostart $vm', {'after': ('autostart $vm --disable',)}),
        'setmem': ('setmem $vm 32M --live', {}),
        'setmem_more': ('setmem $vm 64M --live', {'expect': ERROR}),
        'attach_device': ('attach-device $vm $dir/disk.xml --live', {'after': NO_DISK}),
        'attach_disk': ('attach-disk $vm $dir/spare.qcow2 sda --targetbus usb '
                        '--subdriver qcow2 --live', {'after': NO_DISK}),
        'attach_twice': ('attach-device $vm $dir/disk.xml --live',
                         {'before': ('attach-device $vm $dir/disk.xml --live',),
                          'after': NO_DISK, 'expect': ERROR}),
        'detach_device': ('detach-device $vm $dir/disk.xml --live',
                          {'before': ('attach-device $vm $dir/disk.xml --live',)}),
        'detach_disk': ('detach-disk $vm sda --live',
                        {'before': ('attach-device $vm $dir/disk.xml --live',)}),
        'change_media': ('change-media $vm hdc $dir/media.iso --live',
                         {'after': ('change-media $vm hdc --eject --live',)}),
        'metadata': ("metadata $vm urn:example:two --key two --set '<a/>' --live",
                     {'after': ('metadata $vm urn:example:two --remove --live',)}),
        'blkdeviotune': ('blkdeviotune $vm vdb --total-iops-sec 1000 --live',
                         {'after': ('blkdeviotune $vm vdb --total-iops-sec 0 --live',)}),
        'domblkthreshold': ('domblkthreshold $vm vda 65536', {}),
        'migrate_setspeed': ('migrate-setspeed $vm 100; migrate-getspeed $vm', {}),
        'migrate_setmaxdowntime': ('migrate-setmaxdowntime $vm 400', {}),
        'blockresize': ('blockresize $vm vdb 8M', {}),
        'iothreadadd': ('iothreadadd $vm 7 --live',
                        {'after': ('iothreaddel $vm 7 --live',)}),
        'iothreadset': ('iothreadset $vm 1 --poll-max-ns 32768', {}),
        'setvcpus': ('setvcpus $vm 2 --live', {}),
        'blockcommit': 'blockcommit $vm vda --active --pivot --wait',
        'blockcopy': ('blockcopy $vm vda --xml $dir/copy.xml --transient-job --wait '
                      '--finish', {'files': ('copy.qcow2',)}),
        'save': ('save $vm $dir/vm.save', {'after': ()}),
        'undefine': 'undefine $vm',
        'shutdown': ('shutdown $vm --mode agent', {'expect': ERROR}),
    }, suffix='_live', state=RUNNING, changes=True),

    *table({
        'resume': 'resume $vm',
        'dump': ('dump $vm $dir/vm.core --memory-only', {'after': ()}),
    }, suffix='_paused_live', state=PAUSED, changes=True),

    *table({
        'restore': 'restore $dir/kept.save',
        'save_image_dumpxml': 'save-image-dumpxml $dir/kept.save',
        'save_image_define': ('save-image-define $dir/kept.save $dir/not.xml',
                              {'expect': ERROR}),
    }, suffix='_from_file', state=INACTIVE, changes=True),
    *table({
        'all': 'managedsave $vm; managedsave-dumpxml $vm; undefine $vm; '
               'managedsave-remove $vm',
        'start': ('start $vm', {'before': ('managedsave $vm',)}),
    }, suffix='_with_managed_save', state=PAUSED, changes=True, after=FROM_SAVED),
]
