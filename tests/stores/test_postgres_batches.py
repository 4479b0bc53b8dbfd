"""How writes of one event loop go together, and what becomes of them when somebody goes away."""

from __future__ import annotations

import asyncio
import signal
import sys

import psycopg
import pytest
from msgspec.structs import replace

from reseal._async.stores import server_store
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_server import AsyncLink
from reseal.core.confirmation import Seen
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope, SessionRecord
from reseal.core.selection import UserPlace
from reseal.testing.material import hash_of, new_session, step

PUBLIC = Scope()
CLIENT = """
import asyncio, sys
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Scope
from reseal.testing.material import new_session, step

async def main():
    store = AsyncPostgresStore(sys.argv[1])
    await store.open()
    names = [f"h-{n}" for n in range(8)]
    await asyncio.gather(*(store.insert(Scope(), new_session(name)) for name in names))

    async def line(name):
        for generation in range(10**6):
            assert await store.rotate(Scope(), step(name, generation))
            print(name, generation + 1, flush=True)

    await asyncio.gather(*map(line, names))

asyncio.run(main())
"""


@pytest.fixture
async def store(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def statements(store, monkeypatch):
    """The names of the statements that were sent, but for the notes of the time."""
    sent = []
    fetch = store._server.fetch

    async def recorded(name, values):
        if name != "note_time":
            sent.append(name)
        return await fetch(name, values)

    monkeypatch.setattr(store._server, "fetch", recorded)
    return sent


async def test_what_comes_together_goes_together(store, statements):
    assert all(await asyncio.gather(*(store.insert(PUBLIC, new_session(f"h-{n}")) for n in range(100))))
    assert all(await asyncio.gather(*(store.rotate(PUBLIC, step(f"h-{n}")) for n in range(100))))
    assert statements == ["insert_many", "rotate_many"]


async def test_a_lone_caller_sends_the_plain_statement(store, statements):
    await store.insert(PUBLIC, new_session())
    await store.rotate(PUBLIC, step())
    await store.get(PUBLIC, "h")
    assert statements == ["insert", "rotate", "get"]


async def test_sessions_read_together_are_read_in_one_statement(store, statements):
    scopes = [Scope("a", "b"), Scope("a", "c"), PUBLIC]
    wanted = [(scope, f"h-{n}") for n in range(5) for scope in scopes]
    written = await asyncio.gather(*(store.insert(scope, new_session(name, str(scope))) for scope, name in wanted))
    statements.clear()
    others = [(Scope("b", "b"), "h-1"), (PUBLIC, "missing"), (PUBLIC, "\ud800"), (PUBLIC, "a\0b"), *wanted[:3]]
    found = await asyncio.gather(*(store.get(scope, name) for scope, name in wanted + others))
    assert [each.record for each in found] == [*written, None, None, None, None, *written[:3]]
    assert statements == ["get_each"]


async def test_generations_confirmed_together_need_one_statement_and_write_each_row_once(store, statements):
    names = [f"h-{n}" for n in range(30)]
    await asyncio.gather(*(store.insert(PUBLIC, new_session(name)) for name in names))
    statements.clear()
    uses = [Seen(handle=name, generation=0) for name in names] * 2
    for _ in range(2):
        found = await asyncio.gather(*(store.confirm(PUBLIC, use) for use in uses))
        assert [(each.record.handle, each.record.version) for each in found] == [(name, 2) for name in names] * 2
    assert statements == ["confirm", "confirm"]


async def test_what_another_writer_changed_during_a_confirmation_is_read_after_it(postgres_uri, store, statements):
    await asyncio.gather(*(store.insert(PUBLIC, new_session(name)) for name in ("h", "other")))
    statements.clear()
    async with await psycopg.AsyncConnection.connect(postgres_uri) as connection:
        await connection.execute("UPDATE reseal_session SET confirmed_at = 7, version = 9 WHERE handle = 'h'")
        uses = [store.confirm(PUBLIC, Seen(handle=handle, generation=0)) for handle in ("h", "other")]
        both = asyncio.gather(*uses)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%confirmed_at%'"
        while not (await (await connection.execute(waits)).fetchone())[0]:
            await connection.execute("SELECT pg_stat_clear_snapshot()")
    changed, other = await both
    assert (changed.record.confirmed_at, changed.record.version) == (7, 9)
    assert (other.record.confirmed_at, other.record.version) == (other.now, 2)
    assert statements == ["confirm", "get"]


async def test_a_read_sees_what_was_written_before_it_was_asked_for(store, statements):
    for n in range(9):
        await store.insert(PUBLIC, new_session(f"h-{n}"))
    statements.clear()
    earlier = asyncio.gather(*(store.get(PUBLIC, f"h-{n}") for n in range(9)))
    while not statements:  # noqa: ASYNC110 - a turn of the loop is what is waited for
        await asyncio.sleep(0)
    await store.rotate(PUBLIC, step("h-3"))
    assert (await store.get(PUBLIC, "h-3")).record.generation == 1
    assert {each.record.generation for each in await earlier} <= {0, 1}
    assert [each for each in statements if each != "rotate"] == ["get_each", "get"]


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one(store, statements):
    for n in range(30):
        await store.insert(PUBLIC, new_session(f"h-{n}"))
    statements.clear()
    first = asyncio.create_task(store.rotate(PUBLIC, step("h-0")))
    while not statements:  # noqa: ASYNC110 - a turn of the loop is what is waited for
        await asyncio.sleep(0)
    assert all(await asyncio.gather(first, *(store.rotate(PUBLIC, step(f"h-{n}")) for n in range(1, 30))))
    assert statements == ["rotate", "rotate_many"]


async def test_many_who_present_one_token_need_one_statement(store, statements):
    await store.insert(PUBLIC, new_session())
    outcomes = await asyncio.gather(*(store.rotate(PUBLIC, step()) for _ in range(64)))
    assert [isinstance(each, SessionRecord) for each in outcomes] == [True] + [False] * 63
    assert statements == ["insert", "rotate"]


async def test_two_tokens_of_one_session_go_one_after_the_other(store, statements):
    await store.insert(PUBLIC, new_session())
    outcomes = await asyncio.gather(
        store.rotate(PUBLIC, step(generation=5)),
        store.rotate(PUBLIC, step(generation=0)),
        store.rotate(PUBLIC, step(generation=1)),
    )
    assert [each and each.generation for each in outcomes] == [None, 1, 2]
    assert statements == ["insert", "rotate", "rotate", "rotate"]


async def test_who_stands_behind_one_that_failed_is_asked_for_himself(store):
    await store.insert(PUBLIC, new_session())
    bad = replace(step(), successor_hash=None)  # which the column refuses
    outcomes = await asyncio.gather(
        store.rotate(PUBLIC, bad), store.rotate(PUBLIC, step()), store.rotate(PUBLIC, step()), return_exceptions=True
    )
    assert isinstance(outcomes[0], StoreUnavailable)
    assert [each and each.generation for each in outcomes[1:]] == [1, None]


async def test_one_name_in_two_scopes_is_two_sessions_in_one_batch(store):
    scopes = [Scope("a", "b"), Scope("a", "c"), Scope("b", "b")]
    await asyncio.gather(*(store.insert(scope, new_session(user_id=f"{scope}")) for scope in scopes))
    outcomes = await asyncio.gather(*(store.rotate(scope, step()) for scope in scopes))
    assert [each.user_id for each in outcomes] == [f"{scope}" for scope in scopes]


async def test_sessions_with_and_without_an_absolute_end_go_together(store):
    outcomes = await asyncio.gather(
        *(store.insert(PUBLIC, new_session(f"h-{n}", absolute_ms=n * 1000 or None)) for n in range(5))
    )
    for n, record in enumerate(outcomes):
        assert record.absolute_expires_at == (record.created_at + n * 1000 if n else None)
        assert (await store.get(PUBLIC, f"h-{n}")).record == record


async def test_a_caller_that_gives_up_disturbs_nobody(store):
    for n in range(20):
        await store.insert(PUBLIC, new_session(f"h-{n}"))
    calls = [asyncio.create_task(store.rotate(PUBLIC, step(f"h-{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    calls[3].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[3], asyncio.CancelledError)
    assert all(isinstance(each, SessionRecord) for n, each in enumerate(outcomes) if n != 3)
    assert (await store.get(PUBLIC, "h-3")).record.generation in {0, 1}


async def test_closing_waits_for_what_is_under_way(postgres_uri, store):
    other = AsyncPostgresStore(postgres_uri)
    await other.open()
    calls = [asyncio.create_task(other.insert(PUBLIC, new_session(f"h-{n}"))) for n in range(10)]
    await asyncio.sleep(0)
    await other.close()
    assert all(await asyncio.gather(*calls))
    with pytest.raises(StoreUnavailable):
        await other.insert(PUBLIC, new_session("late"))


async def test_what_a_killed_process_was_told_is_in_the_store(postgres_uri, store):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, postgres_uri, stdout=asyncio.subprocess.PIPE
    )
    told = {}
    for _ in range(200):
        name, generation = (await process.stdout.readline()).split()
        told[name.decode()] = int(generation)
    process.send_signal(signal.SIGKILL)
    rest, _ = await process.communicate()
    for line in rest.splitlines():
        if len(fields := line.split()) == 2:
            told[fields[0].decode()] = int(fields[1])
    assert len(told) == 8
    for name, generation in told.items():
        record = (await store.get(PUBLIC, name)).record
        assert record.generation >= generation
        assert record.current_hash == hash_of(f"{name}/{record.generation}")


async def test_the_sessions_of_a_removed_tenant_go_in_short_statements_but_all_or_none(store, monkeypatch):
    monkeypatch.setattr(server_store, "REMOVED_AT_ONCE", 4)
    scope, fetch, sent = Scope("app", "public"), AsyncLink.fetch, []
    await store.put_tenant(scope, b"{}")
    await asyncio.gather(*(store.insert(scope, new_session(f"h-{n}")) for n in range(8)))

    async def broken(link, name, values=None):
        sent.append(name)
        if sent.count("remove_sessions") == 2:
            raise psycopg.OperationalError("the connection is lost")
        return await fetch(link, name, values)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncLink, "fetch", broken)
        with pytest.raises(StoreUnavailable):
            await store.remove_tenant(scope)
    assert len(await store.list_user(scope, "user", UserPlace(), 10)) == 8
    assert len((await store.changed_tenants()).there) == 1
    assert await store.remove_tenant(scope)
    assert await store.list_user(scope, "user", UserPlace(), 10) == ()
    assert (await store.changed_tenants()).there == ()
