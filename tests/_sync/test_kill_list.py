# Generated from tests/_async/test_kill_list.py by tools/unasync.py; edit that file instead.
"""Processes that verify without asking the store learn of ended sessions from the kill list."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec import structs

from reseal._sync.forwarding import ForwardingSessions
from reseal._sync.kill_reading import EVERY
from reseal._sync.metrics import Metrics
from reseal._sync.reseal import Reseal
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.access_token import Confirmation
from reseal.core.dpop import DpopRefused
from reseal.core.errors import StoreUnavailable, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.kill_list import LEEWAY, KillList, KillState, StaleKillList
from reseal.core.model import EndReason
from reseal.core.session_policy import Replaced, SessionPolicy
from reseal.settings import Settings
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import API, World
from reseal.testing.material import HOUR
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

MINUTE = 60_000
ON = {"kill_list": True}


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    kept = {}

    def make(clock):
        if request.param == "sqlite":
            return SQLiteStore(tmp_path / "sessions.db", clock)
        return kept.setdefault("store", MemoryStore(clock))

    with World(make) as world:
        yield world


def is_refused(sessions, pair) -> bool:
    """Verify as a request does, without asking the store."""
    sessions.keep_fresh()
    try:
        sessions.verify(pair.access_token)
    except TryRefreshToken:
        return True
    return False


def sign_out(sessions, pair):
    sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT)


def end_others(sessions, pair):
    sessions.revoke_user("user", keep="another")
    assert pair


def end_before(sessions, pair):
    assert sessions.end_before(pair.claims.iat * 1000 + MINUTE, user_id="user") == 1


def steal(sessions, pair):
    thief = sessions.refresh(pair.refresh_token)
    sessions.refresh(thief.refresh_token)
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(pair.refresh_token)


def sign_in_once_more(sessions, pair):
    sessions.create("user", policy="one")
    assert pair


ONE = (SessionPolicy(name="one", max_sessions=1),)


@pytest.mark.parametrize("end", [sign_out, end_others, end_before, steal, sign_in_once_more])
def test_another_process_refuses_an_ended_session_within_a_second(world, end):
    here, there = [world.sessions(**ON, policies=ONE) for _ in range(2)]
    pair, other = here.create("user", policy="one"), here.create("somebody else")
    assert not is_refused(there, pair)
    world.clock.advance(MINUTE)
    end(here, pair)
    world.clock.advance(EVERY)
    assert is_refused(there, pair)
    assert is_refused(here, pair)
    assert not is_refused(there, other)
    with pytest.raises(Unauthorised):
        there.refresh(pair.refresh_token)


def test_a_visitor_who_signs_in_leaves_a_session_that_is_refused(world):
    here, there = [world.sessions(**ON) for _ in range(2)]
    pair = here.create("reseal:anonymous")
    here.create("user", replaced=Replaced(visitor=pair.claims.sid))
    world.clock.advance(EVERY)
    assert is_refused(there, pair)


@pytest.mark.parametrize("end", [sign_out, steal])
def test_an_impersonation_is_refused_once_the_actors_own_session_has_ended(world, end):
    here, there = [world.sessions(**ON) for _ in range(2)]
    own, other = here.create("staff"), here.create("other staff")
    acting, another = [here.create("user", {"act": {"sub": it.claims.sub, "sid": it.claims.sid}})
                       for it in (own, other)]  # fmt: skip
    assert not is_refused(there, acting)
    world.clock.advance(MINUTE)
    end(here, own)
    world.clock.advance(EVERY)
    assert is_refused(there, acting)
    assert not is_refused(there, another)


def test_an_application_s_own_act_claim_names_no_session(world):
    here = world.sessions(**ON)
    ended = here.create("user")
    pair = here.create("user", {"act": ended.claims.sid, "note": '"act"'})
    sign_out(here, ended)
    world.clock.advance(EVERY)
    assert not is_refused(here, pair)


def test_entries_that_were_over_before_they_were_read_take_no_room(world):
    here = world.sessions(**ON, access_token_validity=600)
    for _ in range(3):
        sign_out(here, here.create("user"))
    world.clock.advance(600_000 + LEEWAY - 1000)
    there = world.sessions(**ON)
    page = world.store.kill_page(here.settings.scope, None)
    assert len(page.entries) == 3
    there.kills.entries = KillList(limit=2)
    assert there.kills.entries.apply(page._replace(now=page.now + 1000), world.clock.monotonic())
    assert (len(there.kills.entries), there.kills.state()) == (0, KillState.FRESH)


def test_without_the_setting_nothing_is_written_and_nothing_is_read(world):
    here = world.sessions()
    pair = here.create("user")
    sign_out(here, pair)
    world.clock.advance(MINUTE)
    assert not is_refused(here, pair)
    assert {"kill_page", "purge_kills"}.isdisjoint(world.store.calls)
    assert (world.store.kill_page(here.settings.scope, None)).entries == ()


def test_the_whole_list_is_read_before_the_first_request(world):
    here = world.sessions(**ON)
    pair = here.create("user")
    sign_out(here, pair)
    there = world.sessions(**ON)
    with pytest.raises(TryRefreshToken):
        there.verify(pair.access_token)


def test_a_restart_of_all_loses_no_entry(world):
    here = world.sessions(**ON)
    pair = here.create("user")
    sign_out(here, pair)
    assert is_refused(world.restart(**ON), pair)


def test_who_does_not_get_the_list_does_not_begin(world):
    world.sessions(**ON)
    here = world.sessions()
    world.store.down = True
    with pytest.raises(StoreUnavailable):
        type(here)(Settings(api_domain=API, **ON), world.store, clock=world.clock).open()
    world.store.down = False


def test_an_entry_outlives_the_last_token_of_its_session_and_then_goes(world):
    here, there = [world.sessions(**ON, access_token_validity=600) for _ in range(2)]
    pair = here.create("user")
    sign_out(here, pair)
    world.clock.advance(600_000 - 1000)
    assert is_refused(there, pair)
    assert len(there.kills.entries) == 1
    world.clock.advance(LEEWAY + 2000)
    later = here.create("user")
    here.purge()
    assert (world.store.kill_page(here.settings.scope, None)).entries == ()
    assert not is_refused(there, later)
    assert len(there.kills.entries) == 0


def test_the_purging_of_an_engine_removes_entries(world):
    here = world.sessions(**ON, access_token_validity=600)
    sign_out(here, here.create("user"))
    world.clock.advance(HOUR)
    here.create("user")
    assert world.store.purge_kills(10) == 0


def test_requests_read_on_twice_a_second_and_no_more(world):
    here = world.sessions(**ON)
    pair = here.create("user")
    calls = world.store.calls
    before = calls["kill_page"]
    for _ in range(100):
        world.clock.advance(100)
        assert not is_refused(here, pair)
    assert 20 <= calls["kill_page"] - before <= 25


def test_an_idle_process_reads_before_its_next_answer(world):
    here, there = [world.sessions(**ON) for _ in range(2)]
    pair = here.create("user")
    assert not is_refused(there, pair)
    sign_out(here, pair)
    world.clock.advance(10 * MINUTE)
    answers = together(partial(is_refused, there, pair) for _ in range(5))
    assert answers == [True] * 5
    assert there.kills.state() is KillState.FRESH


def test_a_wake_up_has_the_next_request_read_on(world):
    here, there = [world.sessions(**ON) for _ in range(2)]
    pair = here.create("user")
    sign_out(here, pair)
    assert not is_refused(there, pair)
    there.kills.wake()
    assert is_refused(there, pair)


# -- a store that does not answer -----------------------------------------------------------------------------------


def cut_off(world, **changes):
    """Two processes, of which the second one has not read the list for longer than it may."""
    here = world.sessions(**ON)
    there = world.sessions(**ON, **changes)
    pair = here.create("user")
    assert not is_refused(there, pair)
    world.stores[1].down = True
    sign_out(here, pair)
    world.clock.advance(61_000)
    return here, there, pair


def test_open_goes_on_by_the_signature_and_refuses_again_after_the_cut(world, caplog):
    here, there, pair = cut_off(world)
    for _ in range(3):
        assert not is_refused(there, pair)
        assert there.kills.state() is KillState.STALE
    assert caplog.text.count("kill_list: stale") == 1
    world.stores[1].down = False
    world.clock.advance(10_000)
    assert is_refused(there, pair)
    assert there.kills.state() is KillState.FRESH
    assert not is_refused(there, here.create("user"))
    assert caplog.text.count("kill_list: up to date again") == 1


def test_closed_answers_that_the_store_is_unavailable_and_signs_nobody_out(world):
    _, there, pair = cut_off(world, kill_list_when_stale="closed")
    with pytest.raises(StoreUnavailable, match="kill list"):
        is_refused(there, pair)
    assert there.verify(pair.access_token, expired_too=True) == pair.claims, "a sign-out goes on"
    world.stores[1].down = False
    world.clock.advance(10_000)
    assert is_refused(there, pair)


def request_with(pair):
    return RequestFacts.of("GET", "/", [("authorization", f"Bearer {pair.access_token}")])


def test_ask_looks_the_session_up_in_the_store_only_while_the_list_is_stale(world, monkeypatch):
    here, there, ended = cut_off(world, kill_list_when_stale="ask")
    live = here.create("user")
    reseal, store = Reseal(there.settings, sessions=there, clock=world.clock), world.stores[1]
    with pytest.raises(StoreUnavailable):
        reseal.get_session(request_with(live), SessionHeaders())
    store.down = False
    world.clock.advance(10_000)
    monkeypatch.setattr(there.kills, "_due_at", 2**62)  # the store answers, but nobody has read the list yet
    with pytest.raises(Unauthorised):
        reseal.get_session(request_with(ended), SessionHeaders())
    calls = store.calls["confirm"]
    session = reseal.get_session(request_with(live), SessionHeaders())
    assert (session.get_handle(), store.calls["confirm"]) == (live.claims.sid, calls + 1)
    there.kills.wake()
    reseal.get_session(request_with(live), SessionHeaders())
    assert store.calls["confirm"] == calls + 1
    with pytest.raises(TryRefreshToken):
        reseal.get_session(request_with(ended), SessionHeaders())


def test_the_metrics_tell_age_entries_and_state(world):
    here, there, _ = cut_off(world)
    metrics = Metrics(Reseal(there.settings, sessions=there, clock=world.clock), clock=world.clock)
    found = metrics.samples()
    assert found["reseal_kill_list_age_seconds"] == {"": 61}
    assert (found["reseal_kill_list_entries"], found["reseal_kill_list_stale"]) == ({"": 0}, {"": 1})
    world.stores[1].down = False
    world.clock.advance(10_000)
    found = metrics.samples()
    assert found["reseal_kill_list_age_seconds"] == {"": 0}
    assert (found["reseal_kill_list_entries"], found["reseal_kill_list_stale"]) == ({"": 1}, {"": 0})
    off = Metrics(Reseal(here.settings, sessions=world.sessions(), clock=world.clock))
    assert "reseal_kill_list_age_seconds" in off.text()


def test_before_it_is_stale_the_list_that_is_known_counts(world):
    here = world.sessions(**ON)
    there = world.sessions(**ON, kill_list_when_stale="closed")
    pair, other = here.create("user"), here.create("user")
    sign_out(here, other)
    world.clock.advance(1000)
    assert is_refused(there, other)
    world.stores[1].down = True
    world.clock.advance(59_000)
    assert is_refused(there, other)
    assert not is_refused(there, pair)


def test_failed_readings_are_repeated_after_longer_and_longer_pauses(world):
    here = world.sessions(**ON)
    pair = here.create("user")
    world.store.down = True
    before = world.store.calls["kill_page"]
    for _ in range(600):
        world.clock.advance(100)
        is_refused(here, pair)
    assert 8 <= world.store.calls["kill_page"] - before <= 14


def test_a_list_without_room_is_full_and_says_so(world, caplog):
    here = world.sessions(**ON)
    there = world.sessions(**ON)
    there.kills.entries = KillList(limit=2)
    for _ in range(3):
        sign_out(here, here.create("user"))
    world.clock.advance(1000)
    pair = here.create("user")
    with pytest.raises(StaleKillList):
        is_refused(there, pair)
    assert there.kills.state() is KillState.FULL
    assert "kill_list: full, 0 seconds old with 2 entries: open" in caplog.text
    assert there.kills.samples()["reseal_kill_list_stale"] == {"": 1}


@pytest.mark.parametrize("when_stale", ["open", "ask", "closed"])
def test_no_ended_session_passes_because_the_list_has_no_room(world, when_stale):
    here = world.sessions(**ON)
    there = world.sessions(**ON, kill_list_when_stale=when_stale)
    there.kills.entries = KillList(limit=2)
    ended = [here.create("user") for _ in range(5)]
    live = here.create("user")
    for pair in ended:
        sign_out(here, pair)
    world.clock.advance(1000)
    reseal = Reseal(there.settings, sessions=there, clock=world.clock)
    refused = StoreUnavailable if when_stale == "closed" else (TryRefreshToken, Unauthorised)
    for pair in ended:
        with pytest.raises((refused, TryRefreshToken) if when_stale == "closed" else refused):
            reseal.get_session(request_with(pair), SessionHeaders())
    if when_stale == "closed":
        with pytest.raises(StoreUnavailable):
            reseal.get_session(request_with(live), SessionHeaders())
    else:
        session = reseal.get_session(request_with(live), SessionHeaders())
        assert session.get_handle() == live.claims.sid
    world.clock.advance(2 * HOUR)
    there.keep_fresh()
    assert there.kills.state() is KillState.FRESH


@pytest.mark.parametrize("jump", [-6 * HOUR, -MINUTE, MINUTE, 6 * HOUR])
def test_a_clock_that_jumps_makes_no_list_older_and_lets_no_ended_session_pass(world, jump):
    here, there = [world.sessions(**ON) for _ in range(2)]
    pair = here.create("user")
    sign_out(here, pair)
    world.clock.advance(1000)
    assert is_refused(there, pair)
    world.clock.jump(jump)
    assert there.kills.state() is KillState.FRESH
    assert is_refused(there, pair)
    world.clock.advance(1000)
    assert is_refused(there, pair)
    later = here.create("user")
    assert not is_refused(there, later)
    sign_out(here, later)
    world.clock.advance(1000)
    assert is_refused(there, later)


def test_entries_from_before_it_was_turned_off_are_removed_once_they_are_over(world):
    here = world.sessions(**ON)
    for _ in range(3):
        sign_out(here, here.create("user"))
    off = world.sessions()
    world.clock.advance(off.settings.access_token_ms)
    off.create("user")
    assert not world.store.calls["purge_kills"]
    world.clock.advance(LEEWAY)
    off.create("user")
    assert world.store.calls["purge_kills"] == 1
    assert world.store.inner.purge_kills(10) == 0
    world.clock.advance(HOUR)
    off.create("user")
    assert world.store.calls["purge_kills"] == 1


def test_a_token_that_the_store_is_asked_about_needs_the_proof_of_its_device_all_the_same(world):
    sessions = world.sessions()
    pair = sessions.create("user")

    class Stale(ForwardingSessions):
        def verify(self, access_token, *, expired_too=False):
            claims = self.inner.verify(access_token, expired_too=expired_too)
            raise StaleKillList(structs.replace(claims, scheme="DPoP", cnf=Confirmation(jkt="key")))

    reseal = Reseal(sessions.settings, sessions=Stale(sessions), clock=world.clock)
    with pytest.raises(DpopRefused):
        reseal.get_session(request_with(pair), SessionHeaders())
