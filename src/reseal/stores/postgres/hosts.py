"""The servers that a URI names, and what tells a primary from those that it replaced. Knows no driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_DEFAULT_PORT: Final = "5432"


class Host(NamedTuple):
    """One of the servers, as the parameters of libpq name it; ``None`` for those that are not given."""

    host: str | None
    hostaddr: str | None
    port: str | None

    @property
    def parameters(self) -> dict[str, str]:
        """Those that lead to it."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        name = self.host or self.hostaddr or "the default host"
        return f"{f'[{name}]' if ':' in name else name}:{self.port or _DEFAULT_PORT}"


class Standing(NamedTuple):
    """What a server says of itself."""

    system: str = ""
    """The identifier of its cluster of databases, which standbys share; empty if it does not tell."""
    timeline: int = 0
    """Raised by each promotion of a standby; 0 if it does not tell."""
    standbys: str = ""
    """Those for which a commit waits, as ``synchronous_standby_names`` has them."""
    obstacle: str = ""
    """Why it takes no writes; empty if it does."""

    def is_behind(self, other: Standing) -> bool:
        """Whether it was the primary before a fail-over to the other one."""
        return self.system == other.system and self.timeline < other.timeline


class History:
    """The timelines that this process has seen. Threads may use it at once: what was added is not taken back."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()

    def add(self, standing: Standing) -> None:
        self._seen.add(standing[:2])

    def latest(self, system: str) -> int:
        """Return the latest timeline of a cluster, or 0."""
        return max((timeline for its, timeline in tuple(self._seen) if its == system), default=0)


class Term:
    """The time in which one server is the primary, as far as this process knows. Its connections share one."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


def hosts_of(parameters: Mapping[str, Any]) -> tuple[Host, ...]:
    """Return the servers in the order of the URI. Raises ``ValueError`` if the numbers of hosts and ports differ."""
    given = {name: str(parameters[name]).split(",") for name in ("host", "hostaddr", "port") if parameters.get(name)}
    many = max((len(given[name]) for name in ("host", "hostaddr") if name in given), default=1)
    if len(given.get("port", ())) == 1:
        given["port"] *= many
    if any(len(values) != many for values in given.values()):
        raise ValueError(many)
    return tuple(
        Host(*(given[name][n] or None if name in given else None for name in ("host", "hostaddr", "port")))
        for n in range(many)
    )
