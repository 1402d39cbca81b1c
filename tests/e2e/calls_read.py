# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_read.py: what virsh tells of one domain"""

from call import ANY, ERROR, INACTIVE, PAUSED, ROOTS, RUNNING, table

CPU = r'(cpu|vcpu|user|system|CPU)[\w. :]*[=: ]\s*[\d.]+'
SERIAL = {'varies': r'libvirt-\d+'}
CLOCK = r'since-start|\d+\.\d+s'

# whatever it is
BOTH = {
    'dominfo': ('dominfo $vm', {'varies': CPU + r's'}),
    'domid': 'domid $vm',
    'domname': 'domname $uuid',
    'domuuid': 'domuuid $vm',
    'domstate': 'domstate $vm --reason',
    'dumpxml': 'dumpxml $vm',
    'dumpxml_inactive': 'dumpxml $vm --inactive',
    'dumpxml_secure': 'dumpxml $vm --security-info',
    'dumpxml_migratable': 'dumpxml $vm --migratable',
    'dumpxml_xpath': 'dumpxml $vm --xpath //disk/source --wrap',
    'domblklist': 'domblklist $vm --details',
    'domblkinfo': 'domblkinfo $vm vda',
    'domblkinfo_all': ('domblkinfo $vm --all --human', {}),
    'domiflist': 'domiflist $vm',
    'domif_getlink': 'domif-getlink $vm 52:54:00:00:00:01',
    'vcpucount': 'vcpucount $vm',
    'vcpupin': 'vcpupin $vm',
    'emulatorpin': 'emulatorpin $vm',
    'iothreadinfo': 'iothreadinfo $vm',
    'desc': 'desc $vm',
    'desc_title': 'desc $vm --title',
    'metadata': 'metadata $vm urn:example:one',
    'blkdeviotune': 'blkdeviotune $vm vdb',
    # opens a tap device's file
    'domxml_to_native': ('domxml-to-native qemu-argv --domain $vm', {'expect': ANY}),
    'checkpoint_list': 'checkpoint-list $vm',
    'snapshot_list': 'snapshot-list $vm',
    'managedsave_define': ('managedsave-dumpxml $vm', {'expect': ERROR}),
}

CALLS = [
    *table({
        **BOTH,
        'vcpuinfo': 'vcpuinfo $vm --pretty',
        'domblkstat': ('domblkstat $vm vda', {'expect': ERROR}),
        'dommemstat': ('dommemstat $vm', {'expect': ERROR}),
        'domjobinfo': ('domjobinfo $vm', {'expect': ERROR}),
        # a user's domain that does not run has the times of libvirtd
        'domstats': ('domstats $vm', {'varies': r'cpu\.\w+=\d+'}),
        'domdisplay': ('domdisplay $vm', {'expect': ERROR}),
        'vncdisplay': ('vncdisplay $vm', {'expect': ERROR}),
        'domtime': ('domtime $vm', {'expect': ERROR}),
        'schedinfo': ('schedinfo $vm', ROOTS),
        'memtune': ('memtune $vm', ROOTS),
        'blkiotune': ('blkiotune $vm', ROOTS),
        'numatune': 'numatune $vm',
        'perf': 'perf $vm',
    }, suffix='_inactive', state=INACTIVE),

    *table({
        **BOTH,
        'vcpuinfo': ('vcpuinfo $vm', {'varies': CPU + r's|CPU:\s+\d+'}),
        'guestvcpus': ('guestvcpus $vm', {'expect': ERROR}),
        'domblkstat': 'domblkstat $vm vda --human',
        'domblkstat_device': 'domblkstat $vm vdb',
        'domblkerror': 'domblkerror $vm',
        'domifstat': ('domifstat $vm 52:54:00:00:00:01', {'expect': ERROR}),
        'domifaddr': ('domifaddr $vm', {}),
        'domifaddr_agent': ('domifaddr $vm --source agent', {'expect': ERROR}),
        'dommemstat': ('dommemstat $vm', {'varies': r'(rss|last_update) \d+'}),
        'domjobinfo': 'domjobinfo $vm',
        'domjobinfo_completed': 'domjobinfo $vm --completed',
        'domstats': ('domstats $vm', {'varies': r'(cpu|vcpu|rss|last-update)\S*=\d+'}),
        'domstats_block': 'domstats $vm --block --backing',
        'domstats_raw': ('domstats $vm --raw --balloon --interface',
                         {'varies': r'(rss|last-update)=\d+'}),
        'domiftune': 'domiftune $vm 52:54:00:00:00:01',
        'domstats_nowait': 'domstats --nowait --state $vm',
        'cpu_stats': ('cpu-stats $vm', {'expect': ERROR}),
        'domdisplay': ('domdisplay $vm --all', {'expect': ERROR}),
        'vncdisplay': ('vncdisplay $vm', {'expect': ERROR}),
        'ttyconsole': 'ttyconsole $vm',
        'domcontrol': ('domcontrol $vm', {'varies': CLOCK}),
        'domhostname': ('domhostname $vm', {'expect': ERROR}),
        'domfsinfo': ('domfsinfo $vm', {'expect': ERROR}),
        'guestinfo': ('guestinfo $vm', {'expect': ERROR}),
        'domfsfreeze': ('domfsfreeze $vm', {'expect': ERROR}),
        'agent_command': ("qemu-agent-command $vm '{\"execute\":\"guest-ping\"}'",
                          {'expect': ERROR}),
        'agent_timeout': 'guest-agent-timeout $vm --timeout 5',
        'domlaunchsecinfo': 'domlaunchsecinfo $vm',
        'domdirtyrate': ('domstats $vm --dirtyrate', {}),
        'monitor_hmp': 'qemu-monitor-command $vm --hmp info version',
        'monitor_qmp': ("qemu-monitor-command $vm --pretty "
                        "'{\"execute\":\"query-status\"}'", SERIAL),
        'monitor_return': ("qemu-monitor-command $vm --return-value "
                           "'{\"execute\":\"query-version\"}'", {}),
        'monitor_unknown': ("qemu-monitor-command $vm '{\"execute\":\"no-such\"}'", SERIAL),
        'monitor_bad': ('qemu-monitor-command $vm not-json', SERIAL),
        'blockjob': 'blockjob $vm vda',
        'migrate_getspeed': ('migrate-getspeed $vm', {}),
        'migrate_maxdowntime': ('migrate-getmaxdowntime $vm', {}),
        'migrate_compcache': ('migrate-compcache $vm', {}),
        'backup_dumpxml': ('backup-dumpxml $vm', {'expect': ERROR}),
        'screenshot': ('screenshot $vm $dir/shot.ppm', {'files': ('shot.ppm',)}),
        'screenshot_screen': ('screenshot $vm $dir/shot.ppm --screen 7',
                              {'expect': ERROR}),
        'schedinfo': ('schedinfo $vm', {'expect': ERROR}),
        'memtune': ('memtune $vm', {'expect': ERROR}),
        'numatune': 'numatune $vm',
    }, suffix='_paused', state=PAUSED),

    *table({
        'domstate': 'domstate $vm --reason',
        'dumpxml': 'dumpxml $vm',
        'dominfo': ('dominfo $vm', {'varies': CPU + r's'}),
        'domstats_vcpu': ('domstats $vm --vcpu', {'varies': r'vcpu\S*=\S+'}),
        'vcpuinfo': ('vcpuinfo $vm', {'varies': CPU + r's|CPU:\s+\d+'}),
        'send_key': 'send-key $vm KEY_LEFTSHIFT KEY_A',
        'send_key_linux': 'send-key $vm --codeset linux 30 --holdtime 1',
        'inject_nmi': 'inject-nmi $vm',
        'send_process_signal': ('send-process-signal $vm 1 9', {'expect': ERROR}),
        'domtime': ('domtime $vm', {'expect': ERROR}),
        'dompmsuspend': ('dompmsuspend $vm mem', {'expect': ERROR}),
    }, suffix='_running', state=RUNNING),
]

