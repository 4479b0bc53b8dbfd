"""Moving the table of sessions on PostgreSQL into another form, while services use it.

Each step is a transaction that can be repeated: whoever was killed, or had to give up, runs the command again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from psycopg.errors import DiskFull, LockNotAvailable

from reseal._async.stores.postgres_server import LOCK_MS, AsyncLink, AsyncServer
from reseal._async.waiting import pause
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.stores import postgres
from reseal.stores.postgres import partitions
from reseal.stores.postgres.partitions import Column, Form, Grant, Index, Table

QUERIES: Final = postgres.QUERIES | partitions.QUERIES
PAGE: Final = 1_000
"""Sessions that are copied in one transaction. Who deletes one of them, or ends it, waits for that."""
COMPARED: Final = 20 * PAGE
LOCK_ATTEMPTS: Final = 100
STATEMENT_MS: Final = 3_600_000
"""The longest statements measure the new table and remove the old one."""
TELL_EVERY: Final = 2.0

T = TypeVar("T")
Place = tuple[str, str, str]
FIRST: Final[Place] = ("", "", "")
LAST: Final[Place] = ("\U0010ffff", "", "")


class MoveRefused(Exception):
    """The table cannot be moved; the text states the reason and the remedy."""


class Progress(NamedTuple):
    """How far a move is, as the database has it."""

    into: int
    copied: int = 0
    after: Place = FIRST
    is_copied: bool = False

    @classmethod
    def of(cls, text: str) -> Progress:
        into, copied, after, is_copied = json.loads(text)
        return cls(into, copied, tuple(after), is_copied)

    @property
    def values(self) -> dict[str, str]:
        return {"text": json.dumps(self)}


def server_of(uri: Secret) -> AsyncServer:
    """Return the server by which a move is made; it is not open yet."""
    return AsyncServer(
        uri,
        pool_size=1,
        connect_timeout_s=5,
        statement_timeout_ms=STATEMENT_MS,
        queries=QUERIES,
    )


@dataclass(frozen=True)
class Move:
    """Moves of the table of sessions. ``tell`` gets a line for people at each step, and while one takes long."""

    server: AsyncServer
    tell: Callable[[str], None]
    page: int = PAGE

    async def look(self) -> tuple[Form, Progress | None]:
        """Return the form of the table, and how far a move of it is."""
        return await self._step(_look)

    async def require_possible(self, into: int) -> None:
        """Raise ``MoveRefused`` if the table cannot be moved, or is moved already."""
        form, progress = await self.look()
        found = problem(form, progress, into) or await self._step(_attached)
        if found:
            raise MoveRefused(found)

    async def run(self, into: int) -> None:
        """Move the table. Raises ``MoveRefused``, and ``StoreUnavailable`` if the server does not answer."""
        if await self._remove_old() and (await self.look())[0].partitions == into:
            return  # it was only this that an earlier run had left
        await self.require_possible(into)
        try:
            progress = await self._prepared(into)
            await self._copy(progress)
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, DiskFull):
                raise
            await self.abandon()
            raise MoveRefused("the disk of the server is full: the copy was removed, nothing has changed") from error
        await self._compare()
        self.tell("measuring the new table")
        await self._step(lambda link: _execute(link, "measure_new"))
        await self._in_short(_exchange)
        self.tell(f"the sessions are in {partitions.shown(into)} now")
        await self._remove_old()

    async def abandon(self) -> bool:
        """Remove what an unfinished move has made; returns whether there was one."""
        return await self._in_short(_abandon)

    async def _prepared(self, into: int) -> Progress:
        _, progress = await self.look()
        if progress is None:
            self.tell("creating the new table; from now on every write goes to both")
            await self._in_short(lambda link: _prepare(link, into))
            progress = Progress(into)
        return progress

    async def _copy(self, progress: Progress) -> None:
        form, _ = await self.look()
        told = time.monotonic()
        while not progress.is_copied:
            began = time.monotonic()
            progress = await self._step(lambda link: _copy_page(link, self.page))
            if time.monotonic() > told + TELL_EVERY:
                told = time.monotonic()
                self.tell(f"copied {progress.copied:,} sessions of about {max(form.rows, progress.copied):,}")
            await pause(time.monotonic() - began)  # services get at least half of the time
        self.tell(f"copied {progress.copied:,} sessions")

    async def _compare(self) -> None:
        self.tell("comparing the two tables")
        after = FIRST
        while after != LAST:
            end = await self._step(lambda link: _end_of_page(link, after))  # noqa: B023 - awaited here
            if not await self._step(lambda link: _is_equal(link, after, end)):  # noqa: B023
                await self.abandon()
                raise MoveRefused("the copy is not equal to the table: it was removed, and nothing has changed")
            after = end

    async def _remove_old(self) -> bool:
        there = bool(await self._step(lambda link: _fetch_one(link, "has_old")))
        if there:
            self.tell("removing the former table")
            await self._step(lambda link: _execute(link, "drop_old"))
        return there

    async def _step(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Run a step as a transaction."""

        async def in_transaction(link: AsyncLink) -> T:
            async with link.transaction():
                await link.settle()
                return await work(link)

        return await self.server.run(in_transaction)

    async def _in_short(self, work: Callable[[AsyncLink], Awaitable[T]]) -> T:
        """Run a step that stops services for a moment, as often as it takes to get its locks quickly."""
        for _ in range(LOCK_ATTEMPTS):
            try:
                return await self._step(work)
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
            self.tell(await self._step(_in_the_way))
            await pause(random.uniform(0.5, 1.5))  # noqa: S311 - nothing secret about it
        raise MoveRefused("the table is never free for a moment: run the command again when that transaction has ended")


def problem(form: Form, progress: Progress | None, into: int) -> str:
    """Return why a table of this form is not moved, or nothing."""
    if form.server < partitions.OLDEST_SERVER:
        return f"the server is PostgreSQL {form.server}; partitions need {partitions.OLDEST_SERVER} or newer"
    if progress is not None and progress.into != into:
        return (
            f"a move into {partitions.shown(progress.into)} has begun: finish it with --into {progress.into}, or take "
            "it back with --abandon"
        )
    if form.partitions == into:
        return f"the sessions are in {form.shown} already"
    if not form.is_owned:
        return f"the user may not change the table reseal_session, whose owner is {form.owner}: connect as that one"
    if not form.may_create:
        return f"the user may not create tables: GRANT CREATE ON SCHEMA {form.schema} to it"
    return ""


async def _look(link: AsyncLink) -> tuple[Form, Progress | None]:
    [form] = await link.fetch("form")
    found = await link.fetch("progress")
    return Form(*form), Progress.of(found[0][0]) if found else None


async def _attached(link: AsyncLink) -> str:
    found = [name for (name,) in await link.fetch("attached")]
    return f"others have attached to the table {', '.join(found)}: remove that first" if found else ""


async def _table(link: AsyncLink) -> Table:
    [form] = await link.fetch("form")
    return Table(
        Form(*form),
        await _columns(link, "reseal_session"),
        [Index(*row) for row in await link.fetch("indexes")],
        [Grant(*row) for row in await link.fetch("grants")],
    )


async def _columns(link: AsyncLink, table: str) -> list[Column]:
    return [Column(*row) for row in await link.fetch("columns", {"table": table})]


async def _prepare(link: AsyncLink, into: int) -> None:
    """Create the new table, and begin to repeat in it what is written to the present one."""
    await _execute(link, "keep_vacuum_off")
    table = await _table(link)
    await _run_all(link, *partitions.creation(table, into))
    await link.write("begin_progress", Progress(into).values)
    await _lock(link, "stop_writers")
    await _run_all(link, partitions.trigger(table))


async def _copy_page(link: AsyncLink, limit: int) -> Progress:
    progress = await _require_progress(link)
    found = await link.fetch("copy_page", _values(progress.after) | {"limit": limit})
    if found:
        *last, copied = found[0]
        progress = progress._replace(after=tuple(last), copied=progress.copied + copied, is_copied=copied < limit)
    else:
        progress = progress._replace(is_copied=True)
    await link.write("note_progress", progress.values)
    return progress


async def _end_of_page(link: AsyncLink, after: Place) -> Place:
    found = await link.fetch("end_of_page", _values(after) | {"limit": COMPARED})
    return tuple(found[0]) if found else LAST


async def _is_equal(link: AsyncLink, after: Place, end: Place) -> bool:
    await _require_progress(link)
    [(is_equal,)] = await link.fetch("compare_page", _values(after) | _values(end, "last_"))
    return bool(is_equal)


async def _exchange(link: AsyncLink) -> None:
    """Put the new table in the place of the present one."""
    await _require_progress(link)
    await _execute(link, "keep_vacuum_off")
    table = await _table(link)
    if await _columns(link, "reseal_session_new") != table.columns:
        raise MoveRefused("the table has other columns than its copy: run the command again after --abandon")
    await _lock(link, "stop_all")
    await _run_all(link, *partitions.exchange(table))
    await _execute(link, "end_progress")


async def _abandon(link: AsyncLink) -> bool:
    if not await link.fetch("progress"):
        return False
    await _execute(link, "keep_vacuum_off")
    await _lock(link, "stop_all")
    for name in ("drop_trigger", "drop_function", "drop_new", "end_progress"):
        await _execute(link, name)
    return True


async def _require_progress(link: AsyncLink) -> Progress:
    """Return how far the move is, and keep others from going on with it until the transaction ends."""
    found = await link.fetch("progress")
    if not found:
        raise MoveRefused("another process has finished the move or has taken it back meanwhile")
    return Progress.of(found[0][0])


async def _in_the_way(link: AsyncLink) -> str:
    for pid, name, state, seconds in await link.fetch("in_the_way"):
        return f"waiting for the table, which the process {pid} ({name}, {state}) has used for {seconds} seconds"
    return "waiting for the table"


async def _lock(link: AsyncLink, name: str) -> None:
    await link.fetch("limit_lock", {"milliseconds": str(LOCK_MS)})
    await _execute(link, name)


async def _execute(link: AsyncLink, name: str) -> None:
    await _run_all(link, QUERIES[name])


async def _run_all(link: AsyncLink, *statements: str) -> None:
    for statement in statements:
        await link.execute(statement.encode(), prepare=False)


async def _fetch_one(link: AsyncLink, name: str) -> object:
    [(value,)] = await link.fetch(name)
    return value


def _values(place: Place, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in zip(partitions.KEY, place, strict=True)}
