# Generated from tests/_async/test_events.py by tools/unasync.py; edit that file instead.
"""Events in the outbox: written with the change that they report, delivered at least once, to each consumer."""

from __future__ import annotations

import logging
import pickle
import sqlite3
from functools import partial

import pytest
from msgspec.structs import replace

from reseal._sync.remote import Remote
from reseal._sync.reseal import Reseal
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.errors import ConfigurationError, InvalidInput, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import OUTBOX_EVENTS, Caller, EventName, EventOutbox
from reseal.core.model import Device, Scope
from reseal.core.outbox import RETENTION, Delivered
from reseal.settings import Settings
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import API, World
from reseal.testing.material import DAY, MINUTE

ALL = {"event_outbox": "all"}
BROWSER = Caller(Device("192.0.2.1", "Browser/1"), "request-1")
THIEF = Caller(Device("203.0.113.9", "Thief/1"), "request-7")
RESPONSES = ("report", "revoke_session", "revoke_user")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request, tmp_path):
    kept = {}
    makers = {
        "memory": lambda clock: kept.setdefault("store", MemoryStore(clock)),
        "sqlite": lambda clock: SQLiteStore(tmp_path / "sessions.db", clock),
        "postgres": lambda clock: PostgresStore(request.getfixturevalue("postgres_uri"), clock=clock),
    }
    with World(makers[request.param]) as world:
        yield world


@pytest.fixture
def one(tmp_path):
    """A world over one SQLite file: for what does not depend on the store."""
    with World(lambda clock: SQLiteStore(tmp_path / "sessions.db", clock)) as world:
        yield world


def kept(world, consumer="all"):
    """Read and acknowledge everything."""
    events = []
    while (page := world.store.read_events(consumer, 50)).events:
        events += page.events
        world.store.acknowledge_events(consumer, page.cursor)
    return events


def names(events):
    return [each.name.value for each in events]


def stolen(world, sessions, user="user"):
    """Begin a session of which the thief has the first token, and the browser the third."""
    first = sessions.create(user, caller=BROWSER)
    second = sessions.refresh(first.refresh_token, caller=BROWSER)
    sessions.refresh(second.refresh_token, caller=BROWSER)
    world.clock.advance(DAY)
    kept(world)
    return first


# -- what is written ------------------------------------------------------------------------------------------------


def test_a_life_from_beginning_to_end(world):
    sessions = world.sessions(**ALL)
    pair = sessions.create("user", caller=BROWSER)
    pair = sessions.refresh(pair.refresh_token, caller=BROWSER)
    other = sessions.create("user", caller=BROWSER)
    assert sessions.revoke([pair.claims.sid])
    assert sessions.revoke_user("user")
    events = kept(world)
    assert names(events) == [
        "session_created",
        "session_refreshed",
        "session_created",
        "session_revoked",
        "session_revoked",
    ]
    assert [each.reason for each in events] == [None, None, None, "revoked", "user_revoked"]
    assert {each.user_id for each in events} == {"user"}
    assert events[0].device == BROWSER.device
    assert events[0].correlation_id == "request-1"
    assert [each.session_handle == other.claims.sid for each in events] == [False, False, True, False, True]
    heard = [each for each in world.events.all if each.name in OUTBOX_EVENTS[EventOutbox.ALL]]
    assert names(heard) == names(events)


def test_an_impersonation_is_kept_with_the_actor_and_the_reason_which_no_token_carries(world):
    sessions = world.sessions(event_outbox="security")
    own = sessions.create("sam", caller=BROWSER)
    act = {"sub": "sam", "sid": own.claims.sid}
    pair = sessions.create("alice", {"act": act | {"reason": "ticket 4711"}}, caller=BROWSER)
    assert pair.claims.jwt_payload() == {"act": act}
    [event] = kept(world)
    assert (event.name, event.session_handle) == (EventName.IMPERSONATION_BEGUN, pair.claims.sid)
    assert (event.user_id, event.by, event.note) == ("alice", "user:sam", "ticket 4711")
    assert event.device == BROWSER.device
    for reason in ("x" * 257, "two\nlines", 5):
        with pytest.raises(InvalidInput):
            sessions.create("alice", {"act": act | {"reason": reason}})
    sessions.revoke([own.claims.sid])
    with pytest.raises(Unauthorised):
        sessions.check(pair.claims)
    assert names(kept(world)) == ["session_revoked", "session_revoked"]


def test_security_leaves_out_what_is_ordinary(world):
    sessions = world.sessions(event_outbox="security", theft_response="revoke_session")
    first = stolen(world, sessions)
    other = sessions.create("user")
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(first.refresh_token, caller=THIEF)
    sessions.revoke([other.claims.sid])
    assert names(kept(world)) == ["token_theft", "session_revoked"]


def test_off_writes_nothing(world):
    sessions = world.sessions(theft_response="revoke_user")
    first = stolen(world, sessions)
    sessions.create("user")
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(first.refresh_token, caller=THIEF)
    assert kept(world) == []
    assert not {"append_event", "acknowledge_events"} & set(world.store.calls)


def test_sessions_ended_before_a_moment_are_reported_in_their_tenants(world):
    sessions = world.sessions(**ALL)
    other = world.sessions(tenant_id="other", **ALL)
    sessions.create("user")
    other.create("another")
    kept(world)
    world.clock.advance(1)
    assert sessions.end_before(world.clock.wall(), all_tenants=True) == 2
    events = kept(world)
    assert {(each.scope, each.user_id, each.reason) for each in events} == {
        (Scope(), "user", "not_before"),
        (Scope("public", "other"), "another", "not_before"),
    }


def test_a_replay_is_reported_once_for_each_generation(world):
    sessions = world.sessions(**ALL)
    pair = sessions.create("user")
    sessions.refresh(pair.refresh_token)
    for _ in range(3):
        sessions.refresh(pair.refresh_token)
    assert names(kept(world)) == ["session_created", "session_refreshed", "session_replayed"]


@pytest.mark.parametrize("rollback", ["adopt", "refuse"])
def test_a_store_that_was_rolled_back_is_reported(world, rollback):
    sessions = world.sessions(rollback=rollback, **ALL)
    pair = sessions.create("user")
    old = (world.store.get(Scope(), pair.claims.sid)).record
    for _ in range(3):
        pair = sessions.refresh(pair.refresh_token)
    kept(world)
    new = (world.store.get(Scope(), pair.claims.sid)).record
    assert world.store.replace(Scope(), replace(old, version=new.version))
    for _ in range(2):
        together([partial(sessions.refresh, pair.refresh_token)])
    reports = [(each.name.value, each.reason) for each in kept(world)]
    if rollback == "adopt":
        assert reports[:2] == [("store_rolled_back", "adopted"), ("session_refreshed", None)]
    else:
        assert reports == [("store_rolled_back", "newer_than_store")], "once, however often the token is presented"


def test_no_event_holds_a_token_a_hash_or_a_secret(one, tmp_path):
    sessions = one.sessions(enable_anti_csrf=True, theft_response="revoke_user", **ALL)
    pairs = [sessions.create("user", {"a": "claim-secret"}, {"b": "data-secret"}, caller=BROWSER)]
    for _ in range(4):
        pairs.append(sessions.refresh(pairs[-1].refresh_token, attempt_key="attempt-key", caller=BROWSER))
    one.clock.advance(DAY)
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(pairs[0].refresh_token, caller=THIEF)
    record = (one.store.get(Scope(), pairs[0].claims.sid)).record
    one.stop()
    with sqlite3.connect(tmp_path / "sessions.db") as db:
        stored = pickle.dumps(db.execute("SELECT * FROM event").fetchall())
    db.close()
    texts = [
        part
        for pair in pairs
        for text in (pair.access_token, pair.refresh_token, pair.anti_csrf)
        for part in text.split(".")
    ]
    secrets = [part.encode() for part in texts if len(part) > 16 and part != pairs[0].claims.sid]
    secrets += [record.current_hash, record.previous_hash, b"attempt-key", b"claim-secret", b"data-secret"]
    assert len(secrets) > 20
    assert b"Thief/1" in stored
    for secret in secrets:
        assert secret not in stored
        assert secret.hex().encode() not in stored


# -- theft ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", RESPONSES)
def test_a_theft_is_written_once_with_the_evidence(world, response):
    sessions = world.sessions(theft_response=response, event_outbox="security")
    first = stolen(world, sessions)
    results = together(partial(sessions.refresh, first.refresh_token, caller=THIEF) for _ in range(6))
    assert all(isinstance(each, TokenTheftDetected | Unauthorised) for each in results)
    [theft] = [each for each in kept(world) if each.name is EventName.TOKEN_THEFT]
    assert (theft.user_id, theft.session_handle, theft.reason) == ("user", first.claims.sid, "older")
    assert (theft.device, theft.correlation_id) == THIEF
    assert theft.other_device == BROWSER.device


@pytest.mark.parametrize("response", RESPONSES)
def test_a_theft_is_in_the_outbox_though_the_listener_failed(world, response):
    sessions = world.sessions(theft_response=response, event_outbox="security")
    first = stolen(world, sessions)

    def crash(_event):
        raise RuntimeError("the process dies between the commit and the listener")

    sessions._emitter._listener = crash
    with pytest.raises(RuntimeError):
        sessions.refresh(first.refresh_token, caller=THIEF)
    world.restart(theft_response=response, event_outbox="security")
    assert names(kept(world, "after the crash")).count("token_theft") == 1


@pytest.mark.parametrize("response", RESPONSES)
def test_a_theft_whose_answer_got_lost_is_written_once(world, response):
    sessions = world.sessions(theft_response=response, event_outbox="security")
    first = stolen(world, sessions)
    world.store.lose_acknowledgement("append_event" if response == "report" else "end")
    with pytest.raises(StoreUnavailable):
        sessions.refresh(first.refresh_token, caller=THIEF)
    with pytest.raises((TokenTheftDetected, Unauthorised)):
        sessions.refresh(first.refresh_token, caller=THIEF)
    assert names(kept(world)) == ["token_theft"]


@pytest.mark.parametrize("method", ["rotate", "insert", "replace", "end"])
def test_what_is_refused_before_it_is_done_is_not_reported(world, method):
    sessions = world.sessions(theft_response="revoke_session", **ALL)
    pair = sessions.create("user")
    sessions.refresh(pair.refresh_token)
    kept(world)
    calls = {
        "insert": partial(sessions.create, "user"),
        "rotate": partial(sessions.refresh, pair.refresh_token),
        "replace": partial(sessions.refresh, pair.refresh_token),
        "end": partial(sessions.revoke, [pair.claims.sid]),
    }
    world.store.refuse(method)
    [result] = together([calls[method]])
    assert isinstance(result, StoreUnavailable)
    assert kept(world) == []


def test_of_a_theft_and_a_sign_out_at_once_the_one_that_ended_the_session_is_reported(world):
    sessions = world.sessions(theft_response="revoke_session", event_outbox="security")
    for _ in range(5):
        first = stolen(world, sessions)
        together(
            [partial(sessions.refresh, first.refresh_token, caller=THIEF), partial(sessions.revoke, [first.claims.sid])]
        )
        assert len(kept(world)) == 1


# -- delivery -------------------------------------------------------------------------------------------------------


@pytest.fixture
def reseal(world):
    sessions = world.sessions(**ALL)
    return Reseal(sessions.settings, sessions=sessions, clock=world.clock)


def test_a_handler_gets_every_event_once(reseal):
    for n in range(5):
        reseal.backend.create(f"user {n}")
    heard = []
    assert reseal.deliver_events("mailer", heard.append, limit=3) == Delivered(3, 0)
    assert reseal.deliver_events("mailer", heard.append) == Delivered(2, 0)
    assert reseal.deliver_events("mailer", heard.append) == Delivered(0, 0)
    assert [each.user_id for each in heard] == [f"user {n}" for n in range(5)]
    assert reseal.deliver_events("audit", lambda _: None) == Delivered(5, 0)


def test_an_event_whose_handler_failed_comes_again_with_its_id(reseal):
    for n in range(4):
        reseal.backend.create(f"user {n}")
    heard = []

    def handle(event):
        heard.append(event)
        if len(heard) == 3:
            raise OSError("the mail server is away")

    with pytest.raises(OSError, match="mail server"):
        reseal.deliver_events("mailer", handle)
    assert reseal.deliver_events("mailer", handle) == Delivered(2, 0)
    assert [each.user_id for each in heard] == ["user 0", "user 1", "user 2", "user 2", "user 3"]
    assert heard[2].id == heard[3].id
    assert len({each.id for each in heard}) == 4


def test_events_that_were_not_acknowledged_come_again(reseal, world):
    reseal.backend.create("user")
    heard = []
    world.store.refuse("acknowledge_events")
    with pytest.raises(StoreUnavailable):
        reseal.deliver_events("mailer", heard.append)
    assert (reseal.deliver_events("mailer", heard.append)).events == 1
    assert heard[0] == heard[1]


def test_a_consumer_is_told_what_it_missed(reseal, world, caplog):
    reseal.deliver_events("mailer", print)
    for _ in range(3):
        reseal.backend.create("user")
    world.clock.advance(RETENTION.ms)
    reseal.backend.create("late")  # purges first
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == ["3 events were removed from the outbox before every consumer had read them"]
    caplog.clear()
    heard = []
    assert reseal.deliver_events("mailer", heard.append) == Delivered(1, 3)
    assert "consumer mailer missed 3 events" in caplog.text
    assert [each.user_id for each in heard] == ["late"]
    assert reseal.deliver_events("mailer", heard.append) == Delivered(0, 0)


def test_a_consumer_that_missed_everything_is_told_once(reseal, world):
    reseal.deliver_events("mailer", print)
    reseal.backend.create("user")
    world.clock.advance(RETENTION.ms)
    world.store.purge_events(10)
    assert reseal.deliver_events("mailer", print) == Delivered(0, 1)
    assert reseal.deliver_events("mailer", print) == Delivered(0, 0)


def test_events_that_everybody_has_read_are_purged_while_sessions_are_used(one):
    sessions = one.sessions(**ALL)
    one.store.read_events("all", 1)
    for _ in range(20):
        sessions.create("user")
        kept(one)
        one.clock.advance(MINUTE)
    assert len((one.store.read_events("new", 100)).events) == 1


def test_off_again_the_rest_can_be_read_and_is_purged(one):
    sessions = one.sessions(**ALL)
    sessions.create("user")
    sessions = one.restart()
    assert len((one.store.read_events("reader", 10)).events) == 1
    one.clock.advance(RETENTION.ms)
    sessions.create("user")
    assert (one.store.read_events("reader", 10)).lost == 1


@pytest.mark.parametrize("name", ["", "a b", "a\n", "\u00e4", "x" * 65, None, b"mailer"], ids=ascii)
def test_a_consumer_has_a_plain_name(one, name):
    sessions = one.sessions()
    with pytest.raises(InvalidInput, match="a name of 1 to 64"):
        sessions.read_events(name, 1)
    with pytest.raises(InvalidInput):
        sessions.acknowledge_events(name, 1)


def test_a_service_passes_no_events_on():
    remote = Remote(Settings(api_domain=API), "http://127.0.0.1:3567")
    reseal = Reseal(remote.settings, sessions=remote)
    with pytest.raises(ConfigurationError, match="reseal events read beside the service"):
        reseal.deliver_events("mailer", print)
