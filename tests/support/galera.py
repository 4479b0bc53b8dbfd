"""Three nodes of a Galera cluster on this machine, each a MariaDB of the tests' own."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final

from tests.support.mariadb import MariaDB
from tests.support.ports import free_port

PROVIDER: Final = "/usr/lib/galera/libgalera_smm.so"
_OPTIONS: Final = (
    "gcache.size=16M;evs.keepalive_period=PT0.3S;evs.suspect_timeout=PT1.5S;evs.inactive_timeout=PT3S;"
    "evs.inactive_check_period=PT0.3S;evs.install_timeout=PT3S"
)
_DEADLINE_S: Final = 60


class Galera:
    """The nodes, in the order in which they were started."""

    def __init__(self, nodes: list[MariaDB], hosts: Sequence[str]) -> None:
        self.nodes = nodes
        self.hosts = hosts

    def uri(self, database: str, *order: int) -> str:
        """Name all nodes, or these, in the order in which they are asked."""
        hosts = [f"{self.hosts[n]}:{self.nodes[n].port}" for n in order or range(len(self.nodes))]
        return self.nodes[0].uri(database, host=",".join(hosts))

    def database(self) -> str:
        """Make an empty database on all nodes."""
        return self.nodes[0].database()

    def freeze(self, *nodes: int) -> None:
        """Stop processes, which keep their connections."""
        for n in nodes:
            self.nodes[n].send(signal.SIGSTOP)

    def wake(self, *nodes: int) -> None:
        for n in nodes:
            self.nodes[n].send(signal.SIGCONT)

    def wait_until_whole(self) -> None:
        """Wait until all nodes have what the others have."""
        for node in self.nodes:
            wait_until_synced(node, len(self.nodes))


def wait_until_synced(node: MariaDB, size: int) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    wanted = {"wsrep_local_state_comment\tSynced", f"wsrep_cluster_size\t{size}", "wsrep_cluster_status\tPrimary"}
    while not wanted <= set(node.sql("SHOW STATUS LIKE 'wsrep%'").splitlines()):
        if time.monotonic() > deadline:
            raise RuntimeError("the node is not in sync with its cluster")
        time.sleep(0.05)


@contextmanager
def galera(hosts: Sequence[str] = ("127.0.0.1",) * 3) -> Iterator[Galera]:
    """Start three nodes at these addresses, and throw them away afterwards."""
    addresses = [f"{host}:{free_port()}" for host in hosts]
    nodes: list[MariaDB] = []
    with ExitStack() as stack:
        for n, address in enumerate(addresses):
            folder = Path(tempfile.mkdtemp(prefix="reseal-galera-"))
            stack.callback(rmtree, folder, ignore_errors=True)
            node = MariaDB(folder, *_settings(address, addresses))
            stack.callback(node.kill)
            node.start(*(() if n else ("--wsrep-new-cluster",)))
            if not n:
                node.make_user()
            nodes.append(node)
            wait_until_synced(node, n + 1)
        yield Galera(nodes, hosts)


def _settings(address: str, addresses: list[str]) -> list[str]:
    host = address.partition(":")[0]
    return [
        f"--bind-address={host}",
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-cluster-address=gcomm://{','.join(addresses)}",
        f"--wsrep-node-address={address}",
        "--wsrep-sst-method=rsync",
        f"--wsrep-sst-receive-address={host}:{free_port()}",
        f"--wsrep-provider-options=gmcast.listen_addr=tcp://{address};ist.recv_addr={host}:{free_port()};{_OPTIONS}",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ]
