# SPDX-License-Identifier: LGPL-2.1-or-later
"""calls_events.py: events, and what tells of the end of a connection

Each call waits for the number of events that it is known to cause.
"""

import os
import queue

import libvirt
import libvirt_qemu

from call import ERROR, INACTIVE, PAUSED, RUNNING, Functions

calls = Functions()

SECONDS = 20
FRESH_POOL = ('pool-destroy fresh', 'pool-undefine fresh')


class Events:
    """Registers for one kind of event on a connection; a queue of what came."""

    def __init__(self, register, deregister, *arguments):
        self.received, self.deregister = queue.Queue(), deregister
        self.number = register(*arguments, self._receive, None)

    def _receive(self, _conn, source, *details):
        name = source.name() if hasattr(source, 'name') else source
        # the last one is what was given at registration
        self.received.put((name, *details[:-1]))

    def next(self, count):
        return [self.received.get(timeout=SECONDS) for _ in range(count)]

    def end(self):
        return self.deregister(self.number)


def of_domain(side, kind, dom=True):
    conn = side.conn
    return Events(conn.domainEventRegisterAny, conn.domainEventDeregisterAny,
                  side.dom if dom else None, kind)


@calls(state=RUNNING, changes=True)
def event_lifecycle(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE)
    side.dom.suspend()
    side.dom.resume()
    return events.next(2), events.end()


@calls(state=RUNNING, changes=True)
def event_lifecycle_of_all(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, dom=False)
    side.dom.destroy()
    return events.next(1), events.end()


@calls(state=INACTIVE, changes=True)
def event_lifecycle_of_definition(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, dom=False)
    xml = side.dom.XMLDesc()
    side.conn.defineXML(xml)
    side.dom.undefine()
    side.conn.defineXML(xml)
    return events.next(3), events.end()


@calls(state=RUNNING, changes=True)
def event_reboot(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT)
    side.dom.reset()
    return events.next(1), events.end()


@calls(state=INACTIVE, changes=True)
def event_metadata(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE)
    for number in range(5):
        side.dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, f'<a n="{number}"/>',
                             'a', f'urn:{number}', libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    return events.next(5), events.end()


@calls(state=RUNNING, changes=True)
def event_devices(side):
    added = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED)
    removed = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED)
    with open(side.path('disk.xml'), encoding='utf-8') as file:
        xml = file.read()
    side.dom.attachDevice(xml)
    side.dom.detachDevice(xml)
    return added.next(1), removed.next(1), added.end(), removed.end()


@calls(state=RUNNING, changes=True)
def event_of_block_job(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2)
    side.dom.blockPull('vda')
    return events.next(1), events.end()


@calls(state=RUNNING, changes=True)
def event_tunable(side):
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE)
    for value in (1000, 0):
        side.dom.setBlockIoTune('vdb', {'total_iops_sec': value},
                                libvirt.VIR_DOMAIN_AFFECT_LIVE)
    return events.next(2), events.end()


@calls(state=RUNNING, changes=True)
def event_of_backup(side):
    """The job goes on after the call; its end comes as an event."""
    events = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED)
    with open(side.path('backup.xml'), encoding='utf-8') as file:
        xml = file.read()
    answer = side.dom.backupBegin(xml, None)
    name, statistics = events.next(1)[0]
    os.unlink(side.path('backup.qcow2'))
    return answer, name, sorted(statistics), events.end()


@calls(state=RUNNING, changes=True)
def event_of_monitor(side):
    conn, received = side.conn, queue.Queue()

    def receive(_conn, dom, event, _seconds, _micros, details, _opaque):
        received.put((dom.name(), event, details))
    number = libvirt_qemu.qemuMonitorEventRegister(
        conn, side.dom, '^(STOP|RESUME)$', receive, None,
        libvirt_qemu.VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX)
    side.dom.suspend()
    side.dom.resume()
    events = [received.get(timeout=SECONDS) for _ in range(2)]
    return events, libvirt_qemu.qemuMonitorEventDeregister(conn, number)


@calls(state=PAUSED, changes=True)
def events_of_every_kind(side):
    """All can be registered at once."""
    kinds = range(1 + max(value for name, value in vars(libvirt).items()
                          if name.startswith('VIR_DOMAIN_EVENT_ID_')))
    events = [of_domain(side, kind) for kind in kinds]
    side.dom.resume()
    lifecycle = events[libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE].next(1)
    return lifecycle, [event.end() for event in events]


@calls(state=RUNNING, changes=True)
def events_on_two_connections(side):
    """Each gets its own, and none after the registration has ended."""
    other = side.open()
    first = of_domain(side, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE)
    second = Events(other.domainEventRegisterAny, other.domainEventDeregisterAny,
                    other.lookupByName(side.subject.name),
                    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE)
    side.dom.suspend()
    before = first.next(1), second.next(1), first.end()
    side.dom.resume()
    after = second.next(1), second.end(), first.received.qsize()
    return before, after, other.close()


@calls(expect=ERROR)
def event_deregister_unknown(side):
    return side.conn.domainEventDeregisterAny(4711)


@calls(after=FRESH_POOL)
def event_of_pool(side):
    conn = side.conn
    events = Events(conn.storagePoolEventRegisterAny, conn.storagePoolEventDeregisterAny,
                    None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE)
    with open(side.path('pool.xml'), encoding='utf-8') as file:
        pool = conn.storagePoolDefineXML(file.read())
    pool.create()
    pool.destroy()
    pool.undefine()
    return events.next(4), events.end()


@calls(after=('secret-undefine 11111111-2222-3333-4444-000000000003',))
def event_of_secret(side):
    conn, received = side.conn, queue.Queue()

    def receive(_conn, secret, event, detail, _opaque):
        received.put((secret.UUIDString(), event, detail))
    number = conn.secretEventRegisterAny(
        None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, receive, None)
    with open(side.path('secret.xml'), encoding='utf-8') as file:
        conn.secretDefineXML(file.read()).undefine()
    events = [received.get(timeout=SECONDS) for _ in range(2)]
    return events, conn.secretEventDeregisterAny(number)


@calls(after=('net-undefine fresh',))
def event_of_network(side):
    conn = side.conn
    events = Events(conn.networkEventRegisterAny, conn.networkEventDeregisterAny,
                    None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE)
    with open(side.path('net.xml'), encoding='utf-8') as file:
        conn.networkDefineXML(file.read()).undefine()
    return events.next(2), events.end()


@calls()
def close_callback(side):
    """An orderly end is none that it tells of."""
    conn, reasons = side.open(), []
    conn.registerCloseCallback(lambda _conn, reason, _opaque: reasons.append(reason), None)
    alive = conn.isAlive()
    conn.unregisterCloseCallback()
    return alive, conn.close(), reasons


@calls()
def events_of_a_reader(side):
    conn = side.open_reader()
    events = Events(conn.domainEventRegisterAny, conn.domainEventDeregisterAny,
                    None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE)
    return events.end(), conn.close()


CALLS = calls.calls
