"""What a session that is bound to a device, or is about to be, refuses at its endpoints: and what its browser hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from reseal import AsyncReseal, ConfigurationError, Event, EventName, Reseal, Settings
from reseal.core import binding
from reseal.core.model import Scope
from reseal.testing import ManualClock
from tests.frameworks.site import ACCESS, API, HOUR, REFRESH, WEBSITE
from tests.frameworks.test_device_binding import BIND, BOUND, Browser, names
from tests.frameworks.test_framework_free import settled
from tests.support.device import Device

OpenBrowser = Callable[..., Awaitable[Browser]]
REFUSED = (401, {"message": "unauthorised"})
OVER = (200, {"continue": False})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=[AsyncReseal, Reseal], ids=["async", "sync"])
async def open_browser(
    request: pytest.FixtureRequest, clock: ManualClock, events: list[Event]
) -> AsyncIterator[OpenBrowser]:
    """Sign a browser in at an application with settings of the test's choice."""
    async with AsyncExitStack() as stack:

        async def opened(**given: Any) -> Browser:
            settings = Settings(
                **({"api_domain": API, "website_domain": WEBSITE, "database_uri": "memory:"} | given),
                device_binding="offer",
            )
            sessions = request.param(settings, clock=clock, on_event=events.append)
            await settled(sessions.open())
            stack.push_async_callback(lambda: settled(sessions.close()))
            return await signed_in(sessions)

        yield opened


@pytest.fixture
async def browser(open_browser: OpenBrowser) -> Browser:
    return await open_browser()


async def signed_in(sessions: Any, user: str = "alice") -> Browser:
    browser = Browser(sessions)
    await browser.call("create_new_session", user, origin=sessions.settings.website_domain or API)
    return browser


def said(answer: Any) -> tuple[int, Any]:
    return answer.status, json.loads(answer.body)


def forged(browser: Browser, scope: Scope, generation: int, until: int) -> str:
    """Write a challenge for the browser's session as the server would, had it another name."""
    key = browser.sessions.backend._families._secrets().refresh_key
    return binding.challenge(scope, key, browser.cookies[REFRESH].split(".")[1], generation, until)


async def goes_on(browser: Browser) -> None:
    """The owner's browser refreshes, and nothing has happened to it."""
    assert (await browser.refresh()).status == 200
    assert (await browser.call("get_session", method="GET", check_database=True)).get_user_id() == "alice"


@pytest.mark.parametrize("scope", [Scope("shop", "public"), Scope("public", "other")], ids=["app", "tenant"])
async def test_a_challenge_of_another_app_or_tenant_is_refused(
    browser: Browser, clock: ManualClock, events: list[Event], scope: Scope
) -> None:
    other, offered = forged(browser, scope, 0, clock.wall() + HOUR), dict(browser.said)
    assert said(await browser.send_proof(BIND, browser.device.proof(other, brings_key=True))) == REFUSED
    browser.said = offered
    await browser.bind()
    assert said(await browser.refresh(browser.device.proof(other, brings_key=False))) == REFUSED
    assert names(events).count(EventName.BINDING_REFUSED) == 2
    same = forged(browser, Scope(), 0, clock.wall() + HOUR)
    assert (await browser.refresh(browser.device.proof(same, brings_key=False))).status == 200


async def test_the_challenge_of_another_session_is_refused(browser: Browser) -> None:
    other = await signed_in(browser.sessions)
    await other.bind()
    await browser.bind()
    assert said(await browser.refresh(browser.device.proof(other.challenge, brings_key=False))) == REFUSED
    await goes_on(browser)


async def test_the_id_of_another_session_is_refused_with_the_own_proof(browser: Browser) -> None:
    other = await signed_in(browser.sessions)
    await other.bind()
    await browser.bind()
    own, browser.session = browser.session, other.session
    assert said(await browser.refresh()) == REFUSED
    browser.session = own
    await goes_on(browser)
    assert (await other.refresh()).status == 200


@pytest.mark.parametrize("headers", [[], ["", ""], ["other", "other"]], ids=["none", "empty", "two"])
async def test_a_refresh_that_names_no_one_session_is_refused(browser: Browser, headers: list[str]) -> None:
    await browser.bind()
    proof = browser.device.proof(browser.challenge, brings_key=False)
    lines = [("Sec-Secure-Session-Id", f'"{each}"') for each in headers]
    assert said(await browser.send(BOUND, *lines, ("Secure-Session-Response", proof))) == REFUSED
    await goes_on(browser)


async def test_two_proofs_are_none(browser: Browser) -> None:
    assert browser.offer is not None
    challenge = browser.offer.rpartition('="')[2].rstrip('"')
    proof = ("Secure-Session-Response", browser.device.proof(challenge, brings_key=True))
    assert said(await browser.send(BIND, proof, proof)) == REFUSED
    assert said(await browser.send(BIND, (proof[0], f"{proof[1]}, {proof[1]}"))) == REFUSED, "as WSGI joins them"
    assert (await browser.send(BIND, proof)).status == 200
    named = ("Sec-Secure-Session-Id", f'"{browser.session}"')
    proof = ("Secure-Session-Response", browser.device.proof(browser.challenge, brings_key=False))
    assert said(await browser.send(BOUND, named, proof, proof)) == REFUSED
    assert said(await browser.send(BOUND, named, (proof[0], f"{proof[1]},{proof[1]}"))) == REFUSED
    assert (await browser.send(BOUND, named, proof)).status == 200


@pytest.mark.parametrize("form", ['"{}"', "{}"], ids=["a string", "a token"])
async def test_a_proof_is_read_as_a_string_and_as_a_token(browser: Browser, form: str) -> None:
    assert browser.offer is not None
    challenge = browser.offer.rpartition('="')[2].rstrip('"')
    proof = form.format(browser.device.proof(challenge, brings_key=True))
    assert (await browser.send(BIND, ("Secure-Session-Response", proof))).status == 200
    assert (await browser.refresh(form.format(browser.device.proof(browser.challenge, brings_key=False)))).status == 200


async def test_a_key_in_a_proof_is_refused_at_a_refresh(browser: Browser, events: list[Event]) -> None:
    await browser.bind()
    for device in (browser.device, Device()):
        assert said(await browser.refresh(device.proof(browser.challenge, brings_key=True))) == REFUSED
    assert names(events).count(EventName.BINDING_REFUSED) == 2
    await goes_on(browser)


async def test_nothing_else_that_a_proof_says_comes_back(browser: Browser) -> None:
    assert browser.offer is not None
    challenge = browser.offer.rpartition('="')[2].rstrip('"')
    device, foreign = browser.device, "x\r\nset-cookie: planted=1"
    claims = {"jti": challenge, "authorization": foreign, "iss": foreign}
    proof = device.jws({"alg": "ES256", "typ": binding.BROWSER_PROOF, "jwk": device.jwk, "kid": foreign}, claims)
    answer = await browser.send(BIND, ("Secure-Session-Response", proof), ("Authorization", "planted"))
    assert answer.status == 200
    assert "planted" not in f"{answer.body!r} {answer.headers} {browser.said} {browser.set}"


async def test_a_registration_without_a_proof_is_refused(browser: Browser) -> None:
    offered = dict(browser.said)
    assert said(await browser.send(BIND)) == REFUSED
    browser.said = offered
    assert (await browser.bind()).status == 200


async def test_nobody_binds_a_session_with_the_cookies_of_another_one(browser: Browser, events: list[Event]) -> None:
    other = await signed_in(browser.sessions, "bob")
    other.said = dict(browser.said)
    assert said(await other.bind()) == REFUSED, "the challenge is not one of the session whose cookies came"
    own = browser.cookies
    browser.cookies = {ACCESS: own[ACCESS], REFRESH: other.cookies[REFRESH]}
    assert (await browser.bind()).status == 401, "a neighbouring host may have set one of them"
    assert EventName.SESSION_BOUND not in names(events)
    browser.cookies = own
    await browser.call("refresh_session")
    assert (await browser.bind()).status == 200


async def test_a_session_is_not_bound_after_the_sign_out(browser: Browser, events: list[Event]) -> None:
    offered, late = dict(browser.said), browser.stolen(browser.device)
    await browser.call("sign_out")
    for each in (late, browser):
        each.said = offered
        assert (await each.bind()).status == 401
    assert EventName.SESSION_BOUND not in names(events)


async def test_of_two_keys_at_the_same_time_one_wins(browser: Browser, events: list[Event]) -> None:
    other = browser.stolen()
    other.said = dict(browser.said)
    answers = await asyncio.gather(browser.bind(), other.bind())
    assert sorted(answer.status for answer in answers) == [200, 401]
    assert names(events).count(EventName.SESSION_BOUND) == 1
    winner, loser = (browser, other) if answers[0].status == 200 else (other, browser)
    loser.challenge, loser.session = winner.challenge, winner.session
    assert said(await loser.refresh()) == REFUSED
    assert (await winner.refresh()).status == 200


async def test_a_good_proof_of_a_session_that_was_signed_out_is_told_that_it_is_over(browser: Browser) -> None:
    await browser.bind()
    late = browser.stolen(browser.device)
    await browser.call("sign_out")
    assert said(await late.refresh()) == OVER
    assert late.cookies == {}
    assert said(await browser.refresh()) == OVER, "it has no cookies"


async def test_a_session_that_is_held_stays_bound_in_its_browser(open_browser: OpenBrowser, clock: ManualClock) -> None:
    browser = await open_browser(theft_response="hold")
    await browser.bind()
    restored = browser.stolen(browser.device)
    for _ in range(3):
        clock.advance(HOUR)
        assert (await browser.refresh()).status == 200
    clock.advance(HOUR)
    assert (await restored.refresh()).status == 403, "with a challenge"
    for each in (restored, browser):
        answer = await each.refresh()
        assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "5"), "403 would end what is bound"
        assert REFRESH in each.cookies


async def test_a_browser_whose_cookie_is_at_the_other_path_is_sent_there(open_browser: OpenBrowser) -> None:
    browser = await open_browser(refresh_api_path="/api/refresh", older_refresh_api_path="/session/refresh")
    assert json.loads((await browser.bind()).body)["refresh_url"] == "/api/refresh/bound"
    refresh_cookie = browser.cookies.pop(REFRESH)
    lines = (
        ("Sec-Secure-Session-Id", f'"{browser.session}"'),
        (
            "Secure-Session-Response",
            browser.device.proof(browser.challenge, brings_key=False),
        ),
    )
    answer = await browser.send(BOUND, *lines)
    location = dict(answer.headers)["location"]
    assert (answer.status, location) == (307, "/api/refresh/moved/bound")
    browser.cookies[REFRESH] = refresh_cookie
    answer = await browser.send(location, *lines)
    assert (answer.status, json.loads(answer.body)["refresh_url"]) == (200, "/api/refresh/bound")


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        ({}, "Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"cookie_same_site": "strict"}, "Path=/; Secure; HttpOnly; SameSite=Strict"),
        ({"cookie_same_site": "none", "enable_anti_csrf": True}, "Path=/; Secure; HttpOnly; SameSite=None"),
        (
            {"access_token_path": "/sub", "signout_api_path": "/sub/signout", "public_path_prefix": "/api"},
            "Path=/api/sub; Secure; HttpOnly; SameSite=Lax",
        ),
    ],
    ids=["default", "strict", "none", "a part of the paths"],
)
async def test_the_instructions_name_the_cookie_as_it_was_set(
    open_browser: OpenBrowser, clock: ManualClock, given: dict[str, Any], attributes: str
) -> None:
    browser = await open_browser(**given)
    prefix = given.get("public_path_prefix", "")
    assert browser.offer is not None
    assert f'path="{prefix}{BIND}"' in browser.offer
    challenge = browser.offer.rpartition('="')[2].rstrip('"')
    answers = [await browser.send_proof(BIND, browser.device.proof(challenge, brings_key=True))]
    clock.advance(HOUR)
    answers.append(await browser.refresh())
    for answer in answers:
        told = json.loads(answer.body)
        (credential,) = told["credentials"]
        assert credential["attributes"] == attributes
        assert told["refresh_url"] == prefix + BOUND
        assert told["allowed_refresh_initiators"] == ["www.example.com"]
    (line,) = [each for each in browser.set if each.startswith(f"{credential['name']}=") and "Max-Age=0;" not in each]
    kept = {each for each in line.split("; ")[1:] if not each.startswith(("Max-Age", "Expires", "expires"))}
    assert kept == set(attributes.split("; "))


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({"website_domain": API}, None),
        ({"website_domain": None}, None),
        ({"trusted_origins": ("https://admin.example.com:8443",)}, ["admin.example.com", "www.example.com"]),
    ],
    ids=["one host", "no website", "several"],
)
async def test_the_instructions_name_the_hosts_whose_pages_may_have_a_refresh_made(
    open_browser: OpenBrowser, given: dict[str, Any], hosts: list[str] | None
) -> None:
    browser = await open_browser(**given)
    assert json.loads((await browser.bind()).body).get("allowed_refresh_initiators") == hosts


async def test_sessions_in_partitioned_cookies_get_no_offer(open_browser: OpenBrowser, clock: ManualClock) -> None:
    browser = await open_browser(cookie_same_site="none", enable_anti_csrf=True, cookie_partitioned=True)
    assert browser.offer is None
    clock.advance(HOUR)
    assert (await browser.call("refresh_session")).get_user_id() == "alice"
    assert browser.offer is None


@pytest.mark.parametrize(
    "given",
    [
        {"cookie_domain": "example.com"},
        {"cookie_same_site": "none", "enable_anti_csrf": True, "cookie_partitioned": True},
    ],
    ids=["domain", "partitioned"],
)
def test_to_require_it_of_cookies_that_no_browser_binds_is_a_problem(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="remove cookie_domain and cookie_partitioned"):
        Settings(api_domain=API, database_uri="memory:", device_binding="require", **given)
    Settings(api_domain=API, database_uri="memory:", device_binding="offer", **given)
