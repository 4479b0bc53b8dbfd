"""The feed of the kill list in the service: who waits for what, and what it costs the store."""

from __future__ import annotations

import asyncio

import pytest

from reseal.core.errors import StoreUnavailable
from reseal.core.kill_list import KillCursor, KillEntry, KillPage, Subject
from reseal.core.model import Scope
from reseal.server import kill_feed
from reseal.server.kill_feed import KillFeed

PUBLIC, OTHER = Scope(), Scope("public", "other")
LONG = 3600.0
FAR = 9_000_000_000_000


class Lists:
    """A store of kill lists whose reads the test counts."""

    def __init__(self):
        self.epoch = "e1"
        self.entries = []
        self.reads = []
        self.is_away = False
        self.gate = None
        """While there is one, what was read is held back until it is set."""

    def end(self, *names, scope=PUBLIC):
        for name in names:
            seq = self.last + 1
            self.entries.append((scope, KillEntry(seq, Subject.SESSION, name, scope.tenant_id, None, FAR)))

    @property
    def last(self):
        return self.entries[-1][1].seq if self.entries else 0

    async def kill_page(self, scope, after, limit=3):
        self.reads.append(scope)
        if self.is_away:
            raise StoreUnavailable
        place = after.seq if after is not None and after.epoch == self.epoch else 0
        found = [each for its, each in self.entries if its == scope and each.seq > place]
        seq = found[limit - 1].seq if len(found) > limit else max(self.last, place)
        page = KillPage(self.epoch, place, seq, tuple(found[:limit]), len(found) > limit, 1_000)
        if self.gate is not None:
            await self.gate.wait()
        return page


class News:
    """Announcements by the test."""

    def __init__(self):
        self.arrived = asyncio.Event()
        self.opened = self.closed = 0

    def __call__(self):
        self.opened += 1
        return self

    async def wait(self, timeout_s):
        assert 0 <= timeout_s <= kill_feed.READ_EVERY + 1
        await self.arrived.wait()
        self.arrived.clear()
        return True

    async def close(self):
        self.closed += 1


class Reader:
    """Somebody who asks, from its cursor on, until the test has it leave."""

    def __init__(self, feed, scope=PUBLIC, cursor=None):
        self.feed, self.scope, self.cursor = feed, scope, cursor
        self.leaves = asyncio.get_running_loop().create_future()
        self.names = []

    async def read(self, wait_s=0.0):
        answer = await self.feed.after(self.scope, self.cursor, wait_s, self.leaves)
        page = answer.page
        assert self.cursor is None or page.epoch != self.cursor.epoch or page.after <= self.cursor.seq, "a gap"
        self.names += [each.name for each in page.entries]
        self.cursor = page.cursor
        return page

    def wait(self):
        return asyncio.create_task(self.read(LONG))


async def turns():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def lists():
    return Lists()


@pytest.fixture
async def news():
    return News()


@pytest.fixture
async def feed(lists, news, monkeypatch):
    monkeypatch.setattr(kill_feed, "LULL", 0)
    monkeypatch.setattr(kill_feed, "LULL_EACH", 0)
    feed = KillFeed(lists, news)
    yield feed
    await feed.close()
    assert news.opened == news.closed
    assert not len(feed)


async def test_who_comes_first_gets_everything_in_pages_and_waits_for_the_rest(feed, lists):
    lists.end("a", "b", "c", "d")
    reader = Reader(feed)
    assert (await reader.read(LONG)).more
    assert not (await reader.read(LONG)).more
    assert reader.names == ["a", "b", "c", "d"]
    waiting = reader.wait()
    await turns()
    assert len(feed) == 1
    assert not waiting.done()
    feed.end()
    assert not (await waiting).entries


async def test_all_that_wait_learn_of_an_end_by_one_read(feed, lists, news):
    readers = [Reader(feed) for _ in range(1_000)]
    for reader in readers:
        await reader.read()
    waiting = [reader.wait() for reader in readers]
    await turns()
    assert len(feed) == 1_000
    before = len(lists.reads)
    lists.end("a")
    news.arrived.set()
    await asyncio.gather(*waiting)
    assert all(reader.names == ["a"] for reader in readers)
    assert len(lists.reads) == before + 1
    again = [reader.wait() for reader in readers]
    await turns()
    assert len(lists.reads) == before + 1
    assert len(feed) == 1_000
    lists.end("b")
    news.arrived.set()
    await asyncio.gather(*again)
    assert all(reader.names == ["a", "b"] for reader in readers)
    assert len(lists.reads) == before + 2


async def test_those_who_come_together_share_a_read(feed, lists, news):
    lists.end("a", "b")
    newcomers = [Reader(feed) for _ in range(1_000)]
    await asyncio.gather(*(reader.read(LONG) for reader in newcomers))
    assert len(lists.reads) == 1
    lists.gate = asyncio.Event()
    waiting = [reader.wait() for reader in newcomers]
    await turns()
    waiting[0].cancel()
    await turns()
    lists.gate.set()
    await turns()
    assert len(feed) == 999
    assert len(lists.reads) == 2
    lists.end("c")
    news.arrived.set()
    await asyncio.gather(*waiting[1:])
    assert all(reader.names == ["a", "b", "c"] for reader in newcomers[1:])
    assert len(lists.reads) == 3


async def test_a_read_that_fails_is_told_to_all_who_share_it_and_begun_anew(feed, lists):
    readers = [Reader(feed) for _ in range(3)]
    lists.is_away = True
    told = await asyncio.gather(*(reader.read() for reader in readers), return_exceptions=True)
    assert [type(each) for each in told] == [StoreUnavailable] * 3
    assert len(lists.reads) == 1
    lists.is_away = False
    assert not (await readers[0].read()).entries


async def test_a_read_is_not_shared_with_who_comes_after_a_later_one(feed, lists, news):
    early, late, other = Reader(feed), Reader(feed), Reader(feed, OTHER)
    for reader in (early, late, other):
        await reader.read()
    occupied = other.wait()
    await turns()
    gate = lists.gate = asyncio.Event()
    first = early.wait()
    await turns()
    lists.gate = None
    lists.end("a")
    news.arrived.set()
    await turns()
    second = late.wait()
    await turns()
    assert second.done()
    assert late.names == ["a"]
    gate.set()
    await first
    assert early.names == ["a"]
    other.leaves.set_result(None)
    await occupied


async def test_the_more_wait_the_longer_is_the_pause_between_two_reads(lists, news, monkeypatch):
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(kill_feed, "pause", pause)
    feed = KillFeed(lists, news)
    readers = [Reader(feed) for _ in range(1_000)]
    for reader in readers:
        await reader.read()
    waiting = [reader.wait() for reader in readers]
    await turns()
    lists.end("a")
    news.arrived.set()
    await asyncio.gather(*waiting)
    await turns()
    assert pauses == [pytest.approx(kill_feed.LULL + 1_000 * kill_feed.LULL_EACH)]
    await feed.close()


async def test_all_get_the_same_bytes(feed, lists, news):
    readers = [Reader(feed), Reader(feed)]
    for reader in readers:
        await reader.read()
    both = [asyncio.create_task(feed.after(PUBLIC, reader.cursor, LONG, reader.leaves)) for reader in readers]
    await turns()
    lists.end("a")
    news.arrived.set()
    first, second = await asyncio.gather(*both)
    assert first is second


async def test_each_tenant_learns_of_its_own_ends_only(feed, lists, news):
    here, there = Reader(feed), Reader(feed, OTHER)
    for reader in (here, there):
        await reader.read()
    waiting = here.wait(), there.wait()
    await turns()
    lists.end("a", scope=OTHER)
    news.arrived.set()
    await waiting[1]
    assert there.names == ["a"]
    assert not waiting[0].done()
    lists.end("b")
    news.arrived.set()
    await waiting[0]
    assert here.names == ["b"]


async def test_nothing_is_missed_that_is_written_while_a_reader_comes_to_wait(feed, lists, news):
    first, second = Reader(feed), Reader(feed, OTHER)
    await first.read()
    await second.read()
    occupied = second.wait()
    await turns()
    lists.gate = asyncio.Event()
    waiting = first.wait()
    await turns()
    lists.end("a")
    gate, lists.gate = lists.gate, None
    news.arrived.set()
    await turns()
    gate.set()
    await waiting
    assert first.names == ["a"]
    second.leaves.set_result(None)
    await occupied


async def test_who_is_behind_is_answered_from_the_store(feed, lists, news):
    ahead, behind = Reader(feed), Reader(feed)
    await ahead.read()
    await behind.read()
    waiting = ahead.wait()
    await turns()
    lists.end("a")
    news.arrived.set()
    await waiting
    again = ahead.wait()
    await behind.read(LONG)
    assert behind.names == ["a"]
    late = behind.wait()
    await turns()
    lists.end("b")
    news.arrived.set()
    await asyncio.gather(again, late)
    assert ahead.names == behind.names == ["a", "b"]


async def test_who_was_told_more_by_another_process_waits_for_what_follows_that(feed, lists, news):
    here = Reader(feed)
    await here.read()
    occupied = here.wait()
    await turns()
    lists.end("a")
    from_elsewhere = Reader(feed, cursor=KillCursor("e1", lists.last))
    waiting = from_elsewhere.wait()
    await turns()
    assert not waiting.done()
    lists.end("b")
    news.arrived.set()
    await asyncio.gather(occupied, waiting)
    assert here.names == ["a", "b"]
    assert "b" in from_elsewhere.names


async def test_a_cursor_ahead_of_the_store_stays_where_it_is(feed, lists):
    reader = Reader(feed, cursor=KillCursor("e1", 50))
    page = await reader.read()
    assert (page.after, page.seq, page.entries) == (50, 50, ())


async def test_a_store_that_was_exchanged_is_told_to_all_that_wait(feed, lists, news):
    lists.end("a")
    reader = Reader(feed)
    await reader.read()
    waiting = reader.wait()
    await turns()
    lists.epoch, lists.entries = "e2", []
    lists.end("b")
    news.arrived.set()
    page = await waiting
    assert (page.epoch, page.is_snapshot, [each.name for each in page.entries]) == ("e2", True, ["b"])
    late = Reader(feed, cursor=KillCursor("e1", 1))
    assert (await late.read(LONG)).epoch == "e2"
    assert (await reader.read()).epoch == "e2"


async def test_who_leaves_no_longer_waits(feed, lists):
    reader = Reader(feed)
    await reader.read()
    waiting = reader.wait()
    await turns()
    reader.leaves.set_result(None)
    await waiting
    assert not len(feed)


async def test_only_so_many_wait_and_the_others_are_answered_at_once(feed, lists, monkeypatch):
    monkeypatch.setattr(kill_feed, "WAITING", 2)
    readers = [Reader(feed) for _ in range(3)]
    for reader in readers:
        await reader.read()
    waiting = [reader.wait() for reader in readers[:2]]
    await turns()
    assert not (await readers[2].read(LONG)).entries
    assert len(feed) == 2
    feed.end()
    await asyncio.gather(*waiting)


async def test_after_the_end_nobody_waits(feed, lists):
    reader = Reader(feed)
    await reader.read()
    feed.end()
    assert not (await reader.read(LONG)).entries


async def test_while_the_store_is_away_those_who_come_are_told_and_those_who_wait_go_on(feed, lists, news):
    reader, late = Reader(feed), Reader(feed, OTHER)
    await reader.read()
    await late.read()
    waiting = reader.wait()
    await turns()
    lists.is_away = True
    news.arrived.set()
    await turns()
    assert not waiting.done()
    late.cursor = None
    with pytest.raises(StoreUnavailable):
        await late.read(LONG)
    lists.is_away = False
    lists.end("a")
    news.arrived.set()
    await waiting
    assert reader.names == ["a"]


async def test_a_list_for_which_nobody_asks_any_more_is_not_read(feed, lists, news):
    reader, other = Reader(feed), Reader(feed, OTHER)
    await reader.read()
    await other.read()
    waiting = reader.wait()
    gone = other.wait()
    await turns()
    other.leaves.set_result(None)
    await gone
    for _ in range(2):
        news.arrived.set()
        await turns()
    lists.reads.clear()
    news.arrived.set()
    await turns()
    assert lists.reads == [PUBLIC]
    feed.end()
    await waiting


async def test_an_answer_says_when_the_store_was_read_for_it(feed, lists):
    reader = Reader(feed)
    answer = await feed.after(PUBLIC, None, 0.0, reader.leaves)
    assert answer.sent(answer.read_at - 0.25).endswith(b',"waited_ms":250}\n')
    assert answer.sent(answer.read_at + 0.25).endswith(b',"waited_ms":-250}\n')
