# SPDX-License-Identifier: LGPL-2.1-or-later
"""load.py: what goes through virtsnapshotd and directly, for scripts/bench"""

import os

VOLUME_MIB = 1024
CHUNK = 1 << 20


class Load:
    """The two ways of one load; each is timed by the client itself."""

    def __init__(self, host, *arguments):
        self.host, self.arguments = host, arguments

    def _run(self, uri):
        done = self.host.run_command(
            [self.host.build / 'tests/e2e/load-client', uri, *self.arguments])
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return float(done.stdout)

    def ours(self):
        return self._run(self.host.front_uri())

    def direct(self):
        return self._run(self.host.direct_uri())


def calls(host, clients, each):
    return Load(host, 'calls', str(clients), str(each))


def download(host):
    """One volume of a pool in the scratch folder, not sparse."""
    folder = host.tmp / 'pool'
    if not folder.exists():
        folder.mkdir()
        with open(folder / 'volume', 'wb') as volume:
            for _ in range(VOLUME_MIB):
                volume.write(os.urandom(4096) * (CHUNK // 4096))
        host.conn.storagePoolCreateXML(
            f"<pool type='dir'><name>bench</name><target><path>{folder}</path>"
            "</target></pool>")
    return Load(host, 'download', 'bench', 'volume')
