# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reverts domains to external snapshots, on overlays that the caller may name

The functions take a snapshot of the module libvirt, and raise its libvirtError:

    dom = libvirt.open('qemu:///system').lookupByName('vm')
    snapshot = dom.snapshotLookupByName('snap1')
    libvirt_snapshot.revertToSnapshotXML(snapshot)

Other threads run on during a call. The document is described in
docs/formatsnapshotrevert.rst.
"""

from typing import Dict, Optional, Union

import libvirt
import libvirtmod_snapshot

# In addition to libvirt's own VIR_DOMAIN_SNAPSHOT_REVERT_*
VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE = 1 << 16
VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT = 1 << 17
VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT = 1 << 18


def _check_types(snapshot: libvirt.virDomainSnapshot, xml: Optional[str]) -> None:
    if not isinstance(snapshot, libvirt.virDomainSnapshot):
        raise TypeError('the snapshot must be a libvirt.virDomainSnapshot, not '
                        f"'{type(snapshot).__name__}'")
    if xml is not None and not isinstance(xml, str):
        raise TypeError("the document must be a str or None, not "
                        f"'{type(xml).__name__}'")


def revertToSnapshotXML(snapshot: libvirt.virDomainSnapshot,
                        xml: Optional[str] = None, flags: int = 0) -> int:
    """Reverts the snapshot's domain to it, on new overlays.

    snapshot: the libvirt.virDomainSnapshot to revert to
    xml: a <domainsnapshotrevert> document that names the overlays; names that it
        does not give, or all of them where it is None, are generated
    flags: bitwise-OR of libvirt's VIR_DOMAIN_SNAPSHOT_REVERT_* and those of this
        module: _VALIDATE checks xml against its schema, with _REUSE_EXT the
        overlays that xml names exist already, _KEEP_CURRENT does not delete the
        overlays that hold the state being left

    Returns 0 when the revert is over. Raises libvirt.libvirtError where it is
    refused, or fails and is undone.
    """
    _check_types(snapshot, xml)
    ret = libvirtmod_snapshot.virDomainRevertToSnapshotXML(snapshot._o, xml, flags)
    if ret == -1:
        raise libvirt.libvirtError('virDomainRevertToSnapshotXML() failed')
    return ret


def snapshotGetRevertXMLDesc(snapshot: libvirt.virDomainSnapshot,
                             xml: Optional[str] = None, flags: int = 0) -> str:
    """Tells what revertToSnapshotXML() would do, and changes nothing.

    The arguments are those of revertToSnapshotXML().

    Returns a <domainsnapshotrevert> document: the overlays that would be made, the
    images that they would stand on, and the images that would be deleted. It may
    be given to either function as xml. Raises libvirt.libvirtError where the
    revert would be refused.
    """
    _check_types(snapshot, xml)
    ret = libvirtmod_snapshot.virDomainSnapshotGetRevertXMLDesc(snapshot._o, xml, flags)
    if ret is None:
        raise libvirt.libvirtError('virDomainSnapshotGetRevertXMLDesc() failed')
    return ret


def snapshotJobInfo(domain: libvirt.virDomain,
                    flags: int = 0) -> Dict[str, Union[str, int, bool]]:
    """Tells what virtsnapshotd does with a domain, or did last.

    domain: a libvirt.virDomain
    flags: 0, or libvirt's VIR_DOMAIN_JOB_STATS_COMPLETED: what it did last

    Returns a dict, empty where nothing is known: 'operation', 'domain', 'snapshot',
    'step', 'time_elapsed' in milliseconds, where it is known how far it is 'done',
    'total' and 'unit', of the last operation 'success' and, where it failed, 'errmsg',
    and its warnings as 'warning.0', 'warning.1' and so on. Raises libvirt.libvirtError
    where virtsnapshotd can't be asked.
    """
    if not isinstance(domain, libvirt.virDomain):
        raise TypeError('the domain must be a libvirt.virDomain, not '
                        f"'{type(domain).__name__}'")
    ret = libvirtmod_snapshot.virDomainSnapshotGetJobInfo(domain._o, flags)
    if ret is None:
        raise libvirt.libvirtError('virDomainSnapshotGetJobInfo() failed')
    return ret
