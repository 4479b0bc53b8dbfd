"""Users of a PostgreSQL whose primary dies and whose standby is promoted, and what became of their sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from reseal import AsyncEngine, Settings
from reseal._async.stores import make_store
from reseal.core.errors import ResealError, StoreUnavailable, TokenTheftDetected
from reseal.core.events import EventName
from reseal.core.model import EndReason
from reseal.testing.recorder import Recorder
from tests.support.postgres import Cluster, until

API: Final = "https://api.example.com"
USERS: Final = 12
REST: Final = 0.01
"""Seconds between two calls of a user."""


def uri_of(*servers: Cluster) -> str:
    """Return the URI that names several servers."""
    return servers[0].uri(host=",".join(f"127.0.0.1:{each.port}" for each in servers))


def engine_of(*servers: Cluster, on_event: Recorder | None = None) -> AsyncEngine:
    settings = Settings(api_domain=API, database_uri=uri_of(*servers))
    return AsyncEngine(settings, make_store(settings), on_event=on_event or Recorder())


@dataclass
class Seen:
    """What was acknowledged to the users."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    """The refresh tokens of each session, oldest first, by its handle."""
    ended: list[str] = field(default_factory=list)
    """Handles of sessions that were signed out."""
    writes: int = 0
    refused: int = 0
    last: float = 0.0
    pause: float = 0.0
    """The longest time (s) in which nobody's write was acknowledged."""

    def acknowledged(self) -> None:
        now = time.monotonic()
        self.pause = max(self.pause, now - (self.last or now))
        self.writes, self.last = self.writes + 1, now


@dataclass
class Outcome:
    """What was left of it on the promoted server."""

    lost: int = 0
    """Acknowledged sessions that are not there."""
    signed_out: int = 0
    """Users who were refused although their session is there."""
    accused: int = 0
    revived: int = 0
    """Sessions that live although their end was acknowledged."""
    rolled_back: int = 0
    """Sessions that went on from a token newer than the store."""


async def live(engine: AsyncEngine, seen: Seen, name: str, is_over: Callable[[], bool]) -> None:
    """Refresh, sign in on other devices and sign out there, as quickly as it goes."""
    pair = await engine.create(name)
    line = seen.lines[pair.claims.sid] = [pair.refresh_token or ""]
    turn = 0
    while not is_over():
        turn += 1
        try:
            if turn % 4:
                line.append((await engine.refresh(line[-1])).refresh_token or "")
            else:
                other = await engine.create(name)
                seen.acknowledged()
                if turn % 8:
                    seen.lines[other.claims.sid] = [other.refresh_token or ""]
                else:
                    await engine.revoke([other.claims.sid], EndReason.SIGNED_OUT)
                    seen.ended.append(other.claims.sid)
            seen.acknowledged()
        except StoreUnavailable:
            seen.refused += 1
        await asyncio.sleep(REST)


async def under_load(engine: AsyncEngine, fault: Callable[[], None], before: float, after: float) -> Seen:
    """Have users live before, during and after a fault."""
    seen, end = Seen(), [float("inf")]
    users = [
        asyncio.create_task(live(engine, seen, f"user {n}", lambda: time.monotonic() > end[0])) for n in range(USERS)
    ]
    await asyncio.sleep(before)
    await asyncio.to_thread(fault)
    end[0] = time.monotonic() + after
    await asyncio.gather(*users)
    return seen


async def look_back(engine: AsyncEngine, seen: Seen, events: Recorder) -> Outcome:
    """Refresh everything that was acknowledged, and look whether what was signed out has stayed so."""
    outcome = Outcome()
    refused = []
    for handle, line in seen.lines.items():
        try:
            await engine.refresh(line[-1])
        except TokenTheftDetected:
            outcome.accused += 1
        except ResealError:
            refused.append(handle)
    there = await asyncio.gather(*(engine.list_user(f"user {n}") for n in range(USERS)))
    living = {record.handle for records in there for record in records}
    outcome.signed_out = len(living.intersection(refused))
    outcome.lost = len(refused) - outcome.signed_out
    outcome.revived = len(living.intersection(seen.ended))
    outcome.rolled_back = len(events.named(EventName.STORE_ROLLED_BACK))
    return outcome


def cut_off(standby: Cluster) -> None:
    """Have a standby receive no more."""
    with standby.admin() as admin:
        admin.execute("ALTER SYSTEM SET primary_conninfo = ''")
        admin.execute("SELECT pg_reload_conf()")
        until(lambda: admin.execute("SELECT count(*) FROM pg_stat_wal_receiver").fetchone() == (0,))
