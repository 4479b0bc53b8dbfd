"""A PostgreSQL primary dies under load and its standby is promoted: what users notice, and what is lost."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from reseal import StoreUnavailable, TokenTheftDetected
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Scope
from reseal.core.secret import Secret
from reseal.server.inspection import postgres_servers
from reseal.testing.material import new_session
from reseal.testing.recorder import Recorder
from tests.support.failover import Outcome, cut_off, engine_of, look_back, under_load, uri_of
from tests.support.postgres import pair

PUBLIC = Scope()


async def test_a_promoted_synchronous_standby_has_everything_and_the_old_primary_gets_nothing_more():
    with pair(synchronous=True) as (primary, standby):

        def fail_over():
            primary.kill()
            standby.promote()

        events = Recorder()
        async with engine_of(primary, standby, on_event=events) as engine:
            seen = await under_load(engine, fail_over, before=1, after=1)
            assert seen.refused
            assert seen.writes > 100
            assert seen.pause < 30
            assert await look_back(engine, seen, events) == Outcome()
            primary.start()  # nobody fenced it: it takes writes, and stands first in the URI
            before = _sessions(primary)
            async with engine_of(primary, standby) as later:
                for n in range(5):
                    await later.create(f"later {n}")
                    await engine.create(f"later {n}")
                standby.kill()
                for each in (engine, later):
                    with pytest.raises(StoreUnavailable, match="it was the primary before a fail-over"):
                        await _twice(each)
                assert _sessions(primary) == before
                standby.start()
                for line in list(seen.lines.values())[:3]:
                    with pytest.raises(TokenTheftDetected):
                        await later.refresh(line[0])


@pytest.mark.whole
async def test_an_asynchronous_standby_loses_the_last_writes_and_nobody_else_is_signed_out_or_accused():
    with pair(synchronous=False) as (primary, standby):

        def fail_over():
            cut_off(standby)
            time.sleep(0.5)
            primary.kill()
            standby.promote()

        events = Recorder()
        async with engine_of(primary, standby, on_event=events) as engine:
            seen = await under_load(engine, fail_over, before=1, after=1)
            outcome = await look_back(engine, seen, events)
            assert outcome.lost
            assert outcome.rolled_back
            assert (outcome.signed_out, outcome.accused) == (0, 0)


async def test_a_standby_is_refused_and_a_primary_that_turns_read_only_is_left_for_the_next():
    with pair(synchronous=False) as (primary, standby):
        for more in ("", "&target_session_attrs=any"):  # a standby alone
            with pytest.raises(StoreUnavailable, match=r"it takes no writes, as a standby.*name the primary"):
                await AsyncPostgresStore(standby.uri(more=more)).open()
        both = Secret(uri_of(primary, standby))
        store = AsyncPostgresStore(both)
        await store.open()
        assert await _checked(both) == [
            (True, "is the primary, timeline 1, without a synchronous standby: a fail-over may lose the last writes"),
            (True, "is a standby, or takes no writes"),
        ]
        assert await store.insert(PUBLIC, new_session("first"))
        with standby.admin() as admin:
            admin.execute("SELECT pg_promote()")
        assert [fine for fine, _ in await _checked(both)] == [False, True]
        assert "takes writes, but it was the primary before" in (await _checked(both))[0][1]
        with primary.admin() as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
        assert await store.insert(PUBLIC, new_session("second"))
        assert (_sessions(primary), _sessions(standby)) == (1, 2)
        await store.close()


async def test_a_write_that_may_not_be_on_the_standby_is_not_acknowledged():
    """The server answers a cancelled wait with a warning, and says that the write succeeded."""
    with pair(synchronous=True) as (primary, standby):
        store = AsyncPostgresStore(primary.uri(), statement_timeout_ms=20_000)
        await store.open()
        standby.stop("fast")
        cancel = (
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event = 'SyncRep' AND application_name = 'reseal'"
        )
        with primary.admin() as admin:
            insert = asyncio.create_task(store.insert(PUBLIC, new_session("alone")))
            while not insert.done():
                admin.execute(cancel)
                await asyncio.sleep(0.05)
        with pytest.raises(StoreUnavailable, match="cancelled the wait for the synchronous standby"):
            await insert
        standby.start()
        [(fine, text), _] = await _checked(Secret(uri_of(primary, standby)))
        assert (fine, text) == (
            True,
            "is the primary, timeline 1; an acknowledged write is on a synchronous standby: FIRST 1 (standby)",
        )
        assert (await store.get(PUBLIC, "alone")).record is not None
        await store.close()


async def _checked(uri):
    """What ``reseal check`` finds of each server, without its address."""
    found = await postgres_servers.look(uri)
    return [(each.fine, each.text.partition(" ")[2]) for each in found if each.subject == "servers"]


async def _twice(engine):
    """The first one meets the server that has just gone."""
    try:
        await engine.create("somebody")
    except StoreUnavailable:
        await engine.create("somebody")


def _sessions(server):
    with psycopg.connect(server.uri()) as admin:
        return admin.execute("SELECT count(*) FROM reseal_session").fetchone()[0]
