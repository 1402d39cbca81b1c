# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_host.py: what virsh tells of the host, and lists of what is there"""

from call import ANY, BY_CLIENT, BY_SOCKET, ERROR, NONE, table

NUMBER = r'\b\d+(\.\d+)?'

# the machine decides whether there is such a thing
MAY_LACK = {'expect': ANY}

CALLS = [
    *table({
        'version': 'version --daemon',
        'uri': 'uri',
        'hostname': 'hostname',
        'capabilities': 'capabilities',
        'domcapabilities': 'domcapabilities --virttype qemu',
        'domcapabilities_q35': 'domcapabilities --virttype qemu --machine q35',
        'nodeinfo': 'nodeinfo',
        'nodecpumap': 'nodecpumap --pretty',
        'nodecpustats': ('nodecpustats', {'varies': NUMBER}),
        'nodecpustats_percent': ('nodecpustats --cpu 0', {'varies': NUMBER}),
        'nodememstats': ('nodememstats', {'varies': NUMBER}),
        'freecell': ('freecell', {'varies': NUMBER}),
        'freecell_all': ('freecell --all', {'varies': NUMBER, **MAY_LACK}),
        'freepages': ('freepages --all', {'varies': NUMBER, **MAY_LACK}),
        'node_memory_tune': ('node-memory-tune', MAY_LACK),
        'nodesevinfo': ('nodesevinfo', MAY_LACK),
        'cpu_models': 'cpu-models x86_64',
        'cpu_compare': ('cpu-compare $dir/cpu.xml', MAY_LACK),
        'cpu_baseline': 'cpu-baseline $dir/host-cpu.xml',
        'hypervisor_cpu_compare':
            'hypervisor-cpu-compare --virttype qemu $dir/cpu.xml',
        'hypervisor_cpu_baseline':
            'hypervisor-cpu-baseline --virttype qemu $dir/cpu.xml',
        'maxvcpus': 'maxvcpus qemu',
        'sysinfo': ('sysinfo', MAY_LACK),
        'pool_capabilities': 'pool-capabilities',
        'find_pool_sources': ('find-storage-pool-sources-as logical', MAY_LACK),
        'list': 'list',
        'list_all': 'list --all --title',
        'list_names': 'list --all --name',
        'list_uuids': 'list --all --uuid',
        'list_paused': 'list --state-paused --name',
        'list_snapshots': 'list --all --with-snapshot --name',
        'list_managed_save': 'list --inactive --managed-save',
        'list_transient': 'list --transient',
        'list_autostart': 'list --all --no-autostart',
        'domstats_all': ('domstats --state --list-inactive', {}),
        'batch': 'list --all; version',
        'batch_with_error': ('domstate idle; domstate nobody; hostname', {}),
        'iface_list': ('iface-list --all', MAY_LACK),
        'iface_dumpxml': ('iface-dumpxml lo', MAY_LACK),
        'nodedev_list': ('nodedev-list --cap system', MAY_LACK),
        'nodedev_dumpxml': ('nodedev-dumpxml computer', MAY_LACK),
        'domxml_from_native': ('domxml-from-native qemu-argv $dir/cpu.xml',
                               {'expect': ERROR}),
    }, state=NONE),

    # as a reader, on either socket
    *table({
        'version': 'version --daemon',
        'list': 'list --all',
        'capabilities': 'capabilities',
        'dumpxml': 'dumpxml idle',
        'domstate': 'domstate --reason paused',
        'domstats': ('domstats paused', {'varies': r'(cpu|vcpu|rss|last-update)\S*=\d+'}),
        'snapshot_list': 'snapshot-list idle',
        'pool_list': 'pool-list --all',
        'net_list': ('net-list --all', MAY_LACK),
    }, suffix='_reader', readonly=BY_CLIENT),
    *table({
        'list': 'list --all',
        'dumpxml': 'dumpxml idle',
        'uri': 'uri',
    }, suffix='_on_the_readers_socket', readonly=BY_SOCKET),
]

