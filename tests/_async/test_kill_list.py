"""Processes that verify without asking the store learn of ended sessions from the kill list."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec import structs

from reseal._async.forwarding import AsyncForwardingSessions
from reseal._async.kill_reading import EVERY
from reseal._async.metrics import AsyncMetrics
from reseal._async.reseal import AsyncReseal
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.access_token import Confirmation
from reseal.core.dpop import DpopRefused
from reseal.core.errors import StoreUnavailable, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.kill_list import LEEWAY, KillList, KillState, StaleKillList
from reseal.core.model import EndReason
from reseal.core.session_policy import Replaced, SessionPolicy
from reseal.settings import Settings
from reseal.testing._async.waiting import together
from reseal.testing._async.world import API, AsyncWorld
from reseal.testing.material import HOUR
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

MINUTE = 60_000
ON = {"kill_list": True}


@pytest.fixture(params=["memory", "sqlite"])
async def world(request, tmp_path):
    kept = {}

    def make(clock):
        if request.param == "sqlite":
            return AsyncSQLiteStore(tmp_path / "sessions.db", clock)
        return kept.setdefault("store", AsyncMemoryStore(clock))

    async with AsyncWorld(make) as world:
        yield world


async def is_refused(sessions, pair) -> bool:
    """Verify as a request does, without asking the store."""
    await sessions.keep_fresh()
    try:
        sessions.verify(pair.access_token)
    except TryRefreshToken:
        return True
    return False


async def sign_out(sessions, pair):
    await sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT)


async def end_others(sessions, pair):
    await sessions.revoke_user("user", keep="another")
    assert pair


async def end_before(sessions, pair):
    assert await sessions.end_before(pair.claims.iat * 1000 + MINUTE, user_id="user") == 1


async def steal(sessions, pair):
    thief = await sessions.refresh(pair.refresh_token)
    await sessions.refresh(thief.refresh_token)
    with pytest.raises(TokenTheftDetected):
        await sessions.refresh(pair.refresh_token)


async def sign_in_once_more(sessions, pair):
    await sessions.create("user", policy="one")
    assert pair


ONE = (SessionPolicy(name="one", max_sessions=1),)


@pytest.mark.parametrize("end", [sign_out, end_others, end_before, steal, sign_in_once_more])
async def test_another_process_refuses_an_ended_session_within_a_second(world, end):
    here, there = [await world.sessions(**ON, policies=ONE) for _ in range(2)]
    pair, other = await here.create("user", policy="one"), await here.create("somebody else")
    assert not await is_refused(there, pair)
    world.clock.advance(MINUTE)
    await end(here, pair)
    world.clock.advance(EVERY)
    assert await is_refused(there, pair)
    assert await is_refused(here, pair)
    assert not await is_refused(there, other)
    with pytest.raises(Unauthorised):
        await there.refresh(pair.refresh_token)


async def test_a_visitor_who_signs_in_leaves_a_session_that_is_refused(world):
    here, there = [await world.sessions(**ON) for _ in range(2)]
    pair = await here.create("reseal:anonymous")
    await here.create("user", replaced=Replaced(visitor=pair.claims.sid))
    world.clock.advance(EVERY)
    assert await is_refused(there, pair)


@pytest.mark.parametrize("end", [sign_out, steal])
async def test_an_impersonation_is_refused_once_the_actors_own_session_has_ended(world, end):
    here, there = [await world.sessions(**ON) for _ in range(2)]
    own, other = await here.create("staff"), await here.create("other staff")
    acting, another = [await here.create("user", {"act": {"sub": it.claims.sub, "sid": it.claims.sid}})
                       for it in (own, other)]  # fmt: skip
    assert not await is_refused(there, acting)
    world.clock.advance(MINUTE)
    await end(here, own)
    world.clock.advance(EVERY)
    assert await is_refused(there, acting)
    assert not await is_refused(there, another)


async def test_an_application_s_own_act_claim_names_no_session(world):
    here = await world.sessions(**ON)
    ended = await here.create("user")
    pair = await here.create("user", {"act": ended.claims.sid, "note": '"act"'})
    await sign_out(here, ended)
    world.clock.advance(EVERY)
    assert not await is_refused(here, pair)


async def test_entries_that_were_over_before_they_were_read_take_no_room(world):
    here = await world.sessions(**ON, access_token_validity=600)
    for _ in range(3):
        await sign_out(here, await here.create("user"))
    world.clock.advance(600_000 + LEEWAY - 1000)
    there = await world.sessions(**ON)
    page = await world.store.kill_page(here.settings.scope, None)
    assert len(page.entries) == 3
    there.kills.entries = KillList(limit=2)
    assert there.kills.entries.apply(page._replace(now=page.now + 1000), world.clock.monotonic())
    assert (len(there.kills.entries), there.kills.state()) == (0, KillState.FRESH)


async def test_without_the_setting_nothing_is_written_and_nothing_is_read(world):
    here = await world.sessions()
    pair = await here.create("user")
    await sign_out(here, pair)
    world.clock.advance(MINUTE)
    assert not await is_refused(here, pair)
    assert {"kill_page", "purge_kills"}.isdisjoint(world.store.calls)
    assert (await world.store.kill_page(here.settings.scope, None)).entries == ()


async def test_the_whole_list_is_read_before_the_first_request(world):
    here = await world.sessions(**ON)
    pair = await here.create("user")
    await sign_out(here, pair)
    there = await world.sessions(**ON)
    with pytest.raises(TryRefreshToken):
        there.verify(pair.access_token)


async def test_a_restart_of_all_loses_no_entry(world):
    here = await world.sessions(**ON)
    pair = await here.create("user")
    await sign_out(here, pair)
    assert await is_refused(await world.restart(**ON), pair)


async def test_who_does_not_get_the_list_does_not_begin(world):
    await world.sessions(**ON)
    here = await world.sessions()
    world.store.down = True
    with pytest.raises(StoreUnavailable):
        await type(here)(Settings(api_domain=API, **ON), world.store, clock=world.clock).open()
    world.store.down = False


async def test_an_entry_outlives_the_last_token_of_its_session_and_then_goes(world):
    here, there = [await world.sessions(**ON, access_token_validity=600) for _ in range(2)]
    pair = await here.create("user")
    await sign_out(here, pair)
    world.clock.advance(600_000 - 1000)
    assert await is_refused(there, pair)
    assert len(there.kills.entries) == 1
    world.clock.advance(LEEWAY + 2000)
    later = await here.create("user")
    await here.purge()
    assert (await world.store.kill_page(here.settings.scope, None)).entries == ()
    assert not await is_refused(there, later)
    assert len(there.kills.entries) == 0


async def test_the_purging_of_an_engine_removes_entries(world):
    here = await world.sessions(**ON, access_token_validity=600)
    await sign_out(here, await here.create("user"))
    world.clock.advance(HOUR)
    await here.create("user")
    assert await world.store.purge_kills(10) == 0


async def test_requests_read_on_twice_a_second_and_no_more(world):
    here = await world.sessions(**ON)
    pair = await here.create("user")
    calls = world.store.calls
    before = calls["kill_page"]
    for _ in range(100):
        world.clock.advance(100)
        assert not await is_refused(here, pair)
    assert 20 <= calls["kill_page"] - before <= 25


async def test_an_idle_process_reads_before_its_next_answer(world):
    here, there = [await world.sessions(**ON) for _ in range(2)]
    pair = await here.create("user")
    assert not await is_refused(there, pair)
    await sign_out(here, pair)
    world.clock.advance(10 * MINUTE)
    answers = await together(partial(is_refused, there, pair) for _ in range(5))
    assert answers == [True] * 5
    assert there.kills.state() is KillState.FRESH


async def test_a_wake_up_has_the_next_request_read_on(world):
    here, there = [await world.sessions(**ON) for _ in range(2)]
    pair = await here.create("user")
    await sign_out(here, pair)
    assert not await is_refused(there, pair)
    there.kills.wake()
    assert await is_refused(there, pair)


# -- a store that does not answer -----------------------------------------------------------------------------------


async def cut_off(world, **changes):
    """Two processes, of which the second one has not read the list for longer than it may."""
    here = await world.sessions(**ON)
    there = await world.sessions(**ON, **changes)
    pair = await here.create("user")
    assert not await is_refused(there, pair)
    world.stores[1].down = True
    await sign_out(here, pair)
    world.clock.advance(61_000)
    return here, there, pair


async def test_open_goes_on_by_the_signature_and_refuses_again_after_the_cut(world, caplog):
    here, there, pair = await cut_off(world)
    for _ in range(3):
        assert not await is_refused(there, pair)
        assert there.kills.state() is KillState.STALE
    assert caplog.text.count("kill_list: stale") == 1
    world.stores[1].down = False
    world.clock.advance(10_000)
    assert await is_refused(there, pair)
    assert there.kills.state() is KillState.FRESH
    assert not await is_refused(there, await here.create("user"))
    assert caplog.text.count("kill_list: up to date again") == 1


async def test_closed_answers_that_the_store_is_unavailable_and_signs_nobody_out(world):
    _, there, pair = await cut_off(world, kill_list_when_stale="closed")
    with pytest.raises(StoreUnavailable, match="kill list"):
        await is_refused(there, pair)
    assert there.verify(pair.access_token, expired_too=True) == pair.claims, "a sign-out goes on"
    world.stores[1].down = False
    world.clock.advance(10_000)
    assert await is_refused(there, pair)


def request_with(pair):
    return RequestFacts.of("GET", "/", [("authorization", f"Bearer {pair.access_token}")])


async def test_ask_looks_the_session_up_in_the_store_only_while_the_list_is_stale(world, monkeypatch):
    here, there, ended = await cut_off(world, kill_list_when_stale="ask")
    live = await here.create("user")
    reseal, store = AsyncReseal(there.settings, sessions=there, clock=world.clock), world.stores[1]
    with pytest.raises(StoreUnavailable):
        await reseal.get_session(request_with(live), SessionHeaders())
    store.down = False
    world.clock.advance(10_000)
    monkeypatch.setattr(there.kills, "_due_at", 2**62)  # the store answers, but nobody has read the list yet
    with pytest.raises(Unauthorised):
        await reseal.get_session(request_with(ended), SessionHeaders())
    calls = store.calls["confirm"]
    session = await reseal.get_session(request_with(live), SessionHeaders())
    assert (session.get_handle(), store.calls["confirm"]) == (live.claims.sid, calls + 1)
    there.kills.wake()
    await reseal.get_session(request_with(live), SessionHeaders())
    assert store.calls["confirm"] == calls + 1
    with pytest.raises(TryRefreshToken):
        await reseal.get_session(request_with(ended), SessionHeaders())


async def test_the_metrics_tell_age_entries_and_state(world):
    here, there, _ = await cut_off(world)
    metrics = AsyncMetrics(AsyncReseal(there.settings, sessions=there, clock=world.clock), clock=world.clock)
    found = await metrics.samples()
    assert found["reseal_kill_list_age_seconds"] == {"": 61}
    assert (found["reseal_kill_list_entries"], found["reseal_kill_list_stale"]) == ({"": 0}, {"": 1})
    world.stores[1].down = False
    world.clock.advance(10_000)
    found = await metrics.samples()
    assert found["reseal_kill_list_age_seconds"] == {"": 0}
    assert (found["reseal_kill_list_entries"], found["reseal_kill_list_stale"]) == ({"": 1}, {"": 0})
    off = AsyncMetrics(AsyncReseal(here.settings, sessions=await world.sessions(), clock=world.clock))
    assert "reseal_kill_list_age_seconds" in await off.text()


async def test_before_it_is_stale_the_list_that_is_known_counts(world):
    here = await world.sessions(**ON)
    there = await world.sessions(**ON, kill_list_when_stale="closed")
    pair, other = await here.create("user"), await here.create("user")
    await sign_out(here, other)
    world.clock.advance(1000)
    assert await is_refused(there, other)
    world.stores[1].down = True
    world.clock.advance(59_000)
    assert await is_refused(there, other)
    assert not await is_refused(there, pair)


async def test_failed_readings_are_repeated_after_longer_and_longer_pauses(world):
    here = await world.sessions(**ON)
    pair = await here.create("user")
    world.store.down = True
    before = world.store.calls["kill_page"]
    for _ in range(600):
        world.clock.advance(100)
        await is_refused(here, pair)
    assert 8 <= world.store.calls["kill_page"] - before <= 14


async def test_a_list_without_room_is_full_and_says_so(world, caplog):
    here = await world.sessions(**ON)
    there = await world.sessions(**ON)
    there.kills.entries = KillList(limit=2)
    for _ in range(3):
        await sign_out(here, await here.create("user"))
    world.clock.advance(1000)
    pair = await here.create("user")
    with pytest.raises(StaleKillList):
        await is_refused(there, pair)
    assert there.kills.state() is KillState.FULL
    assert "kill_list: full, 0 seconds old with 2 entries: open" in caplog.text
    assert there.kills.samples()["reseal_kill_list_stale"] == {"": 1}


@pytest.mark.parametrize("when_stale", ["open", "ask", "closed"])
async def test_no_ended_session_passes_because_the_list_has_no_room(world, when_stale):
    here = await world.sessions(**ON)
    there = await world.sessions(**ON, kill_list_when_stale=when_stale)
    there.kills.entries = KillList(limit=2)
    ended = [await here.create("user") for _ in range(5)]
    live = await here.create("user")
    for pair in ended:
        await sign_out(here, pair)
    world.clock.advance(1000)
    reseal = AsyncReseal(there.settings, sessions=there, clock=world.clock)
    refused = StoreUnavailable if when_stale == "closed" else (TryRefreshToken, Unauthorised)
    for pair in ended:
        with pytest.raises((refused, TryRefreshToken) if when_stale == "closed" else refused):
            await reseal.get_session(request_with(pair), SessionHeaders())
    if when_stale == "closed":
        with pytest.raises(StoreUnavailable):
            await reseal.get_session(request_with(live), SessionHeaders())
    else:
        session = await reseal.get_session(request_with(live), SessionHeaders())
        assert session.get_handle() == live.claims.sid
    world.clock.advance(2 * HOUR)
    await there.keep_fresh()
    assert there.kills.state() is KillState.FRESH


@pytest.mark.parametrize("jump", [-6 * HOUR, -MINUTE, MINUTE, 6 * HOUR])
async def test_a_clock_that_jumps_makes_no_list_older_and_lets_no_ended_session_pass(world, jump):
    here, there = [await world.sessions(**ON) for _ in range(2)]
    pair = await here.create("user")
    await sign_out(here, pair)
    world.clock.advance(1000)
    assert await is_refused(there, pair)
    world.clock.jump(jump)
    assert there.kills.state() is KillState.FRESH
    assert await is_refused(there, pair)
    world.clock.advance(1000)
    assert await is_refused(there, pair)
    later = await here.create("user")
    assert not await is_refused(there, later)
    await sign_out(here, later)
    world.clock.advance(1000)
    assert await is_refused(there, later)


async def test_entries_from_before_it_was_turned_off_are_removed_once_they_are_over(world):
    here = await world.sessions(**ON)
    for _ in range(3):
        await sign_out(here, await here.create("user"))
    off = await world.sessions()
    world.clock.advance(off.settings.access_token_ms)
    await off.create("user")
    assert not world.store.calls["purge_kills"]
    world.clock.advance(LEEWAY)
    await off.create("user")
    assert world.store.calls["purge_kills"] == 1
    assert await world.store.inner.purge_kills(10) == 0
    world.clock.advance(HOUR)
    await off.create("user")
    assert world.store.calls["purge_kills"] == 1


async def test_a_token_that_the_store_is_asked_about_needs_the_proof_of_its_device_all_the_same(world):
    sessions = await world.sessions()
    pair = await sessions.create("user")

    class Stale(AsyncForwardingSessions):
        def verify(self, access_token, *, expired_too=False):
            claims = self.inner.verify(access_token, expired_too=expired_too)
            raise StaleKillList(structs.replace(claims, scheme="DPoP", cnf=Confirmation(jkt="key")))

    reseal = AsyncReseal(sessions.settings, sessions=Stale(sessions), clock=world.clock)
    with pytest.raises(DpopRefused):
        await reseal.get_session(request_with(pair), SessionHeaders())
