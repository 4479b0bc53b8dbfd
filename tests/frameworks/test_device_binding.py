"""A session that its browser binds to the device: the browser's own requests, and what others can do with its cookies."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from typing import Any

import pytest

from reseal import (
    AccessTokenTooLarge,
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
    TryRefreshToken,
    Unauthorised,
)
from reseal._async.endpoints import AsyncEndpoints
from reseal._sync.endpoints import Endpoints
from reseal.core.errors import ResealError
from reseal.testing import ManualClock
from reseal.web.responses import WebResponse
from tests.frameworks.site import ACCESS, API, EVIL, HOUR, MINUTE, REFRESH, WEBSITE
from tests.frameworks.test_framework_free import Client, settled
from tests.support.device import Device

BIND, BOUND = "/session/refresh/bind", "/session/refresh/bound"


class Browser(Client):
    """A browser with a key of its own, which does by itself what a server's headers ask of it."""

    def __init__(self, sessions: Any, device: Device | None = None) -> None:
        super().__init__(sessions)
        kind = AsyncEndpoints if isinstance(sessions, AsyncReseal) else Endpoints
        self.endpoints: Any = kind(sessions)
        self.device = device or Device()
        self.challenge = ""
        self.session = ""

    def stolen(self, device: Device | None = None) -> Browser:
        """Copy the cookies, and all that the browser knows but its key."""
        thief = Browser(self.sessions, device)
        thief.cookies, thief.challenge, thief.session = dict(self.cookies), self.challenge, self.session
        return thief

    def receive(self, response: SessionHeaders) -> None:
        super().receive(response)
        found = re.search(r'"([^"]+)";id="([^"]+)"', self.said.get("secure-session-challenge", ""))
        if found:
            self.challenge, self.session = found.groups()

    @property
    def offer(self) -> str | None:
        return self.said.get("secure-session-registration")

    async def send(self, path: str, *headers: tuple[str, str], origin: str | None = None) -> WebResponse:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = [("Cookie", cookies), *([("Origin", origin)] if origin else []), *headers]
        response = SessionHeaders()
        (endpoint,) = [each for each in self.endpoints.table() if each.path == path]
        request = RequestFacts.of("POST", path, lines, "192.0.2.1")
        try:
            answer: WebResponse = await settled(endpoint.answer(request, response))
        except ResealError as error:
            answer = self.endpoints.of_error(request, error)
        self.receive(response)
        return answer

    async def bind(self, **options: Any) -> WebResponse:
        offer = re.fullmatch(r'\(ES256 RS256\);path="([^"]+)";challenge="([^"]+)"', self.offer or "")
        assert offer is not None
        return await self.send_proof(offer[1], self.device.proof(offer[2], brings_key=True), **options)

    async def send_proof(self, path: str, proof: str, **options: Any) -> WebResponse:
        return await self.send(path, ("Secure-Session-Response", f'"{proof}"'), **options)

    async def refresh(self, proof: str | None = None) -> WebResponse:
        """Refresh as the browser does: with a proof of the challenge that it has."""
        named = ("Sec-Secure-Session-Id", f'"{self.session}"')
        shown = self.device.proof(self.challenge, brings_key=False) if proof is None else proof
        return await self.send(BOUND, named, *([("Secure-Session-Response", shown)] if shown else []))


FRONT = "sFrontToken"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=["offer"])
def wish(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[AsyncReseal, Reseal], ids=["async", "sync"])
async def browser(request: pytest.FixtureRequest, clock: ManualClock, events: list[Event], wish: str):
    settings = Settings(
        api_domain=API, website_domain=WEBSITE, database_uri="memory:", device_binding=wish, device_list=True
    )
    sessions = request.param(settings, clock=clock, on_event=events.append)
    await settled(sessions.open())
    browser = Browser(sessions)
    await browser.call("create_new_session", "alice", {"role": "customer"})
    yield browser
    await settled(sessions.close())


def names(events: list[Event]) -> list[EventName]:
    return [event.name for event in events]


async def test_a_page_learns_with_its_next_call_what_its_browser_has_got(browser: Browser, clock: ManualClock) -> None:
    def told() -> dict[str, Any]:
        browser.cookies[FRONT] = browser.said["front-token"]  # as a script of the page does
        return dict(json.loads(base64.b64decode(browser.cookies[FRONT])))

    assert "bound" not in told()
    await browser.bind()
    await browser.call("get_session", method="GET")
    assert told()["bound"] == 1
    await browser.call("get_session", method="GET")
    assert "front-token" not in browser.said
    clock.advance(HOUR)
    assert (await browser.refresh()).status == 200
    await browser.call("get_session", method="GET")
    assert told()["ate"] == clock.wall() + HOUR
    del browser.cookies[FRONT]
    await browser.call("get_session", method="GET")
    assert "front-token" not in browser.said, "nobody is told who shows nothing of what it knows"


async def test_a_session_is_bound_and_its_browser_refreshes_it_by_itself(
    browser: Browser, clock: ManualClock, events: list[Event]
) -> None:
    answer = await browser.bind()
    assert answer.status == 200
    told = json.loads(answer.body)
    (handle,) = await settled(browser.sessions.get_all_session_handles_for_user("alice"))
    assert (told["session_identifier"], told["refresh_url"]) == (handle, BOUND)
    assert told["credentials"][0]["name"] == ACCESS
    assert names(events).count(EventName.SESSION_BOUND) == 1
    (listed,) = await settled(browser.sessions.list_sessions("alice"))
    assert listed.bound
    (cookie,) = [line for line in browser.set if line.startswith(f"{ACCESS}=")]
    assert "; Max-Age=3600;" in cookie, "the cookie ends with its token: that is what makes the browser refresh"
    for _ in range(3):
        clock.advance(HOUR)
        before = dict(browser.cookies)
        assert (await browser.refresh()).status == 200
        assert browser.cookies[REFRESH] != before[REFRESH]
        seen = await browser.call("get_session", method="GET", check_database=True)
        assert (seen.get_user_id(), seen.get_jwt_payload()) == ("alice", {"role": "customer"})
    assert EventName.TOKEN_THEFT not in names(events)


async def test_copied_cookies_are_worth_nothing_from_the_next_expiry_on(
    browser: Browser, clock: ManualClock, events: list[Event]
) -> None:
    await browser.bind()
    thief = browser.stolen()
    clock.advance(HOUR)
    with pytest.raises(Unauthorised):
        await thief.call("refresh_session")
    answer = await thief.refresh()
    assert (answer.status, json.loads(answer.body)) == (401, {"message": "unauthorised"})
    assert names(events).count(EventName.BINDING_REFUSED) == 1
    assert thief.cookies, "whoever comes without the key signs nobody out"
    assert (await browser.refresh()).status == 200
    assert (await browser.call("get_session", method="GET")).get_user_id() == "alice"
    assert EventName.TOKEN_THEFT not in names(events)


async def test_a_browser_without_a_proof_gets_a_challenge_and_answers_it(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    clock.advance(2 * HOUR)
    browser.challenge = ""
    answer = await browser.refresh(proof="")
    assert (answer.status, bool(browser.challenge)) == (403, True)
    assert (await browser.refresh()).status == 200


async def test_a_proof_of_a_challenge_that_is_over_gets_another_one(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    old = browser.challenge
    clock.advance(HOUR + 2 * MINUTE)
    assert (await browser.refresh()).status == 403
    assert browser.challenge != old
    assert (await browser.refresh()).status == 200


async def test_a_lost_answer_and_parallel_refreshes_converge(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    clock.advance(HOUR)
    other = browser.stolen(browser.device)
    assert (await other.refresh()).status == 200
    assert (await browser.refresh()).status == 200
    assert browser.cookies[REFRESH] == other.cookies[REFRESH]


async def test_no_number_of_lost_answers_looks_like_theft(
    browser: Browser, clock: ManualClock, events: list[Event]
) -> None:
    await browser.bind()
    for _ in range(8):
        lost = browser.stolen(browser.device)
        assert (await lost.refresh()).status == 200
        clock.advance(5 * MINUTE)
        assert (await browser.refresh()).status == 200
    assert EventName.TOKEN_THEFT not in names(events)


async def test_a_page_that_refreshes_too_goes_on_with_what_its_browser_got(
    browser: Browser, clock: ManualClock
) -> None:
    await browser.bind()
    clock.advance(HOUR)
    await browser.refresh()
    before = dict(browser.cookies)
    session = await browser.call("refresh_session")
    assert session.get_user_id() == "alice"
    assert (browser.cookies, "front-token" in browser.said) == (before, True)


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_cookie_of_a_session_that_has_ended_does_not_sign_a_bound_one_out(
    browser: Browser, clock: ManualClock, *, is_first: bool
) -> None:
    await browser.bind()
    other = Browser(browser.sessions)
    await other.call("create_new_session", "bob")
    await settled(browser.sessions.revoke_all_sessions_for_user("bob"))
    clock.advance(HOUR)
    bound, ended = (f"{REFRESH}={each.cookies[REFRESH]}" for each in (browser, other))
    cookies = "; ".join((bound, ended) if is_first else (ended, bound))
    browser.cookies.clear()
    answer = await browser.send("/session/refresh", ("Cookie", cookies), origin=WEBSITE)
    assert (answer.status, json.loads(answer.body)) == (401, {"message": "unauthorised"})
    assert browser.set == []


async def test_a_browser_that_could_not_refresh_signs_nobody_out(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    clock.advance(HOUR)
    del browser.cookies[ACCESS]
    skipped = ("Secure-Session-Skipped", f'unreachable;session_identifier="{browser.session}"')
    request = RequestFacts.of("GET", "/", [skipped], "192.0.2.1")
    with pytest.raises(TryRefreshToken):
        await settled(browser.sessions.get_session(request, SessionHeaders()))
    answer = await browser.send("/session/refresh", skipped, origin=WEBSITE)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "5")
    assert REFRESH in browser.cookies
    assert (await browser.refresh()).status == 200


async def test_an_ended_access_cookie_is_taken_away_so_that_the_browser_refreshes(
    browser: Browser, clock: ManualClock
) -> None:
    await browser.bind()
    clock.advance(HOUR)
    with pytest.raises(TryRefreshToken):
        await browser.call("get_session", method="GET")
    assert browser.cookies.keys() == {REFRESH}


async def test_the_end_of_a_session_is_told_in_the_browser_s_words(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    await settled(browser.sessions.revoke_all_sessions_for_user("alice"))
    clock.advance(HOUR)
    answer = await browser.refresh()
    assert (answer.status, json.loads(answer.body)) == (200, {"continue": False})
    assert browser.cookies == {}


async def test_a_second_key_is_refused_and_told(browser: Browser, events: list[Event]) -> None:
    late = browser.stolen()
    late.said = dict(browser.said)
    assert (await browser.bind()).status == 200
    assert (await late.bind()).status == 401
    assert names(events).count(EventName.BINDING_REFUSED) == 1
    assert names(events).count(EventName.SESSION_BOUND) == 1


async def test_to_bind_once_more_with_the_same_key_is_no_error(browser: Browser, events: list[Event]) -> None:
    offered = dict(browser.said)
    assert (await browser.bind()).status == 200
    browser.said = offered
    assert (await browser.bind()).status == 200
    assert names(events).count(EventName.SESSION_BOUND) == 1


async def test_no_foreign_page_binds_a_session(browser: Browser) -> None:
    assert (await browser.bind(origin=EVIL)).status == 401
    (record,) = await settled(browser.sessions.backend.list_user("alice"))
    assert record.policy is None


async def test_a_session_that_has_ended_is_not_bound(browser: Browser, events: list[Event]) -> None:
    await settled(browser.sessions.revoke_all_sessions_for_user("alice"))
    assert (await browser.bind()).status == 401
    assert EventName.SESSION_BOUND not in names(events)


async def test_a_session_of_headers_gets_no_offer(browser: Browser) -> None:
    headers = SessionHeaders()
    request = RequestFacts.of("POST", "/", [("st-auth-mode", "header")], "192.0.2.1")
    await settled(browser.sessions.create_new_session(request, headers, "bob"))
    assert "secure-session-registration" not in dict(headers.items())


async def test_unbound_sessions_get_the_offer_again_with_each_refresh(browser: Browser, clock: ManualClock) -> None:
    clock.advance(HOUR)
    await browser.call("refresh_session")
    assert browser.offer is not None
    assert (await browser.bind()).status == 200
    assert browser.offer is None


@pytest.mark.parametrize("wish", ["require"], indirect=True)
async def test_a_session_that_must_be_bound_ends_soon_unless_it_is(browser: Browser, clock: ManualClock) -> None:
    other = Browser(browser.sessions)
    await other.call("create_new_session", "bob")
    assert (await browser.bind()).status == 200
    clock.advance(11 * MINUTE)
    with pytest.raises(Unauthorised):
        await other.call("refresh_session")
    assert (await browser.refresh()).status == 200
    clock.advance(24 * HOUR)
    browser.challenge = ""
    await browser.refresh(proof="")
    assert (await browser.refresh()).status == 200


@pytest.mark.parametrize("policy", [None, SessionPolicy(device_binding="off")], ids=["call", "policy"])
async def test_a_session_can_be_left_out_by_the_call_or_its_policy(
    browser: Browser, clock: ManualClock, policy: SessionPolicy | None
) -> None:
    other = Browser(browser.sessions)
    wish = {"device_binding": "off"} if policy is None else {"policy": policy}
    await other.call("create_new_session", "bob", **wish)
    assert other.offer is None
    clock.advance(HOUR)
    assert (await other.call("refresh_session")).get_user_id() == "bob"
    assert other.offer is None


@pytest.mark.parametrize(
    "policy", [None, SessionPolicy(device_binding="require", idle_ms=9 * HOUR)], ids=["call", "policy"]
)
async def test_a_session_can_be_demanded_to_be_bound_by_the_call_or_its_policy(
    browser: Browser, clock: ManualClock, policy: SessionPolicy | None
) -> None:
    bound, unbound = Browser(browser.sessions), Browser(browser.sessions)
    wish = {"device_binding": "require"} if policy is None else {"policy": policy}
    for each in (bound, unbound):
        await each.call("create_new_session", "bob", **wish)
    assert (await bound.bind()).status == 200
    clock.advance(11 * MINUTE)
    with pytest.raises(Unauthorised):
        await unbound.call("refresh_session")
    assert (await bound.refresh()).status == 200


async def test_a_token_that_would_grow_too_large_for_its_cookie_is_refused_at_the_sign_in(browser: Browser) -> None:
    for size in range(2500, 2900, 4):
        try:
            await browser.call("create_new_session", "bob", {"a": "x" * size})
        except AccessTokenTooLarge:
            break
        offered = dict(browser.said)
    browser.said = offered
    assert (await browser.bind()).status == 200
    assert len(f"{ACCESS}={browser.cookies[ACCESS]}") <= 4096


@pytest.mark.parametrize("wish", ["off"], indirect=True)
async def test_without_the_setting_nothing_of_it_is_there(browser: Browser) -> None:
    assert browser.offer is None
    assert [each.path for each in browser.endpoints.table() if each.path in {BIND, BOUND}] == []


async def test_bound_sessions_go_on_as_others_once_it_is_switched_off(browser: Browser, clock: ManualClock) -> None:
    await browser.bind()
    clock.advance(HOUR)
    ours = type(browser.sessions)
    store = browser.sessions.backend.store
    settings = dataclasses.replace(browser.sessions.settings, device_binding="off")
    engine = (AsyncEngine if ours is AsyncReseal else Engine)(settings, store, clock=clock, owns_store=False)
    await settled(engine.open())
    later = Client(ours(settings, sessions=engine, clock=clock))
    later.cookies = dict(browser.cookies)
    assert (await later.call("refresh_session")).get_user_id() == "alice"
    assert "Max-Age=8640000" in next(line for line in later.set if line.startswith(f"{ACCESS}="))


@pytest.mark.parametrize("wish", ["require"], indirect=True)
async def test_whoever_acts_as_another_user_is_bound_by_the_own_session_alone(
    browser: Browser, clock: ManualClock
) -> None:
    assert (await browser.bind()).status == 200
    await browser.call("impersonate", "bob", reason="ticket 4711")
    assert browser.offer is None
    response = SessionHeaders()
    await settled((await browser.call_within(response, "get_session")).update_jwt_payload({"plan": "gold"}))
    browser.receive(response)
    assert browser.offer is None
    clock.advance(20 * MINUTE)
    acted = await browser.call("get_session", method="GET", check_database=True)
    assert (acted.get_user_id(), acted.get_actor()) == ("bob", "alice")
    await browser.call("stop_impersonating")
    assert ACCESS not in browser.cookies
    assert (await browser.refresh()).status == 200
    assert (await browser.call("get_session", method="GET")).get_user_id() == "alice"
