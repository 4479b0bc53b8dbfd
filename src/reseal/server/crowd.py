"""The open connections of a process, so that those who show no API key keep nobody else out.

Whoever made a call with a good key is no stranger any more and is left alone. Of strangers one address keeps so many
connections and no more; the oldest that rest are closed, once they had a second to show a key. If descriptors run
short, strangers of the address with most connections go first, at once.
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
"""Seconds in which a connection may show a key before it counts as one that rests."""
MOST_DESCRIPTORS: Final = 65_536
RESERVED: Final = 64
"""Descriptors for files, logs and whatever else a process opens."""
LOG_EVERY: Final = 60.0
"""Seconds between two lines about the same."""
ADDRESS: Final = "address"
SHORT: Final = "short"


class Member(Protocol):
    """What a crowd needs of a connection."""

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""

    def drop(self) -> None:
        """Close at once, whatever the other side does."""


def raise_limit() -> int:
    """Take as many descriptors as this process may have; say how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def room_for_connections(descriptors: int, pool_size: int) -> int:
    """Say how many connections leave enough descriptors for the store and everything else."""
    return max(descriptors // 2, min(descriptors * 4 // 5, descriptors - pool_size - RESERVED))


class Crowd:
    """Who is connected. ``count_closed`` is told the reason, ``address`` or ``short``, of each one that is closed.

    ``now`` gives seconds.
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
        """By site, oldest first, since when."""
        self._sites: dict[Member, str] = {}
        self._known: set[Member] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._told: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._sites) + len(self._known)

    def enter(self, member: Member, address: str | None) -> None:
        """Count a connection in, and close others if there are too many."""
        named = self._site(address)
        self._sites[member] = named
        self._strangers.setdefault(named, {})[member] = self._now()
        if len(self) > self._room:
            self._make_room()
        if self._is_too_many(named) and self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(GRACE, self.close_too_many)

    def vouch(self, member: Member) -> None:
        """Know that a good key was shown."""
        if member in self._sites:
            self._take_out(member)
            self._known.add(member)

    def leave(self, member: Member) -> None:
        """Count a connection out."""
        self._known.discard(member)
        if member in self._sites:
            self._take_out(member)

    def _site(self, address: str | None) -> str:
        """Name whose connections are counted together; a proxy's are those of many, and have no limit of their own."""
        return "" if self._proxies.trusts(address) else site(self._proxies.caller(address, ()))

    def _is_too_many(self, named: str) -> bool:
        return bool(named and self._per_address) and len(self._strangers.get(named, ())) > self._per_address

    def _take_out(self, member: Member) -> None:
        named = self._sites.pop(member)
        self._strangers[named].pop(member)
        if not self._strangers[named]:
            del self._strangers[named]

    def close_too_many(self) -> None:
        """Close what one address has too many of and has had its time. Called by itself."""
        self._sweep = None
        crowded = [named for named in self._strangers if self._is_too_many(named)]
        for named in crowded:
            self._tell(f"{named} holds more than {self._per_address} connections without an API key", named)
            before = self._now() - GRACE
            old = [member for member, since in self._strangers[named].items() if since <= before and member.is_idle]
            for member in old[: len(self._strangers[named]) - self._per_address]:
                self._close(member, ADDRESS)
        if crowded:
            self._sweep = asyncio.get_running_loop().call_later(GRACE, self.close_too_many)

    def _make_room(self) -> None:
        """Close the oldest connection that rests, of the site that has most."""
        self._tell(f"more than {self._room} connections are open, descriptors run short", SHORT)
        for named in sorted(self._strangers, key=lambda each: len(self._strangers[each]), reverse=True):
            resting = next((member for member in self._strangers[named] if member.is_idle), None)
            if resting is not None:
                self._close(resting, SHORT)
                return

    def _close(self, member: Member, reason: str) -> None:
        self._take_out(member)
        self._count_closed(reason)
        member.drop()

    def _tell(self, what: str, about: str) -> None:
        now = self._now()
        if now - self._told.get(about, -LOG_EVERY) >= LOG_EVERY:
            self._told = {each: at for each, at in self._told.items() if now - at < LOG_EVERY} | {about: now}
            LOGGER.warning("%s: those that have rested longest are closed", what)
