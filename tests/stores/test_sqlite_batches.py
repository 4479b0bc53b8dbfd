"""What goes together in SQLite, and what becomes of it when one of them is bad. Async and sync."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from reseal import SQLiteStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Device, EndReason, Scope, SessionRecord
from reseal.stores.sqlite import file as sqlite_file
from reseal.testing.clock import ManualClock
from reseal.testing.material import HOUR, hash_of, new_session, step

PUBLIC = Scope()
NAMES = [f"h-{n}" for n in range(100)]
KINDS = {"INSERT INTO session": "insert", "UPDATE session": "update", "SELECT": "select"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def statements(monkeypatch):
    """Which statements on sessions ran, and ``COMMIT``: those for several with a ``+``."""
    ran, connect = [], sqlite_file.connect

    def traced(text):
        start = text.removeprefix("WITH given")
        several = "+" if start is not text else ""
        kind = next((kind for begin, kind in KINDS.items() if begin in text), text)
        if kind == "COMMIT" or "session" in text:
            ran.append(f"{kind}{several}")

    def connected(path, identity=None):
        connection = connect(path, identity)
        connection.set_trace_callback(traced)
        return connection

    monkeypatch.setattr(sqlite_file, "connect", connected)
    return ran


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(statements, path, clock):
    store = AsyncSQLiteStore(path, clock)
    await store.open()
    statements.clear()
    yield store
    await store.close()


async def begun(store, statements, names):
    await asyncio.gather(*(store.insert(PUBLIC, new_session(name)) for name in names))
    statements.clear()


async def test_what_comes_together_goes_together(store, statements):
    await begun(store, statements, NAMES)
    assert all(await asyncio.gather(*(store.rotate(PUBLIC, step(name)) for name in NAMES)))
    found = await asyncio.gather(*(store.get(PUBLIC, name) for name in NAMES))
    assert [each.record.handle for each in found] == NAMES
    assert statements == ["update+", "COMMIT", "select+"]


async def test_a_lone_caller_sends_the_plain_statement(store, statements):
    await store.insert(PUBLIC, new_session())
    await store.rotate(PUBLIC, step())
    await store.get(PUBLIC, "h")
    assert statements == ["insert", "COMMIT", "update", "COMMIT", "select"]


@pytest.mark.parametrize("many", [2, 3, 31, 32, 33, 256, 300])
async def test_any_number_goes_together_and_each_gets_its_own(store, many):
    names = [f"h-{n}" for n in range(many)]
    inserted = await asyncio.gather(
        *(
            store.insert(PUBLIC, new_session(name, f"user of {name}", absolute_ms=n or None))
            for n, name in enumerate(names)
        )
    )
    found = await asyncio.gather(*(store.get(PUBLIC, name) for name in names))
    assert [each.record for each in found] == inserted
    assert [each.user_id for each in inserted] == [f"user of {name}" for name in names]


async def test_sessions_of_every_shape_are_the_same_together_as_alone(store):
    shapes = [
        new_session("a", absolute_ms=HOUR // 2, jwt_payload=b'{"n":1}', use_static_key=True),
        new_session("b", absolute_ms=10 * HOUR, session_data='{"key":"\u043a"}'.encode()),
        new_session("c\0c", "user\0id", device=Device(None, None)),
        new_session("\U0001f469", device=Device("::1", "broken \ud800 agent")),
    ]
    steps = [
        step(new.handle, idle_ms=HOUR + n, device=Device(None, "\0 \ud800"), attempt_hash=(b"\0\xff", None)[n % 2])
        for n, new in enumerate(shapes)
    ]
    together, alone = Scope("together"), Scope("alone")
    inserted = await asyncio.gather(*(store.insert(together, new) for new in shapes))
    assert inserted == [await store.insert(alone, new) for new in shapes]
    for scope in (together, alone):
        assert await store.replace(scope, replace(inserted[0], confirmed_at=7, replayed=1, collided=2**32 - 1))
    stepped = await asyncio.gather(*(store.rotate(together, each) for each in steps))
    assert stepped == [await store.rotate(alone, each) for each in steps]
    read = await asyncio.gather(*(store.get(together, each.handle) for each in steps))
    assert read == [await store.get(alone, each.handle) for each in steps]
    assert [each.record for each in read] == stepped


async def test_many_who_present_one_token_get_one_step(store, statements):
    await begun(store, statements, ["h", "other"])
    outcomes = await asyncio.gather(
        *(store.rotate(PUBLIC, step()) for _ in range(64)), store.rotate(PUBLIC, step("other"))
    )
    assert [isinstance(each, SessionRecord) for each in outcomes] == [True, *[False] * 63, True]
    assert statements.count("COMMIT") == 1


async def test_two_tokens_of_one_session_go_one_after_the_other(store, statements):
    await begun(store, statements, ["h", "other"])
    outcomes = await asyncio.gather(
        store.rotate(PUBLIC, step(generation=5)),
        store.rotate(PUBLIC, step(generation=0)),
        store.rotate(PUBLIC, step("other")),
        store.rotate(PUBLIC, step(generation=1)),
    )
    assert [each and each.generation for each in outcomes] == [None, 1, 1, 2]
    assert statements == ["update+", "update", "update", "COMMIT"]


async def test_one_name_in_two_scopes_is_two_sessions_in_one_statement(store, statements):
    scopes, others = [Scope("a", "b"), Scope("a", "c"), Scope("b", "b")], [Scope("a", "d"), Scope("c", "b")]
    await asyncio.gather(*(store.insert(scope, new_session(user_id=f"{scope}")) for scope in (*scopes, *others)))
    statements.clear()
    outcomes = await asyncio.gather(*(store.rotate(scope, step()) for scope in scopes))
    assert [each.user_id for each in outcomes] == [f"{scope}" for scope in scopes]
    assert statements == ["update+", "COMMIT"]
    assert [(await store.get(scope, "h")).record.generation for scope in others] == [0, 0]


async def test_what_must_not_be_stepped_is_left_out_and_the_rest_is_stepped(store, statements, clock):
    await begun(store, statements, ["live", "ended", "stale"])
    await store.end(PUBLIC, ["ended"], EndReason.REVOKED)
    await store.insert(PUBLIC, new_session("expired", idle_ms=1000))
    clock.advance(1000)
    names = ["absent", "live", "ended", "stale", "expired", "\0"]
    before = {name: (await store.get(PUBLIC, name)).record for name in names}
    statements.clear()
    outcomes = await asyncio.gather(*(store.rotate(PUBLIC, step(name, int(name == "stale"))) for name in names))
    assert [each and each.handle for each in outcomes] == [None, "live", None, None, None, None]
    assert statements == ["update+", "COMMIT"]
    for name in set(names) - {"live"}:
        assert (await store.get(PUBLIC, name)).record == before[name]


async def test_a_taken_handle_is_refused_and_its_companions_are_not(store, statements):
    await begun(store, statements, ["h-7"])
    outcomes = await asyncio.gather(*(store.insert(PUBLIC, new_session(name)) for name in NAMES))
    assert [each and each.handle for each in outcomes] == [None if name == "h-7" else name for name in NAMES]
    assert statements.count("COMMIT") == 1


BAD = {
    "a handle that is no text": replace(step("h-3"), handle="\ud800"),
    "a number that is not whole": replace(step("h-3"), idle_ms=0.5),
    "a number that is too large": replace(step("h-3"), idle_ms=2**63),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_only_the_owner_of_a_bad_row_sees_its_error(store, statements, bad):
    await begun(store, statements, NAMES[:10])
    steps = [bad if n == 3 else step(name) for n, name in enumerate(NAMES[:10])]
    outcomes = await asyncio.gather(*(store.rotate(PUBLIC, each) for each in steps), return_exceptions=True)
    assert isinstance(outcomes.pop(3), (StoreUnavailable, UnicodeError, OverflowError))
    assert [each.generation for each in outcomes] == [1] * 9
    assert statements.count("COMMIT") == 1
    assert (await store.get(PUBLIC, "h-3")).record.generation == 0


async def test_who_stands_behind_one_that_failed_is_asked_for_himself(store, statements):
    await begun(store, statements, ["h", "other"])
    outcomes = await asyncio.gather(
        store.rotate(PUBLIC, replace(step(), idle_ms=0.5)),
        store.rotate(PUBLIC, step()),
        store.rotate(PUBLIC, step("other")),
        store.rotate(PUBLIC, step()),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], StoreUnavailable)
    assert [each and each.generation for each in outcomes[1:]] == [1, 1, None]


async def test_a_row_that_cannot_be_read_is_its_owner_s_error_only(store, statements, path):
    await begun(store, statements, ["a", "b", "c"])
    other = sqlite3.connect(path)
    with other:
        other.execute("UPDATE session SET end_reason = 'nonsense' WHERE handle = 'b'")
    other.close()
    found = await asyncio.gather(*(store.get(PUBLIC, name) for name in "abc"), return_exceptions=True)
    assert [type(each).__name__ for each in found] == ["Found", "ValueError", "Found"]
    stepped = await asyncio.gather(*(store.rotate(PUBLIC, step(name)) for name in "abc"), return_exceptions=True)
    assert [each.end_reason for each in stepped] == [None] * 3  # a live session has none, so it is not read


async def test_different_jobs_of_one_turn_share_a_commit(store, statements):
    await begun(store, statements, ["a", "b", "c"])
    outcomes = await asyncio.gather(
        store.rotate(PUBLIC, step("a")),
        store.insert(PUBLIC, new_session("d")),
        store.rotate(PUBLIC, step("b")),
        store.end(PUBLIC, ["c"], EndReason.REVOKED),
        store.insert(PUBLIC, new_session("e")),
    )
    assert all(outcomes)
    assert statements == ["update+", "insert", "update", "insert", "COMMIT"]


async def test_a_caller_that_gives_up_disturbs_nobody(store, statements):
    await begun(store, statements, NAMES[:20])
    calls = [asyncio.create_task(store.rotate(PUBLIC, step(name))) for name in NAMES[:20]]
    await asyncio.sleep(0)
    calls[3].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes.pop(3), asyncio.CancelledError)
    assert [each.generation for each in outcomes] == [1] * 19


async def test_if_the_database_takes_the_transaction_back_all_are_told_so(store, statements, path):
    await begun(store, statements, ["a", "b"])
    other = sqlite3.connect(path)
    with other:
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON session WHEN new.handle = 'b' "
            "BEGIN SELECT raise(ROLLBACK, 'the disk is full'); END"
        )
    outcomes = await asyncio.gather(
        *(store.rotate(PUBLIC, step(name)) for name in "ab"),
        store.insert(PUBLIC, new_session("c")),
        store.claim(PUBLIC, "name", 2**60),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes] == [StoreUnavailable] * 4
    with other:
        other.execute("DROP TRIGGER full")
    other.close()
    assert (await store.get(PUBLIC, "c")).record is None
    assert await store.claim(PUBLIC, "name", 2**60)
    assert [each.generation for each in await asyncio.gather(*(store.rotate(PUBLIC, step(n)) for n in "ab"))] == [1, 1]


def test_threads_that_wait_for_a_commit_go_together_in_the_next(statements, path):
    """Another connection holds the file's lock until all of them have queued up."""
    store = SQLiteStore(path)
    store.open()
    for name in NAMES[:8]:
        assert store.insert(PUBLIC, new_session(name))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    statements.clear()
    writer, queued = store._writer, threading.Semaphore(0)
    submit = writer.submit

    def counted(*submissions):
        submit(*submissions)
        queued.release()

    writer.submit = counted
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(store.rotate, PUBLIC, step(name)) for name in NAMES[:8]]
        for _ in calls:
            queued.acquire()
        blocker.execute("ROLLBACK")
        assert [call.result().generation for call in calls] == [1] * 8
    blocker.close()
    assert statements.count("COMMIT") <= 2
    assert "update+" in statements
    assert store.get(PUBLIC, NAMES[0]).record.current_hash == hash_of(f"{NAMES[0]}/1")
    store.close()
