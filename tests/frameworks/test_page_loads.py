"""Rendered pages and handshakes without a framework, async and sync."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import reseal._async.page_loads
import reseal._sync.page_loads
from reseal import (
    Anonymous,
    AsyncReseal,
    RefreshFirst,
    RequestFacts,
    Reseal,
    SessionHeaders,
    Settings,
    SignedIn,
    TryRefreshToken,
    Unauthorised,
)
from reseal.core.errors import Refusal
from reseal.testing import ManualClock
from tests.frameworks.site import ACCESS, API, EVIL, HOUR, REFRESH, WEBSITE

VARIANTS = {"async": (AsyncReseal, reseal._async.page_loads), "sync": (Reseal, reseal._sync.page_loads)}


async def settled(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


class Visitor:
    """A browser with a session, in front of an async or a sync ``Reseal``."""

    def __init__(self, sessions: Any, pages: Any, clock: ManualClock) -> None:
        self.sessions, self.pages, self.clock = sessions, pages, clock
        self.tokens: Any = None
        self.response = SessionHeaders()

    async def sign_in(self) -> str:
        self.tokens = await settled(self.sessions.backend.create("alice"))
        return self.tokens.claims.sid

    def request(self, method: str = "GET", path: str = "/live", origin: str | None = WEBSITE, **headers: str) -> Any:
        lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if self.tokens is not None:
            lines.append(("cookie", f"{ACCESS}={self.tokens.access_token}; {REFRESH}={self.tokens.refresh_token}"))
        if origin is not None:
            lines.append(("origin", origin))
        self.response = SessionHeaders()
        return RequestFacts.of(method, path, lines, "192.0.2.1")

    def context(self, facts: RequestFacts) -> Any:
        return self.sessions.context(facts, self.response)

    async def peek(self, **named: Any) -> Any:
        return await settled(self.sessions.peek(self.request(), self.response, **named))

    async def admit(self, **request: Any) -> Any:
        return await settled(self.pages.admit(self.sessions.backend, self.context(self.request(**request)), ()))

    async def goes_on(self, **request: Any) -> list[str]:
        """Go through the page that refreshes first; gives the cookies that are set, or cleared."""
        facts = self.request("POST", "/session/refresh/continue", **request)
        await settled(self.pages.continue_refresh(self.sessions.backend, self.context(facts)))
        return [value for name, value in self.response.items() if name == "set-cookie"]


@pytest.fixture(params=VARIANTS)
async def visitor(request: pytest.FixtureRequest):
    variant, pages = VARIANTS[request.param]
    clock = ManualClock()
    sessions = variant(Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:"), clock=clock)
    await settled(sessions.open())
    yield Visitor(sessions, pages, clock)
    await settled(sessions.close())


async def test_a_page_is_a_stranger_s_or_a_user_s_or_waits_for_a_refresh(visitor):
    assert await visitor.peek() == Anonymous()
    handle = await visitor.sign_in()
    match await visitor.peek():
        case SignedIn(session):
            assert (session.get_user_id(), session.get_handle()) == ("alice", handle)
        case other:
            pytest.fail(repr(other))
    await settled(visitor.sessions.revoke_session_using_session_handle(handle))
    assert isinstance(await visitor.peek(), SignedIn)
    assert await visitor.peek(check_database=True) == Anonymous()
    visitor.clock.advance(HOUR)
    assert await visitor.peek() == RefreshFirst()


async def test_the_way_through_the_refresh_sets_or_clears_or_leaves_cookies(visitor):
    await visitor.sign_in()
    assert len(await visitor.goes_on()) == 2
    with pytest.raises(Unauthorised) as refused:
        await visitor.goes_on(origin=EVIL)
    assert refused.value.reason is Refusal.CROSS_SITE
    assert [name for name, _ in visitor.response.items() if name == "set-cookie"] == []
    await settled(visitor.sessions.revoke_all_sessions_for_user("alice"))
    assert all("; Max-Age=0;" in line for line in await visitor.goes_on())


@pytest.mark.parametrize("origin", [EVIL, None, "null"])
async def test_a_cookie_opens_a_socket_for_a_page_of_ours_only(visitor, origin):
    handle = await visitor.sign_in()
    assert (await visitor.admit()).get_handle() == handle
    with pytest.raises(Unauthorised) as refused:
        await visitor.admit(origin=origin)
    assert refused.value.reason is Refusal.CROSS_SITE
    visitor.clock.advance(HOUR)
    with pytest.raises(TryRefreshToken):
        await visitor.admit()


async def test_a_ticket_opens_a_socket_once_wherever_the_page_is_from(visitor):
    handle = await visitor.sign_in()
    match await visitor.peek():
        case SignedIn(session):
            ticket = await settled(session.create_ticket("/live"))
    visitor.tokens = None
    offer = {"origin": EVIL, "sec_websocket_protocol": f"reseal, reseal.ticket.{ticket}"}
    assert (await visitor.admit(**offer)).get_handle() == handle
    with pytest.raises(Unauthorised) as refused:
        await visitor.admit(**offer)
    assert refused.value.reason is Refusal.TICKET
