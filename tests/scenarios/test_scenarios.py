"""What every adapter does alike, whatever its framework: see ``framework.py`` for how one joins."""

from __future__ import annotations

import pytest

from reseal import EventName
from reseal.core.shared_signals import CONFIGURATION_PATH, documents
from tests.frameworks.site import (
    ACCESS,
    API,
    EVIL,
    HOUR,
    MINUTE,
    REFRESH,
    WEBSITE,
    Browser,
    cleared,
    cookie_names,
    keeps_cookies,
    set_cookies,
)
from tests.scenarios.conftest import BOTH_WAYS, OpenSite
from tests.scenarios.framework import Framework, having
from tests.scenarios.site import Script, Site, Visitor
from tests.webhooks.signals import receiver_at

TRY_REFRESH = (401, {"message": "try refresh token"})


def said(response):
    return response.status_code, response.json()


async def six_steps(site: Site, visitor: Visitor) -> None:
    assert (await visitor.login("alice", jwt_payload={"plan": "free"})).status_code == 200
    assert said(await visitor.get("/me")) == (200, {"user_id": "alice", "payload": {"plan": "free"}})
    site.clock.advance(HOUR)
    assert said(await visitor.get("/me")) == TRY_REFRESH
    refreshed = await visitor.refresh()
    assert said(refreshed) == (200, {})
    assert said(await visitor.get("/me")) == (200, {"user_id": "alice", "payload": {"plan": "free"}})
    assert said(await visitor.post("/count")) == (200, {"count": 1})
    assert said(await visitor.post("/count")) == (200, {"count": 2})
    copy = visitor.copy()
    assert said(await visitor.sign_out()) == (200, {"status": "OK"})
    assert said(await visitor.get("/me")) == (401, {"message": "unauthorised", "reason": "no_token"})
    assert (await copy.get("/checked")).status_code == 401
    assert site.told(EventName.SESSION_CREATED) == 1


@BOTH_WAYS
class TestLifeOfASession:
    async def test_six_steps_with_cookies(self, site: Site) -> None:
        visitor = site.visitor()
        await six_steps(site, visitor)
        assert visitor.jar == {}
        assert visitor.front_token is None

    async def test_six_steps_with_an_anti_csrf_token(self, open_site: OpenSite) -> None:
        site = await open_site(enable_anti_csrf=True)
        visitor = site.visitor()
        await six_steps(site, visitor)
        visitor = await site.signed_in()
        assert (await visitor.send("POST", "/me", origin=None)).status_code == 200
        visitor.anti_csrf = None
        assert (await visitor.send("POST", "/me", origin=None)).status_code == 401

    async def test_six_steps_with_headers(self, open_site: OpenSite) -> None:
        site = await open_site(token_transfer_method="any")
        script = Script(site)
        await six_steps(site, script)
        assert script.jar == {}
        assert script.tokens == {"st-access-token": "", "st-refresh-token": ""}

    async def test_six_steps_under_a_prefix(self, open_site: OpenSite) -> None:
        site = await open_site(prefix="/app")
        visitor = site.visitor()
        await six_steps(site, visitor)
        assert visitor.jar == {}
        visitor = await site.signed_in()
        assert {place[:2] for place in visitor.jar} == {(ACCESS, "/"), (REFRESH, "/app/session/refresh")}

    async def test_a_lost_answer_signs_nobody_out(self, site: Site) -> None:
        visitor = await site.signed_in()
        lost = visitor.copy()
        assert (await lost.refresh()).status_code == 200
        again = await visitor.refresh()
        assert again.status_code == 200
        assert visitor.refresh_token == lost.refresh_token
        assert (await visitor.get("/checked")).status_code == 200
        assert site.told(EventName.TOKEN_THEFT) == 0

    async def test_a_used_refresh_token_is_theft_and_both_are_out(self, site: Site) -> None:
        visitor = await site.signed_in()
        thief = visitor.copy()
        await visitor.refresh()
        assert (await visitor.get("/checked")).status_code == 200  # the new token has been used
        site.clock.advance(MINUTE)
        found = await thief.refresh()
        assert found.status_code == 401
        assert cleared(found)
        assert (await visitor.get("/checked")).status_code == 401
        assert (await visitor.refresh()).status_code == 401
        assert site.told(EventName.TOKEN_THEFT) == 1

    async def test_a_silent_store_signs_nobody_out(self, site: Site) -> None:
        visitor = await site.signed_in()
        site.store.down = True
        assert (await visitor.get("/me")).status_code == 200
        for answer in (await visitor.get("/checked"), await visitor.post("/count"), await visitor.refresh()):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["cache-control"] == "no-store"
            assert keeps_cookies(answer)
        site.clock.advance(HOUR)
        assert said(await visitor.get("/me")) == TRY_REFRESH
        site.store.down = False
        site.clock.advance(MINUTE)
        assert (await visitor.refresh()).status_code == 200
        assert (await visitor.get("/checked")).status_code == 200

    async def test_a_claim_counts_from_the_new_token_on(self, site: Site) -> None:
        visitor = await site.signed_in()
        refused = await visitor.get("/admin")
        assert refused.status_code == 403
        assert keeps_cookies(refused)
        granted = await visitor.post("/grant")
        assert cookie_names(granted) == [ACCESS]
        assert said(await visitor.get("/admin")) == (200, {"user_id": "alice", "payload": {"admin": True}})

    async def test_a_revoked_session_is_over(self, site: Site) -> None:
        visitor = await site.signed_in()
        copy = visitor.copy()
        assert cleared(await visitor.post("/revoke"))
        assert visitor.jar == {}
        assert cleared(await copy.get("/checked"))
        assert (await site.visitor().get("/me")).status_code == 401

    async def test_rendered_pages_refresh_first(self, site: Site) -> None:
        assert (await site.visitor().get("/page")).text == "Welcome, stranger"
        visitor = await site.signed_in()
        page = await visitor.get("/page")
        assert page.text == "Welcome, alice"
        assert page.headers["cache-control"] == "no-store"
        site.clock.advance(HOUR)
        waiting = await visitor.get("/page?n=1")
        assert "Welcome" not in waiting.text
        assert waiting.headers["cache-control"] == "no-store"
        assert (await visitor.followed(waiting)).text == "Welcome, alice"


async def test_rendered_pages_refresh_first_under_a_prefix(open_site: OpenSite) -> None:
    site = await open_site(prefix="/app")
    visitor = await site.signed_in()
    site.clock.advance(HOUR)
    waiting = await visitor.get("/page?n=1")
    assert "/app/page%3Fn%3D1" in waiting.text
    assert (await visitor.followed(waiting)).text == "Welcome, alice"


@pytest.mark.parametrize("framework", having("page-loads"), indirect=True)
@pytest.mark.parametrize("prefix", ["", "/app"])
async def test_page_loads_refresh_first_by_themselves_and_calls_of_scripts_do_not(
    open_site: OpenSite, prefix: str
) -> None:
    site = await open_site(prefix=prefix)
    visitor = await site.signed_in()
    site.clock.advance(HOUR)
    opened = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("accept", "text/html")]
    waiting = await visitor.send("GET", "/me?n=1", opened)
    assert waiting.status_code == 200
    assert said(await visitor.followed(waiting)) == (200, {"user_id": "alice", "payload": {}})
    site.clock.advance(HOUR)
    assert said(await visitor.send("GET", "/me", [("sec-fetch-mode", "cors")])) == TRY_REFRESH


@pytest.mark.parametrize("framework", having("page-loads"), indirect=True)
@pytest.mark.parametrize("prefix", ["", "/app"])
async def test_a_form_is_sent_again_by_way_of_the_refresh_path(open_site: OpenSite, prefix: str) -> None:
    site = await open_site(prefix=prefix)
    visitor = await site.signed_in()
    opened = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("accept", "text/html")]
    site.clock.advance(site.settings.access_token_ms)
    path, ways = "/count?n=1", []
    for _ in range(2):
        by_way = await visitor.send("POST", path, opened, data={"item": "tea & milk"})
        assert by_way.status_code == 307, by_way.text
        ways.append(by_way.headers["location"])
        path = ways[-1].removeprefix(prefix)
    assert ways == [f"{prefix}/session/refresh/repeat?target={prefix}/count%3Fn%3D1", f"{prefix}/count?n=1"]
    assert (await visitor.send("POST", path, opened, data={"item": "tea & milk"})).json() == {"count": 1}
    foreign = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("accept", "text/html")]
    site.clock.advance(site.settings.access_token_ms)
    assert (await visitor.send("POST", path, foreign, origin=EVIL, data={"item": "x"})).status_code == 401


async def test_the_way_to_the_page_that_refreshes_first_is_a_route(site: Site) -> None:
    visitor = await site.signed_in()
    site.clock.advance(HOUR)
    waiting = await visitor.get("/session/refresh/continue?target=/page")
    assert waiting.status_code == 200
    assert (await visitor.followed(waiting)).text == "Welcome, alice"


async def test_a_foreign_link_refreshes_by_the_hand_of_the_visitor_only(site: Site) -> None:
    visitor = await site.signed_in()
    site.clock.advance(HOUR)
    waiting = await visitor.send("GET", "/page", [("sec-fetch-site", "cross-site")])
    assert "<script" not in waiting.text
    assert (await visitor.followed(waiting)).text == "Welcome, alice"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/stream", 200), ("/boom", 500), ("/redirect", 303), ("/own", 200), ("/grant", 200)],
)
async def test_cookies_leave_with_every_kind_of_response(
    site: Site, framework: Framework, path: str, status: int
) -> None:
    visitor = await site.signed_in()
    before = visitor.access
    response = await visitor.post(path)
    assert response.status_code == status
    assert [name for name in cookie_names(response) if name != "theme"] == [ACCESS]
    assert visitor.access != before
    assert response.headers.get_list("cache-control") == ["no-store"]
    vary = {name.strip().lower() for name in response.headers["vary"].split(",")}
    assert {"cookie", "authorization"} <= vary
    kept = "accept" in vary or "replaces-vary" in framework.features
    assert "front-token" in response.headers["access-control-expose-headers"]
    assert said(await visitor.get("/admin"))[0] == 200
    assert {
        "/stream": response.content == b"onetwothree",
        "/boom": b"the handler failed" not in response.content,
        "/redirect": response.headers.get("location") in {"/open", f"{API}/open"},
        "/own": response.content == b"own" and kept and ("theme", "/", None) in visitor.jar,
        "/grant": b'"user_id"' in response.content,
    }[path]


async def test_what_no_session_touched_stays_as_it_is(site: Site) -> None:
    visitor = await site.signed_in()
    response = await visitor.get("/open")
    assert response.text == "open"
    assert response.headers["cache-control"] == "public, max-age=60"
    assert keeps_cookies(response)


@pytest.mark.parametrize(
    "path",
    ["/session/refresh", "/signout", "/me", "/grant", "/session/refresh/continue", "/session/refresh/repeat"],
)
async def test_a_foreign_page_changes_nothing(site: Site, path: str) -> None:
    visitor = await site.signed_in()
    cookies = ("cookie", "; ".join(visitor.cookies_for(path)))
    response = await site.send("POST", path, [cookies, ("origin", EVIL)])
    assert said(response) == (401, {"message": "unauthorised"})
    assert keeps_cookies(response)
    assert site.told(EventName.CROSS_SITE_REFUSED) == 1
    assert (await visitor.get("/checked")).status_code == 200
    assert (await visitor.refresh()).status_code == 200


async def test_a_foreign_page_opens_no_websocket_with_cookies_where_handshakes_are_requests(site: Site) -> None:
    visitor = await site.signed_in()
    cookies = ("cookie", "; ".join(visitor.cookies_for("/me")))
    handshake = [cookies, ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")]
    assert (await site.send("GET", "/me", [*handshake, ("origin", EVIL)])).status_code == 401
    assert (await site.send("GET", "/me", handshake)).status_code == 401
    assert (await site.send("GET", "/me", [*handshake, ("origin", WEBSITE)])).status_code == 200


async def test_a_foreign_page_signs_nobody_in(site: Site) -> None:
    response = await site.visitor().send("POST", "/login", origin=EVIL, json={"user_id": "mallory"})
    assert response.status_code == 401
    assert keeps_cookies(response)


@pytest.mark.parametrize("path", ["/session/refresh", "/signout"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
async def test_what_changes_a_session_is_done_by_post_only(site: Site, path: str, method: str) -> None:
    visitor = await site.signed_in()
    response = await visitor.send(method, path)
    assert response.status_code in ({200, 204, 404, 405} if method == "OPTIONS" else {404, 405})
    assert not set_cookies(response)
    assert (await visitor.get("/checked")).status_code == 200


@pytest.mark.parametrize("path", ["/me", "/open", "/.well-known/jwks.json", "/reseal-browser.js"])
async def test_head_is_answered_like_get_without_a_body(site: Site, path: str) -> None:
    visitor = await site.signed_in()
    full, head = await visitor.get(path), await visitor.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == full.headers["content-type"]
    assert head.headers.get("cache-control") == full.headers.get("cache-control")


async def test_a_refused_head_request_has_no_body_either(site: Site) -> None:
    response = await site.visitor().head("/me")
    assert (response.status_code, response.content) == (401, b"")


async def test_the_public_keys_and_the_browser_sdk_are_served(site: Site) -> None:
    keys = await site.send("GET", "/.well-known/jwks.json")
    assert keys.status_code == 200
    assert keys.headers["cache-control"].startswith("max-age=")
    assert {key["use"] for key in keys.json()["keys"]} == {"sig"}
    script = await site.send("GET", "/reseal-browser.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert b"export" in script.content


async def test_receivers_of_shared_signals_find_the_transmitter(open_site: OpenSite) -> None:
    receiver = receiver_at("https://receiver.example.net/events")
    site = await open_site(event_outbox="security", webhooks=(receiver,))
    for path, document in documents([receiver]).items():
        response = await site.send("GET", path)
        assert (response.status_code, response.json()) == (200, document)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"].startswith("max-age=")
    assert (await (await open_site()).send("GET", CONFIGURATION_PATH)).status_code == 404


async def test_a_program_refreshes_with_a_json_body(open_site: OpenSite) -> None:
    site = await open_site(token_transfer_method="any")
    script = Script(site)
    await script.login("alice")
    body = {"grant_type": "refresh_token", "refresh_token": script.tokens["st-refresh-token"]}
    response = await site.send("POST", "/session/refresh", json=body)
    assert response.status_code == 200, response.text
    assert {"access_token", "refresh_token"} <= set(response.json())


async def test_who_signs_in_again_has_one_session(site: Site) -> None:
    visitor = await site.signed_in("alice")
    before = visitor.copy()
    await visitor.login("bob")
    assert (await visitor.get("/me")).json()["user_id"] == "bob"
    assert (await before.get("/checked")).status_code == 401


async def test_the_banner_of_whoever_acts_as_another_user_has_its_routes(open_site: OpenSite) -> None:
    site = await open_site(device_list=True)
    stranger, alice = site.visitor(), await site.signed_in()
    for visitor in (stranger, alice):
        assert said(await visitor.get("/sessions/impersonation")) == (200, {"actor": None})
    refused = await alice.post("/sessions/impersonation/stop")
    assert said(refused) == (400, {"message": "session: acts for nobody"})
    assert "reseal-impersonation" in (await stranger.get("/sessions/element.js")).text
    assert (await alice.send("DELETE", f"/sessions/{alice.handle}")).status_code == 200


async def test_a_mistake_of_the_application_is_told_to_the_caller(site: Site) -> None:
    response = await site.visitor().login("alice", jwt_payload={"portrait": "x" * 5000})
    assert response.status_code == 400
    assert "portrait" in response.json()["message"]


@pytest.mark.parametrize("framework", having("cors"), indirect=True)
async def test_pages_of_ours_may_call_and_no_others(site: Site) -> None:
    preflight = [("access-control-request-method", "POST"), ("access-control-request-headers", "rid, anti-csrf")]
    for path in ("/me", "/session/refresh"):
        answer = await site.send("OPTIONS", path, [*preflight, ("origin", WEBSITE)])
        assert answer.status_code in {200, 204}
        assert answer.headers["access-control-allow-origin"] == WEBSITE
        assert answer.headers["access-control-allow-credentials"] == "true"
        allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
        assert {"rid", "anti-csrf", "authorization", "content-type"} <= allowed
        refused = await site.send("OPTIONS", path, [*preflight, ("origin", EVIL)])
        assert not [name for name in refused.headers if name.startswith("access-control-allow")]
    visitor = await site.signed_in()
    for answer in (await visitor.post("/me"), await site.visitor().post("/me"), await visitor.post("/grant")):
        assert answer.headers.get_list("access-control-allow-origin") == [WEBSITE]
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    foreign = await site.send("GET", "/open", [("origin", EVIL)])
    assert not [name for name in foreign.headers if name.startswith("access-control-")]


async def test_each_of_many_users_is_who_they_are(site: Site) -> None:
    visitors: list[Browser] = [await site.signed_in(f"user-{n}") for n in range(5)]
    site.clock.advance(HOUR)
    for n, visitor in enumerate(visitors):
        assert (await visitor.fetch("GET", "/me")).json()["user_id"] == f"user-{n}"


@pytest.mark.parametrize("framework", having("websocket"), indirect=True)
class TestWebSockets:
    async def test_one_is_open_for_as_long_as_its_session_lives(self, site: Site) -> None:
        visitor = await site.signed_in()
        async with visitor.socket() as socket:
            assert socket.status == 101
            assert await socket.receive() == "alice"
            await socket.send("hello")
            assert await socket.receive() == "hello"
            await visitor.sign_out()
            assert await socket.receive() == 4001

    async def test_nobody_else_opens_one(self, site: Site) -> None:
        visitor = await site.signed_in()
        async with visitor.socket(EVIL) as foreign, site.visitor().socket() as of_a_stranger:
            assert (foreign.status, of_a_stranger.status) == (403, 401)
        site.clock.advance(HOUR)
        async with visitor.socket() as expired:
            assert expired.status == 401
        await visitor.refresh()
        site.store.down = True
        async with visitor.socket() as unknown:
            assert unknown.status == 503


class TestDevices:
    @BOTH_WAYS
    async def test_a_user_lists_names_and_ends_sessions(self, open_site: OpenSite) -> None:
        site = await open_site(device_list=True)
        here, there, third = [await site.signed_in("alice") for _ in range(3)]
        renamed = await here.send("PUT", f"/sessions/{there.handle}", json={"name": "Old phone"})
        assert said(renamed) == (200, {"status": "OK"})
        shown = (await here.get("/sessions")).json()["sessions"]
        assert {(each["handle"], each["current"], each.get("name")) for each in shown} == {
            (here.handle, True, None),
            (there.handle, False, "Old phone"),
            (third.handle, False, None),
        }
        assert said(await here.send("DELETE", f"/sessions/{there.handle}")) == (200, {"status": "OK"})
        reason = {"reason": "revoked", "note": "signed out from another device"}
        assert said(await there.refresh()) == (401, {"message": "unauthorised", **reason})
        assert said(await here.send("DELETE", "/sessions/absent")) == (404, {"message": "no such session"})
        assert said(await here.post("/sessions/end-others")) == (200, {"status": "OK", "ended": 1})
        shown = (await here.get("/sessions")).json()["sessions"]
        assert {each.get("end_reason") for each in shown} == {None, "user_revoked", "revoked"}
        out = await here.send("DELETE", f"/sessions/{here.handle}")
        assert said(out) == (200, {"status": "OK"})
        assert cleared(out)

    @pytest.mark.parametrize(
        ("method", "path"), [("DELETE", "/sessions/{}"), ("PUT", "/sessions/{}"), ("POST", "/sessions/end-others")]
    )
    async def test_a_foreign_page_changes_no_session(self, open_site: OpenSite, method: str, path: str) -> None:
        site = await open_site(device_list=True)
        alice, other = [await site.signed_in("alice") for _ in range(2)]
        refused = await alice.send(method, path.format(other.handle), origin=EVIL, json={"name": "theirs"})
        assert refused.status_code == 401
        shown = (await other.get("/sessions")).json()["sessions"]
        assert [each.get("name", each.get("end_reason")) for each in shown] == [None, None]

    async def test_the_element_comes_under_a_prefix(self, open_site: OpenSite) -> None:
        site = await open_site(device_list=True, prefix="/app")
        response = await site.visitor().get("/sessions/element.js")
        assert response.status_code == 200
        assert '{"list":"/app/sessions","refresh":"/app/session/refresh"}' in response.text
