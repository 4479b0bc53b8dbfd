"""Cookies as they arrive and as they are set, whatever somebody has put beside or into them."""

from __future__ import annotations

import pytest

from reseal import ConfigurationError, EventName, Settings
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import (
    ACCESS,
    API,
    HOUR,
    MINUTE,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Site,
    cleared,
    front_token,
    keeps_cookies,
    set_cookies,
)

DAY = 24 * HOUR
FROM_OUR_PAGE = ("origin", WEBSITE)


class TestAttributes:
    # S52, S53
    @pytest.mark.parametrize(
        ("config", "access", "refresh"),
        [
            ({}, (ACCESS, "/", None, True, "Lax"), (REFRESH, REFRESH_PATH, None, True, "Lax")),
            (
                {"cookie_domain": "example.com"},
                ("__Secure-sAccessToken", "/", "example.com", True, "Lax"),
                (REFRESH, REFRESH_PATH, "example.com", True, "Lax"),
            ),
            (
                {"access_token_path": "/api", "signout_api_path": "/api/signout"},
                ("__Secure-sAccessToken", "/api", None, True, "Lax"),
                (REFRESH, REFRESH_PATH, None, True, "Lax"),
            ),
            (
                {"cookie_same_site": "strict"},
                (ACCESS, "/", None, True, "Strict"),
                (REFRESH, REFRESH_PATH, None, True, "Strict"),
            ),
            (
                {"cookie_same_site": "none", "enable_anti_csrf": True},
                (ACCESS, "/", None, True, "None"),
                (REFRESH, REFRESH_PATH, None, True, "None"),
            ),
            (
                {"api_domain": "http://localhost:8000"},
                ("sAccessToken", "/", None, False, "Lax"),
                ("sRefreshToken", REFRESH_PATH, None, False, "Lax"),
            ),
            (
                {"cookie_secure": False},
                ("sAccessToken", "/", None, False, "Lax"),
                ("sRefreshToken", REFRESH_PATH, None, False, "Lax"),
            ),
            (
                {"api_domain": "http://localhost:8000", "cookie_secure": True},
                (ACCESS, "/", None, True, "Lax"),
                (REFRESH, REFRESH_PATH, None, True, "Lax"),
            ),
        ],
        ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
    )
    async def test_each_configuration_gives_the_cookies_their_prefix_and_place(
        self, open_site: OpenSite, config: dict[str, object], access: object, refresh: object
    ) -> None:
        site = await open_site(**config)
        browser = site.browser()
        for response in (await browser.login(), await browser.refresh()):
            found = set_cookies(response)
            assert [_shape(cookie) for cookie in found] == [access, refresh]
            assert all("httponly" in cookie.attributes for cookie in found)

    async def test_partitioned_cookies_are_set_and_cleared_as_such(self, open_site: OpenSite) -> None:
        site = await open_site(cookie_same_site="none", cookie_partitioned=True, enable_anti_csrf=True)
        browser = site.browser()
        for response in (await browser.login(), await browser.refresh(), await browser.post("/signout")):
            found = set_cookies(response)
            assert ["partitioned" in cookie.attributes for cookie in found].count(True) == 2
            older = [cookie for cookie in found if "partitioned" not in cookie.attributes]
            assert {cookie.name for cookie in older} == {cookie.name for cookie in found}, "those of before are deleted"
            assert all(cookie.clears for cookie in older)

    # S53
    @pytest.mark.parametrize(
        "config",
        [{"cookie_same_site": "none"}, {"cookie_same_site": "none", "enable_anti_csrf": True, "cookie_secure": False}],
    )
    def test_same_site_none_without_its_safeguards_does_not_start(self, config: dict[str, object]) -> None:
        with pytest.raises(ConfigurationError, match="cookie_same_site"):
            Settings(api_domain=API, **config)  # type: ignore[arg-type]

    # S56
    @pytest.mark.parametrize(
        ("config", "life"),
        [
            ({"refresh_token_validity": 600}, 600 * MINUTE),
            ({"refresh_token_validity": 600, "session_absolute_timeout": 500}, 500 * MINUTE),
            ({"refresh_token_validity": 60 * 24 * 1000}, 400 * DAY),
            ({"refresh_token_validity": 60 * 24 * 1000, "session_absolute_timeout": 60 * 24 * 900}, 400 * DAY),
        ],
    )
    async def test_cookies_live_no_longer_than_the_session_and_never_beyond_400_days(
        self, open_site: OpenSite, config: dict[str, object], life: int
    ) -> None:
        site = await open_site(**config)
        browser, begun = site.browser(), site.clock.wall()
        assert {cookie.expires_ms for cookie in set_cookies(await browser.login())} == {begun + life}
        site.clock.advance(2 * HOUR)
        moved = begun + life if life == 500 * MINUTE else begun + 2 * HOUR + life
        assert {cookie.expires_ms for cookie in set_cookies(await browser.refresh())} == {moved}
        (access,) = set_cookies(await browser.post("/grant"))
        assert access.expires_ms == moved

    # S56
    async def test_a_new_access_token_alone_lives_as_long_as_the_session_too(self, open_site: OpenSite) -> None:
        site = await open_site(refresh_token_validity=600)
        browser = await site.signed_in()
        end = site.clock.wall() + 600 * MINUTE
        site.clock.advance(50 * MINUTE)
        (access,) = set_cookies(await browser.post("/grant"))
        assert access.expires_ms == end

    async def test_the_life_is_told_as_a_duration_too_so_that_no_clock_of_a_client_decides(
        self, open_site: OpenSite
    ) -> None:
        site = await open_site(refresh_token_validity=600)
        browser = site.browser()
        for response in (await browser.login(), await browser.refresh(), await browser.post("/grant")):
            assert {cookie.attributes["max-age"] for cookie in set_cookies(response)} == {str(600 * 60)}
        gone = set_cookies(await browser.sign_out())
        assert {cookie.attributes["max-age"] for cookie in gone} == {"0"}


ODD = [
    '{name}="{value}"',
    "{name} = {value}",
    "  {name}={value}  ",
    "a; b;{name}={value}",
    ";;;{name}={value};",
    "={name}={value}; {name}={value}",
    "other={name}; {name}={value}",
    "caf\xe9=\xfc\xff; {name}={value}",
    "{name}; {name}={value}",
    "{name}={value}; {name}={value}",
]


UNREADABLE = [
    "",
    ";",
    "=",
    "{name}",
    "{name}=",
    "={name}={value}",
    "{name}\x00={value}",
    "\xa0{name}={value}",
    "{name}\x85={value}",
    "{lower}={value}",
    "x{name}={value}",
    "{name}x={value}",
    "{bare}={value}",
    "{name}:{value}",
    "{name}=\xe9\xff",
    '{name}="{value}',
    "{name}={value}\x00",
    "{name}='{value}'",
    "{name}={value} {value}",
]


class TestSeveralOfOneName:
    # S55
    @pytest.mark.parametrize("garbage", ["x", "", '""', "a.b.c", "r1.x.0.y.z", "%", "é", "\xff\xfe", "=", "a=b"])
    async def test_garbage_before_or_after_the_genuine_one_changes_nothing(self, site: Site, garbage: str) -> None:
        browser = await site.signed_in("alice")
        for line in _both_orders(f"{ACCESS}={garbage}", f"{ACCESS}={browser.access}"):
            response = await site.send("GET", "/checked", [("cookie", line)])
            assert response.status_code == 200
            assert response.json()["user_id"] == "alice"
        for line in _both_orders(f"{REFRESH}={garbage}", f"{REFRESH}={browser.refresh_token}"):
            response = await site.send("POST", REFRESH_PATH, [("cookie", line), FROM_OUR_PAGE])
            assert response.status_code == 200
        for line in _both_orders(f"{ACCESS}={garbage}", f"{ACCESS}={browser.access}"):
            response = await site.send("POST", "/signout", [("cookie", line), FROM_OUR_PAGE])
            assert cleared(response)
        assert await site.live("alice") == set()
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S55
    async def test_cookies_on_several_header_lines_are_read_like_those_on_one(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        for lines in (["a=1", f"{ACCESS}={browser.access}"], [f"{ACCESS}={browser.access}", f"{ACCESS}=x"]):
            response = await site.send("GET", "/me", [("cookie", line) for line in lines])
            assert response.status_code == 200

    # S55
    async def test_an_old_generation_beside_the_new_one_is_no_theft(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        old = browser.refresh_token
        older_than_any_window = []
        for _ in range(3):
            older_than_any_window.append(browser.refresh_token)
            await browser.refresh()
            assert (await browser.get("/checked")).status_code == 200
            site.clock.advance(2 * DAY)
        for stale in (old, *older_than_any_window):
            for line in _both_orders(f"{REFRESH}={stale}", f"{REFRESH}={browser.refresh_token}"):
                response = await site.send("POST", REFRESH_PATH, [("cookie", line), FROM_OUR_PAGE])
                assert response.status_code == 200
                browser._keep(response)
        assert not site.events.of(EventName.TOKEN_THEFT)
        assert len(await site.live("alice")) == 1

    # S55
    async def test_of_two_sessions_the_live_one_is_refreshed(self, site: Site) -> None:
        ended, browser = await site.signed_in("alice"), await site.signed_in("alice")
        await site.reseal.sessions.revoke_session_using_session_handle(ended.handle)
        for line in _both_orders(f"{REFRESH}={ended.refresh_token}", f"{REFRESH}={browser.refresh_token}"):
            response = await site.send("POST", REFRESH_PATH, [("cookie", line), FROM_OUR_PAGE])
            assert response.status_code == 200
            browser._keep(response)
        assert not site.events.of(EventName.TOKEN_THEFT)

    # S55
    async def test_of_an_expired_and_a_fresh_access_token_the_fresh_one_counts(self, site: Site) -> None:
        old = await site.signed_in("alice")
        site.clock.advance(2 * HOUR)
        new = await site.signed_in("alice")
        for line in _both_orders(f"{ACCESS}={old.access}", f"{ACCESS}={new.access}"):
            assert (await site.send("GET", "/me", [("cookie", line)])).json()["handle"] == new.handle
            assert (await site.send("POST", "/signout", [("cookie", line), FROM_OUR_PAGE])).status_code == 200
        assert await site.live("alice") == set()

    # S55
    async def test_odd_but_readable_lines_are_read(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        for line in ODD:
            text = line.format(name=ACCESS, value=browser.access).encode("latin-1")
            assert (await site.send("GET", "/me", [("cookie", text)])).status_code == 200, line
            text = line.format(name=REFRESH, value=browser.refresh_token).encode("latin-1")
            response = await site.send("POST", REFRESH_PATH, [("cookie", text), FROM_OUR_PAGE])
            assert response.status_code == 200, line
            browser._keep(response)

    # S55
    async def test_lines_that_hold_no_token_of_that_name_are_refused_and_never_an_error(self, site: Site) -> None:
        browser = await site.signed_in("alice")
        before = site.rows()
        access = {"name": ACCESS, "value": browser.access, "bare": "sAccessToken", "lower": ACCESS.lower()}
        refresh = {"name": REFRESH, "value": browser.refresh_token, "bare": "sRefreshToken", "lower": REFRESH.lower()}
        for line in UNREADABLE:
            response = await site.send("GET", "/me", [("cookie", line.format(**access).encode("latin-1"))])
            assert response.status_code == 401, line
            assert keeps_cookies(response)
            headers = [("cookie", line.format(**refresh).encode("latin-1")), FROM_OUR_PAGE]
            assert (await site.send("POST", REFRESH_PATH, headers)).status_code == 401, line
        assert site.rows() == before


NASTY = [
    "\r\nset-cookie: evil=1",
    "a\nb",
    ";",
    ",",
    '"',
    "\\",
    "\u2028",
    "\u2029",
    "\x85",
    "é☂😀",
    " ",
    "\x7f",
    "%0d%0a",
]


class TestHeaderInjection:
    # S58
    async def test_no_user_id_or_payload_can_add_or_split_a_header(self, site: Site) -> None:
        usual = [name for name, _ in (await site.browser().login("alice")).headers.raw]
        for text in NASTY:
            await self._nothing_is_added_or_split(site, usual, text)

    async def _nothing_is_added_or_split(self, site: Site, usual: list[bytes], text: str) -> None:
        browser, user_id = site.browser(), f"a{text}b"
        response = await browser.login(user_id, jwt_payload={text: text}, session_data={text: text})
        assert response.status_code == 200
        assert [name for name, _ in response.headers.raw] == usual
        _clean(response)
        assert front_token(response)["uid"] == user_id
        for each in (await browser.refresh(), await browser.post("/grant"), await browser.get("/me")):
            assert each.status_code == 200
            _clean(each)
        assert (await browser.get("/me")).json()["user_id"] == user_id
        assert (await browser.get("/data")).json() == {text: text}

    # S58
    @pytest.mark.parametrize("user_id", ["a\0b", "x" * 8192, "", "\ud800"])
    async def test_a_user_id_that_no_store_can_keep_is_a_400(self, site: Site, user_id: str) -> None:
        browser = site.browser()
        content = '{"user_id": ' + (r'"\ud800"' if user_id == "\ud800" else _json(user_id)) + "}"
        response = await browser.post("/login", content=content.encode())
        assert response.status_code == 400
        assert keeps_cookies(response)
        _clean(response)
        assert site.rows() == {}

    # S58
    @pytest.mark.parametrize(
        "config",
        [{}, {"cookie_domain": "example.com", "access_token_path": "/api", "signout_api_path": "/api/signout"}],
    )
    async def test_a_cookie_that_fits_barely_fits_after_every_change(
        self, open_site: OpenSite, config: dict[str, object]
    ) -> None:
        site = await open_site(enable_anti_csrf=True, **config)
        fits, browser = 0, site.browser()
        low, high = 0, 5000
        while low < high:
            middle = (low + high + 1) // 2
            if (await site.browser().login(jwt_payload={"x": "y" * middle})).status_code == 200:
                low = middle
            else:
                high = middle - 1
        fits = low
        assert fits > 2000
        for response in (await browser.login(jwt_payload={"x": "y" * fits}), await browser.refresh()):
            assert response.status_code == 200
            for cookie in set_cookies(response):
                assert len(cookie.name) + len(cookie.value) <= 4096
            _clean(response)


def _shape(cookie: object) -> tuple[str, str, str | None, bool, str]:
    attributes = cookie.attributes  # type: ignore[attr-defined]
    return (
        cookie.name,  # type: ignore[attr-defined]
        attributes["path"],
        attributes.get("domain"),
        "secure" in attributes,
        attributes["samesite"],
    )


def _both_orders(one: str, other: str) -> list[bytes]:
    return [f"{one}; {other}".encode("latin-1"), f"{other}; {one}".encode("latin-1")]


def _clean(response: object) -> None:
    for name, value in response.headers.raw:  # type: ignore[attr-defined]
        assert all(0x20 < byte < 0x7F for byte in name)
        assert all(0x20 <= byte < 0x7F for byte in value)


def _json(text: str) -> str:
    import json

    return json.dumps(text)
