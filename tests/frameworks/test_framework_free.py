"""The same calls without any framework, async and sync: facts of a request in, headers of a response out."""

from __future__ import annotations

import inspect
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import reseal
from reseal import (
    AsyncReseal,
    GeneralError,
    HasClaim,
    InvalidClaims,
    InvalidInput,
    RequestFacts,
    Reseal,
    SessionHeaders,
    Settings,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
)
from reseal.testing import ManualClock
from tests.frameworks.site import ACCESS, API, EVIL, HOUR, REFRESH, WEBSITE


async def settled(result: Any) -> Any:
    """Wait for a result where it has to be waited for."""
    return await result if inspect.isawaitable(result) else result


class Client:
    """One browser in front of an async or a sync ``Reseal``."""

    def __init__(self, sessions: Any) -> None:
        self.sessions = sessions
        self.cookies: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.set: list[str] = []

    def copy(self) -> Client:
        other = Client(self.sessions)
        other.cookies = dict(self.cookies)
        return other

    async def call(self, name: str, *args: Any, method: str = "POST", origin: str = WEBSITE, **kwargs: Any) -> Any:
        """Call with the facts of a request; the headers arrive whether it raises or not, as a framework sees to."""
        response = SessionHeaders()
        try:
            return await self.call_within(response, name, *args, method=method, origin=origin, **kwargs)
        finally:
            self.receive(response)

    async def call_within(
        self,
        response: SessionHeaders,
        name: str,
        *args: Any,
        method: str = "POST",
        origin: str = WEBSITE,
        **kwargs: Any,
    ) -> Any:
        """Do the same for a response that goes on: it has not begun, and nothing arrives yet."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = RequestFacts.of(method, "/", [("Cookie", cookies), ("Origin", origin)], "192.0.2.1")
        return await settled(getattr(self.sessions, name)(request, response, *args, **kwargs))

    def receive(self, response: SessionHeaders) -> None:
        items = response.items()
        self.set = [value for name, value in items if name == "set-cookie"]
        self.said = {name: value for name, value in items if name != "set-cookie"}
        for line in self.set:
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            self.cookies[name] = value
            if "Max-Age=0;" in attributes:  # of the attributes alone: a token may contain any short text
                del self.cookies[name]

    @property
    def was_cleared(self) -> bool:
        return len(self.set) == 2 and not self.cookies and self.said.get("front-token") == "remove"


@pytest.fixture(params=[AsyncReseal, Reseal], ids=["async", "sync"])
def variant(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["memory", "sqlite"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    uri = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db"
    return Settings(api_domain=API, website_domain=WEBSITE, database_uri=uri)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def client(variant: Any, config: Settings, clock: ManualClock):
    sessions = variant(config, clock=clock)
    await settled(sessions.open())
    yield Client(sessions)
    await settled(sessions.close())


async def test_the_whole_life_of_a_session(client: Client, clock: ManualClock) -> None:
    session = await client.call("create_new_session", "alice", {"role": "admin"}, {"cart": []})
    assert (session.get_user_id(), session.get_jwt_payload()) == ("alice", {"role": "admin"})
    assert set(client.cookies) == {ACCESS, REFRESH}
    assert client.said["cache-control"] == "no-store"
    assert client.said["vary"] == "Cookie, Authorization"
    assert b'"uid":"alice"' in b64decode(client.said["front-token"])
    handle = session.get_handle()

    session = await client.call("get_session", method="GET")
    assert session.get_handle() == handle
    assert client.set == []
    assert client.said.keys() == {"cache-control", "vary"}

    clock.advance(HOUR)
    with pytest.raises(TryRefreshToken):
        await client.call("get_session", method="GET")
    assert client.set == []
    refreshed = await client.call("refresh_session")
    assert refreshed.get_handle() == handle
    assert len(client.set) == 2

    session = await client.call("get_session", check_database=True)
    assert await settled(session.get_session_data()) == {"cart": []}
    await settled(session.update_session_data({"cart": ["tea"]}))
    assert await settled(client.sessions.get_session_data(handle)) == {"cart": ["tea"]}
    with pytest.raises(InvalidClaims):
        await client.call("get_session", claims=[HasClaim("mfa")])
    await settled(client.sessions.update_jwt_payload(handle, {"mfa": True}))
    assert await settled(client.sessions.get_jwt_payload(handle)) == {"mfa": True}
    session = await client.call("get_session", check_database=True, claims=[HasClaim("mfa")])
    assert len(client.set) == 1
    assert session.get_jwt_payload() == {"mfa": True}

    await client.call("sign_out")
    assert client.was_cleared
    assert await settled(client.sessions.get_all_session_handles_for_user("alice")) == ()
    with pytest.raises(Unauthorised):
        await client.call("get_session", method="GET")
    assert client.set == []


async def test_a_payload_changed_by_its_session_reaches_the_headers_of_that_response(
    variant: Any, client: Client
) -> None:
    await client.call("create_new_session", "alice")
    response = SessionHeaders()
    request = RequestFacts.of("POST", "/", [("cookie", f"{ACCESS}={client.cookies[ACCESS]}"), ("origin", WEBSITE)])
    session = await settled(client.sessions.get_session(request, response))
    await settled(session.update_jwt_payload({"plan": "gold"}))
    assert session.get_jwt_payload() == {"plan": "gold"}
    client.receive(response)
    assert len(client.set) == 1
    again = await client.call("get_session", method="GET")
    assert again.get_jwt_payload() == {"plan": "gold"}
    response = SessionHeaders()
    session = await settled(client.sessions.get_session(request, response))
    await settled(session.revoke_session())
    client.receive(response)
    assert client.was_cleared


async def test_a_refusal_carries_the_clearing_headers(client: Client, clock: ManualClock) -> None:
    await client.call("create_new_session", "alice")
    await settled(client.sessions.revoke_all_sessions_for_user("alice"))
    checking, refreshing = client.copy(), client.copy()
    with pytest.raises(Unauthorised, match="user_revoked"):
        await checking.call("get_session", check_database=True)
    assert checking.was_cleared
    with pytest.raises(Unauthorised, match="user_revoked"):
        await refreshing.call("refresh_session")
    assert refreshing.was_cleared

    client.cookies = {REFRESH: "garbage"}
    with pytest.raises(Unauthorised, match="malformed"):
        await client.call("refresh_session")
    assert client.was_cleared


async def test_theft_is_raised_with_whose_session_it_was_and_clears(client: Client, clock: ManualClock) -> None:
    session = await client.call("create_new_session", "alice")
    thief = client.copy()
    await client.call("refresh_session")
    await client.call("get_session", check_database=True)
    clock.advance(HOUR)
    with pytest.raises(TokenTheftDetected) as caught:
        await thief.call("refresh_session")
    assert (caught.value.user_id, caught.value.session_handle) == ("alice", session.get_handle())
    assert thief.was_cleared
    assert reseal.is_error_from_auth(caught.value)


async def test_the_sending_page_and_the_method_are_checked(client: Client) -> None:
    await client.call("create_new_session", "alice")
    for call in ("refresh_session", "sign_out", "get_session"):
        with pytest.raises(Unauthorised, match="cross_site"):
            await client.call(call, origin=EVIL)
        assert client.set == []
    for call in ("refresh_session", "sign_out"):
        with pytest.raises(WrongMethod):
            await client.call(call, method="GET")
        assert client.set == []
    assert (await client.call("refresh_session")).get_user_id() == "alice"


# S05
async def test_signing_in_ends_the_session_that_the_browser_held(client: Client) -> None:
    first = await client.call("create_new_session", "mallory")
    second = await client.call("create_new_session", "alice")
    assert await settled(client.sessions.get_all_session_handles_for_user("mallory")) == ()
    assert first.get_handle() != second.get_handle()


async def test_what_cannot_be_kept_is_refused_and_says_nothing_to_the_browser(client: Client) -> None:
    for args in (("",), ("a\0b",), (7,), ("alice", {"x": float("nan")}), ("alice", {"x": "y" * 5000}), ("alice", [])):
        with pytest.raises(InvalidInput):
            await client.call("create_new_session", *args)
        assert client.set == []
    assert await settled(client.sessions.get_all_session_handles_for_user("alice")) == ()


async def test_sessions_by_handle_and_by_user_need_no_request(client: Client) -> None:
    handles = [(await client.copy().call("create_new_session", "alice")).get_handle() for _ in range(4)]
    sessions = client.sessions
    assert await settled(sessions.get_all_session_handles_for_user("alice")) == tuple(sorted(handles))
    assert await settled(sessions.revoke_session_using_session_handle(handles[0])) is True
    assert await settled(sessions.revoke_session_using_session_handle(handles[0])) is False
    assert await settled(sessions.revoke_multiple_sessions(handles[:2])) == (handles[1],)
    assert set(await settled(sessions.revoke_all_sessions_for_user("alice", keep=handles[2]))) == {handles[3]}
    assert await settled(sessions.get_all_session_handles_for_user("alice")) == (handles[2],)
    with pytest.raises(Unauthorised):
        await settled(sessions.get_session_data(handles[0]))
    with pytest.raises(Unauthorised):
        await settled(sessions.update_session_data("no such handle", {}))


async def test_sync_calls_go_on_where_async_ones_left_off(tmp_path: Path, clock: ManualClock) -> None:
    settings = Settings(api_domain=API, website_domain=WEBSITE, database_uri=f"sqlite:///{tmp_path}/both.db")
    with Reseal(settings, clock=clock) as sync:
        client = Client(sync)
        await client.call("create_new_session", "alice")
    async with AsyncReseal(settings, clock=clock) as other:
        client.sessions = other
        assert (await client.call("refresh_session")).get_user_id() == "alice"


async def test_tokens_travel_in_headers_and_bodies_async_and_sync(client: Client) -> None:
    tokens: dict[str, str] = {}

    async def call(name: str, *args: Any, bearer: str = "", body: bytes = b"") -> Any:
        lines = [("st-auth-mode", "header"), ("content-type", "application/json")]
        lines += [("authorization", f"Bearer {tokens[bearer]}")] if bearer else []
        response = SessionHeaders()
        request = RequestFacts.of("POST", "/", lines, body=body)
        try:
            return await settled(getattr(client.sessions, name)(request, response, *args))
        finally:
            said = dict(response.items())
            assert "set-cookie" not in said
            tokens.update(
                {name: said[f"st-{name}-token"] for name in ("access", "refresh") if f"st-{name}-token" in said}
            )

    session = await call("create_new_session", "alice")
    assert (await call("get_session", bearer="access")).get_handle() == session.get_handle()
    first = tokens["refresh"]
    assert await call("answer_refresh", bearer="refresh") == {}
    assert tokens["refresh"] != first
    given = await call("answer_refresh", body=f'{{"refresh_token": "{tokens["refresh"]}"}}'.encode())
    assert given == {
        "access_token": tokens["access"],
        "refresh_token": tokens["refresh"],
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    await call("sign_out", bearer="access")
    assert tokens == {"access": "", "refresh": ""}
    assert await settled(client.sessions.get_all_session_handles_for_user("alice")) == ()


@pytest.mark.parametrize("call", ["get_session", "refresh_session", "sign_out", "create_new_session"])
async def test_calls_before_opening_say_what_is_missing(variant: Any, config: Settings, call: str) -> None:
    client = Client(variant(config))
    client.cookies = {ACCESS: "x", REFRESH: "x"}
    with pytest.raises(RuntimeError, match="open"):
        await client.call(call, *(["alice"] if call == "create_new_session" else []))


# -- changes of session data ----------------------------------------------------------------------------------------


@dataclass
class Cart:
    items: list[str]


def add(item: str) -> Any:
    return lambda data: data | {"cart": [*data.get("cart", ()), item]}


async def test_data_is_changed_by_a_function_on_the_session_and_by_its_handle(client: Client) -> None:
    session = await client.call("create_new_session", "alice", {}, {"cart": ["tea"]})
    assert await settled(session.change_session_data(add("milk"))) == {"cart": ["tea", "milk"]}
    by_handle = client.sessions.change_session_data(session.get_handle(), add("salt"))
    assert await settled(by_handle) == {"cart": ["tea", "milk", "salt"]}
    assert await settled(session.get_session_data()) == {"cart": ["tea", "milk", "salt"]}


async def test_data_is_read_and_changed_as_a_type_of_the_application(client: Client) -> None:
    session = await client.call("create_new_session", "alice", {}, {"items": ["tea"]})
    handle = session.get_handle()
    assert await settled(session.get_session_data(as_=Cart)) == Cart(["tea"])
    assert await settled(session.change_session_data(lambda cart: Cart([*cart.items, "milk"]), as_=Cart)) == Cart(
        ["tea", "milk"]
    )
    assert await settled(client.sessions.get_session_data(handle, as_=Cart)) == Cart(["tea", "milk"])
    assert await settled(session.get_session_data()) == {"items": ["tea", "milk"]}


async def test_data_that_does_not_fit_the_type_is_named_and_stays(client: Client) -> None:
    session = await client.call("create_new_session", "alice", {}, {"items": 3})
    with pytest.raises(GeneralError, match=r"session_data: the stored object does not match Cart: .*\$\.items"):
        await settled(session.get_session_data(as_=Cart))
    with pytest.raises(GeneralError, match="does not match Cart"):
        await settled(session.change_session_data(lambda cart: cart, as_=Cart))
    assert await settled(session.get_session_data()) == {"items": 3}


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (None, "the function must return the new data; it returned None"),
        ([1], "must be a JSON object"),
        ({"a": {1}}, "cannot keep|is not JSON"),
    ],
)
async def test_a_change_to_what_is_no_object_is_refused_and_nothing_is_written(
    client: Client, returned: Any, problem: str
) -> None:
    session = await client.call("create_new_session", "alice", {}, {"n": 1})
    with pytest.raises(InvalidInput, match=problem):
        await settled(session.change_session_data(lambda _: returned))
    assert await settled(session.get_session_data()) == {"n": 1}


async def test_a_change_of_an_ended_session_is_unauthorised_and_clears_its_cookies(client: Client) -> None:
    session = await client.call("create_new_session", "alice", {}, {"n": 1})
    await settled(client.sessions.revoke_session_using_session_handle(session.get_handle()))
    with pytest.raises(Unauthorised):
        await settled(session.change_session_data(lambda data: data))
    with pytest.raises(Unauthorised):
        await settled(client.sessions.change_session_data(session.get_handle(), lambda data: data))
