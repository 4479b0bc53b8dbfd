"""A user who acts as another one for a while, and comes back: async and sync, by cookies and by headers."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from reseal import (
    AsyncReseal,
    Event,
    EventName,
    InvalidClaims,
    InvalidInput,
    NotImpersonated,
    RefreshFirst,
    RequestFacts,
    Reseal,
    SessionHeaders,
    SessionPolicy,
    Settings,
    TryRefreshToken,
    Unauthorised,
)
from reseal.fastapi import Reseal as FastAPIReseal
from reseal.testing import ManualClock, as_browser
from tests.frameworks.site import ACCESS, API, HOUR, MINUTE, REFRESH, WEBSITE
from tests.frameworks.test_framework_free import Client, settled


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=[AsyncReseal, Reseal], ids=["async", "sync"])
async def admin(request: pytest.FixtureRequest, clock: ManualClock, events: list[Event]):
    """The browser of an administrator who is signed in."""
    settings = Settings(
        api_domain=API,
        website_domain=WEBSITE,
        database_uri="memory:",
        new_device_events=True,
        policies=[
            SessionPolicy(name="default", max_sessions=1),
            SessionPolicy(name="refusing", max_sessions=1, at_limit="refuse"),
        ],
    )
    sessions = request.param(settings, clock=clock, on_event=events.append)
    await settled(sessions.open())
    client = Client(sessions)
    await client.call("create_new_session", "admin", {"role": "admin"})
    yield client
    await settled(sessions.close())


async def of_session(client: Client, session: Any, call: str, *arguments: Any) -> Any:
    """Call a method of a session; ``check_database`` verifies it once more, asking the store."""
    if call == "check_database":
        return await client.call("get_session", check_database=True)
    return await settled(getattr(session, call)(*arguments))


def front(client: Client) -> Any:
    return json.loads(b64decode(client.said["front-token"]))


async def test_the_other_user_s_session_names_the_actor_and_leaves_the_actor_s_own_alone(
    admin: Client, events: list[Event]
) -> None:
    (own,) = await settled(admin.sessions.get_all_session_handles_for_user("admin"))
    refresh_cookie = admin.cookies[REFRESH]
    session = await admin.call("impersonate", "alice", {"role": "customer"}, {"cart": []}, reason="ticket 4711")
    assert (session.get_user_id(), session.get_actor()) == ("alice", "admin")
    assert admin.cookies[REFRESH] == refresh_cookie, "of an impersonation there is no refresh token"
    seen = await admin.call("get_session", method="GET", check_database=True)
    assert seen.get_jwt_payload() == {"role": "customer", "act": {"sub": "admin", "sid": own}}
    assert await settled(seen.get_session_data()) == {"cart": []}
    assert await settled(admin.sessions.get_all_session_handles_for_user("admin")) == (own,)
    told = next(event for event in events if event.name is EventName.IMPERSONATION_BEGUN)
    assert (told.user_id, told.by, told.note, told.session_handle) == (
        "alice",
        "admin",
        "ticket 4711",
        seen.get_handle(),
    )


async def test_to_stop_leads_back_to_the_actor_s_own_session_by_one_refresh(admin: Client, events: list[Event]) -> None:
    (own,) = await settled(admin.sessions.get_all_session_handles_for_user("admin"))
    await admin.call("impersonate", "alice", reason="ticket 4711")
    await admin.call("stop_impersonating")
    assert ACCESS not in admin.cookies
    assert (front(admin)["uid"], front(admin)["ate"]) == ("admin", 0), "the page is to refresh before its next call"
    assert await settled(admin.sessions.get_all_session_handles_for_user("alice")) == ()
    session = await admin.call("refresh_session")
    assert (session.get_user_id(), session.get_handle(), session.get_actor()) == ("admin", own, None)
    assert EventName.IMPERSONATION_ENDED in {event.name for event in events}
    assert EventName.TOKEN_THEFT not in {event.name for event in events}


@pytest.mark.parametrize("minutes", [10, 31, 59, 61])
async def test_a_refresh_at_any_time_ends_it_and_leads_back(admin: Client, clock: ManualClock, minutes: int) -> None:
    await admin.call("impersonate", "alice", reason="ticket 4711", at_most=2 * HOUR)
    clock.advance(minutes * MINUTE)
    assert (await admin.call("refresh_session")).get_user_id() == "admin"
    assert await settled(admin.sessions.get_all_session_handles_for_user("alice")) == ()


async def test_it_ends_by_itself_after_the_time_that_was_asked_for(admin: Client, clock: ManualClock) -> None:
    session = await admin.call("impersonate", "alice", reason="ticket 4711", at_most=10 * MINUTE)
    assert session.get_expiry() <= clock.wall() + 10 * MINUTE
    clock.advance(10 * MINUTE)
    with pytest.raises(Exception, match="try refresh token"):
        await admin.call("get_session", method="GET")
    assert await settled(admin.sessions.get_all_session_handles_for_user("alice")) == ()


@pytest.mark.parametrize("way", ["sign_out", "revoke_session"])
async def test_an_actor_who_signs_out_is_signed_out_whole(admin: Client, events: list[Event], way: str) -> None:
    session = await admin.call("impersonate", "alice", reason="ticket 4711")
    if way == "sign_out":
        await admin.call("sign_out")
    else:
        response = SessionHeaders()
        await settled((await admin.call_within(response, "get_session")).revoke_session())
        admin.receive(response)
    assert admin.cookies == {}
    [ended] = [each for each in events if each.name is EventName.IMPERSONATION_ENDED]
    assert (ended.session_handle, ended.user_id, ended.by, ended.reason) == (
        session.get_handle(),
        "alice",
        "admin",
        "signed_out",
    )
    for user in ("alice", "admin"):
        assert await settled(admin.sessions.get_all_session_handles_for_user(user)) == ()


@pytest.mark.parametrize("call", ["get_session_data", "update_jwt_payload", "create_ticket", "check_database"])
async def test_it_ends_with_the_actor_s_own_session_and_the_browser_is_told_why(admin: Client, call: str) -> None:
    session = await admin.call_within(SessionHeaders(), "impersonate", "alice", reason="ticket 4711")
    await admin.call("impersonate", "alice", reason="ticket 4711")
    [own] = await settled(admin.sessions.get_all_session_handles_for_user("admin"))
    await settled(admin.sessions.revoke_session_using_session_handle(own, note="your shift is over"))
    arguments = {"update_jwt_payload": ({},), "create_ticket": ("/live",)}.get(call, ())
    with pytest.raises(TryRefreshToken, match="impersonation is over: revoked"):
        await of_session(admin, session, call, *arguments)
    assert REFRESH in admin.cookies
    with pytest.raises(Unauthorised) as refused:
        await admin.call("refresh_session")
    assert (refused.value.reason, refused.value.note) == ("revoked", "your shift is over")
    assert admin.cookies == {}
    assert await settled(admin.sessions.get_all_session_handles_for_user("alice")) == ()


async def test_a_user_who_ends_it_sends_the_actor_back_to_the_own_session(admin: Client, events: list[Event]) -> None:
    alice = Client(admin.sessions)
    own = await alice.call("create_new_session", "alice")
    await admin.call("impersonate", "alice", reason="ticket 4711")
    assert {each.actor for each in await settled(own.list_sessions())} == {None, "admin"}
    await settled(own.revoke_other_sessions())
    assert isinstance(await admin.call("peek", check_database=True), RefreshFirst)
    with pytest.raises(TryRefreshToken, match="impersonation is over: user_revoked"):
        await admin.call("get_session", check_database=True)
    assert (await admin.call("refresh_session")).get_user_id() == "admin"
    assert (await alice.call("get_session", check_database=True)).get_user_id() == "alice"
    assert EventName.IMPERSONATION_ENDED not in {event.name for event in events}, "session_revoked tells that"


async def test_a_new_sign_in_of_the_browser_replaces_both(admin: Client, events: list[Event]) -> None:
    await admin.call("impersonate", "alice", reason="ticket 4711")
    await admin.call("create_new_session", "bob")
    for user in ("alice", "admin"):
        assert await settled(admin.sessions.get_all_session_handles_for_user(user)) == ()
    assert [each.reason for each in events if each.name is EventName.IMPERSONATION_ENDED] == ["replaced"]


async def test_a_payload_that_is_replaced_keeps_the_actor_and_takes_no_other(admin: Client) -> None:
    session = await admin.call_within(SessionHeaders(), "impersonate", "alice", reason="ticket 4711")
    await settled(session.update_jwt_payload({"plan": "gold"}))
    assert (session.get_jwt_payload()["plan"], session.get_actor()) == ("gold", "admin")
    await settled(session.update_jwt_payload({**session.get_jwt_payload(), "plan": "silver"}))
    await settled(admin.sessions.update_jwt_payload(session.get_handle(), {"plan": "none"}))
    assert (await settled(admin.sessions.get_jwt_payload(session.get_handle())))["act"]["sub"] == "admin"
    with pytest.raises(InvalidInput, match="says who acts for the user: call impersonate"):
        await settled(session.update_jwt_payload({"act": {"sub": "bob", "sid": "handle"}}))


async def test_nobody_names_an_actor_by_hand(admin: Client) -> None:
    with pytest.raises(InvalidInput, match="call impersonate"):
        await admin.call("create_new_session", "alice", {"act": {"sub": "admin", "sid": "handle"}})
    session = await admin.call("create_new_session", "alice", {"act": "one"})
    assert (session.get_jwt_payload(), session.get_actor()) == ({"act": "one"}, None)


async def test_an_impersonation_is_not_nested_and_wants_a_reason_and_a_live_session(admin: Client) -> None:
    with pytest.raises(InvalidInput, match="reason: must say why"):
        await admin.call("impersonate", "alice", reason=" ")
    with pytest.raises(InvalidInput, match="at_most: must be more than 0"):
        await admin.call("impersonate", "alice", reason="ticket 4711", at_most=0)
    with pytest.raises(InvalidInput, match="user_id: is the user who would act"):
        await admin.call("impersonate", "admin", reason="ticket 4711")
    with pytest.raises(InvalidInput, match="user_id: reseal:anonymous"):
        await admin.call("impersonate", "reseal:anonymous", reason="ticket 4711")
    with pytest.raises(InvalidInput, match="acts for nobody"):
        await admin.call("stop_impersonating")
    with pytest.raises(Unauthorised):
        await admin.call("impersonate", "alice", reason="ticket 4711", origin="https://evil.example.net")
    thief = admin.copy()
    await admin.call("impersonate", "alice", reason="ticket 4711")
    with pytest.raises(InvalidInput, match="acts for somebody already"):
        await admin.call("impersonate", "bob", reason="ticket 4712")
    await settled(admin.sessions.revoke_all_sessions_for_user("admin"))
    with pytest.raises(Unauthorised):
        await thief.call("impersonate", "alice", reason="ticket 4713")


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("elevate", (), {"for_": 5 * MINUTE, "acr": "high"}),
        ("end_other", ("their handle",), {}),
        ("revoke_other_sessions", (), {}),
        ("rename_session", ("their handle", "a name"), {}),
    ],
)
async def test_what_only_the_user_may_do_is_refused_to_the_actor(
    admin: Client, name: str, arguments: tuple[str, ...], options: dict[str, Any]
) -> None:
    other = Client(admin.sessions)
    own = await other.call("create_new_session", "alice")
    session = await admin.call_within(SessionHeaders(), "impersonate", "alice", reason="ticket 4711")
    with pytest.raises(InvalidClaims) as refused:
        await settled(getattr(session, name)(*(arguments and (own.get_handle(), *arguments[1:])), **options))
    assert [(each.id, each.reason) for each in refused.value.failures] == [
        ("act", {"message": "not while acting as another user"})
    ]
    assert "acr" not in (await other.call("refresh_session")).get_jwt_payload()
    assert [each.name for each in await settled(own.list_sessions()) if each.current] == [None]


async def test_a_route_may_be_for_the_user_alone(admin: Client) -> None:
    only_own = [NotImpersonated()]
    assert (await admin.call("get_session", claims=only_own)).get_user_id() == "admin"
    await admin.call("impersonate", "alice", reason="ticket 4711")
    assert (await admin.call("get_session")).get_user_id() == "alice"
    with pytest.raises(InvalidClaims, match="act"):
        await admin.call("get_session", claims=only_own)
    await admin.call("refresh_session")
    assert (await admin.call("get_session", claims=only_own)).get_user_id() == "admin"


@pytest.mark.parametrize("policy", ["default", "refusing"])
async def test_it_neither_takes_the_user_s_place_under_a_limit_nor_is_ended_for_one(admin: Client, policy: str) -> None:
    alice = Client(admin.sessions)
    await admin.call("impersonate", "alice", reason="ticket 4711")
    await alice.call("create_new_session", "alice", policy=policy)
    assert len(await settled(admin.sessions.get_all_session_handles_for_user("alice"))) == 2
    assert (await admin.call("get_session", check_database=True)).get_actor() == "admin"
    assert (await alice.call("get_session", check_database=True)).get_user_id() == "alice"


async def test_the_actor_s_device_is_none_of_the_user_s(admin: Client, events: list[Event]) -> None:
    await admin.call("impersonate", "alice", reason="ticket 4711")
    await admin.call("stop_impersonating")
    await Client(admin.sessions).call("create_new_session", "alice")
    assert [each.reason for each in events if each.name is EventName.NEW_DEVICE and each.user_id == "alice"] == [
        "first"
    ]


async def test_an_access_token_of_an_impersonation_leads_nobody_to_the_actor_s_session(admin: Client) -> None:
    await admin.call("impersonate", "alice", reason="ticket 4711")
    thief = admin.copy()
    del thief.cookies[REFRESH]
    await thief.call("stop_impersonating")
    assert thief.cookies == {}
    with pytest.raises(Unauthorised):
        await thief.call("refresh_session")


async def test_a_program_with_tokens_in_headers_keeps_its_refresh_token(admin: Client) -> None:
    def request(token: str) -> RequestFacts:
        headers = [("Authorization", f"Bearer {token}"), ("st-auth-mode", "header")]
        return RequestFacts.of("POST", "/", headers, "192.0.2.1")

    async def said(call: Any, *args: Any, **named: Any) -> dict[str, str]:
        response = type(admin_headers)()
        await settled(call(args[0], response, *args[1:], **named))
        return dict(response.items())

    from reseal import SessionHeaders

    admin_headers = SessionHeaders()
    sessions = admin.sessions
    begun = await said(
        sessions.create_new_session, RequestFacts.of("POST", "/", [("st-auth-mode", "header")]), "support"
    )
    acting = await said(sessions.impersonate, request(begun["st-access-token"]), "alice", reason="ticket 4711")
    assert "st-refresh-token" not in acting
    stopped = await said(sessions.stop_impersonating, request(acting["st-access-token"]))
    assert stopped["st-access-token"] == ""
    assert "st-refresh-token" not in stopped
    back = await said(sessions.refresh_session, request(begun["st-refresh-token"]))
    assert json.loads(b64decode(back["front-token"]))["uid"] == "support"


def test_the_same_in_async_and_def_routes() -> None:
    settings = Settings(api_domain=API, database_uri="memory:")
    reseal = FastAPIReseal(settings, clock=ManualClock())
    app = FastAPI()
    reseal.install(app)

    @app.post("/login")
    async def login(request: Request) -> None:
        await reseal.create_new_session(request, "admin")

    @app.post("/act")
    async def act(request: Request) -> str:
        return (await reseal.impersonate(request, "alice", reason="ticket 4711")).get_user_id()

    @app.post("/act-in-a-thread")
    def act_in_a_thread(request: Request) -> str | None:
        return reseal.sync.impersonate(request, "bob", reason="ticket 4712").get_actor()

    @app.post("/stop")
    async def stop(request: Request) -> None:
        await reseal.stop_impersonating(request)

    @app.post("/stop-in-a-thread")
    def stop_in_a_thread(request: Request) -> None:
        reseal.sync.stop_impersonating(request)

    @app.get("/who")
    async def who(request: Request) -> str:
        return (await reseal.get_session(request)).get_user_id()

    with as_browser(TestClient(app), settings) as browser:
        browser.post("/login")
        assert browser.post("/act").json() == browser.get("/who").json() == "alice"
        assert browser.post("/stop").status_code == 200
        browser.post("/session/refresh")
        assert browser.get("/who").json() == "admin"
        assert browser.post("/act-in-a-thread").json() == "admin"
        assert browser.get("/who").json() == "bob"
        assert browser.post("/stop-in-a-thread").status_code == 200
        browser.post("/session/refresh")
        assert browser.get("/who").json() == "admin"
