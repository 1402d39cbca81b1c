# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_change.py: what virsh changes of an inactive domain, or makes anew"""

from call import ERROR, INACTIVE, NONE, ROOTS, table

NO_FRESH = ('destroy fresh', 'undefine fresh')

CALLS = [
    *table({
        'define': 'define $dir/fresh.xml',
        'define_validate': 'define --validate $dir/fresh.xml',
        'define_then_all': ('define $dir/fresh.xml; dominfo fresh; undefine fresh; '
                            'dominfo fresh', {'expect': ERROR}),
        'create_paused': 'create --paused $dir/fresh.xml; domstate fresh --reason',
    }, state=NONE, after=NO_FRESH),

    *table({
        'undefine': 'undefine $vm',
        'undefine_flags': 'undefine $vm --nvram --managed-save --snapshots-metadata',
        'undefine_storage': 'undefine $vm --storage vda',
        'autostart': 'autostart $vm',
        'autostart_disable': 'autostart $vm --disable',
        'setmem': 'setmem $vm 16M --config',
        'setmaxmem': 'setmaxmem $vm 64M --config',
        'setvcpus': 'setvcpus $vm 2 --config',
        'setvcpus_maximum': 'setvcpus $vm 4 --config --maximum',
        'setvcpu': 'setvcpu $vm 1 --enable --config',
        'vcpupin': 'vcpupin $vm 0 0 --config',
        'emulatorpin': 'emulatorpin $vm 0 --config',
        'iothreadadd': 'iothreadadd $vm 2 --config',
        'iothreaddel': 'iothreaddel $vm 1 --config',
        'iothreadpin': 'iothreadpin $vm 1 0 --config',
        'attach_device': 'attach-device $vm $dir/disk.xml --config',
        'attach_disk': 'attach-disk $vm $dir/spare.qcow2 vdc --subdriver qcow2 --config',
        'attach_disk_print': 'attach-disk $vm $dir/spare.qcow2 vdc --print-xml --config',
        'attach_interface': ('attach-interface $vm user none --mac 52:54:00:00:00:03 '
                             '--config', {'expect': ERROR}),
        'attach_nic': 'attach-device $vm $dir/nic.xml --config',
        'detach_disk': 'detach-disk $vm vdb --config',
        'detach_interface': 'detach-interface $vm user --config',
        'update_device': 'update-device $vm $dir/media.xml --config',
        'update_link': 'update-device $vm $dir/link.xml --config',
        'domif_setlink': 'domif-setlink $vm 52:54:00:00:00:01 down --config',
        'change_media': 'change-media $vm hdc $dir/media.iso --config --insert',
        'blkdeviotune': 'blkdeviotune $vm vda --total-bytes-sec 1000000 --config',
        'blkiotune': ('blkiotune $vm --weight 500 --config', ROOTS),
        'memtune': ('memtune $vm --hard-limit 999999 --config', ROOTS),
        'numatune': 'numatune $vm --mode strict --nodeset 0 --config',
        'schedinfo': ('schedinfo $vm --set cpu_shares=2048 --config', ROOTS),
        'perf': 'perf $vm --enable cmt --config',
        'dommemstat_period': 'dommemstat $vm --period 5 --config',
        'desc': 'desc $vm --config a description with words',
        'desc_title': 'desc $vm --config --title another title',
        'metadata_set': "metadata $vm urn:example:two --key two --set '<a b=\"c\"/>'",
        'metadata_remove': 'metadata $vm urn:example:one --remove',
        'metadata_bad': ("metadata $vm urn:example:two --key two --set '<a'",
                         {'expect': ERROR}),
        'domblkthreshold': ('domblkthreshold $vm vda 65536', {'expect': ERROR}),
        'start_and_list': 'start $vm; domstate $vm; destroy $vm; domstate $vm --reason',
        'domrename': ('domrename $vm subject', {'expect': ERROR}),
        'blockresize': ('blockresize $vm vda 8M', {'expect': ERROR}),
    }, suffix='_config', state=INACTIVE, changes=True),
]

CALLS = [*CALLS, *table({
    'domrename_there_and_back': 'domrename $vm renamed; domrename renamed $vm; '
                                'dominfo renamed; dominfo $vm',
}, state=INACTIVE, changes=True)]
