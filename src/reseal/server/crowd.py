"""The open connections of a process, limited so that unauthenticated clients cannot lock out authenticated ones.

A connection that made a call with a valid API key is *known* and is never closed here. The number of unknown
connections per address is limited: beyond it the oldest idle ones are closed, after a second in which they may present
a key. If descriptors run short, unknown connections of the busiest address are closed first, at once.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from typing import Final, Protocol

from reseal.log import LOGGER
from reseal.server.address import Proxies, site

GRACE: Final = 1.0
"""Seconds that a new connection has to present a key before it may be closed as idle."""
MOST_DESCRIPTORS: Final = 65_536
RESERVED: Final = 64
"""Descriptors kept for files, logs and so on."""
LOG_EVERY: Final = 60.0
"""Seconds between two log lines on the same subject."""
ADDRESS: Final = "address"
SHORT: Final = "short"


class Member(Protocol):
    """The operations needed of a connection."""

    @property
    def is_idle(self) -> bool:
        """Whether no request on it is in progress."""

    def drop(self) -> None:
        """Abort the connection at once."""


def raise_limit() -> int:
    """Raise the descriptor limit as far as allowed; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def room_for_connections(descriptors: int, pool_size: int) -> int:
    """Return how many connections leave enough descriptors for the store and everything else."""
    return max(descriptors // 2, min(descriptors * 4 // 5, descriptors - pool_size - RESERVED))


class Crowd:
    """The open connections. ``count_closed`` is called with the reason, ``address`` or ``short``, for each one closed.

    ``now`` returns seconds.
    """

    def __init__(
        self,
        per_address: int,
        room: int,
        proxies: Proxies,
        count_closed: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_address = per_address
        self._room = room
        self._proxies = proxies
        self._count_closed = count_closed
        self._now = now
        self._strangers: dict[str, dict[Member, float]] = {}
        """Unknown connections by site, oldest first, with the time at which each was opened."""
        self._sites: dict[Member, str] = {}
        self._known: set[Member] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._warned: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._sites) + len(self._known)

    def enter(self, member: Member, address: str | None) -> None:
        """Add a connection, and close others if there are too many."""
        named = self._site(address)
        self._sites[member] = named
        self._strangers.setdefault(named, {})[member] = self._now()
        if len(self) > self._room:
            self._make_room()
        if self._is_too_many(named) and self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(GRACE, self.close_too_many)

    def vouch(self, member: Member) -> None:
        """Mark a connection as known: it presented a valid key."""
        if member in self._sites:
            self._take_out(member)
            self._known.add(member)

    def leave(self, member: Member) -> None:
        """Remove a connection."""
        self._known.discard(member)
        if member in self._sites:
            self._take_out(member)

    def _site(self, address: str | None) -> str:
        """Return the site by which a connection is counted; trusted proxies carry many clients and are not limited."""
        return "" if self._proxies.trusts(address) else site(self._proxies.caller(address, ()))

    def _is_too_many(self, named: str) -> bool:
        return bool(named and self._per_address) and len(self._strangers.get(named, ())) > self._per_address

    def _take_out(self, member: Member) -> None:
        named = self._sites.pop(member)
        self._strangers[named].pop(member)
        if not self._strangers[named]:
            del self._strangers[named]

    def close_too_many(self) -> None:
        """Close idle connections of each address over its limit, once their grace period is over. Timer callback."""
        self._sweep = None
        crowded = [named for named in self._strangers if self._is_too_many(named)]
        for named in crowded:
            self._warn(f"{named} holds more than {self._per_address} connections without an API key", named)
            before = self._now() - GRACE
            old = [member for member, since in self._strangers[named].items() if since <= before and member.is_idle]
            for member in old[: len(self._strangers[named]) - self._per_address]:
                self._close(member, ADDRESS)
        if crowded:
            self._sweep = asyncio.get_running_loop().call_later(GRACE, self.close_too_many)

    def _make_room(self) -> None:
        """Close the oldest idle connection of the site that has most."""
        self._warn(f"more than {self._room} connections are open, descriptors run short", SHORT)
        for named in sorted(self._strangers, key=lambda each: len(self._strangers[each]), reverse=True):
            resting = next((member for member in self._strangers[named] if member.is_idle), None)
            if resting is not None:
                self._close(resting, SHORT)
                return

    def _close(self, member: Member, reason: str) -> None:
        self._take_out(member)
        self._count_closed(reason)
        member.drop()

    def _warn(self, what: str, about: str) -> None:
        now = self._now()
        if now - self._warned.get(about, -LOG_EVERY) >= LOG_EVERY:
            self._warned = {each: at for each, at in self._warned.items() if now - at < LOG_EVERY} | {about: now}
            LOGGER.warning("%s: those that have been idle longest are closed", what)
