# SPDX-License-Identifier: LGPL-2.1-or-later
"""volumes.py: a domain whose disk is a volume of a storage pool"""

import contextlib


@contextlib.contextmanager
def volume_of_another(host, folder, undefined=False):
    """Another domain, off, is on the volume 'top' of the storage pool in the folder.

    undefined: nobody knows the pool.
    """
    other = host.vm(disks=1)
    pool = host.conn.storagePoolDefineXML(
        f"<pool type='dir'><name>discard</name><target><path>{folder}</path></target></pool>")
    try:
        pool.create()
        host.conn.defineXML(
            other.xml().replace("type='file'", "type='volume'").replace(
                f"file='{other.base['vda']}'", "pool='discard' volume='top'"))
        if undefined:
            pool.destroy()
            pool.undefine()
        yield pool
    finally:
        if not undefined:
            if pool.isActive():
                pool.destroy()
            pool.undefine()
