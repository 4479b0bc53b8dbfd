"""Published, unmodified Python SDKs work against this service: each version in its own environment, in real apps."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reseal import AsyncSQLiteStore
from reseal.clock import SystemClock
from reseal.core.wire_keys import OVERLAP
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from tests.sdk.python_browser import THEFT, TRY_REFRESH, UNAUTHORISED, Visitor
from tests.sdk.python_sdks import SDKS, Sdk
from tests.sdk.service import CoreService, Running, free_port, wait_until

KEY = "a-key-of-the-python-tests"
ACCESS_TOKEN_LIFE = 2
APPS = Path(__file__).with_name("python_apps")
EVERYWHERE = [
    pytest.param((sdk, framework), id=f"{sdk.name}-{framework}", marks=pytest.mark.xdist_group(sdk.name))
    for sdk in SDKS
    for framework in sdk.frameworks
]
ONCE = [pytest.param(sdk, id=sdk.name, marks=pytest.mark.xdist_group(sdk.name)) for sdk in SDKS]
FIRST = [param for param in ONCE if not param.values[0].check_database]


class App:
    """An app in a process of its own."""

    def __init__(self, sdk: Sdk, framework: str, directory: Path, connection_uri: str, anti_csrf: str) -> None:
        self.sdk = sdk
        port = free_port()
        order = {"port": port, "connection_uri": connection_uri, "api_key": KEY, "anti_csrf": anti_csrf}
        name = "first_flask_app" if sdk.package == "supertokens-flask" else f"{framework}_app"
        command = [str(sdk.python()), "-W", "ignore", str(APPS / f"{name}.py"), json.dumps(order)]
        # the tests' own path must not reach into the environment of the SDK
        self.running = Running(command, port, directory / "app.log", cwd=directory, env={"PYTHONPATH": ""})
        self._browsers: list[Visitor] = []

    def browser(self, *, mode: str = "cookie") -> Visitor:
        found = Visitor(self.running.url, self.sdk.refresh_path, self.running.output, mode=mode)
        self._browsers.append(found)
        return found

    def copy(self, browser: Visitor) -> Visitor:
        self._browsers.append(browser.copy())
        return self._browsers[-1]

    def stop(self) -> None:
        for browser in self._browsers:
            browser.close()
        self.running.stop()


@pytest.fixture(scope="module")
def python_core(tmp_path_factory) -> Iterator[CoreService]:
    service = CoreService(
        tmp_path_factory.mktemp("core"),
        api_keys=[KEY],
        access_token_validity=ACCESS_TOKEN_LIFE,
        access_token_validity_jitter=0,
        enable_anti_csrf=True,
    )
    yield service.start()
    service.stop()


@pytest.fixture(scope="module")
def app(request, python_core, tmp_path_factory) -> Iterator[App]:
    """An app of each version and framework: one service, anti-CSRF tokens, access tokens that soon expire."""
    sdk, framework = request.param
    started = App(sdk, framework, tmp_path_factory.mktemp("app"), python_core.url, "VIA_TOKEN")
    started.running.wait()
    yield started
    started.stop()


@pytest.fixture
def user() -> str:
    return f"user-{uuid4()}"


@pytest.mark.parametrize("app", EVERYWHERE, indirect=True)
def test_a_session_lives_from_sign_in_to_sign_out(app, user):
    browser = app.browser()
    browser.must_be(browser.once("GET", "/verify"), 401, UNAUTHORISED)
    created = browser.sign_in(user, {"role": "guest"}, {"basket": 1})
    assert created["userId"] == user
    assert browser.call("GET", "/verify")["payload"]["role"] == "guest"
    expired: list[httpx.Response] = []

    def is_refused() -> bool:
        expired.append(browser.once("GET", "/verify"))
        return expired[-1].status_code != 200

    wait_until(is_refused, "the end of the access token", 15)
    browser.must_be(expired[-1], 401, TRY_REFRESH)
    before = browser.refresh_token
    browser.must_be(browser.refresh(), 200)
    assert browser.refresh_token != before
    assert browser.call("GET", "/verify")["handle"] == created["handle"]
    assert browser.call("PUT", "/payload", {"role": "owner"})["payload"]["role"] == "owner"
    assert browser.call("GET", "/verify")["payload"]["role"] == "owner"
    assert browser.call("GET", "/data") == {"basket": 1}
    browser.call("PUT", "/data", {"basket": 2})
    assert browser.call("GET", "/data") == {"basket": 2}
    assert browser.call("GET", "/list") == [created["handle"]]
    last = app.copy(browser)
    browser.call("POST", "/revoke")
    assert not browser.has_session
    browser.must_be(browser.once("GET", "/verify"), 401, UNAUTHORISED)
    last.must_be(last.refresh(), 401, UNAUTHORISED)


@pytest.mark.parametrize("app", [each for each in EVERYWHERE if each.values[0][0].has_info], indirect=True)
def test_everything_is_known_about_a_session(app, user):
    browser, earliest = app.browser(), time.time() * 1000 - 1000
    created = browser.sign_in(user, {"role": "guest"}, {"basket": 1})
    info = browser.call("GET", "/info")
    assert (info["handle"], info["userId"], info["data"]) == (created["handle"], user, {"basket": 1})
    assert info["payload"]["role"] == "guest"
    assert earliest < info["created"] < info["expiry"]


@pytest.mark.parametrize("app", [each for each in EVERYWHERE if each.values[0][0].signout_path], indirect=True)
def test_the_sign_out_endpoint_ends_the_session(app, user):
    browser = app.browser()
    browser.sign_in(user)
    # the next request gets a new access token, which must not outlive the sign-out in the same reply
    browser.must_be(browser.refresh(), 200)
    last = app.copy(browser)
    assert browser.call("POST", app.sdk.signout_path) == {"status": "OK"}
    assert not browser.has_session
    browser.must_be(browser.once("GET", "/verify"), 401, UNAUTHORISED)
    last.must_be(last.refresh(), 401, UNAUTHORISED)


@pytest.mark.parametrize("app", EVERYWHERE, indirect=True)
def test_a_token_used_after_its_successor_is_theft_and_ends_the_session(app, user):
    browser = app.browser()
    browser.sign_in(user)
    thief = app.copy(browser)
    browser.must_be(browser.refresh(), 200)
    browser.must_be(browser.once("GET", "/verify"), 200)
    if app.sdk.stumbles_over_theft:
        thief.must_be(thief.refresh(), 500)
        browser.must_be(browser.refresh(), 200)
        return
    thief.must_be(thief.refresh(), 401, THEFT)
    assert not thief.has_session
    browser.must_be(browser.refresh(), 401, UNAUTHORISED)


@pytest.mark.parametrize("app", EVERYWHERE, indirect=True)
def test_two_tabs_that_refresh_with_the_same_token_are_no_theft(app, user):
    browser = app.browser()
    created = browser.sign_in(user)
    other_tab = app.copy(browser)
    browser.must_be(browser.refresh(), 200)
    other_tab.must_be(other_tab.refresh(), 200)
    assert browser.refresh_token == other_tab.refresh_token
    for tab in (browser, other_tab, browser):
        assert tab.call("GET", "/verify")["handle"] == created["handle"]
    browser.must_be(browser.refresh(), 200)


@pytest.mark.parametrize("app", EVERYWHERE, indirect=True)
def test_anti_csrf_tokens_are_asked_for(app, user):
    browser = app.browser()
    browser.sign_in(user)
    assert browser.anti_csrf
    without, wrong = app.copy(browser), app.copy(browser)
    without.anti_csrf, wrong.anti_csrf = None, str(uuid4())
    browser.call("POST", "/verify")
    without.must_be(without.once("GET", "/verify"), 200)
    without.must_be(without.once("POST", "/verify"), 401, TRY_REFRESH)
    wrong.must_be(wrong.once("POST", "/verify"), 401, TRY_REFRESH)
    wrong.must_be(wrong.refresh(), 401, UNAUTHORISED)
    browser.must_be(browser.refresh(), 200)


@pytest.mark.parametrize("app", EVERYWHERE, indirect=True)
def test_sessions_are_listed_and_revoked_by_handle_and_by_user(app, user):
    first, second, stranger = app.browser(), app.browser(), app.browser()
    handles = {browser.sign_in(user)["handle"]: browser for browser in (first, second)}
    stranger.sign_in(f"{user}-stranger")
    [of_first, of_second] = handles
    assert set(first.call("GET", "/list")) == {of_first, of_second}
    assert first.call("POST", "/revoke-handles", [of_second, "no-such-session"]) == [of_second]
    assert first.call("GET", "/list") == [of_first]
    second.must_be(second.refresh(), 401, UNAUTHORISED)
    assert first.call("POST", "/revoke-all") == [of_first]
    first.must_be(first.refresh(), 401, UNAUTHORISED)
    stranger.must_be(stranger.refresh(), 200)


@pytest.mark.parametrize("app", [each for each in EVERYWHERE if each.values[0][0].check_database], indirect=True)
def test_a_revoked_session_is_refused_at_once_where_the_database_is_asked(app, user):
    browser, elsewhere = app.browser(), app.browser()
    browser.sign_in(user)
    assert browser.call("GET", "/verify-database")["userId"] == user
    elsewhere.sign_in(user)
    elsewhere.call("POST", "/revoke-all")
    # an access token that has expired by now is refreshed first, and that is refused too
    refused = browser.once("GET", "/verify-database")
    refused = refused if UNAUTHORISED in refused.text else browser.refresh()
    browser.must_be(refused, 401, UNAUTHORISED)


@pytest.mark.parametrize("app", [each for each in EVERYWHERE if each.values[0][0].sends_headers], indirect=True)
def test_tokens_travel_in_headers_where_the_client_asks_for_it(app, user):
    browser = app.browser(mode="header")
    created = browser.sign_in(user)
    assert set(browser.headers) == {"st-access-token", "st-refresh-token"}
    assert browser.cookie("sAccessToken") is None
    assert browser.anti_csrf is None
    browser.must_be(browser.refresh(), 200)
    assert browser.call("POST", "/verify")["handle"] == created["handle"]
    browser.call("POST", "/revoke")
    assert not browser.has_session


@pytest.fixture(scope="module")
def plain_core(tmp_path_factory) -> Iterator[CoreService]:
    service = CoreService(tmp_path_factory.mktemp("core"), api_keys=[KEY])
    asyncio.run(publish_a_key_whose_turn_it_is(service.database, 3 * OVERLAP))
    yield service.start()
    service.stop()


@pytest.fixture(scope="module")
def plain_app(request, plain_core, tmp_path_factory) -> Iterator[App]:
    """An app of each version: two services of which one is down, no anti-CSRF, tokens of an hour."""
    sdk, nobody = request.param, f"http://127.0.0.1:{free_port()}"
    hosts = [plain_core.url, nobody] if sdk.live_host_first else [nobody, plain_core.url]
    started = App(sdk, sdk.main_framework, tmp_path_factory.mktemp("app"), ";".join(hosts), "NONE")
    started.running.wait()
    yield started
    started.stop()


@pytest.mark.parametrize("plain_app", ONCE, indirect=True)
def test_an_sdk_speaks_the_newest_interface_that_it_knows(plain_app, plain_core, user):
    before = len(plain_core.output())
    plain_app.browser().sign_in(user)
    assert f"cdi-version {plain_app.sdk.cdi} of POST " in plain_core.output()[before:]


@pytest.mark.parametrize("plain_app", ONCE, indirect=True)
def test_a_service_that_is_down_is_passed_over(plain_app, user):
    for _ in range(3):
        browser = plain_app.browser()
        browser.sign_in(user)
        browser.must_be(browser.refresh(), 200)
        browser.call("GET", "/verify")


@pytest.mark.parametrize("plain_app", ONCE, indirect=True)
def test_anti_csrf_tokens_are_neither_given_nor_asked_for_where_they_are_off(plain_app, user):
    browser = plain_app.browser()
    browser.sign_in(user)
    assert browser.anti_csrf is None
    browser.must_be(browser.once("POST", "/verify"), 200)


@pytest.mark.parametrize("plain_app", ONCE, indirect=True)
def test_a_withdrawn_api_key_is_refused_and_sessions_outlive_a_restart(plain_app, plain_core, user):
    browser, new = plain_app.browser(), plain_app.browser()
    created = browser.sign_in(user)
    plain_core.stop()
    try:
        plain_core.start(api_keys=["another-key-of-the-python-tests"])
        refused = new.once("POST", "/create", {"userId": user, "payload": {}, "data": {}})
    finally:
        plain_core.stop()
        plain_core.start()
    assert refused.status_code == 500
    wait_until(lambda: "Invalid API key" in plain_app.running.output(), "the reason in the app's log", 15)
    browser.must_be(browser.refresh(), 200)
    assert browser.call("GET", "/verify")["handle"] == created["handle"]


@pytest.mark.parametrize("plain_app", ONCE, indirect=True)
async def test_sessions_outlive_the_replacement_of_the_signing_key(plain_app, plain_core, user):
    before, after = plain_app.browser(), plain_app.browser()
    old = before.sign_in(user)
    plain_core.stop()
    await publish_a_key_whose_turn_it_is(plain_core.database)
    plain_core.start()
    new = after.sign_in(user)
    assert (signer(plain_core, old["accessToken"]), signer(plain_core, new["accessToken"])) == (1, 0)
    for browser in (before, after):
        assert browser.call("GET", "/verify")["userId"] == user
    before.must_be(before.refresh(), 200)
    for browser in (before, after):
        assert browser.call("GET", "/verify")["userId"] == user


@pytest.mark.parametrize("sdk", FIRST)
def test_a_revoked_session_is_refused_at_once_where_the_service_says_so(sdk, user, tmp_path):
    core = CoreService(tmp_path, api_keys=[KEY], access_token_blacklisting=True).start()
    app = App(sdk, sdk.main_framework, tmp_path, core.url, "NONE")
    try:
        app.running.wait()
        browser, elsewhere = app.browser(), app.browser()
        browser.sign_in(user)
        browser.must_be(browser.once("GET", "/verify"), 200)
        elsewhere.sign_in(user)
        elsewhere.call("POST", "/revoke-all")
        browser.must_be(browser.once("GET", "/verify"), 401, UNAUTHORISED)
    finally:
        app.stop()
        core.stop()


class EarlierClock(SystemClock):
    """A clock that is late by some milliseconds."""

    def __init__(self, late_by: int) -> None:
        self._late_by = late_by

    def wall(self) -> int:
        return super().wall() - self._late_by


async def publish_a_key_whose_turn_it_is(database: Path, published: int = OVERLAP) -> None:
    """Let a service of the past leave the next signing key; it was ``published`` so many milliseconds ago."""
    clock = EarlierClock(published)
    service = Service(ServiceSettings(), AsyncSQLiteStore(database, clock), clock=clock)
    await service.open()
    default = await service.directory.find("public", "public")
    assert default is not None
    await default.driver.rotate_keys()
    await service.close()


def signer(core: CoreService, token: str) -> int:
    """Say which of the keys that a handshake lists has signed a token; the newest is 0."""
    reply = httpx.post(
        f"{core.url}/recipe/handshake", headers={"api-key": KEY, "cdi-version": "2.20"}, json={}, trust_env=False
    )
    message, _, signature = token.rpartition(".")
    for index, entry in enumerate(reply.json()["jwtSigningPublicKeyList"]):
        key: Any = load_der_public_key(b64decode(entry["publicKey"]))
        if _is_valid(lambda key=key: key.verify(_decoded(signature), message.encode(), PKCS1v15(), SHA256())):
            return index
    raise AssertionError("signed by none of them")


def _decoded(text: str) -> bytes:
    standard = text.replace("+", "-").replace("/", "_").rstrip("=")
    return urlsafe_b64decode(standard + "=" * (-len(standard) % 4))


def _is_valid(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True
