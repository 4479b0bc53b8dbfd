"""A PostgreSQL database whose transactions are serializable by default, with others that write the same rows (E12).

The store asks for READ COMMITTED, over connections of its own and through PgBouncer. If it is made to use SERIALIZABLE
all the same, its attempts after a conflict are enough for 99 of 100 callers, and the others are told to ask again.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext

import psycopg
import pytest
from psycopg.errors import SerializationFailure

from reseal import Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores import make_store, postgres_server
from reseal.core.errors import StoreUnavailable
from reseal.core.events import EventName
from reseal.stores.postgres import QUERIES
from reseal.testing.recorder import Recorder
from tests.support.pgbouncer import pgbouncer

SESSIONS = 16
PAUSE = 0.02
"""Seconds between two transactions of the others."""
DATABASE = "serializable"
WRITE = "UPDATE reseal_session SET user_agent = user_agent WHERE handle IN (SELECT max(handle) FROM reseal_session)"


@pytest.fixture
def database(postgres):
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
        admin.execute(f"ALTER DATABASE {DATABASE} SET default_transaction_isolation = 'serializable'")
    yield DATABASE
    with postgres.admin() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def repeated(monkeypatch):
    """Count the attempts after the first."""
    counted, pause = Counter(), postgres_server.pause

    async def count(seconds):
        counted["attempts"] += 1
        await pause(seconds)

    monkeypatch.setattr(postgres_server, "pause", count)
    return counted


@contextmanager
def competing(uri):
    """Have somebody else's serializable transactions write the same rows."""
    is_over, done = threading.Event(), Counter()

    def compete():
        with psycopg.connect(uri) as link:
            while not is_over.wait(PAUSE):
                try:
                    with link.transaction():
                        link.execute(WRITE)
                except SerializationFailure:
                    done["failed"] += 1
                else:
                    done["written"] += 1

    thread = threading.Thread(target=compete)
    thread.start()
    try:
        yield done
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def serializable(monkeypatch):
    """Have the store use the isolation that it avoids."""
    settle = QUERIES["settle"].replace("'read committed'", "'serializable'")
    assert settle != QUERIES["settle"]
    monkeypatch.setattr(postgres_server, "QUERIES", {**QUERIES, "settle": settle})


@pytest.mark.parametrize("way", ["direct", "pooled", "serializable"])
@pytest.mark.parametrize("rounds", [12, pytest.param(200, marks=pytest.mark.whole)])
async def test_conflicts_with_serializable_transactions_cost_attempts_and_no_session(
    request, postgres, database, repeated, way, rounds
):
    if way == "serializable":
        request.getfixturevalue("serializable")
    direct, events, refused = postgres.uri(database=database), Recorder(), []
    pooled = pgbouncer(postgres, database, "transaction", "default_pool_size = 20") if way == "pooled" else None
    with pooled or nullcontext(direct) as uri:
        settings = Settings(api_domain="https://api.example.com", database_uri=uri)
        engines = [AsyncEngine(settings, make_store(settings), on_event=events) for _ in range(2)]
        async with engines[0], engines[1]:
            tokens = [(await engines[0].create(f"user {n}")).refresh_token for n in range(SESSIONS)]

            async def refresh(engine, token):
                while True:
                    try:
                        return await engine.refresh(token)
                    except StoreUnavailable as error:
                        refused.append(error)

            with competing(direct) as others:
                for number in range(rounds):
                    random.Random(number).shuffle(tokens)
                    pairs = await asyncio.gather(*(refresh(engine, token) for token in tokens for engine in engines))
                    assert {pair.claims.gen for pair in pairs} == {number + 1}
                    tokens = [pair.refresh_token for pair in pairs[::2]]
                    assert tokens == [pair.refresh_token for pair in pairs[1::2]]
    assert len(refused) <= (rounds * 2 * SESSIONS / 100 if way == "serializable" else 0)
    assert others["written"] > 0
    assert (repeated["attempts"] > 0) is (way == "serializable")
    assert events.named(EventName.TOKEN_THEFT) == []
    assert len(events.named(EventName.SESSION_REFRESHED)) == rounds * SESSIONS
