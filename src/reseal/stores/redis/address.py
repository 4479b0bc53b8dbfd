"""The address of a Redis or Valkey server, Sentinel or cluster: a URI. Knows no driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
WAIT_MS: Final = 1000
"""How long a write waits for its replicas, unless ``wait_ms`` says something else."""
_OPTIONS: Final = {"acknowledge", "wait_ms", "prefix", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_PREFIX: Final = re.compile("[A-Za-z0-9_.-]{1,64}")
_REPLICAS: Final = re.compile("replicas:([1-9])")
_WRITE: Final = (
    "write redis://user:password@host:6379/0, rediss:// for TLS, redis+cluster://host:6379,host:6379 or "
    "redis+sentinel://host:26379,host:26379/service, with %40 for @, %3A for : and %2F for / in the password"
)


class Kind(StrEnum):
    """What is at an address."""

    SERVER = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"


class Acknowledge(NamedTuple):
    """What has happened to a write before it counts."""

    on_disk: bool = True
    """The server has synced its append-only file: it is told to do so at each write (``appendfsync always``)."""
    replicas: int = 0
    """So many replicas have it in memory."""
    wait_ms: int = WAIT_MS


class Address(NamedTuple):
    """An address, read and checked."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    service: str
    """The name under which Sentinel knows the server."""
    database: int
    prefix: str
    acknowledge: Acknowledge
    login: Mapping[str, Any]
    """What the driver needs to connect, with the password: not to be shown."""

    @property
    def place(self) -> str:
        """Hosts and ports, for people."""
        return ", ".join(f"{host}:{port}" for host, port in self.hosts)


def read(uri: Secret) -> Address:
    """Read a URI. Raises ``ConfigurationError``, which quotes nothing of it that may belong to a password."""
    try:
        parts = urlsplit(uri.reveal().decode())
        kind = Kind(parts.scheme.replace("rediss", "redis"))
        hosts = tuple(_host(each, kind) for each in parts.netloc.rpartition("@")[2].split(","))
    except ValueError:
        raise _unusable(f"cannot be read: {_WRITE}") from None
    if "@" in parts.path + parts.query or parts.fragment:  # the end of a password that was not escaped
        raise _unusable(f"cannot be read: {_WRITE}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options.keys() - _OPTIONS:
        raise _unusable(f"the parameter {name!r} in it is not known; there are {', '.join(sorted(_OPTIONS))}")
    login = _login(parts.netloc) | _tls(options, is_tls=parts.scheme.startswith("rediss"))
    service, database = _path(parts, kind)
    if kind is Kind.SERVER and len(hosts) > 1:
        raise _unusable("names several servers: redis:// is for one, redis+sentinel:// and redis+cluster:// for more")
    return Address(kind, hosts, service, database, _prefix(options), _acknowledge(options), login)


def _host(text: str, kind: Kind) -> tuple[str, int]:
    host, separator, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    usual = SENTINEL_PORT if kind is Kind.SENTINEL else PORT
    return (host if separator else text).strip("[]") or "127.0.0.1", int(port) if separator else usual


def _login(netloc: str) -> dict[str, Any]:
    user, _, password = netloc.rpartition("@")[0].partition(":")
    return {"username": unquote(user) or None, "password": unquote(password) or None}


def _tls(options: Mapping[str, str], *, is_tls: bool) -> dict[str, Any]:
    files = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if files and not is_tls:
        raise _unusable(f"{min(files)} is for connections with TLS: write rediss in place of redis")
    if not is_tls:
        return {}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} | files


def _path(parts: SplitResult, kind: Kind) -> tuple[str, int]:
    """Return the name of the service and the number of the database."""
    first, _, second = parts.path.strip("/").partition("/")
    service, number = (unquote(first), second) if kind is Kind.SENTINEL else ("", first)
    if kind is Kind.SENTINEL and not service:
        raise _unusable("lacks the name of the service that Sentinel watches: redis+sentinel://host:26379/service")
    if not re.fullmatch("[0-9]{0,5}", number) or (kind is Kind.CLUSTER and number not in {"", "0"}):
        raise _unusable("must end with the number of a database, as in redis://host:6379/0; a cluster has only 0")
    return service, int(number or 0)


def _prefix(options: Mapping[str, str]) -> str:
    prefix = options.get("prefix", "reseal")
    if not _PREFIX.fullmatch(prefix):
        raise _unusable("prefix must be up to 64 letters, digits, dots, dashes and underscores")
    return prefix


def _acknowledge(options: Mapping[str, str]) -> Acknowledge:
    wait_ms, how = options.get("wait_ms", str(WAIT_MS)), options.get("acknowledge", "fsync")
    if not re.fullmatch("[0-9]{1,4}", wait_ms) or int(wait_ms) == 0:
        raise _unusable("wait_ms must be from 1 to 9999: for so long a write waits for its replicas")
    replicas = _REPLICAS.fullmatch(how)
    if replicas:
        return Acknowledge(on_disk=False, replicas=int(replicas[1]), wait_ms=int(wait_ms))
    if how not in {"fsync", "memory"}:
        raise _unusable("acknowledge must be fsync, replicas:1 to replicas:9, or memory")
    return Acknowledge(on_disk=how == "fsync")


def _unusable(problem: str) -> ConfigurationError:
    return ConfigurationError((f"database_uri: {problem}",))
