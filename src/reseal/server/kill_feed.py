"""The feed of the kill list: what follows a reader's cursor, at once or as soon as there is something.

One task reads the store for all requests that wait, and all of them get the same bytes. So a request that waits costs
the store nothing and holds no connection of it, and a revocation costs it one read, however many wait for it. Requests
that come together, as after a restart, share a read as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from reseal._async.ports import AsyncKillListStore, AsyncNews
from reseal._async.waiting import pause
from reseal.cdi.paths import DEFAULT, Right
from reseal.cdi.problem import WRONG_METHOD, Problem, unknown_tenant
from reseal.core.errors import StoreUnavailable
from reseal.core.kill_list import KillCursor, KillPage
from reseal.core.model import Scope
from reseal.log import LOGGER
from reseal.rpc import kill_calls
from reseal.rpc.calls import PREFIX
from reseal.server.http.exchange import Exchange
from reseal.server.http.messages import Reply, Request, body_of, text_reply
from reseal.server.permits import Permit
from reseal.server.rpc import check_own_keys
from reseal.server.tenants.directory import Directory

Receive = Callable[[], Awaitable[Any]]
_DIGITS: Final = 6
_CURSOR: Final = 100
_MOST_PARAMETERS: Final = 10
_INVALID: Final = "Field name '{}' is invalid in GET request"
PATH: Final = f"{PREFIX}{kill_calls.NAME}"
OPERATION: Final = f"rpc_{kill_calls.NAME}"
WAITING: Final = 2_000
"""Upper limit of the requests that wait in one process; the others are answered at once, and ask again in a second."""
READ_EVERY: Final = 10.0
"""Seconds between two reads without an announcement."""
RECENT: Final = 1.0
"""How old, in seconds, the answer to a request that does not wait may be."""
LULL: Final = 0.1
"""Seconds between two reads at least: what is announced together is sent together."""
LULL_EACH: Final = 0.0003
"""Seconds more for each request that waits: to answer it, and to read what it asks next, takes a third of it."""


class Answer:
    """A page as it is sent, and when the store was read for it, on the event loop's clock."""

    __slots__ = ("_written", "page", "read_at")

    def __init__(self, page: KillPage, read_at: float) -> None:
        self.page = page
        self.read_at = read_at
        self._written = kill_calls.written(page)

    def sent(self, arrived: float) -> bytes:
        """Write the answer to a request that arrived then."""
        return self._written + kill_calls.waited(round((self.read_at - arrived) * 1000))


class _Place:
    """What is known of the list of one app and tenant, and who waits for more."""

    def __init__(self, quiet: Answer) -> None:
        self.last = quiet
        """What was read last."""
        self.quiet_from = quiet.page.cursor
        """Nothing came after it until then."""
        self.is_used = True
        """Whether a request has asked since then."""
        self.waiting: set[asyncio.Future[Answer | None]] = set()

    def covers(self, after: KillCursor) -> bool:
        """Return whether whoever has come so far needs only what is read next."""
        return after.epoch == self.quiet_from.epoch and after.seq >= self.quiet_from.seq

    def take(self, answer: Answer) -> None:
        """Take in what follows ``quiet_from``, and send it to those who wait if it is news."""
        page, self.last = answer.page, answer
        if page.entries or page.more or page.epoch != self.quiet_from.epoch:
            self.quiet_from = page.cursor
            self.wake(answer)

    def wake(self, answer: Answer | None) -> None:
        """Answer all that wait; with ``None``: that nothing has come."""
        for each in self.waiting:
            _settle(each, answer)

    def nothing(self, after: KillCursor) -> Answer:
        """Return the answer that nothing follows a cursor that is covered."""
        page = self.last.page
        seq = max(page.seq, after.seq)
        return Answer(KillPage(page.epoch, after.seq, seq, (), more=False, now=page.now), self.last.read_at)


class KillFeed:
    """The lists of all apps and tenants of one store. ``news``: makes what announces new entries."""

    def __init__(self, store: AsyncKillListStore, news: Callable[[], AsyncNews]) -> None:
        self._store = store
        self._news = news
        self._places: dict[Scope, _Place] = {}
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0
        self._reads = 0
        """Counts the reads for those that wait: it changes when one begins and when one ends."""
        self._shared: dict[tuple[Scope, KillCursor | None, int], asyncio.Task[Answer]] = {}
        """The reads that have begun and not ended, by what is read, and by the count above when they began."""
        self._is_ending = False

    def __len__(self) -> int:
        """Return how many requests wait."""
        return self._waiting

    def end(self) -> None:
        """Answer all that wait, and let none wait any more: the process is about to leave."""
        self._is_ending = True
        for place in self._places.values():
            place.wake(None)

    async def close(self) -> None:
        """Stop reading, before the store is closed."""
        self.end()
        tasks = [*self._shared.values(), *([self._reading] if self._reading else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def after(self, scope: Scope, after: KillCursor | None, wait_s: float, leaves: asyncio.Future[Any]) -> Answer:
        """Return what follows a cursor; if that is nothing, wait for it up to ``wait_s`` seconds.

        ``leaves``: done when nobody wants the answer any more. Raises ``StoreUnavailable``.
        """
        if after is None:
            return await self._read(scope, None)
        place = self._places.get(scope)
        if place is None or not (place.covers(after) and self._is_read(place, 2 * READ_EVERY if wait_s else RECENT)):
            found = await self._look(scope, after)
            if isinstance(found, Answer):
                return found
            place = found
        place.is_used = True
        if wait_s > 0 and self._waiting < WAITING and not self._is_ending:
            news = await self._wait(place, wait_s, leaves)
            if news is not None:
                return news
        return place.nothing(after)

    async def _look(self, scope: Scope, after: KillCursor) -> Answer | _Place:
        """Read what follows a cursor; if that is nothing, return where to wait for it."""
        while True:
            reads = self._reads
            found = await self._read(scope, after)
            if found.page.cursor != after:
                return found  # entries, or a cursor that is ahead
            place = self._place_of(scope, found)
            if reads == self._reads and place.covers(after):
                if after.seq <= place.last.page.seq:  # else what is between is known only to who asks
                    place.last = found
                return place  # else something may have come since this read began

    def _place_of(self, scope: Scope, quiet: Answer) -> _Place:
        """Return the place of a list to which nothing was added: a new one, unless somebody waits."""
        place = self._places.get(scope)
        if place is None or not place.waiting:
            place = self._places[scope] = _Place(quiet)
        elif place.quiet_from.epoch != quiet.page.epoch:
            place.take(quiet)
        return place

    async def _wait(self, place: _Place, wait_s: float, leaves: asyncio.Future[Any]) -> Answer | None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._keep_reading())
        loop = asyncio.get_running_loop()
        news: asyncio.Future[Answer | None] = loop.create_future()
        timer = loop.call_later(wait_s, _settle, news, None)
        leaves.add_done_callback(lambda _: _settle(news, None))
        place.waiting.add(news)
        self._waiting += 1
        try:
            return await news
        finally:
            timer.cancel()
            self._waiting -= 1
            place.waiting.discard(news)

    def _is_read(self, place: _Place, longest: float) -> bool:
        """Return whether a list is being read, and was within so many seconds."""
        age = asyncio.get_running_loop().time() - place.last.read_at
        return self._reading is not None and not self._reading.done() and age < longest

    async def _read(self, scope: Scope, after: KillCursor | None) -> Answer:
        """Read the store, or share a read of the same that nothing has overtaken."""
        asked = scope, after, self._reads
        task = self._shared.get(asked)
        if task is None:
            task = self._shared[asked] = asyncio.ensure_future(self._read_store(scope, after))
            task.add_done_callback(lambda _: self._shared.pop(asked))
        return await asyncio.shield(task)  # it is not only of who asked first, and may leave

    async def _read_store(self, scope: Scope, after: KillCursor | None) -> Answer:
        began = asyncio.get_running_loop().time()
        return Answer(await self._store.kill_page(scope, after), began)

    async def _keep_reading(self) -> None:
        time, news = asyncio.get_running_loop().time, self._news()
        try:
            while True:
                due = time() + READ_EVERY
                while not await news.wait(max(0.0, due - time())) and time() < due:
                    pass
                waiting = self._waiting
                await self._read_all()
                await pause(LULL + waiting * LULL_EACH)
        except Exception:  # the next one that waits begins anew
            LOGGER.exception("the kill list is not read any longer for those that wait")
            raise
        finally:
            await news.close()

    async def _read_all(self) -> None:
        """Read the lists for which somebody waits, or has asked since the last time; forget the others."""
        for scope, place in tuple(self._places.items()):
            if not (place.waiting or place.is_used):
                del self._places[scope]
                continue
            place.is_used = False
            self._reads += 1
            with suppress(StoreUnavailable):  # those who wait are told how old their answer is
                place.take(await self._read(scope, place.quiet_from))
            self._reads += 1


class Asked(NamedTuple):
    """What a request asks for."""

    scope: Scope
    after: KillCursor | None
    wait_s: float


async def reply(feed: KillFeed, directory: Directory, request: Request, receive: Receive, permit: Permit) -> Reply:
    """Answer a request of a caller whose key was good.

    Raises ``Problem``, ``StoreUnavailable``, and ``ConnectionAbortedError`` if the client has left.
    """
    if request.method != "GET":
        raise Problem(405, WRONG_METHOD, (b"allow", b"GET"))
    request.trace.operation = OPERATION
    asked = _read(request.query)
    await body_of(request, receive)
    permit.check_right(Right.READ)
    permit.check_tenant(*asked.scope)
    await check_own_keys(directory, asked.scope.app_id, permit)
    if await directory.find(*asked.scope, insist=True) is None:
        raise unknown_tenant(*asked.scope)
    arrived = asyncio.get_running_loop().time()
    leaves = leaving(receive)
    try:
        answer = await feed.after(*asked, leaves)
        if leaves.done():
            raise ConnectionAbortedError
    finally:
        leaves.cancel()
    if asked.after is not None and answer.page.epoch != asked.after.epoch:
        return text_reply(kill_calls.GONE, "The cursor is another store's: ask without 'after'")
    tag = f'"{answer.page.cursor.text()}"'
    headers = ((b"etag", tag.encode()),) if asked.after is None else ()
    if asked.after is None and request.header(b"if-none-match") == tag:
        return Reply(304, b"", headers=headers)
    return Reply(200, answer.sent(arrived), headers=headers)


def leaving(receive: Receive) -> asyncio.Future[Any]:
    """Return what is done once the client has disconnected, for a request whose body is read. Cancel it at the end."""
    exchange = getattr(receive, "__self__", None)
    return exchange.leaving() if type(exchange) is Exchange else asyncio.ensure_future(receive())


@lru_cache(maxsize=64)  # those who wait together ask for the same
def _read(raw: bytes) -> Asked:
    """Read the parameters. Raises ``Problem``."""
    query = _query(raw)
    scope = Scope(query.get("app_id", DEFAULT), query.get("tenant_id", DEFAULT))
    cursor, wait = query.get("after", ""), query.get("wait", "0")
    after = KillCursor.read(cursor) if len(cursor) <= _CURSOR else None
    if cursor and after is None:
        raise Problem(400, _INVALID.format("after"))
    if not (wait.isascii() and wait.isdigit() and len(wait) <= _DIGITS):
        raise Problem(400, _INVALID.format("wait"))
    return Asked(scope, after, min(float(wait), kill_calls.WAIT))


def _query(raw: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        raise Problem(400, "Invalid query") from None


def _settle(news: asyncio.Future[Answer | None], answer: Answer | None) -> None:
    if not news.done():
        news.set_result(answer)
