"""Sessions in headers that a client binds to its key: what it sends, and what others can do with its tokens."""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode
from typing import Any

import pytest

from reseal import (
    AsyncEngine,
    AsyncReseal,
    Engine,
    Event,
    EventName,
    RequestFacts,
    Reseal,
    SessionHeaders,
    SessionPolicy,
    Settings,
    TooManySessions,
    TryRefreshToken,
    Unauthorised,
)
from reseal._async.endpoints import AsyncEndpoints
from reseal._sync.endpoints import Endpoints
from reseal.core.dpop import DpopRefused
from reseal.testing import ManualClock
from tests.frameworks.site import API, HOUR, MINUTE, WEBSITE
from tests.frameworks.test_framework_free import settled
from tests.support.device import Device
from tests.support.program import Program

ONE_SESSION = SessionPolicy(name="default", max_sessions=1, at_limit="ask")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=[{}])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture(params=[AsyncReseal, Reseal], ids=["async", "sync"])
async def program(request: pytest.FixtureRequest, clock: ManualClock, events: list[Event], options: dict[str, Any]):
    config = {"device_binding": "offer", "device_list": True, **options}
    settings = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:", **config)
    sessions = request.param(settings, clock=clock, on_event=events.append)
    await settled(sessions.open())
    kind = AsyncEndpoints if request.param is AsyncReseal else Endpoints
    yield Program(sessions, kind(sessions), clock)
    await settled(sessions.close())


def names(events: list[Event]) -> list[EventName]:
    return [event.name for event in events]


def front(program: Program) -> dict[str, Any]:
    return dict(json.loads(b64decode(program.said["front-token"])))


async def test_a_session_is_bound_at_the_sign_in_and_lives_on_with_proofs(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    session = await program.sign_in()
    assert (front(program)["dpop"], "bound" in front(program)) == (1, False)
    (listed,) = await settled(program.sessions.list_sessions("alice"))
    assert listed.bound
    assert names(events)[-2:] == [EventName.SESSION_CREATED, EventName.SESSION_BOUND]
    for _ in range(3):
        seen = await program.call("get_session", method="GET", path="/orders")
        assert (seen.get_user_id(), seen.get_handle()) == ("alice", session.get_handle())
        clock.advance(HOUR)
        before = program.refresh_token
        assert (await program.send_refresh()).status == 200
        assert program.refresh_token != before
    assert {EventName.BINDING_REFUSED, EventName.TOKEN_THEFT}.isdisjoint(names(events))
    await program.call("sign_out")
    assert await settled(program.sessions.list_sessions("alice")) == ()


async def test_an_unbound_session_is_bound_by_its_first_refresh_with_a_proof(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    await program.sign_in(proofs=())
    assert "dpop" not in front(program)
    await program.call("get_session", scheme="Bearer", proofs=())
    assert (await program.send_refresh(scheme="Bearer", proofs=())).status == 200
    assert (await program.send_refresh(scheme="Bearer")).status == 200
    assert front(program)["dpop"] == 1
    assert names(events).count(EventName.SESSION_BOUND) == 1
    await program.call("get_session")
    clock.advance(HOUR)
    assert (await program.send_refresh(proofs=())).status == 401
    assert (await program.send_refresh()).status == 200


@pytest.mark.parametrize(("scheme", "has_proof"), [("Bearer", False), ("Bearer", True), ("DPoP", False)])
async def test_a_copied_access_token_is_refused(
    program: Program, events: list[Event], scheme: str, *, has_proof: bool
) -> None:
    await program.sign_in()
    thief = program.stolen()
    beside: dict[str, Any] = {} if has_proof else {"proofs": ()}
    with pytest.raises(DpopRefused):
        await thief.call("get_session", scheme=scheme, **beside)
    assert thief.told == ("invalid_token" if scheme == "Bearer" else "invalid_dpop_proof")
    assert "www-authenticate" in thief.said["access-control-expose-headers"]
    (event,) = [each for each in events if each.name is EventName.BINDING_REFUSED]
    assert (event.user_id, event.session_handle is not None) == ("alice", True)
    assert "st-access-token" not in thief.said
    await program.call("get_session")


async def test_a_copied_access_token_is_no_cookie(program: Program) -> None:
    await program.sign_in()
    name = program.sessions.settings.access_cookie_name
    request = RequestFacts.of("GET", "/", [("Cookie", f"{name}={program.access}")])
    with pytest.raises(DpopRefused):
        await settled(program.sessions.get_session(request, SessionHeaders()))


async def test_a_thief_with_a_key_of_its_own_gets_nothing(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    await program.sign_in()
    thief = program.stolen(Device())
    with pytest.raises(DpopRefused):
        await thief.call("get_session")
    with pytest.raises(DpopRefused):
        await thief.call("sign_out")
    await thief.call("create_new_session", "mallory")
    clock.advance(HOUR)
    thief = program.stolen(Device())
    assert (await thief.send_refresh()).status == 401
    assert (await thief.send_refresh(proofs=())).status == 401
    assert (await thief.send_refresh(scheme="Bearer")).status == 401
    assert thief.refresh_token == program.refresh_token
    assert (await program.send_refresh()).status == 200
    await program.call("get_session")
    assert EventName.TOKEN_THEFT not in names(events)
    assert EventName.SESSION_REVOKED not in names(events)


async def test_who_signs_in_again_with_the_same_key_ends_the_session_before(program: Program) -> None:
    before = await program.sign_in()
    after = await program.sign_in()
    (listed,) = await settled(program.sessions.list_sessions("alice"))
    assert listed.handle == after.get_handle() != before.get_handle()


WRONG = {
    "method": {"htm": "PUT"},
    "no method": {"htm": None},
    "host": {"htu": "https://other.example/orders"},
    "scheme": {"htu": API.replace("https", "http") + "/orders"},
    "path": {"htu": f"{API}/order"},
    "no address": {"htu": None},
    "address that is none": {"htu": "https://[/orders"},
    "no time": {"iat": None},
    "time that is none": {"iat": True},
    "time as text": {"iat": "1"},
    "time before all": {"iat": -1e308},
    "time after all": {"iat": 1e308},
    "no name": {"jti": None},
    "empty name": {"jti": ""},
    "token": {"ath": "x" * 43},
    "no token": {"ath": None},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
async def test_a_proof_that_does_not_fit_the_request_is_refused(
    program: Program, events: list[Event], claims: dict[str, Any]
) -> None:
    await program.sign_in()
    with pytest.raises(DpopRefused):
        await program.call("get_session", method="GET", path="/orders", **claims)
    assert program.told == "invalid_dpop_proof"
    assert names(events).count(EventName.BINDING_REFUSED) == 1
    await program.call("get_session", method="GET", path="/orders")


async def test_a_wrong_proof_at_the_sign_in_begins_nothing(program: Program) -> None:
    for proofs in [("none",), (program.proof("POST", "/sign-in"), program.proof("POST", "/sign-in"))]:
        with pytest.raises(DpopRefused):
            await program.sign_in(proofs=proofs)
    assert program.told == "invalid_dpop_proof"
    assert await settled(program.sessions.list_sessions("alice")) == ()


async def test_a_proof_is_good_once(program: Program) -> None:
    at_sign_in = program.proof("POST", "/sign-in")
    await program.sign_in(proofs=(at_sign_in,))
    with pytest.raises(DpopRefused):
        await program.sign_in(proofs=(at_sign_in,))
    shown = program.proof("POST", "/", program.access)
    await program.call("get_session", proofs=(shown,))
    with pytest.raises(DpopRefused):
        await program.call("get_session", proofs=(shown,))
    at_refresh = program.proof("POST", "/session/refresh")
    assert (await program.send_refresh(proofs=(at_refresh,))).status == 200
    assert (await program.send_refresh(proofs=(at_refresh,))).status == 401


async def test_a_request_may_be_verified_several_times(program: Program, events: list[Event]) -> None:
    await program.sign_in()
    request, response = program.request("POST", "/orders"), SessionHeaders()
    for _ in range(2):
        assert (await settled(program.sessions.get_session(request, response))).get_user_id() == "alice"
    await settled(program.sessions.impersonate(request, response, "bob", reason="ticket 4711"))
    with pytest.raises(DpopRefused):
        await settled(program.sessions.get_session(request, SessionHeaders()))
    assert [event.reason for event in events if event.name is EventName.BINDING_REFUSED] == [
        "the proof was used before"
    ]


@pytest.mark.parametrize("options", [{"policies": [ONE_SESSION]}], indirect=True)
async def test_a_sign_in_may_be_tried_again_in_the_request_that_ended_another_session(
    program: Program, events: list[Event]
) -> None:
    before = await program.sign_in()
    request, response = program.request("POST", "/sign-in", token=""), SessionHeaders()
    with pytest.raises(TooManySessions):
        await settled(program.sessions.create_new_session(request, response, "alice"))
    await settled(program.sessions.revoke_session_using_session_handle(before.get_handle()))
    after = await settled(program.sessions.create_new_session(request, response, "alice"))
    (listed,) = await settled(program.sessions.list_sessions("alice"))
    assert (listed.handle, listed.bound) == (after.get_handle(), True)
    assert EventName.BINDING_REFUSED not in names(events)
    for _ in range(2):
        with pytest.raises(DpopRefused):
            await settled(program.sessions.create_new_session(request, answer := SessionHeaders(), "alice"))
        with pytest.raises(DpopRefused):
            await settled(program.sessions.create_new_session(request, answer, "alice"))


async def test_who_is_verified_before_the_sign_in_loses_the_session_before(program: Program) -> None:
    await program.sign_in()
    request, response = program.request("POST", "/sign-in"), SessionHeaders()
    await settled(program.sessions.get_session(request, response))
    after = await settled(program.sessions.create_new_session(request, response, "alice"))
    (listed,) = await settled(program.sessions.list_sessions("alice"))
    assert listed.handle == after.get_handle()


async def test_the_answer_says_it_where_no_headers_of_the_session_go_along(program: Program) -> None:
    program.skew = -3600
    await program.sign_in(proofs=())
    await program.send_refresh(scheme="Bearer")
    await program.send_refresh(scheme="Bearer")
    request = program.request("GET", "/live", nonce=None)
    with pytest.raises(DpopRefused) as refused:
        await settled(program.sessions.get_session(request, SessionHeaders()))
    answer = program.endpoints.of_error(request, refused.value)
    said = {name.lower(): value for name, value in answer.headers}
    assert (answer.status, said["dpop-nonce"]) == (401, refused.value.challenge)
    assert said["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')


async def test_a_proof_is_not_good_again_when_its_nonce_is_over(program: Program, clock: ManualClock) -> None:
    await program.sign_in()
    program.nonce = program.sessions.backend.proofs.nonce()
    clock.advance(5 * MINUTE - 1000)
    shown = program.proof("POST", "/session/refresh")
    assert (await program.send_refresh(proofs=(shown,))).status == 200
    clock.advance(2000)
    assert (await program.send_refresh(proofs=(shown,))).status == 401
    assert program.told == "use_dpop_nonce"


@pytest.mark.parametrize("skew", [-3600, -61, 11, 86_400])
async def test_a_client_with_a_wrong_clock_gets_a_nonce(
    program: Program, clock: ManualClock, events: list[Event], skew: int
) -> None:
    program.skew = skew
    with pytest.raises(DpopRefused):
        await program.sign_in()
    assert program.told == "use_dpop_nonce"
    assert program.nonce is not None
    assert "dpop-nonce" in program.said["access-control-expose-headers"]
    await program.sign_in()
    await program.call("get_session")
    clock.advance(3 * MINUTE)
    before = program.nonce
    await program.call("get_session")
    assert program.nonce != before, "a nonce that is about to end is replaced"
    clock.advance(6 * MINUTE)
    with pytest.raises(DpopRefused):
        await program.call("get_session")
    assert program.told == "use_dpop_nonce"
    await program.call("get_session")
    clock.advance(HOUR)
    assert (await program.send_refresh()).status == 401
    assert program.told == "use_dpop_nonce"
    assert (await program.send_refresh()).status == 200
    assert EventName.BINDING_REFUSED not in names(events)


async def test_a_nonce_that_is_over_costs_one_more_round_where_the_clock_is_right(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    await program.sign_in()
    program.nonce = program.sessions.backend.proofs.nonce()
    clock.advance(HOUR - MINUTE)
    with pytest.raises(DpopRefused):
        await program.call("get_session")
    assert program.told == "use_dpop_nonce"
    await program.call("get_session")
    assert EventName.BINDING_REFUSED not in names(events)


async def test_a_captured_request_of_a_client_whose_clock_is_ahead_is_of_no_use_later(
    program: Program, clock: ManualClock
) -> None:
    program.skew = 10 * 60
    with pytest.raises(DpopRefused):
        await program.sign_in()
    await program.sign_in()
    at_call = program.proof("POST", "/", program.access)
    at_refresh = program.proof("POST", "/session/refresh")
    await program.call("get_session", proofs=(at_call,))
    thief = program.stolen()
    assert (await program.send_refresh(proofs=(at_refresh,))).status == 200
    for _ in range(11 * 4):
        clock.advance(MINUTE // 4)
        with pytest.raises(DpopRefused):
            await thief.call("get_session", proofs=(at_call,))
        assert (await thief.send_refresh(proofs=(at_refresh,))).status == 401


@pytest.mark.parametrize("options", [{"dpop_proof_age": 0}], indirect=True)
async def test_with_an_age_of_zero_every_proof_needs_a_nonce(program: Program, clock: ManualClock) -> None:
    with pytest.raises(DpopRefused):
        await program.sign_in()
    await program.sign_in()
    await program.call("get_session")
    program.nonce = "n1.99999999999999.foreign"
    with pytest.raises(DpopRefused):
        await program.call("get_session")
    assert program.told == "use_dpop_nonce"
    await program.call("get_session")
    clock.advance(6 * MINUTE)
    assert (await program.send_refresh()).status == 401
    assert (await program.send_refresh()).status == 200


async def test_an_unbound_token_is_refused_as_dpop(program: Program) -> None:
    await program.sign_in(proofs=())
    with pytest.raises(DpopRefused):
        await program.call("get_session")
    assert program.told == "invalid_token"
    await program.call("get_session", scheme="Bearer")


async def test_a_token_that_has_ended_says_so_in_the_words_of_the_standard(
    program: Program, clock: ManualClock
) -> None:
    await program.sign_in()
    clock.advance(HOUR)
    with pytest.raises(TryRefreshToken):
        await program.call("get_session")
    assert program.told == "invalid_token"


async def test_no_number_of_lost_answers_looks_like_theft(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    await program.sign_in(proofs=())
    for _ in range(8):
        lost = program.stolen(program.device)
        assert (await lost.send_refresh()).status == 200
        clock.advance(5 * MINUTE)
        assert (await program.send_refresh()).status == 200
        assert lost.refresh_token == program.refresh_token
    assert EventName.TOKEN_THEFT not in names(events)


async def test_a_thief_who_binds_the_session_is_found_out(
    program: Program, clock: ManualClock, events: list[Event]
) -> None:
    await program.sign_in(proofs=())
    thief = program.stolen(Device())
    clock.advance(HOUR)
    assert (await thief.send_refresh()).status == 200
    clock.advance(MINUTE)
    assert (await program.send_refresh(proofs=())).status == 401
    assert EventName.TOKEN_THEFT in names(events)
    assert await settled(program.sessions.list_sessions("alice")) == ()


async def test_the_refresh_token_may_come_in_a_body(program: Program, clock: ManualClock) -> None:
    await program.sign_in()
    clock.advance(HOUR)
    body = json.dumps({"refresh_token": program.refresh_token}).encode()
    lines = [("DPoP", program.proof("POST", "/session/refresh")), ("Content-Type", "application/json")]
    answer = await program.send(RequestFacts.of("POST", "/session/refresh", lines, body=body))
    assert json.loads(answer.body)["token_type"] == "DPoP"


@pytest.mark.parametrize("options", [{"device_binding": "require"}], indirect=True)
async def test_a_session_that_must_be_bound_ends_soon_unless_it_is(program: Program, clock: ManualClock) -> None:
    await program.sign_in()
    later = Program(program.sessions, program.endpoints, clock)
    await later.sign_in("bob", proofs=())
    unbound = Program(program.sessions, program.endpoints, clock)
    await unbound.sign_in("carol", proofs=())
    assert (await later.send_refresh()).status == 200
    clock.advance(11 * MINUTE)
    assert (await unbound.send_refresh(proofs=())).status == 401
    clock.advance(24 * HOUR)
    for each in (program, later):
        assert (await each.send_refresh()).status == 200


@pytest.mark.parametrize("policy", [None, SessionPolicy(device_binding="off")], ids=["call", "policy"])
async def test_a_session_can_be_left_out_by_the_call_or_its_policy(
    program: Program, clock: ManualClock, policy: SessionPolicy | None
) -> None:
    wish = {"device_binding": "off"} if policy is None else {"policy": policy}
    await program.sign_in(**wish)
    assert (await program.send_refresh()).status == 200
    assert "dpop" not in front(program)
    await program.call("get_session", scheme="Bearer", proofs=())


@pytest.mark.parametrize("options", [{"device_binding": "off"}], indirect=True)
async def test_without_the_setting_proofs_are_not_read(program: Program) -> None:
    await program.sign_in(proofs=("none",))
    assert "dpop" not in front(program)
    assert (await program.send_refresh(proofs=("none",))).status == 200


async def test_bound_sessions_go_on_as_others_once_it_is_switched_off(program: Program, clock: ManualClock) -> None:
    await program.sign_in()
    ours = type(program.sessions)
    settings = dataclasses.replace(program.sessions.settings, device_binding="off")
    engine_type: Any = AsyncEngine if ours is AsyncReseal else Engine
    engine = engine_type(settings, program.sessions.backend.store, clock=clock, owns_store=False)
    await settled(engine.open())
    program.sessions = ours(settings, sessions=engine, clock=clock)
    with pytest.raises(DpopRefused):
        await program.call("get_session", scheme="Bearer", proofs=())
    await program.call("get_session")
    kind: Any = AsyncEndpoints if ours is AsyncReseal else Endpoints
    program.endpoints = kind(program.sessions)
    clock.advance(HOUR)
    assert (await program.send_refresh(proofs=())).status == 200
    await program.call("get_session", scheme="Bearer", proofs=())


async def test_whoever_acts_as_another_user_is_bound_too(program: Program, clock: ManualClock) -> None:
    await program.sign_in()
    await program.call("impersonate", "bob", reason="ticket 4711")
    thief = program.stolen(Device())
    with pytest.raises(DpopRefused):
        await thief.call("sign_out")
    acted = await program.call("get_session", check_database=True)
    assert (acted.get_user_id(), acted.get_actor()) == ("bob", "alice")
    await program.call("stop_impersonating")
    assert (await program.send_refresh()).status == 200
    assert (await program.call("get_session")).get_user_id() == "alice"


@pytest.mark.parametrize("options", [{"public_path_prefix": "/api"}], indirect=True)
async def test_the_address_is_that_of_the_outside(program: Program) -> None:
    htu = f"{API}/api/sign-in?next=1#there"
    await program.sign_in(htu=htu.replace("sign-in", "%73ign-in").replace("https", "HTTPS"))
    with pytest.raises(DpopRefused):
        await program.call("get_session", path="/orders")
    await program.call("get_session", path="/orders", htu=f"{API}:443/api/x/../orders")


async def test_a_browser_s_proof_does_not_refresh_the_session_of_a_program(program: Program) -> None:
    await program.sign_in()
    with pytest.raises(Unauthorised):
        await settled(program.sessions.backend.refresh(program.refresh_token, proof="x.y.z"))
    assert (await program.send_refresh()).status == 200
