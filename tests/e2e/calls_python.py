# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_python.py: what virsh can't ask, or not so: structures, errors, sizes, threads"""

import concurrent.futures

import libvirt

from call import ERROR, INACTIVE, PAUSED, RUNNING, Functions
from differential import describe_error, digest

calls = Functions()

THREADS, CALLS_EACH = 8, 12
METADATA_BYTES = 1 << 20
TOO_LARGE = 5 << 20


@calls()
def py_versions(side):
    return (side.conn.getVersion(), side.conn.getLibVersion(), side.conn.getType(),
            side.conn.getHostname(), side.conn.getURI())


@calls()
def py_connection(side):
    conn = side.conn
    return conn.isAlive(), conn.isEncrypted(), conn.isSecure()


@calls()
def py_features(side):
    """Of the connection; which ones there are is known to the library alone."""
    return side.conn.getMaxVcpus('qemu'), side.conn.getInfo(), side.conn.getCPUMap()


@calls()
def py_keepalive(side):
    conn = side.open()
    answers = conn.setKeepAlive(5, 3), conn.isAlive(), conn.getHostname()
    return *answers, conn.setKeepAlive(0, 0), conn.isAlive(), conn.close()


@calls()
def py_open_close(side):
    return [side.open().close() for _ in range(5)]


@calls()
def py_reader(side):
    conn = side.open_reader()
    return sorted(dom.name() for dom in conn.listAllDomains()), conn.close()


@calls(expect=ERROR)
def py_reader_is_denied(side):
    return side.open_reader().defineXML('<domain/>')


@calls(expect=ERROR)
def py_sockets_reader_is_denied(side):
    if side.comparison.host.mode == 'session':  # has one socket
        return side.open_reader().defineXML('<domain/>')
    return libvirt.open(side.uri(readonly=True)).defineXML('<domain/>')


@calls()
def py_lists(side):
    conn = side.conn
    return (sorted(conn.listDefinedDomains()), conn.numOfDefinedDomains(),
            conn.numOfDomains(), len(conn.listDomainsID()),
            sorted(pool.name() for pool in conn.listAllStoragePools()),
            conn.listSecrets(), conn.listDefinedStoragePools())


@calls(expect=ERROR)
def py_lookup_unknown(side):
    return side.conn.lookupByName('nobody')


@calls(expect=ERROR)
def py_lookup_uuid(side):
    return side.conn.lookupByUUIDString('99999999-2222-3333-4444-555555555555')


@calls(expect=ERROR)
def py_lookup_id(side):
    return side.conn.lookupByID(99999)


@calls(expect=ERROR)
def py_bad_xml(side):
    return side.conn.defineXML('<domain type="qemu"><name>x')


@calls(expect=ERROR)
def py_bad_device(side):
    return side.conn.defineXML("<domain type='qemu'><name>x</name><memory>1</memory>"
                               "<os><type>hvm</type></os><devices><disk type='no'/>"
                               "</devices></domain>")


@calls(state=INACTIVE, expect=ERROR)
def py_bad_flags(side):
    return side.dom.XMLDesc(1 << 30)


@calls(state=INACTIVE, expect=ERROR)
def py_wrong_state(side):
    return side.dom.suspend()


@calls(state=RUNNING, expect=ERROR)
def py_create_running(side):
    return side.dom.create()


@calls(state=RUNNING, expect=ERROR)
def py_agent(side):
    return side.dom.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)


@calls(state=INACTIVE)
def py_snapshots(side):
    dom = side.dom
    current = dom.snapshotCurrent()
    return (dom.snapshotNum(), sorted(dom.snapshotListNames()), current.getName(),
            current.getParent().getName(), current.isCurrent(), current.hasMetadata(),
            dom.snapshotLookupByName('internal1').numChildren(),
            [snap.getName() for snap in
             dom.snapshotLookupByName('internal1').listAllChildren()])


@calls(state=INACTIVE, expect=ERROR)
def py_snapshot_unknown(side):
    return side.dom.snapshotLookupByName('nothing')


@calls(state=RUNNING, expect=ERROR)
def py_snapshot_none_is_current(side):
    return side.dom.snapshotCurrent()


@calls(state=PAUSED)
def py_state_and_info(side):
    dom = side.dom
    info = dom.info()[:4]
    return (dom.state(), info, dom.maxMemory(), dom.maxVcpus(), dom.OSType(),
            dom.isPersistent(), dom.isUpdated(), dom.hasManagedSaveImage(),
            dom.controlInfo()[0], dom.autostart())


@calls(state=PAUSED)
def py_block(side):
    dom = side.dom
    return (dom.blockInfo('vda'), dom.blockStats('vda'), dom.blockStatsFlags('vdb'),
            dom.blockJobInfo('vda'), dom.blockIoTune('vdb'))


@calls(state=PAUSED, expect=ERROR)
def py_block_unknown(side):
    return side.dom.blockInfo('vdz')


@calls(state=PAUSED, expect=ERROR)
def py_block_peek(side):
    return digest(side.dom.blockPeek('vda', 0, 4096))


@calls(state=PAUSED)
def py_memory_peek(side):
    """Bytes of the firmware, which is there before a cycle is run."""
    return digest(side.dom.memoryPeek(0xffff0, 16, libvirt.VIR_MEMORY_PHYSICAL))


@calls()
def py_all_stats(side):
    stats = side.conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE |
                                        libvirt.VIR_DOMAIN_STATS_BLOCK)
    return sorted((dom.name(), sorted(values.items())) for dom, values in stats
                  if dom.name() in ('idle', 'paused'))


@calls(state=INACTIVE, changes=True)
def py_large_reply(side):
    text = '<x>' + 'a' * METADATA_BYTES + '</x>'
    side.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, 'x', 'urn:x',
                         libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    replies = [digest(side.dom.XMLDesc()) for _ in range(3)]
    got = side.dom.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, 'urn:x')
    # not to be shown at the end, and not to be sent with each event
    side.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, None, 'urn:x',
                         libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    return replies, digest(got)


@calls(state=INACTIVE, changes=True, expect=ERROR)
def py_too_large_call(side):
    return side.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, 'a' * TOO_LARGE,
                                None, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG)


@calls()
def py_connection_after_too_large(side):
    """It is as good as before."""
    return side.conn.isAlive(), side.conn.getHostname()


def one_of_many(conn, number):
    try:
        return [conn.getHostname, conn.getLibVersion, conn.getCapabilities,
                lambda: conn.lookupByName('idle').XMLDesc(),
                lambda: conn.lookupByName('paused').state(),
                lambda: conn.lookupByName(f'nobody{number}')][number % 6]()
    except libvirt.libvirtError as error:
        return describe_error(error)


def many_at_once(conn):
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda number: one_of_many(conn, number),
                           range(THREADS * CALLS_EACH))
        return sorted(str(digest(str(answer))) for answer in answers)


@calls()
def py_threads_on_one_connection(side):
    return many_at_once(side.conn)


@calls()
def py_threads_on_many_connections(side):
    connections = [side.open() for _ in range(THREADS)]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda conn: many_at_once(conn)[:9], connections))
    for conn in connections:
        conn.close()
    return answers


@calls(state=RUNNING)
def py_slow_call_does_not_block_others(side):
    """While one call waits for the guest's keys, others of the connection are answered."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(side.dom.sendKey, 0, 300, [42], 1, 0)
        answers = [side.conn.getHostname() for _ in range(20)]
        return answers, slow.result()


@calls(expect=ERROR)
def py_migration_to_nowhere(side):
    return side.conn.lookupByName('paused').migrateToURI3(
        'qemu+unix:///system?socket=/absent', {}, libvirt.VIR_MIGRATE_PEER2PEER)


@calls(expect=ERROR)
def py_migration_of_an_inactive_one(side):
    return side.conn.lookupByName('idle').migrateToURI3(
        'qemu+unix:///system?socket=/absent', {}, libvirt.VIR_MIGRATE_PEER2PEER)


@calls(expect=ERROR)
def py_migration_bad_flags(side):
    return side.conn.lookupByName('paused').migrateToURI3(
        None, {}, libvirt.VIR_MIGRATE_TUNNELLED)


CALLS = calls.calls
