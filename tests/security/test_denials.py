"""What breaks, denies: no credential leaves an engine whose listener, random source or store raised (S96, S98)."""

from __future__ import annotations

import pytest

from reseal import Engine, MemoryStore, Reseal, SessionHeaders, StoreUnavailable, Unauthorised
from reseal.testing import ManualClock
from reseal.web.facts import RequestFacts
from tests.security.material import API, App, opened, settings


class Broken(Exception):
    pass


def breaking(*_, **__):
    raise Broken


def rows(app):
    return dict(app.store._sessions.get(app.settings.scope, {}))


def test_a_listener_that_raises_denies_a_new_session():
    app = App()
    app.engine._families._emitter._listener = breaking
    with pytest.raises(Broken):
        app.engine.create("user-2")


def test_a_listener_that_raises_denies_a_refresh_and_the_line_goes_on_after():
    app = App()
    listener, app.engine._families._emitter._listener = app.engine._families._emitter._listener, breaking
    with pytest.raises(Broken):
        app.engine.refresh(app.pair.refresh_token)
    app.engine._families._emitter._listener = listener
    assert app.engine.refresh(app.pair.refresh_token).claims.gen == 1


def test_a_listener_that_raises_makes_no_refusal_a_pass():
    app = App()
    app.engine._families._emitter._listener = breaking
    for token in ("garbage", app.pair.access_token, app.pair.claims.sid):
        with pytest.raises(Broken):
            app.engine.refresh(token)
    app.engine._families._emitter._listener = app.events.append
    stolen = app.engine.refresh(app.pair.refresh_token)
    app.engine.refresh(stolen.refresh_token)
    app.engine._families._emitter._listener = breaking
    with pytest.raises(Broken):
        app.engine.refresh(app.pair.refresh_token)
    with pytest.raises(Unauthorised, match="theft"):
        app.engine.get(app.pair.claims.sid)


def test_a_random_source_that_raises_denies():
    app = App()
    before = rows(app)

    def source(_n):
        raise Broken

    for call in (lambda: app.engine.create("user-2"), lambda: app.engine.refresh(app.pair.refresh_token)):
        app.engine._families._random = source
        with pytest.raises(Broken):
            call()
        assert rows(app) == before


@pytest.mark.parametrize("given", [b"", b"short", b"x" * 15])
def test_a_random_source_that_gives_too_little_denies(given):
    clock = ManualClock()
    store = MemoryStore(clock)
    with opened(Engine(settings(), store, clock=clock)):
        engine = Engine(settings(), store, clock=clock, random=lambda n: given)
        with pytest.raises(ValueError, match=r"16|nonce|bytes|[0-9]+"), opened(engine):
            engine.create("user-1")
        assert store._sessions == {}


def test_a_random_source_that_repeats_itself_gives_no_session_twice():
    clock = ManualClock()
    engine = Engine(settings(), MemoryStore(clock), clock=clock, random=lambda n: b"\x07" * n)
    with opened(engine):
        first = engine.create("user-1")
        with pytest.raises(StoreUnavailable, match="twice"):
            engine.create("user-2")
        assert engine.get(first.claims.sid).user_id == "user-1"


@pytest.mark.parametrize("method", ["rotate", "get", "confirm", "replace", "end", "end_user", "list_user", "insert"])
@pytest.mark.parametrize("error", [StoreUnavailable, Broken])
def test_a_store_that_raises_is_never_an_answer(method, error):
    app = App()
    claims, refresh = app.pair.claims, app.pair.refresh_token
    uses = {
        "rotate": lambda: app.engine.refresh(refresh),
        "get": lambda: app.engine.get(claims.sid),
        "confirm": lambda: app.engine.check(claims),
        "replace": lambda: app.engine.update(claims.sid, session_data={"a": 1}),
        "end": lambda: app.engine.revoke([claims.sid]),
        "end_user": lambda: app.engine.revoke_user("user-1"),
        "list_user": lambda: app.engine.list_user("user-1"),
        "insert": lambda: app.engine.create("user-2"),
    }
    before, told = rows(app), len(app.events)

    def fails(*_, **__):
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.store, method, fails)
        with pytest.raises(error):
            uses[method]()
    assert rows(app) == before
    assert len(app.events) == told
    assert app.engine.refresh(refresh).claims.gen == 1


def test_a_sign_in_that_fails_sets_no_cookie():
    clock = ManualClock()
    reseal = Reseal(settings(), clock=clock, on_event=lambda _: None)
    reseal.open()
    reseal.backend._families._emitter._listener = breaking
    headers = SessionHeaders()
    request = RequestFacts.of("POST", "/signin", [("origin", API), ("sec-fetch-site", "same-origin")])
    with pytest.raises(Broken):
        reseal.create_new_session(request, headers, "user-1")
    assert [name for name, _ in headers.items() if name.lower() == "set-cookie"] == []
    reseal.close()
