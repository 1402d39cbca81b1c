# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_snapshot.py: snapshots that libvirt itself can revert to, and checkpoints

External ones are not here: what the front says of them is not what libvirtd says.
"""

from call import ERROR, INACTIVE, PAUSED, RUNNING, table

# the time is part of a checkpoint's or a snapshot's output where none is given
TWO = ('snapshot-create-as $vm one', 'snapshot-create-as $vm two')
ONE = ('snapshot-create-as $vm one',)
CHECKPOINT = ('checkpoint-create $vm $dir/checkpoint.xml',)
NAMED_BY_TIME = r'\b\d{10}\b'

CALLS = [
    *table({
        'list': 'snapshot-list $vm',
        'list_tree': 'snapshot-list $vm --tree',
        'list_parent': 'snapshot-list $vm --parent --topological',
        'list_roots': 'snapshot-list $vm --roots --name',
        'list_leaves': 'snapshot-list $vm --leaves --name',
        'list_internal': 'snapshot-list $vm --internal --name',
        'list_external': 'snapshot-list $vm --external --name',
        'list_from': 'snapshot-list $vm --from internal1 --descendants --name',
        'list_metadata': 'snapshot-list $vm --metadata --inactive',
        'current': 'snapshot-current $vm --name',
        'current_xml': 'snapshot-current $vm',
        'parent': 'snapshot-parent $vm internal2',
        'parent_none': ('snapshot-parent $vm internal1', {'expect': ERROR}),
        'parent_current': 'snapshot-parent $vm --current',
        'info': 'snapshot-info $vm internal1',
        'info_current': 'snapshot-info $vm --current',
        'info_metadata': 'snapshot-info $vm metadata',
        'dumpxml': 'snapshot-dumpxml $vm internal2',
        'dumpxml_secure': 'snapshot-dumpxml $vm metadata --security-info',
    }, suffix='_of_snapshot', state=INACTIVE),

    *table({
        'create': ('snapshot-create $vm', {'varies': NAMED_BY_TIME}),
        'create_as': 'snapshot-create-as $vm s1 description',
        'create_xml': 'snapshot-create $vm $dir/snapshot.xml',
        'create_print': 'snapshot-create-as $vm s1 --print-xml',
        'create_halt': ('snapshot-create-as $vm s1 --halt', {}),
    }, suffix='_snapshot', state=INACTIVE, changes=True),
    *table({
        'current_set': 'snapshot-current $vm one',
        'delete': 'snapshot-delete $vm two',
        'delete_parent': 'snapshot-delete $vm one',
        'delete_children': 'snapshot-delete $vm one --children',
        'delete_children_only': 'snapshot-delete $vm one --children-only',
        'delete_metadata': 'snapshot-delete $vm two --metadata',
        'delete_current': 'snapshot-delete $vm --current',
        'delete_by_name_twice': ('snapshot-delete $vm two; snapshot-delete $vm two',
                                 {'expect': ERROR}),
        'revert': 'snapshot-revert $vm one',
        'revert_current': 'snapshot-revert $vm --current',
        'revert_running': 'snapshot-revert $vm one --running',
        'undefine_with': ('undefine $vm', {'expect': ERROR}),
        'undefine_metadata': 'undefine $vm --snapshots-metadata',
    }, suffix='_internal_snapshot', state=INACTIVE, changes=True, before=TWO),

    *table({
        'create': 'snapshot-create-as $vm s1',
        'revert': ('snapshot-revert $vm one', {'before': ONE}),
    }, suffix='_snapshot_while_paused', state=PAUSED, changes=True),

    *table({
        'create': 'checkpoint-create $vm $dir/checkpoint.xml',
        'create_as': 'checkpoint-create-as $vm c2 --diskspec vda',
        'create_print': 'checkpoint-create-as $vm c2 --print-xml',
    }, suffix='_checkpoint', state=RUNNING, changes=True,
          after=('checkpoint-delete $vm c1', 'checkpoint-delete $vm c2')),
    *table({
        'list': 'checkpoint-list $vm --tree',
        'list_names': 'checkpoint-list $vm --name',
        'dumpxml': 'checkpoint-dumpxml $vm c1 --no-domain',
        'dumpxml_size': 'checkpoint-dumpxml $vm c1 --size',
        'info': 'checkpoint-info $vm c1',
        'parent': ('checkpoint-parent $vm c1', {'expect': ERROR}),
        'delete': 'checkpoint-delete $vm c1',
        # its bitmap stays until QEMU ends
        'delete_metadata': ('checkpoint-delete $vm c1 --metadata',
                            {'after': ('destroy $vm',)}),
        'twice': ('checkpoint-create $vm $dir/checkpoint.xml', {'expect': ERROR}),
    }, suffix='_of_checkpoint', state=RUNNING, changes=True, before=CHECKPOINT,
          after=('checkpoint-delete $vm c1',)),
]
