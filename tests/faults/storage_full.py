"""A program: users of one engine, whose storage is full for a while (reliability: E15).

python -m tests.faults.storage_full sqlite|postgres|mariadb|redis [rounds]: ends with 0 if nothing was lost. It mounts a
file system, and has to be allowed to (``unshare --mount``).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import psycopg

from reseal import AsyncReseal, Settings
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support import mariadb, postgres, redis
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.users import Users

API: Final = "https://api.example.com"
PATIENCE: Final = 60
"""Seconds for a busy machine."""


class Place(NamedTuple):
    """An empty store on a small disk."""

    uri: str
    use_up: Callable[[], object]
    """Have the server write what uses up room that it had in reserve."""
    mend: Callable[[], object]
    """Do what an operator or a supervisor of services has to do once there is room again."""
    reads_go_on: bool
    """Whether the server still reads while it cannot write, because it does not end itself."""


def _nothing() -> None:
    """Nothing has to be done."""


@contextmanager
def _sqlite(disk: SmallDisk) -> Iterator[Place]:
    yield Place(f"sqlite:///{disk.folder}/sessions.db", _nothing, _nothing, reads_go_on=True)


@contextmanager
def _postgres(_disk: SmallDisk) -> Iterator[Place]:
    """A server that has no room for its log ends itself, recovery included, and has to be started again."""
    with postgres.cluster() as own:

        def use_up() -> None:
            with suppress(psycopg.Error), own.admin() as admin:
                admin.execute("SELECT pg_switch_wal()")

        def start_again() -> None:
            if not (own.folder / "data" / "postmaster.pid").exists():
                own.start()

        yield Place(own.uri(), use_up, start_again, reads_go_on=False)


@contextmanager
def _mariadb(_disk: SmallDisk) -> Iterator[Place]:
    with mariadb.server("--innodb-autoextend-increment=1") as own:
        database = own.database()
        own.sql("CREATE TABLE filler (content LONGBLOB)", database)

        def use_up() -> None:
            for kilobytes in (4096, 256, 16):
                with suppress(RuntimeError):
                    while True:
                        own.sql(f"INSERT INTO filler VALUES (REPEAT('x', {kilobytes} * 1024))", database)

        yield Place(own.uri(database), use_up, _nothing, reads_go_on=True)


@contextmanager
def _redis(_disk: SmallDisk) -> Iterator[Place]:
    """A server that cannot force its file to the disk ends itself, and has to be started again."""

    def start_again() -> None:
        own.kill()
        own.start()

    with redis.server() as own:
        yield Place(own.uri(), _nothing, start_again, reads_go_on=False)


ENGINES: Final = {"sqlite": (4, _sqlite), "postgres": (90, _postgres), "mariadb": (160, _mariadb), "redis": (8, _redis)}
"""The size of the file system (MB), and what is on it."""


async def main(engine: str, rounds: int) -> list[str]:
    megabytes, make = ENGINES[engine]
    with small_disk(megabytes) as disk:
        tempfile.tempdir = str(disk.folder)
        with make(disk) as place:
            return await _experiment(disk, place, rounds)


async def _experiment(disk: SmallDisk, place: Place, rounds: int) -> list[str]:
    events, users = Recorder(), Users()
    sessions = AsyncReseal(Settings(api_domain=API, database_uri=place.uri), on_event=events).backend
    await sessions.open()
    bystander, loop = await sessions.create("bystander"), asyncio.get_running_loop()
    await sessions.check(bystander.claims)

    def read() -> object:
        return asyncio.run_coroutine_threadsafe(sessions.check(bystander.claims), loop).result(PATIENCE)

    for _ in range(rounds):
        await users.during(sessions, lambda: _fill_and_free(disk, place, users, read))
        await sessions.check(bystander.claims)
    await users.look_back(sessions)
    accused = events.named(EventName.STORE_ROLLED_BACK)
    await sessions.close()
    sys.stdout.write(f"{users.done} answered, {users.refused} refused, slowest {users.slowest:.2f} s\n")
    return [*users.violations, *(f"P1: {event.session_handle} went back" for event in accused)]


def _fill_and_free(disk: SmallDisk, place: Place, users: Users, read: Callable[[], object]) -> None:
    _until(lambda: users.done > 50)
    refused = users.refused + 50

    def is_full() -> bool:
        disk.fill()
        place.use_up()
        return users.refused > refused

    _until(is_full)
    if place.reads_go_on:
        read()
    began = time.monotonic()
    disk.free()
    place.mend()
    done = users.done
    _until(lambda: users.done > done)
    sys.stdout.write(f"recovered in {time.monotonic() - began:.2f} s\n")


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not happen")
        time.sleep(0.02)


if __name__ == "__main__":
    violations = asyncio.run(main(sys.argv[1], int((sys.argv[2:] or ["1"])[0])))
    sys.stdout.write("\n".join(violations))
    raise SystemExit(1 if violations else 0)
