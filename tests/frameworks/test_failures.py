"""Trouble: a store that is away, code that raises, credentials that are none. Nobody is let in or signed out by it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reseal import EventName
from tests.frameworks.conftest import EACH_STORE
from tests.frameworks.site import (
    ACCESS,
    HOUR,
    MINUTE,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Browser,
    Site,
    keeps_cookies,
    set_cookies,
)

FROM_OUR_PAGE = ("origin", WEBSITE)


@EACH_STORE
class TestStoreAway:
    # S70, S95
    async def test_valid_tokens_go_on_working_and_nobody_is_signed_out(self, site: Site) -> None:
        browsers = [await site.signed_in(f"user-{n}") for n in range(8)]
        site.store.failing = {"*"}
        for browser in browsers:
            before = dict(browser.jar)
            for minutes in (0, 20, 20):
                site.clock.advance(minutes * MINUTE // len(browsers))
                assert (await browser.get("/me")).status_code == 200
            checked = await browser.get("/checked")
            assert checked.status_code == 503
            assert checked.headers["retry-after"] == "1"
            assert keeps_cookies(checked)
            for _ in range(3):
                refresh = await browser.refresh()
                assert refresh.status_code == 503
                assert refresh.headers["retry-after"] == "1"
                assert keeps_cookies(refresh)
                assert refresh.json() == {"message": "session store unavailable, try again"}
            assert browser.jar == before
        site.clock.advance(HOUR)
        for browser in browsers:
            expired = await browser.get("/me")
            assert expired.json() == {"message": "try refresh token"}
            assert keeps_cookies(expired)
            assert (await browser.refresh()).status_code == 503
        assert (await site.send("GET", "/.well-known/jwks.json")).status_code == 200

        site.store.failing = set()
        responses = await asyncio.gather(*(browser.refresh() for browser in browsers))
        assert [response.status_code for response in responses] == [200] * len(browsers)
        for browser in browsers:
            assert (await browser.get("/checked")).status_code == 200
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S95
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/login"),
            ("GET", "/checked"),
            ("GET", "/data"),
            ("POST", "/count"),
            ("POST", "/grant"),
            ("POST", "/revoke"),
            ("POST", "/revoke-others"),
            ("POST", REFRESH_PATH),
            ("POST", "/signout"),
        ],
    )
    async def test_what_needs_the_store_is_a_503_that_says_when_to_come_again(
        self, site: Site, method: str, path: str
    ) -> None:
        browser = await site.signed_in("alice")
        before = site.rows()
        site.store.failing = {"*"}
        response = await browser.send(method, path, json={"user_id": "alice"})
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert path == "/signout" or keeps_cookies(response)
        assert site.rows() == before
        assert site.events.of(EventName.STORE_UNAVAILABLE)

    # S70
    @pytest.mark.parametrize("failing", ["rotate", "get", "replace"])
    async def test_a_single_lost_call_does_not_cost_the_session(self, site: Site, failing: str) -> None:
        browser = await site.signed_in("alice")
        stale = browser.copy()
        await browser.refresh()
        site.store.failing = {failing}
        response = await stale.refresh()
        assert response.status_code in {200, 503}
        assert response.status_code == 200 or keeps_cookies(response)
        site.store.failing = set()
        for each in (stale, browser, stale):
            assert (await each.refresh()).status_code == 200
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S69
    async def test_an_api_that_answers_401_for_ever_has_no_side_effect(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        site.clock.advance(HOUR)
        before = site.rows()
        for n in range(30):
            browser.jar = dict(browser.jar)
            response = await browser.get("/me" if n % 2 else "/checked")
            assert (response.status_code, response.json()) == (401, {"message": "try refresh token"})
            assert keeps_cookies(response)
        assert site.rows() == before
        assert [event.name for event in site.events.seen if event.session_handle] == [EventName.SESSION_CREATED]

    # S69
    async def test_many_refreshes_in_a_row_are_answered_and_leave_one_session(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        for _ in range(12):
            assert (await browser.refresh()).status_code == 200
        assert await site.live("alice") == {browser.handle}


class TestExceptions:
    # S96
    async def test_a_claim_check_that_raises_lets_nobody_in(self, site: Site) -> None:
        browser = await site.signed_in("alice", jwt_payload={"failing": True})
        response = await browser.get("/failing-claim")
        assert response.status_code == 500
        assert site.ran == []
        assert keeps_cookies(response)
        assert "bug" not in response.text

    # S96
    @pytest.mark.parametrize("failure", [RuntimeError("listener"), KeyError("listener"), ValueError("listener")])
    @pytest.mark.parametrize("path", ["/login", REFRESH_PATH])
    async def test_a_listener_that_raises_hands_out_no_cookies(self, site: Site, path: str, failure: Exception) -> None:
        browser = await site.signed_in("alice")
        before = dict(browser.jar)
        site.events.failure = failure
        response = await browser.post(path, json={"user_id": "alice"})
        assert response.status_code == 500
        assert not set_cookies(response)
        assert "front-token" not in response.headers
        assert browser.jar == before
        site.events.failure = None
        assert (await browser.refresh()).status_code == 200  # the lost step is handed out again

    # S96
    async def test_a_listener_that_raises_about_a_foreign_page_lets_it_change_nothing(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        before = site.rows()
        site.events.failure = RuntimeError("listener")
        for path in (REFRESH_PATH, "/signout", "/count"):
            response = await browser.send("POST", path, origin="https://evil.example.net")
            assert response.status_code == 500
            assert not set_cookies(response)
        assert site.ran == []
        assert site.rows() == before

    # S96
    async def test_a_listener_that_raises_while_the_store_is_away_lets_nobody_in(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        site.store.failing = {"*"}
        site.events.failure = RuntimeError("listener")
        response = await browser.get("/checked")
        assert response.status_code == 500
        assert site.ran == []
        assert keeps_cookies(response)

    # S96
    async def test_a_listener_that_raises_at_sign_out_leaves_the_session_ended(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        handle = browser.handle
        site.events.failure = RuntimeError("listener")
        assert (await browser.sign_out()).status_code == 500
        assert await site.end_reason(handle) == "signed_out"

    # S96
    @pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
    async def test_a_dependency_that_raises_keeps_the_handler_shut(self, site: Site) -> None:
        from fastapi import Depends

        async def broken(session: object = Depends(site.reseal.session())) -> None:  # type: ignore[attr-defined]
            raise LookupError("a bug in a dependency")

        async def shut(_: None = Depends(broken)) -> None:
            site.ran.append("shut")

        site.app.add_api_route("/shut", shut)  # type: ignore[attr-defined]
        browser = await site.signed_in("alice")
        response = await browser.get("/shut")
        assert response.status_code == 500
        assert site.ran == []
        assert response.headers["cache-control"] == "no-store"

    # S96
    async def test_a_store_that_breaks_in_an_unforeseen_way_lets_nobody_in(self, site: Site) -> None:
        browser = await site.signed_in("alice")

        class Broken:
            def __getattr__(self, name: str) -> Any:
                async def call(*_: object, **__: object) -> Any:
                    raise OSError("/var/lib/secret/path: broken")

                return call

        inner, site.store.inner = site.store.inner, Broken()
        for method, path in [("GET", "/checked"), ("POST", REFRESH_PATH), ("POST", "/login"), ("POST", "/revoke")]:
            response = await browser.send(method, path, json={"user_id": "alice"})
            assert response.status_code == 500
            assert keeps_cookies(response)
            assert "secret" not in response.text  # S82
        assert site.ran in ([], ["/revoke"])
        site.store.inner = inner
        assert (await browser.refresh()).status_code == 200


NAUGHTY = [
    "",
    " ",
    "\t",
    "undefined",
    "null",
    "None",
    "true",
    "0",
    "-1",
    "1e999",
    "NaN",
    "()",
    "[]",
    "{}",
    "'",
    '"',
    '""',
    "\\",
    "%",
    "%00",
    "%0d%0aset-cookie:%20a=b",
    "%ff",
    "%u0000",
    ".",
    "..",
    "...",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    "e30.e30.",
    "e30.e30.e30",
    "eyJhbGciOiJub25lIn0.e30.",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.AAAA",
    "r1",
    "r1....",
    "r1.a.0.b.c",
    "r1.a.99999999999999999999.b.c",
    "r1.a.-1.b.c",
    "r2.a.0." + "A" * 43 + "." + "A" * 43,
    "r1.a.0." + "A" * 43 + "." + "A" * 43,
    "r1.../../etc/passwd.0." + "A" * 43 + "." + "A" * 43,
    "' OR 1=1 --",
    "1; DROP TABLE session",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://x/a}",
    "$(touch /tmp/x)",
    "../../../../etc/passwd",
    "é",
    "\xa0",
    "\x85",
    "\xff\xfe",
    "\x00",
    "\x01\x02\x03",
    "\x7f",
    "\r\nx: y",
    "\n",
    "\u00ad",
    "=",
    "==",
    "====",
    "=a",
    ";",
    ",",
    "a,b",
    "A" * 4096,
    "A" * 8193,
    "A" * 100_000,
    "." * 10_000,
    "%41" * 5_000,
    '"' * 5_000,
    "=" * 5_000,
    ";" * 5_000,
]
"""Text that has broken a parser somewhere. Sent as Latin-1 (one byte a character), or as UTF-8 beyond that."""

CALLS = [
    ("GET", "/me"),
    ("GET", "/checked"),
    ("POST", "/count"),
    ("POST", REFRESH_PATH),
    ("POST", "/signout"),
]
SLOTS = ["access", "refresh", "cookie name", "cookie line", "anti-csrf", "rid", "origin", "site", "request id", "agent"]


def in_slot(slot: str, raw: bytes, browser: Browser) -> list[tuple[str | bytes, str | bytes]]:  # noqa: PLR0911
    access, refresh = ACCESS.encode(), REFRESH.encode()
    cookies = f"{ACCESS}={browser.access}; {REFRESH}={browser.refresh_token}"
    own: list[tuple[str | bytes, str | bytes]] = [("origin", WEBSITE)]
    match slot:
        case "access":
            return [*own, ("cookie", access + b"=" + raw)]
        case "refresh":
            return [*own, ("cookie", refresh + b"=" + raw)]
        case "cookie name":
            return [*own, ("cookie", raw + b"=" + browser.access.encode())]
        case "cookie line":
            return [*own, ("cookie", raw)]
        case "anti-csrf":
            return [("cookie", cookies), ("anti-csrf", raw)]
        case "rid":
            return [("cookie", cookies), ("rid", raw), ("origin", "https://evil.example.net")]
        case "origin":
            return [("cookie", cookies), ("origin", raw)]
        case "site":
            return [("cookie", cookies), ("sec-fetch-site", raw)]
        case "request id":
            return [("x-request-id", raw), *own]
        case _:
            return [("user-agent", raw), *own]


def expected(slot: str, method: str, path: str) -> set[int]:
    if slot == "anti-csrf":
        return {200, 401}
    if slot in {"rid", "origin", "site"}:  # genuine cookies, a foreign page
        return {200 if method == "GET" else 401}
    if slot == "access" and path == "/signout":
        return {200, 401}  # nothing was shown, or something that names no session
    return {200 if path == "/signout" else 401}


class TestMalformed:
    # S97
    @pytest.mark.parametrize("slot", SLOTS)
    async def test_naughty_strings_in_any_slot_are_a_401_and_never_a_crash(self, site: Site, slot: str) -> None:
        browser = await site.signed_in("alice")
        assert (await browser.get("/checked")).status_code == 200
        before = site.rows()
        for text in NAUGHTY:
            for method, path in CALLS:
                raw = text.encode("latin-1", "surrogateescape")
                response = await site.send(method, path, in_slot(slot, raw, browser))
                assert response.status_code in expected(slot, method, path), (method, path, text[:50], response.text)
                assert "trace" not in response.text.lower()
        if slot != "anti-csrf":  # any text in it is a custom header, which is enough where no browser speaks
            assert site.rows() == before
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S97
    @pytest.mark.parametrize("database_uri", ["memory"], indirect=True)
    @settings(
        max_examples=80,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        headers=st.lists(
            st.tuples(
                st.sampled_from(
                    ["cookie", "anti-csrf", "rid", "origin", "sec-fetch-site", "x-request-id", "user-agent"]
                ),
                st.one_of(
                    st.binary(max_size=60),
                    st.binary(max_size=60).map(lambda raw: ACCESS.encode() + b"=" + raw),
                    st.binary(max_size=60).map(lambda raw: REFRESH.encode() + b"=" + raw),
                    st.text('eyJ0.-_rA1=;" %\xff', max_size=60).map(lambda t: f"{ACCESS}={t}".encode("latin-1")),
                    st.text('eyJ0.-_rA1=;" %\xff', max_size=60).map(lambda t: f"{REFRESH}={t}".encode("latin-1")),
                ),
            ),
            max_size=5,
        ),
        body=st.binary(max_size=40),
        call=st.sampled_from(CALLS),
    )
    async def test_no_headers_and_no_body_crash_it(
        self, site: Site, headers: list[tuple[str, bytes]], body: bytes, call: tuple[str, str]
    ) -> None:
        response = await site.send(*call, headers, content=body)
        assert response.status_code in {200, 401}
        assert response.status_code == 401 or call[1] == "/signout"
        assert site.rows() == {}

    # S97
    @pytest.mark.parametrize("database_uri", ["memory"], indirect=True)
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    async def test_a_genuine_token_with_one_character_changed_is_refused(self, site: Site, data: st.DataObject) -> None:
        browser = await site.signed_in("alice")
        rows = site.rows()
        for name, token, path in ((ACCESS, browser.access, "/checked"), (REFRESH, browser.refresh_token, REFRESH_PATH)):
            at = data.draw(st.integers(0, len(token) - 1))
            other = data.draw(st.characters(min_codepoint=1, max_codepoint=255).filter(lambda c: c not in ';\t %"'))
            how = data.draw(st.sampled_from(["replace", "insert", "delete"]))
            changed = {
                "replace": token[:at] + other + token[at + 1 :],
                "insert": token[:at] + other + token[at:],
                "delete": token[:at] + token[at + 1 :],
            }[how]
            if changed.strip() == token:
                continue
            line = f"{name}={changed}".encode("latin-1")
            method = "POST" if path == REFRESH_PATH else "GET"
            response = await site.send(method, path, [("cookie", line), FROM_OUR_PAGE])
            assert response.status_code == 401
        assert site.rows() == rows
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S27
    @pytest.mark.parametrize("size", [8193, 100_000, 2_000_000])
    async def test_huge_credentials_are_refused_unread(self, site: Site, size: int) -> None:
        for name, path in ((ACCESS, "/me"), (REFRESH, REFRESH_PATH), (ACCESS, "/signout")):
            headers = [("cookie", f"{name}={'A' * size}"), ("authorization", "B" * size), FROM_OUR_PAGE]
            response = await site.send("GET" if path == "/me" else "POST", path, headers)
            assert response.status_code in {200, 401}
            assert len(response.content) < 200

    # S80
    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"userId":"admin","expiry":0}', b"[" * 5000]
    )
    async def test_a_refresh_or_sign_out_takes_nothing_from_a_body(self, site: Site, body: bytes) -> None:
        browser = await site.signed_in("alice")
        response = await browser.post(REFRESH_PATH, content=body)
        assert (response.status_code, response.json()) == (200, {})
        assert (await browser.get("/me")).json()["user_id"] == "alice"
        assert (await browser.post("/signout", content=body)).status_code == 200

    # S81
    @pytest.mark.parametrize(
        ("one", "other"),
        [("Alice", "alice"), ("a", "a "), ("é", "e\u0301"), ("I", "ı"), ("a", "a\u200b"), ("ß", "ss"), ("😀", "😁")],
    )
    async def test_user_ids_that_look_alike_are_different_users(self, site: Site, one: str, other: str) -> None:
        first, second = await site.signed_in(one), await site.signed_in(other)
        assert (await first.get("/me")).json()["user_id"] == one
        assert (await second.get("/me")).json()["user_id"] == other
        assert await site.reseal.sessions.revoke_all_sessions_for_user(one) == (first.handle,)
        assert (await second.refresh()).status_code == 200
