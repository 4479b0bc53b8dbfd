"""Sessions that travel in headers: the same life as in cookies, and never a way from a cookie into a header."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reseal import EventName
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import (
    ACCESS,
    EVIL,
    HOUR,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Browser,
    Lines,
    Site,
    cleared,
    cookie_names,
    front_token,
    keeps_cookies,
    set_cookies,
)

FOREIGN = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.eyJzdWIiOiJhIn0.c2ln"
OAUTH = {"access_token", "refresh_token", "token_type", "expires_in"}
EXPOSED = "front-token, st-access-token, st-refresh-token"
DAY = 24 * HOUR


class Page(Browser):
    """A page in header mode: its script keeps the tokens and sends them; the browser adds what cookies it has."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.tokens = {"st-access-token": "", "st-refresh-token": ""}

    async def send(
        self, method: str, path: str, headers: Lines = (), *, origin: str | None = WEBSITE, **body: Any
    ) -> httpx.Response:
        which = "st-refresh-token" if path == self.site.settings.refresh_api_path else "st-access-token"
        sent = [*headers, ("st-auth-mode", "header")]
        if self.tokens[which]:
            sent.append(("authorization", f"Bearer {self.tokens[which]}"))
        return await super().send(method, path, sent, origin=origin, **body)

    def _keep(self, response: httpx.Response) -> None:
        super()._keep(response)
        exposed = response.headers.get("access-control-expose-headers", "").split(", ")
        for name in self.tokens:
            if name in exposed:
                self.tokens[name] = response.headers[name]

    @property
    def access(self) -> str:
        return self.tokens["st-access-token"]

    @property
    def refresh_token(self) -> str:
        return self.tokens["st-refresh-token"]

    def copy_of_tokens(self) -> Page:
        """The same tokens in other hands."""
        other = Page(self.site)
        other.tokens = dict(self.tokens)
        return other

    @classmethod
    async def signed_in(cls, site: Site, user_id: str = "alice") -> Page:
        page = cls(site)
        assert (await page.login(user_id)).status_code == 200
        return page


def cleared_headers(response: httpx.Response) -> bool:
    said = response.headers
    emptied = said.get("st-access-token") == said.get("st-refresh-token") == ""
    return emptied and said["front-token"] == "remove" and said["access-control-expose-headers"] == EXPOSED


def no_header_tokens(response: httpx.Response) -> bool:
    return not {"st-access-token", "st-refresh-token"} & set(response.headers)


class TestTheWholeLife:
    async def test_from_signing_in_over_a_refresh_to_signing_out_without_one_cookie(self, site: Site) -> None:
        page = Page(site)
        answer = await page.login("alice", jwt_payload={"role": "admin"})
        assert answer.headers["access-control-expose-headers"] == EXPOSED
        assert front_token(answer)["up"]["role"] == "admin"
        first, handle = page.refresh_token, page.handle
        assert (await page.get("/me")).json()["handle"] == handle
        site.clock.advance(2 * HOUR)
        assert (await page.get("/me")).json() == {"message": "try refresh token"}
        answer = await page.refresh()
        assert (answer.status_code, answer.json()) == (200, {})
        assert front_token(answer)["ate"] == site.clock.wall() + HOUR
        assert page.refresh_token != first
        assert (await page.get("/me")).json()["payload"] == {"role": "admin"}
        assert (await page.post("/count")).json() == {"count": 1}
        answer = await page.sign_out()
        assert (answer.status_code, answer.json()) == (200, {"status": "OK"})
        assert cleared_headers(answer)
        assert not cookie_names(answer)
        assert page.jar == {}
        assert await site.end_reason(handle) == "signed_out"
        assert (await page.get("/me")).json() == {"message": "unauthorised", "reason": "no_token"}

    async def test_a_changed_payload_goes_out_by_the_session_s_own_way(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        answer = await page.post("/grant")
        assert answer.headers["access-control-expose-headers"] == "front-token, st-access-token"
        assert not cookie_names(answer)
        assert (await page.get("/mfa")).status_code == 200
        answer = await browser.post("/grant")
        assert cookie_names(answer) == [ACCESS]
        assert no_header_tokens(answer)

    async def test_a_payload_changed_by_handle_arrives_with_a_database_check(self, site: Site) -> None:
        page = await Page.signed_in(site)
        await site.reseal.sessions.update_jwt_payload(page.handle, {"mfa": True})
        answer = await page.get("/checked")
        assert answer.headers["st-access-token"] == page.access
        assert (await page.get("/mfa")).status_code == 200

    async def test_revoking_the_session_at_hand_empties_the_headers(self, site: Site) -> None:
        page = await Page.signed_in(site)
        answer = await page.post("/revoke")
        assert cleared_headers(answer)
        assert not cookie_names(answer)

    async def test_a_session_that_was_ended_elsewhere_is_cleared_with_its_reason(self, site: Site) -> None:
        page = await Page.signed_in(site)
        await site.reseal.sessions.revoke_all_sessions_for_user("alice")
        for answer in (await page.copy_of_tokens().get("/checked"), await page.refresh()):
            assert answer.json() == {"message": "unauthorised", "reason": "user_revoked"}
            assert cleared_headers(answer)
            assert not cookie_names(answer)

    # S33
    async def test_a_used_refresh_token_is_theft_in_a_header_as_in_a_cookie(self, site: Site) -> None:
        page = await Page.signed_in(site)
        thief = page.copy_of_tokens()
        for _ in range(2):
            await page.refresh()
        answer = await thief.refresh()
        assert answer.json() == {"message": "token theft detected"}
        assert cleared_headers(answer)
        assert len(site.events.of(EventName.TOKEN_THEFT)) == 1

    async def test_a_lost_answer_gives_the_same_successor_again(self, site: Site) -> None:
        page = await Page.signed_in(site)
        twin = page.copy_of_tokens()
        await page.refresh()
        await twin.refresh()
        assert twin.refresh_token == page.refresh_token

    async def test_a_silent_store_takes_no_token_away(self, site: Site) -> None:
        page = await Page.signed_in(site)
        held = dict(page.tokens)
        site.store.failing.add("*")
        for answer in (await page.refresh(), await page.get("/checked")):
            assert answer.status_code == 503
            assert keeps_cookies(answer)
            assert no_header_tokens(answer)
        site.store.failing.clear()
        assert page.tokens == held
        assert (await page.refresh()).status_code == 200


class TestWhichWay:
    @pytest.mark.parametrize("method", ["any", "cookie", "header"])
    @pytest.mark.parametrize("wish", [None, "cookie", "header", "Header", "other"])
    async def test_a_new_session_gets_the_way_that_settings_and_request_agree_on(
        self, open_site: OpenSite, method: str, wish: str | None
    ) -> None:
        site = await open_site(token_transfer_method=method)
        headers = [("st-auth-mode", wish)] if wish else []
        answer = await site.send("POST", "/login", headers, json={"user_id": "alice"})
        in_headers = method == "header" or (method == "any" and (wish or "").lower() == "header")
        assert no_header_tokens(answer) is not in_headers
        assert bool(cookie_names(answer)) is not in_headers

    @pytest.mark.parametrize("then", ["any", "cookie", "header"])
    async def test_a_session_keeps_its_way_whatever_is_configured_or_asked_for_later(
        self, open_site: OpenSite, then: str
    ) -> None:
        site = await open_site()
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        object.__setattr__(site.settings, "token_transfer_method", then)
        answer = await browser.send("POST", REFRESH_PATH, [("st-auth-mode", "header")])
        assert cookie_names(answer) == [ACCESS, REFRESH]
        assert no_header_tokens(answer)
        answer = await page.send("POST", REFRESH_PATH, [("st-auth-mode", "cookie")])
        assert answer.headers["st-refresh-token"] == page.refresh_token
        assert not cookie_names(answer)
        for each in (page, browser):
            assert (await each.get("/me")).status_code == 200

    @pytest.mark.parametrize("credential", [f"Bearer {FOREIGN}", "Basic dTpw", "Bearer ", "Bearer x", "Digest a, b"])
    async def test_somebody_else_s_authorization_does_no_harm(self, site: Site, credential: str) -> None:
        browser, line = await site.signed_in(), [("authorization", credential)]
        assert (await browser.send("GET", "/me", line)).status_code == 200
        answer = await browser.send("POST", REFRESH_PATH, line)
        assert cookie_names(answer) == [ACCESS, REFRESH]
        assert no_header_tokens(answer)
        answer = await browser.send("POST", "/signout", line)
        assert cleared(answer)
        assert no_header_tokens(answer)
        answer = await site.send("GET", "/me", line)
        assert answer.json() == {"message": "unauthorised", "reason": "no_token"}

    async def test_of_both_ways_the_header_counts(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        page.jar = browser.jar
        assert (await page.get("/me")).json()["user_id"] == "alice"

    async def test_a_header_token_that_cannot_be_used_is_not_replaced_by_a_cookie(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        page.jar, page.tokens["st-access-token"] = browser.jar, page.access[:-6] + "AAAAAA"
        assert (await page.get("/me")).json() == {"message": "try refresh token"}


class TestBothWaysAtOnce:
    async def test_signing_in_by_headers_ends_the_cookie_session_and_clears_its_cookies(self, site: Site) -> None:
        browser = await site.signed_in("bob")
        page, handle = Page(site), browser.handle
        page.jar = browser.jar
        answer = await page.login("alice")
        assert [cookie.name for cookie in set_cookies(answer) if cookie.clears] == [ACCESS, REFRESH]
        assert page.jar == {}
        assert front_token(answer)["uid"] == "alice"
        assert await site.end_reason(handle) == "replaced"
        assert (await page.get("/me")).json()["user_id"] == "alice"

    async def test_signing_in_by_cookies_ends_the_header_session_and_empties_its_headers(self, site: Site) -> None:
        page, browser = await Page.signed_in(site, "bob"), site.browser()
        line = [("authorization", f"Bearer {page.access}")]
        answer = await browser.send("POST", "/login", line, json={"user_id": "alice"})
        assert answer.headers["st-access-token"] == answer.headers["st-refresh-token"] == ""
        assert front_token(answer)["uid"] == "alice"
        assert await site.end_reason(page.handle) == "replaced"
        assert (await browser.get("/me")).json()["user_id"] == "alice"

    async def test_a_refresh_by_header_clears_the_cookies_that_came_along(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        page.jar = browser.jar
        answer = await page.refresh()
        assert answer.headers["st-refresh-token"] == page.refresh_token
        assert page.jar == {}
        assert front_token(answer)["uid"] == "alice"

    async def test_a_refusal_clears_both_ways(self, site: Site) -> None:
        for path in ("/checked", REFRESH_PATH):
            page, browser = await Page.signed_in(site), await site.signed_in("bob")
            page.jar = browser.jar
            await site.reseal.sessions.revoke_session_using_session_handle(page.handle)
            answer = await page.send("GET" if path == "/checked" else "POST", path)
            assert answer.status_code == 401
            assert answer.headers["st-refresh-token"] == ""
            assert page.jar == {}

    # S61
    async def test_a_foreign_page_with_a_token_of_its_own_clears_no_cookie_of_the_victim(self, site: Site) -> None:
        attacker, victim = await Page.signed_in(site, "mallory"), await site.signed_in("alice")
        attacker.jar = dict(victim.jar)
        ended = await Page.signed_in(site, "mallory")
        await ended.post("/revoke")
        for token in (attacker.refresh_token, ended.refresh_token or attacker.refresh_token):
            line = [("authorization", f"Bearer {token}")]
            answer = await victim.send("POST", REFRESH_PATH, line, origin=EVIL)
            assert not cookie_names(answer)
        assert (await victim.refresh()).status_code == 200

    async def test_signing_out_ends_the_sessions_of_both_ways(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        page.jar = dict(browser.jar)
        answer = await page.sign_out()
        assert cleared_headers(answer)
        assert len(cookie_names(answer)) == 2
        assert await site.live("alice") == await site.live("bob") == set()

    async def test_signing_out_by_a_header_ends_no_session_whose_cookies_a_foreign_page_sent(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        page.jar = browser.jar
        answer = await page.send("POST", "/signout", origin=EVIL)
        assert cleared_headers(answer)
        assert not cookie_names(answer)
        assert await site.live("alice") == set()
        assert await site.live("bob") == {browser.handle}

    async def test_an_expired_header_token_signs_out_too(self, site: Site) -> None:
        page = await Page.signed_in(site)
        site.clock.advance(2 * HOUR)
        assert cleared_headers(await page.sign_out())
        assert await site.live("alice") == set()


class TestOutOfTheCookieJar:
    """An injected script sends what it likes with the victim's cookies, and reads every answer."""

    # S54
    @pytest.mark.parametrize("method", ["any", "header"])
    async def test_no_answer_shows_a_token_that_came_in_a_cookie_or_follows_from_it(
        self, open_site: OpenSite, method: str
    ) -> None:
        site = await open_site()
        browser = await site.signed_in()
        object.__setattr__(site.settings, "token_transfer_method", method)
        tricks: list[dict[str, Any]] = [
            {},
            {"json": {}},
            {"json": {"refresh_token": None}},
            {"json": {"refresh_token": "r1.x.0.y.z"}},
            {"json": {"grant_type": "refresh_token"}},
            {"content": b"{", "more": [("content-type", "application/json")]},
        ]
        headers = [
            [("st-auth-mode", "header")],
            [("authorization", f"Bearer {FOREIGN}"), ("st-auth-mode", "header")],
            [("authorization", "Bearer r1.x.0.y.z"), ("st-auth-mode", "header"), ("rid", "session")],
        ]
        for body in tricks:
            for lines in headers:
                sent = dict(body)
                answer = await browser.send("POST", REFRESH_PATH, [*lines, *sent.pop("more", [])], **sent)
                assert (answer.status_code, answer.json()) == (200, {})
                assert no_header_tokens(answer)
                readable = answer.text + "".join(v for k, v in answer.headers.items() if k != "set-cookie")
                assert browser.refresh_token not in readable
                assert browser.access not in readable
        for path in ("/grant", "/count", "/checked"):
            answer = await browser.send("GET" if path == "/checked" else "POST", path, headers[0])
            assert no_header_tokens(answer)


class TestCsrf:
    async def test_a_credential_in_a_header_needs_no_check(self, open_site: OpenSite) -> None:
        site = await open_site(enable_anti_csrf=True)
        page = await Page.signed_in(site)
        assert page.anti_csrf is None
        for origin in (EVIL, "null", None):
            assert (await page.send("POST", "/count", origin=origin)).status_code == 200
            assert (await page.send("GET", "/protected", origin=origin)).status_code == 200
            assert (await page.send("POST", REFRESH_PATH, origin=origin)).status_code == 200
        assert (await page.send("POST", "/signout", [("anti-csrf", "stale")], origin=EVIL)).status_code == 200

    # S63
    @pytest.mark.parametrize("anti_csrf", [False, True])
    async def test_no_header_talks_a_cookie_out_of_its_check(self, open_site: OpenSite, anti_csrf: bool) -> None:
        site = await open_site(enable_anti_csrf=anti_csrf)
        victim = await site.signed_in()
        attacker = await Page.signed_in(site, "mallory")
        before = site.rows()
        for lines in (
            [("authorization", "Bearer junk")],
            [("authorization", f"Bearer {FOREIGN}"), ("st-auth-mode", "header")],
            [("authorization", f"bearer{attacker.access}"), ("st-auth-mode", "header")],
            [("authorization", f"Bearer {attacker.access}"), ("authorization", f"Bearer {attacker.access}")],
        ):
            for path in ("/count", "/revoke", "/signout", REFRESH_PATH):
                answer = await victim.send("POST", path, lines, origin=EVIL)
                assert (answer.status_code, answer.json()) == (401, {"message": "unauthorised"})
                assert keeps_cookies(answer)
        assert site.rows() == before


class TestJsonBody:
    async def test_a_program_refreshes_with_a_json_body_and_is_answered_in_one(self, site: Site) -> None:
        page = await Page.signed_in(site)
        answer = await site.send("POST", REFRESH_PATH, json={"refresh_token": page.refresh_token})
        body = answer.json()
        assert body.keys() == OAUTH
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
        assert body["access_token"] == answer.headers["st-access-token"]
        assert body["refresh_token"] == answer.headers["st-refresh-token"] != page.refresh_token
        assert answer.headers["cache-control"] == "no-store"
        assert not cookie_names(answer)
        line = [("authorization", f"Bearer {body['access_token']}")]
        assert (await site.send("GET", "/me", line)).json()["user_id"] == "alice"

    async def test_a_header_counts_before_the_body_and_is_answered_in_headers(self, site: Site) -> None:
        page, other = await Page.signed_in(site), await Page.signed_in(site, "bob")
        answer = await page.send("POST", REFRESH_PATH, json={"refresh_token": other.refresh_token})
        assert answer.json() == {}
        assert front_token(answer)["uid"] == "alice"

    async def test_a_body_counts_before_the_cookies_which_are_cleared(self, site: Site) -> None:
        page, browser = await Page.signed_in(site), await site.signed_in("bob")
        answer = await browser.send("POST", REFRESH_PATH, json={"refresh_token": page.refresh_token})
        assert answer.json().keys() == OAUTH
        assert front_token(answer)["uid"] == "alice"
        assert browser.jar == {}

    async def test_a_refused_body_is_answered_like_any_refusal(self, site: Site) -> None:
        page = await Page.signed_in(site)
        await site.reseal.sessions.revoke_session_using_session_handle(page.handle)
        answer = await site.send("POST", REFRESH_PATH, json={"refresh_token": page.refresh_token})
        assert answer.json() == {"message": "unauthorised", "reason": "revoked"}
        assert cleared_headers(answer)

    async def test_a_body_that_is_too_long_or_does_not_say_how_long_it_is_is_not_read(self, site: Site) -> None:
        page = await Page.signed_in(site)
        body = {"refresh_token": page.refresh_token}
        before = site.rows()
        for sent in (
            {"json": body | {"more": "x" * 20_000}},
            {"content": _chunks(page.refresh_token), "headers": [("content-type", "application/json")]},
        ):
            answer = await site.send("POST", REFRESH_PATH, **sent)
            assert answer.json() == {"message": "unauthorised", "reason": "no_token"}
        assert site.rows() == before

    async def test_a_handler_of_your_own_can_read_the_body_afterwards(self, site: Site) -> None:
        from starlette.requests import Request
        from starlette.responses import JSONResponse

        async def mine(request: Request) -> JSONResponse:
            session = await site.reseal.refresh_session(request)
            return JSONResponse([session.get_user_id(), (await request.json())["device"]])

        site.app.router.add_route("/mine", mine, methods=["POST"])
        page = await Page.signed_in(site)
        body = {"refresh_token": page.refresh_token, "device": "phone"}
        assert (await site.send("POST", "/mine", json=body)).json() == ["alice", "phone"]


async def _chunks(token: str) -> Any:
    yield f'{{"refresh_token": "{token}"}}'.encode()
