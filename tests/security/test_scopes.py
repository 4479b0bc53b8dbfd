"""Three apps of three tenants over one store: no token, handle or list reaches from one to another (S22, S40, S85)."""

from __future__ import annotations

import itertools

import pytest

from reseal import Engine, MemoryStore, SQLiteStore, TryRefreshToken, Unauthorised
from reseal.core.model import Scope
from reseal.testing import ManualClock
from tests.security.material import opened, settings

SCOPES = [Scope(app, tenant) for app in ("app-a", "app-b", "public") for tenant in ("one", "two", "public")]


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    """An engine of every scope with one session each, all of the same user, and all events."""
    clock, events = ManualClock(), []
    store = MemoryStore(clock) if request.param == "memory" else SQLiteStore(tmp_path / "scopes.db", clock)
    store.open()
    store.open, close, store.close = lambda: None, store.close, lambda: None
    engines = {}
    for scope in SCOPES:
        given = settings(app_id=scope.app_id, tenant_id=scope.tenant_id, enable_anti_csrf=True)
        engines[scope] = Engine(given, store, clock=clock, on_event=events.append)
        engines[scope].open()
    pairs = {scope: engine.create("user-1", {"of": list(scope)}) for scope, engine in engines.items()}
    yield engines, pairs, store, events
    close()


def refusal(call, *arguments, **options):
    with pytest.raises(Unauthorised) as caught:
        call(*arguments, **options)
    return type(caught.value), caught.value.reason, str(caught.value)


def test_every_ordered_pair_of_scopes_is_kept_apart(world):
    engines, pairs, store, events = world
    before = {scope: store.get(scope, pair.claims.sid).record for scope, pair in pairs.items()}
    for (one, engine), (other, pair) in itertools.product(engines.items(), pairs.items()):
        if one == other:
            assert engine.verify(pair.access_token) == pair.claims
            continue
        with pytest.raises(TryRefreshToken):
            engine.verify(pair.access_token)
        with pytest.raises(TryRefreshToken):
            engine.verify(pair.access_token, expired_too=True)
        assert engine.newest([pair.refresh_token]) == ()
        assert refusal(engine.refresh, pair.refresh_token)[1] == "malformed"
        assert not engine.check_anti_csrf(pairs[one].claims, pair.anti_csrf)
        assert refusal(engine.check, pair.claims)[1] == "unknown_session"
        assert refusal(engine.get, pair.claims.sid)[1] == "unknown_session"
        assert refusal(engine.update, pair.claims.sid, session_data={"a": 1})[1] == "unknown_session"
        assert engine.revoke([pair.claims.sid]) == ()
        assert [record.handle for record in engine.list_user("user-1")] == [pairs[one].claims.sid]
    assert {scope: store.get(scope, pair.claims.sid).record for scope, pair in pairs.items()} == before
    assert not [event for event in events if event.name in {"token_theft", "session_revoked"}]


def test_a_foreign_session_and_none_at_all_look_the_same(world):
    engines, pairs, *_ = world
    engine, foreign = engines[SCOPES[0]], pairs[SCOPES[1]]
    none = "00000000-0000-4000-8000-000000000000"
    assert refusal(engine.get, foreign.claims.sid) == refusal(engine.get, none)
    assert refusal(engine.update, foreign.claims.sid, session_data={}) == refusal(engine.update, none, session_data={})
    assert engine.revoke([foreign.claims.sid]) == engine.revoke([none]) == ()
    text = foreign.refresh_token
    garbage = f"{text[:-8]}{'A' * 8}"
    assert refusal(engine.refresh, text) == refusal(engine.refresh, garbage)


def test_ending_all_sessions_of_a_user_stays_within_the_scope(world):
    engines, pairs, *_ = world
    for n, scope in enumerate(SCOPES):
        assert engines[scope].revoke_user("user-1") == (pairs[scope].claims.sid,)
        for later in SCOPES[n + 1 :]:
            assert engines[later].check(pairs[later].claims).user_id == "user-1"


def test_an_app_publishes_its_own_keys_only(world):
    engines, *_ = world
    published = {scope: str(engine.jwks()) for scope, engine in engines.items()}
    for one, other in itertools.combinations(SCOPES, 2):
        assert (published[one] == published[other]) is (one.app_id == other.app_id)


def test_a_handle_that_two_scopes_share_is_two_sessions():
    """Handles are random; were one drawn twice, neither session could reach the other."""
    clock = ManualClock()
    store = MemoryStore(clock)
    engines = [Engine(settings(app_id=app), store, clock=clock, random=bytes) for app in ("one", "two")]
    with opened(engines[0]) as one, opened(engines[1]) as two:
        mine, theirs = one.create("mine"), two.create("theirs")
        assert mine.claims.sid == theirs.claims.sid
        assert refusal(two.refresh, mine.refresh_token)[1] == "malformed"
        assert one.revoke([mine.claims.sid]) == (mine.claims.sid,)
        assert two.check(theirs.claims).user_id == "theirs"


def test_audience_and_issuer_count_too():
    clock = ManualClock()
    store = MemoryStore(clock)
    tokens = {}
    for issuer, audience in itertools.product(["https://a.example", "https://b.example"], ["mobile", "web"]):
        engine = Engine(settings(issuer=issuer, audience=audience), store, clock=clock)
        engine.open()
        tokens[issuer, audience] = (engine, engine.create("user-1").access_token)
    for (one, (engine, _)), (other, (_, token)) in itertools.product(tokens.items(), tokens.items()):
        if one == other:
            assert engine.verify(token).aud == one[1]
        else:
            with pytest.raises(TryRefreshToken, match="another audience"):
                engine.verify(token)
