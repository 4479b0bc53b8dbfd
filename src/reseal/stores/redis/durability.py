"""What a node of Redis or Valkey is and keeps, and what of it does not go with the settings. Knows no driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from reseal.core.errors import ConfigurationError
from reseal.stores.redis.address import Address, Kind
from reseal.stores.redis.changes import Command

OLDEST_SERVER: Final = 7
"""Of both: Valkey began with 7.2."""
SLOTS: Final = 16384
_NAMES: Final = ("appendonly", "appendfsync", "maxmemory-policy", "min-replicas-to-write")
QUESTIONS: Final[tuple[Command, ...]] = (("INFO", "everything"), *(("CONFIG", "GET", name) for name in _NAMES))

_IN_MEMORY: Final = "may lose what it acknowledged when it restarts or fails over (acknowledge=memory)"
_TOO_FEW: Final = (
    "has fewer replicas than writes wait for: all writes fail until there are as many; run one more than that for each "
    "master"
)
_NONE_TO_SPARE: Final = "has just as many replicas as writes wait for: if one dies, writes fail; run one more"
_NOT_WAITED_FOR: Final = (
    "has replicas for which acknowledge=fsync does not wait: a fail-over may lose the last writes, sign-ins among "
    "them; acknowledge=replicas:1 waits"
)


class Facts(NamedTuple):
    """What a node said of itself. A setting is ``None`` if it is not for us to read."""

    place: str
    version: str
    is_cluster: bool
    is_replica: bool
    replicas: int
    settings: Mapping[str, str | None]

    def keeps(self) -> str:
        """Say what it keeps, for people."""
        said = ", ".join(f"{name} {value or 'unknown'}" for name, value in self.settings.items())
        return f"{self.place}: {said}, {self.replicas} replicas"


def facts(place: str, answers: Iterable[Any]) -> Facts:
    """Read the answers to the questions. Raises the first error of ``INFO``."""
    info, *settings = answers
    if isinstance(info, Exception):
        raise info
    return Facts(
        place,
        str(info.get("valkey_version") or info.get("redis_version", "0")),
        bool(int(info.get("cluster_enabled", 0))),
        info.get("role") != "master",
        int(info.get("connected_slaves", 0)),
        {name: _setting(answer, name) for name, answer in zip(_NAMES, settings, strict=True)}
        | ({"appendonly": "yes" if int(info["aof_enabled"]) else "no"} if "aof_enabled" in info else {}),
    )


def require(nodes: Iterable[Facts], address: Address) -> None:
    """Raise ``ConfigurationError`` if something stands against using one of these nodes."""
    found = [problem for each in nodes for problem in problems(each, address)]
    if found:
        raise ConfigurationError(tuple(f"database_uri: {each}" for each in found))


def problems(found: Facts, address: Address) -> list[str]:
    """Name what stands against using a node, each with the remedy."""
    checks = (_kind(found, address), _version(found), _role(found), _disk(found, address), _eviction(found))
    return [f"{found.place} {problem}" for problem in checks if problem]


def shortages(found: Facts, address: Address) -> list[str]:
    """Name what has every write fail now, and passes without a change of settings."""
    return [f"{found.place} {_TOO_FEW}"] if found.replicas < address.acknowledge.replicas else []


def warnings(found: Facts, address: Address) -> list[str]:
    """Name what is allowed and has consequences."""
    how = address.acknowledge
    return [
        f"{found.place} {text}"
        for applies, text in (
            (not how.on_disk and not how.replicas, _IN_MEMORY),
            (0 < how.replicas == found.replicas, _NONE_TO_SPARE),
            (how.on_disk and found.replicas > 0, _NOT_WAITED_FOR),
        )
        if applies
    ]


def owners(ranges: Iterable[Any], asked: tuple[str, int]) -> list[tuple[str, int]]:
    """Read the answer to ``CLUSTER SLOTS``. Raises ``ValueError`` if a slot has no node."""
    of_slot: dict[int, tuple[str, int]] = {}
    for first, last, (host, port, *_), *_ in ranges:
        of_slot |= dict.fromkeys(range(first, last + 1), (host.decode() or asked[0], port))
    if len(of_slot) != SLOTS:
        raise ValueError("the cluster has slots without a node")
    return [of_slot[slot] for slot in range(SLOTS)]


def _setting(answer: Any, name: str) -> str | None:
    if isinstance(answer, Exception):
        return None
    pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    value = pairs.get(name, pairs.get(name.encode()))
    return value.decode() if isinstance(value, bytes) else value


def _kind(found: Facts, address: Address) -> str:
    if found.is_cluster and address.kind is not Kind.CLUSTER:
        return "is a node of a cluster: write redis+cluster:// in place of the scheme"
    if not found.is_cluster and address.kind is Kind.CLUSTER:
        return "is no node of a cluster (cluster-enabled is no): write redis:// in place of redis+cluster://"
    return ""


def _version(found: Facts) -> str:
    if int(found.version.split(".")[0]) < OLDEST_SERVER:
        return f"is Redis {found.version}; Reseal needs {OLDEST_SERVER} or newer"
    return ""


def _role(found: Facts) -> str:
    if found.is_replica:
        return "is a replica, which takes no writes: name its master, or let Sentinel find it (redis+sentinel://)"
    return ""


def _disk(found: Facts, address: Address) -> str:
    how, settings = address.acknowledge, found.settings
    if not how.on_disk and not how.replicas:
        return ""
    if settings["appendonly"] != "yes":
        return (
            f"runs with appendonly {settings['appendonly'] or 'unknown'}: a restart would lose every session; set "
            "appendonly yes and appendfsync always, or accept that with acknowledge=memory"
        )
    if how.on_disk and settings["appendfsync"] != "always":
        return (
            f"runs with appendfsync {settings['appendfsync'] or 'unknown'}: a power cut would lose what was "
            "acknowledged; set appendfsync always, or have replicas acknowledge it with acknowledge=replicas:1"
        )
    return ""


def _eviction(found: Facts) -> str:
    policy = found.settings["maxmemory-policy"]
    if policy not in {None, "noeviction"}:
        return f"runs with maxmemory-policy {policy}: full, it would drop sessions; set maxmemory-policy noeviction"
    return ""
