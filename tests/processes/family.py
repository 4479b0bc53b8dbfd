"""A process that opens sessions, forks while they are in use, and goes on beside its children, who use them too.

python family.py async|sync sqlite://…|postgresql://…|http://… : ends with 0 if everybody only met users of their own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reseal import AsyncRemote, AsyncReseal, Remote, Reseal, Settings

API = "https://api.example.com"
CHILDREN = 2
ROUNDS = 4
PATIENCE = 180
"""Seconds after which a process that waits for ever is killed."""


def sessions_of(variant: str, place: str) -> Any:
    """Make async or sync sessions; they are not open yet."""
    kind: Any
    if place.startswith("http"):
        settings = Settings(api_domain=API, database_uri="memory:")
        kind = {"async": AsyncRemote, "sync": Remote}[variant]
        return kind(settings, place, api_key=os.environ["KEY"], timeout_s=PATIENCE)
    kind = {"async": AsyncReseal, "sync": Reseal}[variant]
    return kind(Settings(api_domain=API, database_uri=place)).backend


async def live_async(sessions: Any, name: str) -> None:
    """Live the life of one user; what is read must be theirs."""
    pair = await sessions.create(name, {"name": name}, {"of": name})
    handle = pair.claims.sid
    assert (await sessions.check(pair.claims)).user_id == name
    for _ in range(2):
        pair = await sessions.refresh(pair.refresh_token)
        assert (pair.claims.sub, pair.claims.sid) == (name, handle)
        assert sessions.verify(pair.access_token).jwt_payload() == {"name": name}
    assert (await sessions.get(handle)).user_id == name
    assert [record.handle for record in await sessions.list_user(name)] == [handle]
    assert await sessions.revoke_user(name) == (handle,)
    assert await sessions.list_user(name) == ()


def live_sync(sessions: Any, name: str) -> None:
    pair = sessions.create(name, {"name": name}, {"of": name})
    handle = pair.claims.sid
    assert sessions.check(pair.claims).user_id == name
    for _ in range(2):
        pair = sessions.refresh(pair.refresh_token)
        assert (pair.claims.sub, pair.claims.sid) == (name, handle)
        assert sessions.verify(pair.access_token).jwt_payload() == {"name": name}
    assert sessions.get(handle).user_id == name
    assert [record.handle for record in sessions.list_user(name)] == [handle]
    assert sessions.revoke_user(name) == (handle,)
    assert sessions.list_user(name) == ()


class Family:
    """Forks children of which each runs ``life`` under a name of its own, and waits for them."""

    def __init__(self, life: Callable[[str], None]) -> None:
        self.life = life
        self.pids: dict[int, str] = {}

    def fork(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        if pid := os.fork():
            self.pids[pid] = name
            return
        signal.alarm(PATIENCE)
        code = 1
        try:
            self.pids = {}
            then()
            self.life(name)
            code = self.wait()
        except BaseException:  # noqa: BLE001 - told, and the status is 1
            traceback.print_exc()
        finally:
            os._exit(code)

    def wait(self) -> int:
        """Give 0 if all of them ended well."""
        ends = {self.pids[pid]: os.waitpid(pid, 0)[1] for pid in self.pids}
        for name, status in ends.items():
            if status:
                sys.stderr.write(f"{name} ended with status {status}\n")
        return int(any(ends.values()))


def main_sync(place: str) -> int:
    sessions = sessions_of("sync", place)
    sessions.open()
    is_over = threading.Event()

    def work(name: str) -> None:
        while not is_over.is_set():
            live_sync(sessions, name)

    def life(name: str) -> None:
        for n in range(ROUNDS):
            live_sync(sessions, f"{name}-{n}")
        sessions.close()

    family = Family(life)
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(work, f"thread-{n}") for n in range(4)]
        live_sync(sessions, "parent")
        for n in range(CHILDREN):
            family.fork(f"child-{n}", then=lambda: family.fork(f"grandchild-{os.getpid()}"))
        code = family.wait()
        is_over.set()
        for each in busy:
            each.result()
    live_sync(sessions, "parent")
    sessions.close()
    return code


async def main_async(place: str) -> int:
    sessions = sessions_of("async", place)
    await sessions.open()
    is_over = asyncio.Event()

    async def work(name: str) -> None:
        while not is_over.is_set():
            await live_async(sessions, name)

    async def go(name: str) -> None:
        await asyncio.gather(*(live_async(sessions, f"{name}-{n}") for n in range(ROUNDS)))
        await sessions.close()

    family = Family(lambda name: asyncio.new_event_loop().run_until_complete(go(name)))
    busy = [asyncio.create_task(work(f"task-{n}")) for n in range(4)]
    await live_async(sessions, "parent")
    for n in range(CHILDREN):
        family.fork(f"child-{n}", then=lambda: family.fork(f"grandchild-{os.getpid()}"))
    code = await asyncio.to_thread(family.wait)
    is_over.set()
    await asyncio.gather(*busy)
    await live_async(sessions, "parent")
    await sessions.close()
    return code


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    signal.alarm(2 * PATIENCE)
    _, variant, place = sys.argv
    raise SystemExit(main_sync(place) if variant == "sync" else asyncio.run(main_async(place)))
