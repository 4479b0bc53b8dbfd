# Generated from src/reseal/_async/stores/postgres_hosts.py by tools/unasync.py; edit that file instead.
"""Connections to the primary, whichever of the servers of a URI that is: see ADR 64."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from logging import INFO, WARNING
from typing import Any, Protocol, TypeVar

from reseal.core.errors import StoreUnavailable
from reseal.log import LOGGER
from reseal.stores.postgres.hosts import History, Host, Standing, Term

REPLACED = "it was the primary before a fail-over, and has to be made a standby of the new one: pg_rewind"


class HostLink(Protocol):
    """A connection to one of the servers."""

    host: Host
    standing: Standing
    term: Term

    def close(self) -> None:
        """Close it."""


LinkT = TypeVar("LinkT", bound=HostLink)
Connect = Callable[[Host, Mapping[str, Any]], LinkT]
"""Connects to one server; raises ``StoreUnavailable`` with nothing but the reason, and maybe a cause."""


class Hosts:
    """Asks one server after the other. The one that writes went to last is asked first, one that failed last.

    A server of an earlier timeline than the latest seen is refused, although it takes writes: a standby was promoted
    in its place. In doubt, at the start and after a failure, every server is asked before one of the timeline that is
    known is used again.
    """

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        self._hosts = hosts
        self._history = History()
        self._standing = Standing()
        self._term = Term()
        self._is_in_doubt = True

    def connect(self, connect: Connect[LinkT], parameters: Mapping[str, Any]) -> LinkT:
        """Connect to the primary. Raises ``StoreUnavailable`` with a reason for each server."""
        best: LinkT | None = None
        problems: dict[str, BaseException | None] = {}
        is_taken = False
        try:
            for host in self._hosts:
                try:
                    link = connect(host, {**parameters, **host.parameters})
                except StoreUnavailable as error:
                    problems.setdefault(str(error), error.__cause__)
                    continue
                best, other = self._better(best, link)
                if other is not None:
                    problems.setdefault(other.standing.obstacle or REPLACED, None)
                    other.close()
                if best is link and self._is_certain(link.standing):
                    break
            is_taken = best is not None and self._takes(best)
        finally:
            if best is not None and not is_taken:
                best.close()
        if best is None or not is_taken:
            told = "; ".join(filter(None, problems))
            text = f"PostgreSQL at {self} cannot be reached" + (f" ({told})" if told else "")
            raise StoreUnavailable(text) from next(filter(None, problems.values()), None)
        return best

    def connect_to_any(self, connect: Connect[LinkT], parameters: Mapping[str, Any]) -> LinkT:
        """Connect to the first server that answers. Raises ``StoreUnavailable`` with the reason of the last one."""
        problem = ""
        for host in self._hosts:
            try:
                return connect(host, {**parameters, **host.parameters, "target_session_attrs": "any"})
            except StoreUnavailable as error:
                problem = str(error)
        raise StoreUnavailable(f"PostgreSQL at {self} cannot be reached ({problem})")

    def survey(self, connect: Connect[LinkT], parameters: Mapping[str, Any]) -> dict[Host, Standing | str]:
        """Ask every server what it is; returns the reason for one that cannot be reached."""
        found: dict[Host, Standing | str] = {}
        for host in self._hosts:
            try:
                link = connect(host, {**parameters, **host.parameters, "target_session_attrs": "any"})
            except StoreUnavailable as error:
                found[host] = str(error)
            else:
                found[host] = link.standing
                link.close()
        return found

    def leave(self, link: HostLink) -> None:
        """Use no connection of this term any longer: the server failed, or takes no writes any longer."""
        link.term.is_over = True
        if link.term is self._term:
            self._is_in_doubt = True
            self._hosts = (*(each for each in self._hosts if each != link.host), link.host)

    def __str__(self) -> str:
        return ", ".join(map(str, self._hosts))

    def _better(self, best: LinkT | None, link: LinkT) -> tuple[LinkT | None, LinkT | None]:
        """Return the one to keep and the one to close."""
        if link.standing.obstacle:
            return best, link
        if self._is_replaced(link.standing) or (best is not None and link.standing.is_behind(best.standing)):
            LOGGER.error("PostgreSQL: %s takes writes, but %s", link.host, REPLACED)
            return best, link
        if best is None or best.standing.is_behind(link.standing):
            return link, best
        return best, link

    def _is_replaced(self, standing: Standing) -> bool:
        return standing.timeline < self._history.latest(standing.system)

    def _is_certain(self, standing: Standing) -> bool:
        """Whether no other server can be the primary instead, as far as timelines tell."""
        latest = self._history.latest(standing.system)
        return not standing.timeline or 0 < latest < standing.timeline or (latest > 0 and not self._is_in_doubt)

    def _takes(self, link: HostLink) -> bool:
        """Let later connections begin with this server, unless another one was promoted since it was asked."""
        self._history.add(link.standing)
        if self._is_replaced(link.standing):
            return False
        has_moved = link.standing[:2] != self._standing[:2]
        if has_moved:
            level = WARNING if self._standing.timeline else INFO
            LOGGER.log(level, "PostgreSQL: writes go to %s, %s", link.host, told(link.standing))
        if has_moved or self._term.is_over:
            self._term.is_over, self._term = True, Term()
        link.term, self._standing, self._is_in_doubt = self._term, link.standing, False
        self._hosts = (link.host, *(each for each in self._hosts if each != link.host))
        return True


def told(standing: Standing) -> str:
    """Describe a primary, and what becomes of an acknowledged write in a fail-over."""
    timeline = f"timeline {standing.timeline}" if standing.timeline else "which tells no timeline"
    if not standing.standbys:
        return f"{timeline}, without a synchronous standby: a fail-over may lose the last writes"
    return f"{timeline}; an acknowledged write is on a synchronous standby: {standing.standbys}"
