"""What a client is told travels in the head of a response: once that has gone, calls that need it change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket

from reseal import AsyncReseal, RequestFacts, SessionHeaders
from tests.frameworks.apps import Framework
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import REFRESH_PATH, WEBSITE, Site, keeps_cookies
from tests.frameworks.wires import opened_wire

pytestmark = pytest.mark.parametrize("database_uri", ["memory"], indirect=True)

Late = Callable[[Site, Request, Any], Awaitable[Any]]
LATE: dict[str, Late] = {
    "create_new_session": lambda site, request, _: site.reseal.create_new_session(request, "bob"),
    "refresh_session": lambda site, request, _: site.reseal.refresh_session(request),
    "answer_refresh": lambda site, request, _: site.reseal.answer_refresh(request),
    "sign_out": lambda site, request, _: site.reseal.sign_out(request),
    "update_jwt_payload": lambda _site, _request, session: session.update_jwt_payload({"late": True}),
    "revoke_session": lambda _site, _request, session: session.revoke_session(),
}
"""Calls that change what the client holds."""


@pytest.fixture
def late(site: Site) -> Site:
    """A site with a route that makes a call when its response has begun: in a stream, or in a task behind it."""

    async def run(request: Request, session: Any) -> None:
        try:
            await LATE[request.query_params["call"]](site, request, session)
        except RuntimeError as error:
            site.ran.append(str(error))
        else:
            site.ran.append("went through")

    async def endpoint(request: Request) -> Response:
        session = await site.reseal.get_session(request)
        if request.path_params["how"] == "task":
            return JSONResponse({}, background=BackgroundTask(run, request, session))

        async def parts() -> AsyncIterator[str]:
            yield "one"
            await run(request, session)
            yield "two"

        return StreamingResponse(parts())

    site.app.router.add_route(f"{REFRESH_PATH}/late/{{how}}", endpoint, methods=["POST"])
    return site


@pytest.mark.parametrize("how", ["task", "stream"])
@pytest.mark.parametrize("name", LATE)
async def test_a_call_that_comes_too_late_says_so_and_changes_nothing(late: Site, name: str, how: str) -> None:
    browser = await late.signed_in("alice")
    assert (await browser.get("/checked")).status_code == 200
    before = late.rows()
    response = await browser.post(f"{REFRESH_PATH}/late/{how}?call={name}")
    assert response.status_code == 200
    assert keeps_cookies(response)
    (told,) = late.ran[-1:]
    assert told.startswith("refresh_session: " if name == "answer_refresh" else f"{name}: ")
    assert "the response has begun" in told
    assert late.rows() == before
    assert await late.live("bob") == set()
    assert (await browser.refresh()).status_code == 200


async def test_reading_goes_on_after_the_response_has_begun(site: Site) -> None:
    async def read(request: Request) -> None:
        session = await site.reseal.get_session(request, check_database=True)
        await session.update_session_data({"seen": True})
        site.ran.append(str(session.get_jwt_payload()))

    async def endpoint(request: Request) -> Response:
        await site.reseal.get_session(request)
        return JSONResponse({}, background=BackgroundTask(read, request))

    site.app.router.add_route("/reads", endpoint, methods=["GET"])
    browser = await site.signed_in("alice")
    await site.reseal.sessions.update_jwt_payload(browser.handle, {"changed": True})
    assert keeps_cookies(await browser.get("/reads"))
    assert site.ran[-1] == "{'changed': True}"
    assert (await browser.get("/checked")).json()["payload"] == {"changed": True}  # it is told of at the next request


async def test_without_a_framework_the_response_begins_when_its_headers_are_taken(open_site: OpenSite) -> None:
    reseal: AsyncReseal = (await open_site()).reseal.sessions
    request, outbox = RequestFacts.of("POST", "/", [("origin", WEBSITE)]), SessionHeaders()
    session = await reseal.create_new_session(request, outbox, "alice")
    assert len(outbox.items()) > 2
    for call in (
        session.update_jwt_payload({"late": True}),
        session.revoke_session(),
        reseal.create_new_session(request, outbox, "bob"),
        reseal.sign_out(request, outbox),
        reseal.refresh_session(request, outbox),
    ):
        with pytest.raises(RuntimeError, match="the response has begun"):
            await call
    assert await reseal.get_jwt_payload(session.get_handle()) == {}
    assert await reseal.get_all_session_handles_for_user("bob") == ()
    assert outbox.items() == outbox.items()


async def test_a_websocket_tells_nobody_of_new_tokens_and_says_so(framework: Framework, database_uri: str) -> None:
    async with opened_wire(framework) as wire:
        site, told = wire.site, []

        async def changes(websocket: WebSocket) -> None:
            async with site.reseal.guard(websocket) as session:
                for call in (session.update_jwt_payload({"late": True}), session.revoke_session()):
                    try:
                        await call
                    except RuntimeError as error:
                        told.append(str(error))
                await session.update_session_data({"kept": True})
                await websocket.send_text("done")

        add = getattr(site.app, "add_api_websocket_route", site.app.router.add_websocket_route)
        add("/changes", changes)
        browser = await site.signed_in("alice")
        async with wire.socket(browser, "/changes") as connection:
            assert await connection.recv() == "done"
        assert [each.partition(":")[0] for each in told] == ["update_jwt_payload", "revoke_session"]
        assert await site.reseal.sessions.get_jwt_payload(browser.handle) == {}
        assert await site.reseal.sessions.get_session_data(browser.handle) == {"kept": True}
        assert await site.live("alice") == {browser.handle}
