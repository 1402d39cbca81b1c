# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_object.py: pools, volumes, networks, secrets and filters

Each call that makes something removes it again, so that the other side can make it.
Networks are not started: that would be seen by the host.
"""

from call import ANY, ERROR, table

NEW_POOL = ('pool-define $dir/pool.xml',)
NO_POOL = ('pool-destroy fresh', 'pool-undefine fresh')
STARTED_POOL = (*NEW_POOL, 'pool-start fresh')
NEW_VOLUME = ('vol-create-as shared v.raw 1M --format raw',)
NO_VOLUME = ('vol-delete v.raw shared', 'vol-delete v.qcow2 shared')
NEW_NET = ('net-define $dir/net.xml',)
NO_NET = ('net-undefine fresh',)
NEW_SECRET = ('secret-define $dir/secret.xml',)
SECRET = '11111111-2222-3333-4444-000000000003'
NO_SECRET = (f'secret-undefine {SECRET}',)
NUMBER = r'\b\d+(\.\d+)?'
ALLOCATION = r'<(available|allocation)[^/]*/\w+>|<timestamps>.*</timestamps>|Available:.*' \
             r'|Allocation:.*|(?s:<timestamps>.*?</timestamps>)'

# needs ebtables where it is started
FILTERS = {'expect': ANY}

CALLS = [
    *table({
        'pool_list': 'pool-list --all --name',
        'pool_list_details': ('pool-list --all --details', {'varies': NUMBER}),
        'pool_info': ('pool-info shared', {'varies': ALLOCATION}),
        'pool_dumpxml': ('pool-dumpxml shared', {'varies': ALLOCATION}),
        'pool_uuid': ('pool-uuid shared', {}),
        'pool_refresh': 'pool-refresh shared',
        'pool_autostart_transient': ('pool-autostart shared', {'expect': ERROR}),
        'pool_unknown': ('pool-info nothing', {'expect': ERROR}),
        'pool_bad_xml': ('pool-define $dir/not.xml', {'expect': ERROR}),
        'pool_build_no_target': ('pool-build nothing', {'expect': ERROR}),
        'vol_list': 'vol-list shared',
        'vol_list_details': 'vol-list shared --details',
        'vol_info': 'vol-info many001.raw shared',
        'vol_dumpxml': ('vol-dumpxml many001.raw shared', {'varies': ALLOCATION}),
        'vol_path': 'vol-path many001.raw shared',
        'vol_key': 'vol-key many001.raw shared',
        'vol_name': 'vol-name $dir/pool/many001.raw',
        'vol_pool': 'vol-pool $dir/pool/many001.raw',
        'vol_unknown': ('vol-info absent.raw shared', {'expect': ERROR}),
        'vol_wipe_unknown': ('vol-wipe absent.raw shared', {'expect': ERROR}),
        'vol_create_bad_xml': ('vol-create shared $dir/not.xml', {'expect': ERROR}),
        'vol_create_there': ('vol-create-as shared many001.raw 1M', {'expect': ERROR}),
        'vol_delete_unknown': ('vol-delete absent.raw shared', {'expect': ERROR}),
        'vol_download': ('vol-download sparse.raw $dir/got.raw shared',
                         {'files': ('got.raw',)}),
        'vol_download_large': ('vol-download large.raw $dir/got.raw shared',
                               {'files': ('got.raw',)}),
        'vol_download_sparse': ('vol-download sparse.raw $dir/got.raw shared --sparse',
                                {'files': ('got.raw',)}),
        'vol_download_range':
            ('vol-download large.raw $dir/got.raw shared --offset 1000 --length 300000',
             {'files': ('got.raw',)}),
        'vol_download_unknown': ('vol-download absent.raw $dir/got.raw shared',
                                 {'expect': ERROR, 'files': ('got.raw',)}),
        'vol_upload_too_large': ('vol-upload absent.raw $dir/large.raw shared',
                                 {'expect': ERROR}),
    }),

    *table({
        'vol_upload': ('vol-upload v.raw $dir/large.raw shared', {}),
        'vol_upload_sparse': ('vol-upload v.raw $dir/sparse.raw shared --sparse', {}),
        'vol_upload_range':
            ('vol-upload v.raw $dir/part.raw shared --offset 4096 --length 100000', {}),
        'vol_resize': ('vol-resize v.raw 2M shared', {}),
        'vol_wipe': ('vol-wipe v.raw shared', {}),
        'vol_clone': ('vol-clone v.raw v.qcow2 shared', {}),
    }, before=NEW_VOLUME, after=NO_VOLUME, files=('pool/v.raw',)),

    *table({
        'vol_create': 'vol-create shared $dir/volume.xml',
        'vol_create_as': 'vol-create-as shared v.raw 3M --allocation 1M',
        'vol_create_from': 'vol-create-from shared $dir/volume.xml many001.raw '
                           '--inputpool shared',
    }, after=NO_VOLUME),
    *table({'vol_delete': 'vol-delete v.raw shared'}, before=NEW_VOLUME, after=NO_VOLUME),

    *table({
        'pool_define': 'pool-define $dir/pool.xml',
        'pool_create': 'pool-create $dir/pool.xml',
        'pool_define_as': ('pool-define-as fresh dir --target $dir/fresh-pool', {}),
    }, after=NO_POOL),
    *table({
        'pool_start': 'pool-start fresh',
        'pool_build': 'pool-build fresh',
        'pool_autostart': 'pool-autostart fresh',
        'pool_undefine': 'pool-undefine fresh',
        'pool_destroy_inactive': ('pool-destroy fresh', {'expect': ERROR}),
        'pool_refresh_inactive': ('pool-refresh fresh', {'expect': ERROR}),
        'vol_list_inactive': ('vol-list fresh', {'expect': ERROR}),
    }, before=NEW_POOL, after=NO_POOL),
    *table({
        'pool_destroy': 'pool-destroy fresh',
        'pool_undefine_active': ('pool-undefine fresh', {'expect': ERROR}),
        'pool_start_active': ('pool-start fresh', {'expect': ERROR}),
    }, before=STARTED_POOL, after=NO_POOL),

    *table({
        'net_define': 'net-define $dir/net.xml',
        'net_bad_xml': ('net-define $dir/not.xml', {'expect': ERROR}),
        'net_unknown': ('net-info nothing', {'expect': ERROR}),
        'net_start_unknown': ('net-start nothing', {'expect': ERROR}),
    }, after=NO_NET),
    *table({
        'net_list': 'net-list --all',
        'net_info': 'net-info fresh',
        'net_dumpxml': 'net-dumpxml fresh',
        'net_uuid': 'net-uuid fresh',
        'net_autostart': 'net-autostart fresh',
        'net_destroy_inactive': ('net-destroy fresh', {'expect': ERROR}),
        'net_update_config':
            ('net-update fresh add ip-dhcp-host $dir/host.xml --config',
             {'expect': ERROR}),
        'net_leases': ('net-dhcp-leases fresh', {}),
        'net_port_list': ('net-port-list fresh', {'expect': ERROR}),
        'net_undefine': 'net-undefine fresh',
    }, before=NEW_NET, after=NO_NET),

    *table({
        'secret_define': 'secret-define $dir/secret.xml',
        'secret_bad_xml': ('secret-define $dir/not.xml', {'expect': ERROR}),
        'secret_unknown': (f'secret-dumpxml {SECRET}', {'expect': ERROR}),
    }, after=NO_SECRET),
    *table({
        'secret_list': 'secret-list',
        'secret_dumpxml': f'secret-dumpxml {SECRET}',
        'secret_get_none': (f'secret-get-value {SECRET}', {'expect': ERROR}),
        'secret_set': f'secret-set-value {SECRET} c2VjcmV0',
        'secret_undefine': f'secret-undefine {SECRET}',
    }, before=NEW_SECRET, after=NO_SECRET),
    *table({
        'secret_get': f'secret-get-value {SECRET}',
    }, before=(*NEW_SECRET, f'secret-set-value {SECRET} c2VjcmV0'), after=NO_SECRET),

    *table({
        'nwfilter_list': ('nwfilter-list', FILTERS),
        'nwfilter_define': ('nwfilter-define $dir/nwfilter.xml', FILTERS),
        'nwfilter_bad_xml': ('nwfilter-define $dir/not.xml', {'expect': ERROR}),
        'nwfilter_unknown': ('nwfilter-dumpxml nothing', {'expect': ERROR}),
        'nwfilter_binding_list': ('nwfilter-binding-list', FILTERS),
        'nodedev_unknown': ('nodedev-dumpxml nothing', {'expect': ERROR}),
        'iface_unknown': ('iface-dumpxml nothing', {'expect': ERROR}),
    }, after=('nwfilter-undefine fresh',)),
]
