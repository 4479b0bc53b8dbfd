"""What applications do with sessions is pushed as security event tokens: both colours, SQLite and PostgreSQL."""

import asyncio

import pytest

from reseal import AsyncEngine, AsyncSQLiteStore, Engine, Settings, SQLiteStore, TokenTheftDetected
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.events import Caller, EventOutbox
from reseal.core.holding import SessionHeld
from reseal.testing import ManualClock, Recorder
from reseal.webhooks.delivering import POLL
from reseal.webhooks.sending import HttpSender
from tests.webhooks.material import worker
from tests.webhooks.signals import listening, receiver_at

REQUEST = Caller(correlation_id="request-1")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request, clock, tmp_path):
    """A function that opens the same store in either colour."""
    if request.param == "sqlite":
        path = tmp_path / "s.db"
        return {"async": lambda: AsyncSQLiteStore(path, clock), "sync": lambda: SQLiteStore(path, clock)}
    uri = request.getfixturevalue("postgres_uri")
    return {"async": lambda: AsyncPostgresStore(uri, clock=clock), "sync": lambda: PostgresStore(uri, clock=clock)}


@pytest.fixture
def site():
    with listening() as site:
        site.trust(receiver_at(site.url))
        yield site


def settings_for(site, response):
    return Settings(
        api_domain="https://api.example.com",
        database_uri="memory:",
        event_outbox=EventOutbox.ALL,
        theft_response=response,
        webhooks=(receiver_at(site.url),),
    )


async def stolen(engine):
    """Have a user sign in twice and a thief come with an old token of the second session; returns both handles."""
    await engine.open()
    other = await engine.create("alice")
    first = await engine.create("alice")
    second = await engine.refresh(first.refresh_token)
    await engine.refresh(second.refresh_token)
    with pytest.raises((TokenTheftDetected, SessionHeld)):
        await engine.refresh(first.refresh_token, caller=REQUEST)
    await engine.close()
    return other.claims.sid, first.claims.sid


def stolen_sync(engine):
    engine.open()
    other = engine.create("alice")
    first = engine.create("alice")
    second = engine.refresh(first.refresh_token)
    engine.refresh(second.refresh_token)
    with pytest.raises((TokenTheftDetected, SessionHeld)):
        engine.refresh(first.refresh_token, caller=REQUEST)
    engine.close()
    return other.claims.sid, first.claims.sid


async def delivered(stores, site):
    store, endpoint = stores["async"](), receiver_at(site.url)
    await store.open()
    sender = HttpSender(endpoint)
    deliverer = worker(store, sender, to=endpoint)
    while await deliverer.turn() < POLL:
        pass
    await sender.close()
    await store.close()


@pytest.mark.parametrize("response", ["report", "revoke_session", "revoke_user", "hold", "step_up"])
@pytest.mark.parametrize("colour", ["async", "sync"])
async def test_a_theft_is_told_with_what_was_done_about_it(stores, site, clock, colour, response):
    settings, store = settings_for(site, response), stores[colour]()
    if colour == "async":
        await store.open()
        handles = await stolen(AsyncEngine(settings, store, clock=clock, on_event=Recorder()))
        await store.close()
    else:

        def used():
            store.open()
            try:
                return stolen_sync(Engine(settings, store, clock=clock, on_event=Recorder()))
            finally:
                store.close()

        handles = await asyncio.to_thread(used)
    await delivered(stores, site)
    assert site.problems == []
    other, session = handles
    told = {handle: [each.kind for each in site.accepted if each.session == handle] for handle in handles}
    ended = {name: ([], []) for name in ("report", "hold", "step_up")}
    ended |= {"revoke_session": ([], ["session-revoked"]), "revoke_user": (["session-revoked"],) * 2}
    ended_other, ended_own = ended[response]
    assert told == {
        other: ["session-established", *ended_other],
        session: ["session-established", *ended_own, "risk-level-change"],
    }
    of_theft = [each for each in site.accepted if each.session == session][1:]
    assert {each.claims["txn"] for each in of_theft} == {"request-1"}
    assert len({each.jti for each in site.accepted}) == len(site.accepted)
