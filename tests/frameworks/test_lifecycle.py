"""The life of a session over HTTP: how it begins, what it is good for, and how surely it ends."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import pytest

from reseal import EventName
from reseal.testing import ManualClock
from tests.frameworks.apps import Framework
from tests.frameworks.conftest import EACH_STORE, OpenSite
from tests.frameworks.site import (
    ACCESS,
    HOUR,
    MINUTE,
    REFRESH,
    REFRESH_PATH,
    SECOND,
    WEBSITE,
    Site,
    cleared,
    keeps_cookies,
    set_cookies,
)

FROM_OUR_PAGE = ("origin", WEBSITE)
LIFE = {"expires", "max-age"}


@EACH_STORE
class TestBeginning:
    # S05
    @pytest.mark.parametrize("planted_is", ["fresh", "expired"])
    async def test_signing_in_replaces_the_session_that_somebody_planted(self, site: Site, planted_is: str) -> None:
        attacker = await site.signed_in("mallory")
        if planted_is == "expired":
            site.clock.advance(2 * HOUR)
        victim = site.browser()
        attacker.plant(victim)
        planted = dict(victim.jar)

        assert (await victim.login("alice")).status_code == 200

        assert victim.jar.keys() == planted.keys()
        assert all(victim.jar[place] != value for place, value in planted.items())
        assert victim.handle != attacker.handle
        assert await site.end_reason(attacker.handle) == "replaced"
        if planted_is == "fresh":
            assert (await attacker.copy().get("/checked")).status_code == 401
        assert (await attacker.refresh()).json() == {"message": "unauthorised", "reason": "replaced"}
        assert (await victim.get("/checked")).json()["user_id"] == "alice"
        assert (await victim.refresh()).status_code == 200

    # S05
    async def test_signing_in_again_ends_ones_own_former_session(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        former, handle = browser.copy(), browser.handle
        await browser.login("alice", jwt_payload={"step": 2})
        assert await site.live("alice") == {browser.handle}
        assert browser.handle != handle
        assert (await former.refresh()).status_code == 401

    # S05
    async def test_other_devices_stay_signed_in_when_one_signs_in(self, site: Site) -> None:
        phone, desk = await site.signed_in("alice"), await site.signed_in("alice")
        await desk.login("alice")
        assert (await phone.refresh()).status_code == 200

    # S05
    async def test_a_refresh_token_tossed_beside_the_own_one_does_not_change_whose_session_it_is(
        self, site: Site
    ) -> None:
        victim, attacker = await site.signed_in("alice"), await site.signed_in("mallory")
        for line in (
            f"{REFRESH}={attacker.refresh_token}; {REFRESH}={victim.refresh_token}; {ACCESS}={victim.access}",
            f"{ACCESS}={victim.access}; {REFRESH}={victim.refresh_token}; {REFRESH}={attacker.refresh_token}",
        ):
            response = await site.send("POST", REFRESH_PATH, [("cookie", line), FROM_OUR_PAGE])
            assert response.status_code == 200
            handles = {cookie.value.split(".")[1] for cookie in set_cookies(response) if cookie.name == REFRESH}
            assert handles == {victim.handle}
            victim._keep(response)

    # S06
    async def test_a_well_formed_token_that_we_did_not_issue_begins_nothing(self, site: Site) -> None:
        browser = await site.signed_in()
        before = site.rows()
        shape = browser.refresh_token.split(".")
        elsewhere = "00000000-0000-4000-8000-000000000000"
        chosen = [
            ".".join([shape[0], elsewhere, *shape[2:]]),
            ".".join([*shape[:2], "1", *shape[3:]]),
            ".".join([*shape[:4], "A" * 43]),
            browser.handle,
            browser.access,
        ]
        for token in chosen:
            response = await site.send("POST", REFRESH_PATH, [("cookie", f"{REFRESH}={token}"), FROM_OUR_PAGE])
            assert (response.status_code, response.json()) == (401, {"message": "unauthorised"})
            assert cleared(response)
        for token in (browser.handle, browser.refresh_token, elsewhere):
            response = await site.send("GET", "/me", [("cookie", f"{ACCESS}={token}")])
            assert (response.status_code, response.json()) == (401, {"message": "try refresh token"})
        assert site.rows() == before
        assert not site.events.of(EventName.TOKEN_THEFT)

    async def test_a_payload_too_large_for_a_cookie_is_refused_by_name_and_nothing_happens(self, site: Site) -> None:
        browser = site.browser()
        response = await browser.login(jwt_payload={"name": "Alice", "portrait": "x" * 5000})
        assert response.status_code == 400
        assert "portrait" in response.json()["message"]
        assert "session_data" in response.json()["message"]
        assert keeps_cookies(response)
        assert site.rows() == {}
        held = await site.signed_in("alice")
        before = site.rows()
        assert (await held.login(jwt_payload={"portrait": "x" * 5000})).status_code == 400
        assert site.rows() == before
        assert (await held.get("/checked")).status_code == 200


class TestClaims:
    # S07
    async def test_a_claim_counts_from_the_reissued_token_on_and_not_before(self, site: Site) -> None:
        browser = await site.signed_in("alice", jwt_payload={"plan": "free"})
        assert (await browser.get("/mfa")).status_code == 403
        old = browser.copy()
        granted = await browser.post("/grant")
        assert granted.json()["payload"] == {"plan": "free", "mfa": True}
        assert [cookie.name for cookie in set_cookies(granted)] == [ACCESS]
        assert (await browser.get("/mfa")).status_code == 200
        assert (await old.get("/mfa")).status_code == 403
        await browser.refresh()
        assert (await browser.get("/mfa")).json()["payload"] == {"plan": "free", "mfa": True}

    # S07
    async def test_a_database_check_sees_a_payload_that_was_changed_by_handle(self, site: Site) -> None:
        browser = await site.signed_in("alice", jwt_payload={"mfa": True})
        assert (await browser.get("/checked-mfa")).status_code == 200
        await site.reseal.sessions.update_jwt_payload(browser.handle, {"demoted": True})
        assert (await browser.copy().get("/mfa")).status_code == 200  # known from the token alone, until it ends
        refused = await browser.get("/checked-mfa")
        assert refused.status_code == 403
        assert [cookie.name for cookie in set_cookies(refused)] == [ACCESS]  # the browser learns of it at once
        assert (await browser.get("/mfa")).status_code == 403
        assert (await browser.get("/me")).json()["payload"] == {"demoted": True}

    # S07
    async def test_an_upgrade_by_handle_arrives_with_the_next_database_check(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        await site.reseal.sessions.update_jwt_payload(browser.handle, {"mfa": True})
        assert (await browser.get("/mfa")).status_code == 403
        assert (await browser.get("/checked-mfa")).status_code == 200
        assert (await browser.get("/mfa")).status_code == 200
        again = await browser.get("/checked-mfa")
        assert not set_cookies(again)  # nothing new to say


class TestBounds:
    # S22, S40
    @pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
    async def test_a_session_is_good_for_its_own_app_and_tenant_only(self, open_site: OpenSite) -> None:
        clock = ManualClock()
        scopes = list(product(("shop", "blog", "public"), ("north", "south", "public")))
        sites = {
            scope: await open_site(clock=clock, app_id=scope[0], tenant_id=scope[1], enable_anti_csrf=False)
            for scope in scopes
        }
        browsers = {scope: await site.signed_in("alice") for scope, site in sites.items()}
        before = sites[scopes[0]].rows()
        assert len(before) == 9
        for here, there in permutations(scopes, 2):
            site, stranger = sites[there], browsers[here]
            access = await site.send("GET", "/checked", [("cookie", f"{ACCESS}={stranger.access}")])
            assert (access.status_code, access.json()) == (401, {"message": "try refresh token"})
            line = f"{ACCESS}={stranger.access}; {REFRESH}={stranger.refresh_token}"
            refresh = await site.send("POST", REFRESH_PATH, [("cookie", line), FROM_OUR_PAGE])
            assert (refresh.status_code, refresh.json()) == (401, {"message": "unauthorised"})
            out = await site.send("POST", "/signout", [("cookie", line), FROM_OUR_PAGE])
            assert out.json() == {"message": "try refresh token"}
            anywhere = site.reseal.sessions
            assert not await anywhere.revoke_session_using_session_handle(stranger.handle)
            assert await anywhere.get_all_session_handles_for_user("alice") == (browsers[there].handle,)
        assert sites[scopes[0]].rows() == before
        assert not [event for site in sites.values() for event in site.events.of(EventName.TOKEN_THEFT)]
        for scope in scopes:
            assert (await browsers[scope].refresh()).status_code == 200
            assert await sites[scope].reseal.sessions.revoke_all_sessions_for_user("alice") == (browsers[scope].handle,)

    # S38
    async def test_refreshing_does_not_move_the_absolute_end(self, open_site: OpenSite) -> None:
        site = await open_site(access_token_validity=4, session_absolute_timeout=1)
        browser = await site.signed_in()
        begun = site.clock.wall()
        for _ in range(11):
            site.clock.advance(5 * SECOND)
            response = await browser.refresh()
            assert response.status_code == 200
            assert all(cookie.expires_ms <= begun + MINUTE for cookie in set_cookies(response))
            record = (await site.store.get(site.settings.scope, browser.handle)).record
            assert record.expires_at <= begun + MINUTE
        held = browser.copy()  # a browser would have forgotten the cookies by now; a script would not
        site.clock.advance(5 * SECOND)
        ended = await held.refresh()
        assert ended.json() == {"message": "unauthorised", "reason": "absolute_timeout"}
        assert cleared(ended)

    # S39
    async def test_the_idle_end_moves_with_each_refresh_and_is_then_final(self, open_site: OpenSite) -> None:
        site = await open_site(access_token_validity=5, refresh_token_validity=10 / 60)
        browser = await site.signed_in()
        for _ in range(3):
            site.clock.advance(9 * SECOND)
            assert (await browser.refresh()).status_code == 200
        site.clock.advance(11 * SECOND)
        ended = await browser.refresh()
        assert ended.json() == {"message": "unauthorised", "reason": "expired"}
        assert cleared(ended)
        assert await site.live("alice") == set()

    # S40
    async def test_a_refresh_token_is_taken_from_where_it_belongs_and_from_nowhere_else(self, site: Site) -> None:
        browser = await site.signed_in()
        before, token = site.rows(), browser.refresh_token
        attempts = [
            [("authorization", f"bearer{token}")],
            [("authorization", f"Basic {token}")],
            [("authorization", token)],
            [("authorization", f"Bearer {browser.access}")],
            [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")],
            [("cookie", f"{ACCESS}={token}")],
            [("cookie", f"sRefreshToken={token}")],
            [("cookie", f"__Host-sRefreshToken={token}")],
            [("st-refresh-token", token), ("rid", "session")],
        ]
        for headers in attempts:
            response = await site.send("POST", REFRESH_PATH, [*headers, FROM_OUR_PAGE])
            assert response.status_code == 401
        as_body = await site.send("POST", f"{REFRESH_PATH}?{REFRESH}={token}", [FROM_OUR_PAGE], json={REFRESH: token})
        assert as_body.status_code == 401
        as_text = f'{{"refresh_token": "{token}"}}'.encode()
        plain = await site.send("POST", REFRESH_PATH, [FROM_OUR_PAGE, ("content-type", "text/plain")], content=as_text)
        assert plain.status_code == 401
        for_access = await site.send("GET", "/me", [("authorization", f"Bearer {token}")])
        assert for_access.status_code == 401
        assert site.rows() == before
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S41
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_the_refresh_endpoint_takes_post_only(self, site: Site, method: str) -> None:
        browser = await site.signed_in()
        before = site.rows()
        response = await browser.send(method, REFRESH_PATH)
        assert response.status_code == 405
        assert "POST" in response.headers["allow"]
        assert not set_cookies(response)
        if method != "OPTIONS":
            own = await browser.send(method, f"{REFRESH_PATH}/any")
            assert own.status_code == 405
            assert own.headers["allow"] == "POST"
            assert not set_cookies(own)
        assert site.rows() == before

    # S41
    async def test_the_refresh_cookie_goes_to_the_refresh_endpoint_only(self, site: Site) -> None:
        browser = await site.signed_in()
        (refresh,) = [cookie for cookie in set_cookies(await browser.refresh()) if cookie.name == REFRESH]
        assert refresh.attributes["path"] == REFRESH_PATH
        assert "domain" not in refresh.attributes
        for path in ("/", "/me", "/signout", "/session", "/session/refresher"):
            assert not [line for line in browser.cookies_for(path) if REFRESH in line]

    # S42
    async def test_a_disabled_user_is_stopped_at_once(self, site: Site) -> None:
        devices = [await site.signed_in("alice") for _ in range(3)]
        other = await site.signed_in("bob")
        ended = await site.reseal.sessions.revoke_all_sessions_for_user("alice")
        assert set(ended) == {device.handle for device in devices}
        for device in devices:
            assert (await device.copy().get("/checked")).status_code == 401
            refused = await device.refresh()
            assert refused.json() == {"message": "unauthorised", "reason": "user_revoked"}
            assert cleared(refused)
        assert (await other.refresh()).status_code == 200


COOKIE_CONFIGS = [
    {},
    {"cookie_domain": "example.com"},
    {"cookie_domain": ".example.com", "access_token_path": "/api", "signout_api_path": "/api/signout"},
    {"access_token_path": "/api", "refresh_api_path": "/api/session/refresh", "signout_api_path": "/api/signout"},
    {"cookie_same_site": "none", "enable_anti_csrf": True},
    {"cookie_same_site": "strict"},
    {"api_domain": "http://localhost:8000", "website_domain": WEBSITE},
]


class TestEnding:
    # S44
    @pytest.mark.parametrize("config", COOKIE_CONFIGS, ids=lambda c: "+".join(c) or "default")
    async def test_signing_out_clears_every_cookie_where_it_was_set(
        self, open_site: OpenSite, config: dict[str, object]
    ) -> None:
        site = await open_site(**config)
        browser = site.browser()
        login = set_cookies(await browser.login("alice"))
        handle = browser.handle
        out = await browser.sign_out()
        assert (out.status_code, out.json()) == (200, {"status": "OK"})
        assert cleared(out)
        assert sorted(c.place for c in set_cookies(out)) == sorted(c.place for c in login)
        for before, after in zip(
            sorted(login, key=lambda c: c.name), sorted(set_cookies(out), key=lambda c: c.name), strict=True
        ):
            assert {k: v for k, v in before.attributes.items() if k not in LIFE} == {
                k: v for k, v in after.attributes.items() if k not in LIFE
            }
        assert await site.end_reason(handle) == "signed_out"

    # S44
    @pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
    async def test_signing_out_is_in_the_store_before_the_answer_and_counts_elsewhere_at_once(
        self, open_site: OpenSite
    ) -> None:
        clock = ManualClock()
        here, there = await open_site(clock=clock), await open_site(clock=clock)
        browser = await here.signed_in("alice")
        thief = browser.copy()
        thief.site = there
        assert (await thief.get("/checked")).status_code == 200
        assert (await browser.sign_out()).status_code == 200
        assert (await thief.copy().get("/checked")).status_code == 401
        refused = await thief.refresh()
        assert refused.json() == {"message": "unauthorised", "reason": "signed_out"}

    # S44
    @pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
    async def test_a_process_that_slept_through_a_key_change_still_ends_the_session(self, open_site: OpenSite) -> None:
        clock = ManualClock()
        awake, asleep = await open_site(clock=clock), await open_site(clock=clock)
        await awake.reseal.sessions.backend.rotate_keys()  # type: ignore[attr-defined]
        clock.advance(3 * MINUTE)
        browser = await awake.signed_in("alice")
        handle = browser.handle
        browser.site = asleep
        assert (await browser.sign_out()).status_code == 200
        assert await awake.end_reason(handle) == "signed_out"

    # S44
    async def test_revoking_the_own_session_in_a_handler_ends_it_and_clears_the_cookies(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        thief = browser.copy()
        response = await browser.post("/revoke")
        assert cleared(response)
        assert browser.jar == {}
        assert (await thief.refresh()).status_code == 401

    # S45
    async def test_a_revoked_session_outlives_its_end_by_the_access_token_at_most(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        await site.reseal.sessions.revoke_session_using_session_handle(browser.handle)
        assert (await browser.copy().get("/checked")).status_code == 401
        site.clock.advance(HOUR - SECOND)
        assert (await browser.get("/me")).status_code == 200
        site.clock.advance(SECOND)
        assert (await browser.get("/me")).status_code == 401
        assert (await browser.refresh()).status_code == 401

    # S46
    async def test_each_way_of_ending_sessions_ends_exactly_those(self, site: Site) -> None:
        browsers = {user: [await site.signed_in(user) for _ in range(5)] for user in ("alice", "bob", "carol")}
        handles = {user: {browser.handle for browser in each} for user, each in browsers.items()}
        first, second, third, *_ = browsers["alice"]
        anywhere = site.reseal.sessions

        assert await anywhere.revoke_session_using_session_handle(first.handle)
        assert not await anywhere.revoke_session_using_session_handle(first.handle)
        assert await site.live("alice") == handles["alice"] - {first.handle}

        two = {second.handle, browsers["bob"][0].handle}
        ended = await anywhere.revoke_multiple_sessions([*two, first.handle, "no such handle", *two])
        assert sorted(ended) == sorted(two)
        assert await site.live("alice") == handles["alice"] - {first.handle, second.handle}
        assert await site.live("bob") == handles["bob"] - two

        others = (await third.post("/revoke-others")).json()
        assert set(others) == handles["alice"] - {first.handle, second.handle, third.handle}
        assert await site.live("alice") == {third.handle}
        assert (await third.refresh()).status_code == 200

        assert set(await anywhere.revoke_all_sessions_for_user("bob")) == handles["bob"] - two
        assert await site.live("bob") == set()
        assert await site.live("carol") == handles["carol"]

    # S49
    async def test_signing_out_twice_is_fine(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        again = browser.copy()
        for each in (browser, browser, again, site.browser()):
            response = await each.sign_out()
            assert (response.status_code, response.json()) == (200, {"status": "OK"})
            assert cleared(response)

    # S49
    async def test_signing_out_with_an_expired_token_ends_the_session(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        handle = browser.handle
        site.clock.advance(30 * HOUR)
        response = await browser.sign_out()
        assert response.status_code == 200
        assert cleared(response)
        assert await site.end_reason(handle) == "signed_out"

    # S49
    async def test_signing_out_with_garbage_ends_nothing_and_does_not_say_so(self, site: Site) -> None:
        await site.signed_in("alice")
        before = site.rows()
        for token in ("garbage", "a.b.c", "%00", '"', "r1.x.0.y.z", "é"):
            line = f"{ACCESS}={token}".encode()
            response = await site.send("POST", "/signout", [("cookie", line), FROM_OUR_PAGE])
            assert (response.status_code, response.json()) == (401, {"message": "try refresh token"})
            assert keeps_cookies(response)
        for lines in ([], [("cookie", f"{ACCESS}=")]):
            assert cleared(await site.send("POST", "/signout", [*lines, FROM_OUR_PAGE]))
        assert site.rows() == before

    # S49, S98
    async def test_signing_out_while_the_store_is_down_clears_the_cookies_and_admits_the_rest(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        handle, elsewhere = browser.handle, browser.copy()
        site.store.failing = {"*"}
        response = await browser.sign_out()
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert cleared(response)
        assert (await browser.sign_out()).status_code == 200  # nothing is left to end
        site.store.failing = set()
        assert await site.live("alice") == {handle}
        assert (await elsewhere.refresh()).status_code == 200

    # S98
    @pytest.mark.parametrize(("path", "write"), [("/revoke", "end"), ("/revoke-others", "end_user")])
    async def test_a_session_counts_as_revoked_only_if_the_store_said_so(
        self, site: Site, path: str, write: str
    ) -> None:
        browser, other = await site.signed_in("alice"), await site.signed_in("alice")
        site.store.failing = {write}
        response = await browser.post(path)
        assert response.status_code == 503
        assert keeps_cookies(response)
        assert await site.live("alice") == {browser.handle, other.handle}
        assert (await browser.get("/checked")).status_code == 200
        assert not site.events.of(EventName.SESSION_REVOKED)
        site.store.failing = set()
        assert (await browser.post(path)).status_code == 200
        assert len(await site.live("alice")) == 1

    # S98
    async def test_a_sign_in_that_could_not_end_the_former_session_hands_out_no_cookies(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        former = browser.handle
        site.store.failing = {"end"}
        response = await browser.login("alice")
        assert response.status_code == 503
        assert keeps_cookies(response)
        site.store.failing = set()
        assert former in await site.live("alice")
        assert (await browser.refresh()).status_code == 200
        assert (await browser.login("alice")).status_code == 200


# S44
async def test_the_store_is_told_before_the_browser_hears_of_the_end(framework: Framework, tmp_path: Path) -> None:
    from reseal import Settings
    from tests.frameworks.site import API, WEBSITE, make_site

    settings = Settings(api_domain=API, website_domain=WEBSITE, database_uri=f"sqlite:///{tmp_path}/one.db")
    site = make_site(framework, settings)
    async with site.app.router.lifespan_context(site.app):
        browser = await site.signed_in("alice")
        told: list[str | None] = []
        handle = browser.handle

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            told.append(await site.end_reason(handle))

        headers = [(b"cookie", f"{ACCESS}={browser.access}".encode()), (b"origin", API.encode())]
        scope = {"type": "http", "method": "POST", "path": "/signout", "headers": headers, "query_string": b""}
        await site.app(scope, receive, send)  # type: ignore[arg-type]
        assert set(told) == {"signed_out"}
