"""How long the reasons of ended sessions are told."""

from __future__ import annotations

import pytest

from reseal import Engine, MemoryStore, Remote, Settings, SQLiteStore
from reseal.core.errors import Refusal
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import DAY, HOUR
from tests._sync.serving import API_KEY, Served

API = "https://api.example.com"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request, clock, tmp_path):
    return MemoryStore(clock) if request.param == "memory" else SQLiteStore(tmp_path / "sessions.db", clock)


def ended(sessions):
    """Begin two sessions that last an hour, and end one of them."""
    expiring, revoked = [sessions.create("user").claims.sid for _ in range(2)]
    sessions.revoke([revoked], note="a note")
    return {expiring: Refusal.EXPIRED, revoked: Refusal.REVOKED}


def test_an_ended_session_is_kept_as_long_as_the_settings_say(clock, store):
    settings = Settings(api_domain=API, refresh_token_validity=60, access_token_validity=600, ended_sessions_kept=3)
    with Engine(settings, store, clock=clock, on_event=Recorder()) as engine:
        reasons = ended(engine)
        for passed in (HOUR, 2 * DAY - HOUR):
            clock.advance(passed)
            engine.purge()
            assert engine.why_ended(reasons) == reasons
        assert [(each.end_reason, each.end_note) for each in engine.list_ended("user", 3 * DAY)] == [
            (None, None),
            ("revoked", "a note"),
        ]
        clock.advance(DAY + HOUR)
        engine.create("other")  # which purges a little
        assert engine.why_ended(reasons) == dict.fromkeys(reasons, Refusal.UNKNOWN_SESSION)


def test_without_the_setting_a_session_goes_a_day_after_it_would_have_expired(clock, store):
    settings = Settings(api_domain=API, refresh_token_validity=60, access_token_validity=600)
    with Engine(settings, store, clock=clock, on_event=Recorder()) as engine:
        reasons = ended(engine)
        for passed, told in ((DAY, reasons), (HOUR, dict.fromkeys(reasons, Refusal.UNKNOWN_SESSION))):
            clock.advance(passed)
            engine.purge()
            assert engine.why_ended(reasons) == told


def test_by_remote_it_is_the_service_that_says_how_long(clock):
    settings = Settings(api_domain=API, refresh_token_validity=60, access_token_validity=600, ended_sessions_kept=0)
    transport = Served(MemoryStore(clock), clock, Recorder(), ended_sessions_kept=30)
    with Remote(settings, "http://localhost:3567", api_key=API_KEY, clock=clock, transport=transport) as remote:
        reasons = ended(remote)
        clock.advance(29 * DAY)
        remote.create("other")
        assert remote.why_ended(reasons) == reasons
        clock.advance(2 * DAY)
        remote.create("other")
        assert set(remote.why_ended(reasons).values()) == {Refusal.UNKNOWN_SESSION}
