"""WebSockets over real sockets: who may open one, what it survives, and when it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reseal import EventName, InvalidInput
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason
from reseal.testing import ManualClock
from reseal.watch import BLIND_LIMIT
from tests.frameworks.apps import FRAMEWORKS, Framework
from tests.frameworks.site import EVIL, MINUTE, WEBSITE, Browser
from tests.frameworks.wires import Wire, closing, echoes, opened_wire
from tests.support.program import Program

OFFER = "reseal.ticket."
API_HOST = "www.example.com"


@pytest.fixture
async def wire(framework: Framework) -> AsyncIterator[Wire]:
    async with opened_wire(framework) as wire:
        yield wire


async def ticket(browser: Browser, path: str = "/live") -> str:
    response = await browser.post(f"/ticket?for={path}")
    assert response.status_code == 200, response.text
    return response.json()["ticket"]


class TestBoundToAKey:
    """A program whose session is bound by DPoP shows a proof with the handshake, as with each request."""

    @pytest.fixture
    async def wire(self, framework: Framework) -> AsyncIterator[Wire]:
        async with opened_wire(framework, device_binding="offer") as wire:
            yield wire

    @pytest.fixture
    async def program(self, wire: Wire) -> Program:
        program = Program(wire.site.reseal.sessions, None, wire.site.clock)
        await program.sign_in()
        return program

    @staticmethod
    def shown(program: Program, scheme: str = "DPoP", **claims: Any) -> dict[str, Any]:
        proof = program.proof("GET", "/live", program.access, **claims)
        return {"origin": None, "headers": [("authorization", f"{scheme} {program.access}"), ("dpop", proof)]}

    @pytest.mark.parametrize("scheme", ["https", "wss"])
    async def test_one_is_opened_with_a_proof_for_either_form_of_its_address(
        self, wire: Wire, program: Program, scheme: str
    ) -> None:
        shown = self.shown(program, htu=wire.site.settings.api_domain.replace("https", scheme) + "/live")
        async with wire.socket(**shown) as connection:
            await connection.send("who")
            assert await connection.recv() == "alice"
            wire.site.clock.advance(10 * MINUTE)
            await wire.ticks.look()
            assert await echoes(connection), "it lives as long as its session, not as its proof"
        assert (await wire.refused(**shown))[0] == 401

    @pytest.mark.parametrize(
        ("claims", "scheme", "error"),
        [
            ({"htu": "http://www.example.com/live"}, "DPoP", "invalid_dpop_proof"),
            ({"htm": "POST"}, "DPoP", "invalid_dpop_proof"),
            ({"ath": None}, "DPoP", "invalid_dpop_proof"),
            ({}, "Bearer", "invalid_token"),
            ({"iat": 1}, "DPoP", "use_dpop_nonce"),
        ],
    )
    async def test_a_refusal_says_which_proof_is_wanted(
        self, wire: Wire, program: Program, claims: dict[str, Any], scheme: str, error: str
    ) -> None:
        with pytest.raises(InvalidStatus) as raised:
            await wire.socket(**self.shown(program, scheme, **claims))
        headers = raised.value.response.headers
        assert (raised.value.response.status_code, f'"{error}"' in headers["www-authenticate"]) == (401, True)
        assert wire.site.ran == []
        if error == "use_dpop_nonce":
            program.nonce = headers["dpop-nonce"]
            async with wire.socket(**self.shown(program, iat=1)) as connection:
                assert await echoes(connection)

    async def test_a_page_opens_one_with_a_ticket(self, wire: Wire, program: Program) -> None:
        session = await program.call("get_session", method="GET", path="/ticket")
        offered = [f"{OFFER}{await session.create_ticket('/live')}", "chat.v1"]
        async with wire.socket(subprotocols=offered) as connection:
            assert await echoes(connection)


class TestOpening:
    async def test_a_page_of_ours_opens_one_with_its_cookie(self, wire):
        browser = await wire.site.signed_in("alice")
        async with wire.socket(browser) as connection:
            await connection.send("who")
            assert await connection.recv() == "alice"
            assert connection.subprotocol is None
            assert "set-cookie" not in connection.response.headers
        assert wire.site.ran == [browser.handle]

    @pytest.mark.parametrize(
        "origin",
        [
            EVIL,
            "null",
            None,
            "http://www.example.com",
            "https://www.example.com:444",
            "https://www.example.com.evil.example.net",
            "https://evil.www.example.com",
            "https://WWW.example.com",
            "",
        ],
    )
    async def test_a_foreign_page_is_refused_before_anything_is_accepted(self, wire, origin):
        browser = await wire.site.signed_in()
        wire.site.events.seen.clear()
        status, body = await wire.refused(browser, origin=origin)
        assert (status, body) == (403, {"message": "unauthorised"})
        assert wire.site.ran == []
        assert len(wire.site.reseal.watch) == 0
        assert len(wire.site.events.of(EventName.CROSS_SITE_REFUSED)) == 1
        async with wire.socket(browser) as connection:  # and nobody was signed out
            assert await echoes(connection)

    async def test_no_other_header_stands_in_for_the_origin(self, wire):
        browser = await wire.site.signed_in()
        for headers in ([("rid", "session")], [("anti-csrf", "x")], [("st-auth-mode", "header")], [("host", API_HOST)]):
            assert (await wire.refused(browser, origin=EVIL, headers=headers))[0] == 403

    @pytest.mark.parametrize("origin", [None, WEBSITE, "app://phone"])
    async def test_a_client_that_is_no_browser_shows_its_token_in_a_header(self, wire, origin):
        browser = await wire.site.signed_in("alice")
        headers = [("authorization", f"Bearer {browser.access}")]
        async with wire.socket(origin=origin, headers=headers) as connection:
            await connection.send("who")
            assert await connection.recv() == "alice"

    async def test_a_header_that_is_not_our_token_does_not_replace_the_check_of_the_cookie(self, wire):
        browser = await wire.site.signed_in()
        for value in ("Bearer x", "Basic YTpi", "Bearer " + browser.refresh_token):
            assert (await wire.refused(browser, origin=EVIL, headers=[("authorization", value)]))[0] == 403

    async def test_without_a_session_nothing_opens(self, wire):
        assert await wire.refused() == (401, {"message": "unauthorised", "reason": "no_token"})
        stranger = wire.site.browser()
        stranger.jar[wire.site.settings.access_cookie_name, "/", None] = "no.token.ofours"
        assert await wire.refused(stranger) == (401, {"message": "try refresh token"})

    async def test_an_expired_token_is_asked_to_refresh_and_opens_after_that(self, wire):
        browser = await wire.site.signed_in()
        wire.site.clock.advance(wire.site.settings.access_token_ms)
        assert await wire.refused(browser) == (401, {"message": "try refresh token"})
        await browser.refresh()
        async with wire.socket(browser) as connection:
            assert await echoes(connection)

    async def test_a_revoked_session_opens_nothing_though_its_token_is_good(self, wire):
        browser = await wire.site.signed_in()
        await wire.site.reseal.sessions.revoke_session_using_session_handle(browser.handle)
        assert await wire.refused(browser) == (401, {"message": "unauthorised", "reason": "revoked"})
        assert wire.site.ran == []

    async def test_what_the_route_demands_is_demanded(self, wire):
        status, body = await wire.refused(await wire.site.signed_in(), "/demands")
        assert (status, body["message"]) == (403, "invalid claim")
        able = await wire.site.signed_in("bob", jwt_payload={"mfa": True})
        async with wire.socket(able, "/demands") as connection:
            assert await connection.recv() == "welcome"
        unable = await wire.site.signed_in("carol")
        offer = ["reseal", OFFER + await ticket(unable, "/demands")]
        assert (await wire.refused(path="/demands", subprotocols=offer))[0] == 403

    async def test_a_silent_store_opens_nothing_and_signs_nobody_out(self, wire):
        browser = await wire.site.signed_in()
        wire.site.store.failing = {"*"}
        status, body = await wire.refused(browser)
        assert (status, body) == (503, {"message": "session store unavailable, try again"})
        assert len(wire.site.events.of(EventName.STORE_UNAVAILABLE)) == 1
        wire.site.store.failing = set()
        async with wire.socket(browser) as connection:
            assert await echoes(connection)

    async def test_the_first_of_our_sub_protocols_that_the_page_offers_is_chosen(self, wire):
        browser = await wire.site.signed_in()
        for offered, chosen in (
            (["chat.v1", "chat.v2"], "chat.v2"),
            (["chat.v1", "reseal"], "chat.v1"),
            (["reseal"], "reseal"),
            (["chat.v3"], None),
        ):
            async with wire.socket(browser, subprotocols=offered) as connection:
                assert connection.subprotocol == chosen


class TestTickets:
    async def test_a_ticket_opens_one_without_cookie_and_is_never_said_back(self, wire):
        browser = await wire.site.signed_in("alice")
        shown = await ticket(browser)
        async with wire.socket(subprotocols=["reseal", OFFER + shown]) as connection:
            await connection.send("who")
            assert await connection.recv() == "alice"
            assert connection.subprotocol == "reseal"
            assert shown not in str(connection.response.headers)

    async def test_a_ticket_is_good_once(self, wire):
        browser = await wire.site.signed_in()
        offer = ["reseal", OFFER + await ticket(browser)]
        async with wire.socket(subprotocols=offer) as connection:
            assert await wire.refused(subprotocols=offer) == (401, {"message": "unauthorised"})
            assert await wire.refused(browser, subprotocols=offer) == (401, {"message": "unauthorised"})
            assert await echoes(connection)
        assert await wire.refused(subprotocols=offer) == (401, {"message": "unauthorised"})
        assert (await browser.get("/checked")).status_code == 200

    async def test_a_ticket_opens_its_own_path_only_and_lives_half_a_minute(self, wire):
        browser = await wire.site.signed_in()
        other = ["reseal", OFFER + await ticket(browser, "/waits")]
        assert (await wire.refused(subprotocols=other))[0] == 401
        late = ["reseal", OFFER + await ticket(browser)]
        wire.site.clock.advance(30_000)
        assert (await wire.refused(subprotocols=late))[0] == 401

    async def test_of_two_processes_one_takes_a_ticket(self, framework, tmp_path):
        clock, shared = ManualClock(), {"database_uri": f"sqlite:///{tmp_path}/sessions.db"}
        async with opened_wire(framework, clock, **shared) as one, opened_wire(framework, clock, **shared) as two:
            browser = await one.site.signed_in()
            for _ in range(5):
                offer = ["reseal", OFFER + await ticket(browser)]
                tries = [tried(wire, offer) for wire in (one, two) for _ in range(3)]
                assert sorted(await asyncio.gather(*tries)) == [101] + [401] * 5

    async def test_a_foreign_page_that_caught_no_ticket_has_nothing_to_offer(self, wire):
        victim = await wire.site.signed_in()
        for forged in ("", "x", "t1.a.0.1.b.c", OFFER, victim.handle):
            assert (await wire.refused(victim, origin=EVIL, subprotocols=["reseal", OFFER + forged]))[0] in {401, 403}
        assert wire.site.ran == []

    async def test_a_ticket_is_made_for_a_live_session_only(self, wire):
        browser = await wire.site.signed_in()
        await wire.site.reseal.sessions.revoke_session_using_session_handle(browser.handle)
        response = await browser.post("/ticket?for=/live")
        assert (response.status_code, response.json()["reason"]) == (401, "revoked")
        assert browser.jar == {}

    async def test_a_ticket_of_a_visitor_who_is_not_signed_in_opens_nothing(self, wire):
        backend = wire.site.reseal.sessions.backend
        visitor = await backend.create(ANONYMOUS)
        offer = ["reseal", OFFER + await backend.issue_ticket(visitor.claims, "/live")]
        assert (await wire.refused(subprotocols=offer))[0] == 403
        assert wire.site.ran == []


class Counted:
    """A store that counts what it is asked."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._inner, name)


async def tried(wire: Wire, offer: list[str]) -> int:
    try:
        async with wire.socket(subprotocols=offer):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


class TestStayingOpen:
    async def test_rotation_and_the_end_of_the_access_token_end_nothing(self, wire):
        browser = await wire.site.signed_in()
        async with wire.socket(browser) as connection:
            for _ in range(5):
                wire.site.clock.advance(wire.site.settings.access_token_ms)
                assert (await browser.refresh()).status_code == 200
                await wire.ticks.look()
                assert await echoes(connection)
        assert wire.ticks.asked_for == {wire.site.settings.session_check_interval}

    async def test_a_silent_store_ends_nothing_for_five_minutes(self, wire):
        browser = await wire.site.signed_in()
        async with wire.socket(browser) as connection, wire.socket(browser, "/waits") as waiting:
            for _ in range(2):
                wire.site.store.failing = {"*"}
                for _ in range(4):
                    wire.site.clock.advance(MINUTE)
                    await wire.ticks.look()
                    assert await echoes(connection)
                wire.site.store.failing = set()
                await wire.ticks.look()  # it is back: the five minutes begin anew
            wire.site.store.failing = {"*"}
            wire.site.clock.advance(BLIND_LIMIT)
            await wire.ticks.begin()
            assert await closing(connection) == (1013, "session store unavailable")
            assert await closing(waiting) == (1013, "session store unavailable")
        wire.site.store.failing = set()
        assert (await browser.get("/checked")).status_code == 200

    async def test_all_sessions_of_a_process_are_asked_for_at_once(self, wire):
        browsers = [await wire.site.signed_in(f"user-{n}") for n in range(20)]
        connections = [await wire.socket(browser) for browser in browsers for _ in range(2)]
        await wire.until(lambda: len(wire.site.reseal.watch) == 40)
        inner = wire.site.store.inner = Counted(wire.site.store.inner)
        await wire.ticks.look()
        assert inner.calls == {"get_many": 1}
        for connection in connections:
            await connection.close()

    async def test_nothing_is_left_when_all_have_gone(self, wire):
        browser = await wire.site.signed_in()
        before = asyncio.all_tasks()
        for _ in range(3):
            async with wire.socket(browser), wire.socket(browser, "/live"):
                assert len(wire.site.reseal.watch) == 2
                assert [task for task in asyncio.all_tasks() - before if "Watch._run" in repr(task)]
            await wire.until(lambda: len(wire.site.reseal.watch) == 0)
        await wire.until(lambda: not asyncio.all_tasks() - before)
        assert wire.ended == ["live"] * 6


class TestEnding:
    async def test_revoking_here_ends_it_at_once(self, wire):
        anywhere = wire.site.reseal.sessions
        browser, other = await wire.site.signed_in(), await wire.site.signed_in("bob")
        async with wire.socket(browser) as connection, wire.socket(other) as untouched:
            await anywhere.revoke_session_using_session_handle(browser.handle)
            assert await closing(connection) == (4001, "revoked")
            assert await echoes(untouched)
            await anywhere.revoke_all_sessions_for_user("bob")
            assert await closing(untouched) == (4001, "user_revoked")
        assert wire.ended == ["live", "live"]

    async def test_signing_out_ends_every_connection_of_the_session(self, wire):
        browser = await wire.site.signed_in()
        async with wire.socket(browser) as one, wire.socket(browser, "/waits") as two:
            await browser.sign_out()
            assert await closing(one) == (4001, "signed_out")
            assert await closing(two) == (4001, "signed_out")
        await wire.until(lambda: sorted(wire.ended) == ["cancelled", "live", "waits"])

    async def test_signing_in_again_ends_those_of_the_session_before(self, wire):
        browser = await wire.site.signed_in()
        async with wire.socket(browser) as connection:
            await browser.login("bob")
            assert await closing(connection) == (4001, "replaced")

    async def test_the_others_end_and_the_own_goes_on(self, wire):
        one, two = await wire.site.signed_in(), await wire.site.signed_in()
        async with wire.socket(one) as kept, wire.socket(two) as gone:
            assert (await one.post("/revoke-others")).json() == [two.handle]
            assert await closing(gone) == (4001, "user_revoked")
            assert await echoes(kept)

    async def test_theft_ends_the_thief_s_connection_too(self, wire):
        browser = await wire.site.signed_in()
        thief = browser.copy()
        await browser.refresh()
        await browser.get("/checked")
        async with wire.socket(browser) as connection, wire.socket(thief) as stolen:
            wire.site.clock.advance(31_000)
            assert (await thief.refresh()).json()["message"] == "token theft detected"
            assert await closing(connection) == (4001, "theft")
            assert await closing(stolen) == (4001, "theft")

    @pytest.mark.parametrize(("response", "ends"), [("report", 0), ("revoke_session", 1), ("revoke_user", 2)])
    async def test_theft_ends_what_the_policy_ends(self, framework, response, ends):
        async with opened_wire(framework, theft_response=response) as wire:
            browser, elsewhere = await wire.site.signed_in(), await wire.site.signed_in()
            thief = browser.copy()
            await browser.refresh()
            await browser.get("/checked")
            async with wire.socket(browser) as first, wire.socket(elsewhere) as second:
                wire.site.clock.advance(31_000)
                await thief.refresh()
                ended = [(first, (4001, "theft")), (second, (4001, "user_revoked"))]
                for connection, told in ended[:ends]:
                    assert await closing(connection) == told
                for connection, _ in ended[ends:]:
                    assert await echoes(connection)

    async def test_what_another_process_ends_is_noticed_at_the_next_look(self, framework, tmp_path):
        clock, shared = ManualClock(), {"database_uri": f"sqlite:///{tmp_path}/sessions.db"}
        async with opened_wire(framework, clock, **shared) as one, opened_wire(framework, clock, **shared) as two:
            browser = await one.site.signed_in()
            async with one.socket(browser) as connection:
                await one.ticks.look()
                await two.site.reseal.sessions.revoke_session_using_session_handle(browser.handle)
                assert await echoes(connection)
                await one.ticks.begin()
                assert await closing(connection) == (4001, "revoked")

    async def test_a_session_that_nobody_refreshes_ends_its_connections(self, framework):
        async with opened_wire(framework, refresh_token_validity=120) as wire:
            browser = await wire.site.signed_in()
            async with wire.socket(browser) as connection:
                wire.site.clock.advance(120 * MINUTE - 1)
                await wire.ticks.look()
                assert await echoes(connection)
                wire.site.clock.advance(1)
                await wire.ticks.begin()
                assert await closing(connection) == (4001, "expired")

    async def test_what_the_block_learns_of_the_session_closes_it_too(self, wire):
        browser = await wire.site.signed_in(session_data={"n": 1})
        handle = browser.handle
        async with wire.socket(browser, "/asks") as connection:
            await connection.send("?")
            assert await connection.recv() == '{"n":1}'
        async with wire.socket(browser, "/asks") as connection:
            wire.site.store.failing = {"*"}
            await connection.send("?")
            assert await closing(connection) == (1013, "session store unavailable")
        wire.site.store.failing = set()
        async with wire.socket(browser, "/asks") as connection:
            record = (await wire.site.store.get(wire.site.settings.scope, handle)).record
            await wire.site.store.end(wire.site.settings.scope, [record.handle], EndReason.REVOKED)
            await connection.send("?")
            assert await closing(connection) == (4001, "revoked")

    @pytest.mark.parametrize("path", ["/breaks", "/late"])
    async def test_a_bug_in_the_block_is_told_as_one(self, wire, path):
        browser = await wire.site.signed_in()
        async with wire.socket(browser, path) as connection:
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
        assert closed.value.rcvd is None or closed.value.rcvd.code in {1006, 1011}
        await wire.until(lambda: len(wire.site.reseal.watch) == 0)


class TestServers:
    """What a server does that is not the one of the tests above."""

    @pytest.fixture
    async def wire(self) -> AsyncIterator[Wire]:
        async with opened_wire(FRAMEWORKS["starlette"]) as wire:
            yield wire

    async def test_a_server_that_can_only_close_a_handshake_closes_it(self, wire):
        said: list[Any] = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            said.append(message)

        for extensions in ({"extensions": {}}, {}):
            said.clear()
            await wire.site.app(handshake("/live") | extensions, receive, send)
            assert [message["type"] for message in said] == ["websocket.close"]

    async def test_a_page_that_goes_at_the_moment_of_the_end_is_no_error(self, wire):
        browser = await wire.site.signed_in()
        incoming = iter([{"type": "websocket.connect"}])

        async def receive():
            for message in incoming:
                return message
            await wire.site.reseal.sessions.revoke_all_sessions_for_user("alice")
            return await asyncio.Future()

        async def send(message):
            if message["type"] == "websocket.close":
                raise OSError("the connection was closed by the client")

        headers = [(b"cookie", browser.cookies_for("/live")[0].encode()), (b"origin", WEBSITE.encode())]
        await wire.site.app(handshake("/live", headers), receive, send)
        assert wire.ended == ["live"]
        assert len(wire.site.reseal.watch) == 0

    async def test_what_is_wrong_in_an_open_socket_is_not_hidden(self, wire):
        browser = await wire.site.signed_in()

        async def wrong(websocket):
            async with wire.site.reseal.guard(websocket) as session:
                await session.update_session_data({"n": object()})

        wire.site.app.router.add_websocket_route("/wrong", wrong)

        async def receive():
            return {"type": "websocket.connect"}

        async def send(_message):
            pass

        headers = [(b"cookie", browser.cookies_for("/wrong")[0].encode()), (b"origin", WEBSITE.encode())]
        with pytest.raises(InvalidInput):
            await wire.site.app(handshake("/wrong", headers), receive, send)
        assert len(wire.site.reseal.watch) == 0


def handshake(path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "subprotocols": [],
        "client": ("192.0.2.1", 1),
    }
