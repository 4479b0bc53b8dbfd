"""A Redis Cluster of six nodes, and a server with its replica that three sentinels watch: on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.redis import CLIENT, DURABLE, HOST, RedisServer

_CLUSTER = (
    *DURABLE, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1500",
    "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
)  # fmt: skip
"""A fail-over takes a second or two."""


class RedisCluster:
    """Three masters with one replica each."""

    def __init__(self, nodes: Sequence[RedisServer]) -> None:
        self.nodes = list(nodes)

    def uri(self, more: str = "") -> str:
        hosts = ",".join(node.place for node in self.nodes[:3])
        return f"redis+cluster://{hosts}{self.nodes[0].uri(more).partition('/0')[2]}"

    def masters(self) -> list[RedisServer]:
        """Return the nodes that take writes now."""
        return [node for node in self.nodes if node.is_running and _has(node, "role:master")]

    def until_whole(self) -> None:
        """Wait until each running node sees a whole cluster, and each replica follows its master."""
        running = [node for node in self.nodes if node.is_running]
        until(lambda: all(_is_well(node) for node in running))


class Watched:
    """A server, its replica, and the sentinels that watch them."""

    def __init__(self, nodes: Sequence[RedisServer], sentinels: Sequence[RedisServer]) -> None:
        self.nodes = list(nodes)
        self.sentinels = list(sentinels)

    def uri(self, more: str = "") -> str:
        hosts = ",".join(each.place for each in self.sentinels)
        return f"redis+sentinel://{hosts}/main{self.nodes[0].uri(more).partition('/0')[2]}"


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[RedisCluster]:
    """The cluster that tests share."""
    with cluster() as own:
        yield own


@pytest.fixture
def redis_nodes() -> Iterator[RedisCluster]:
    """A cluster for one test."""
    with cluster() as own:
        yield own


@pytest.fixture
def watched_redis() -> Iterator[Watched]:
    """A server with a replica, watched by sentinels, for one test."""
    with watched() as own:
        yield own


@contextmanager
def cluster(replicas: int = 1, network: str = "") -> Iterator[RedisCluster]:
    """Start three masters with their replicas and make them a cluster; throw it away afterwards.

    ``network``: the first three numbers of the address that each of them gets of its own.
    """
    with _servers(3 + 3 * replicas, _CLUSTER, network) as nodes:
        for node in nodes:
            node.start()
        places = [node.place for node in nodes]
        making = [CLIENT, "--cluster", "create", *places, "--cluster-replicas", str(replicas), "--cluster-yes"]
        subprocess.run(making, check=True, capture_output=True, timeout=60)
        own = RedisCluster(nodes)
        own.until_whole()
        yield own


@contextmanager
def watched(replicas: int = 1, networks: tuple[str, str] = ("", ""), *more: str) -> Iterator[Watched]:
    """Start a server with its replicas, and three sentinels.

    ``networks``: as for a cluster, of the servers and of the sentinels. ``more``: options of the servers.
    """
    options = (*DURABLE, "--repl-diskless-sync-delay", "0", *more)
    with (
        _servers(1 + replicas, options, networks[0]) as nodes,
        _servers(3, ("--sentinel",), networks[1]) as sentinels,
    ):
        main = nodes[0]
        main.start()
        for replica in nodes[1:]:
            replica.options += ("--replicaof", f"{main.host} {main.port}")
            replica.start()
        until(lambda: all(_has(replica, "master_link_status:up") for replica in nodes[1:]))
        for each in sentinels:
            (each.folder / "sentinel.conf").write_text(
                f"sentinel monitor main {main.host} {main.port} 2\n"
                "sentinel down-after-milliseconds main 1500\nsentinel failover-timeout main 5000\n"
            )
            each.before = (str(each.folder / "sentinel.conf"),)
            each.start()
        until(lambda: all(b"sentinels=3" in each.ask("INFO", "sentinel") for each in sentinels))
        until(lambda: all(b"slaves=%d" % replicas in each.ask("INFO", "sentinel") for each in sentinels))
        yield Watched(nodes, sentinels)


def is_replicated(node: RedisServer) -> bool:
    """Return whether a replica has what a master had written when it was asked."""
    facts = dict(line.split(":", 1) for line in node.ask("INFO", "replication").decode().splitlines() if ":" in line)
    written = int(facts["master_repl_offset"])
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for part in node.ask("INFO", "replication").decode().replace("\r\n", ",").split(","):
            if part.startswith("offset=") and int(part.removeprefix("offset=")) >= written:
                return True
    return False


def until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError("it never came to be")
        time.sleep(0.05)


@contextmanager
def _servers(count: int, options: tuple[str, ...], network: str = "") -> Iterator[list[RedisServer]]:
    if shutil.which(CLIENT) is None:
        pytest.fail("Redis is not installed: apt-get install redis-server")
    folder = Path(tempfile.mkdtemp(prefix="reseal-redis-"))
    servers = []
    try:
        for n in range(count):
            (folder / str(n)).mkdir()
            host = f"{network}.{n + 1}" if network else HOST
            servers.append(RedisServer(folder / str(n), options, host))
        yield servers
    finally:
        for each in servers:
            each.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _is_well(node: RedisServer) -> bool:
    if b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
        return False
    return _has(node, "role:master") or _has(node, "master_link_status:up")


def _has(node: RedisServer, fact: str) -> bool:
    return fact.encode() in node.ask("INFO", "replication")
