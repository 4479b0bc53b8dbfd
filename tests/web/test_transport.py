from __future__ import annotations

from email.utils import parsedate_to_datetime
from itertools import product

import pytest
from msgspec.structs import replace

from reseal.core.errors import InvalidInput
from reseal.web import front_token, transport
from reseal.web.cookies import COOKIE_LIMIT, size
from reseal.web.headers import SessionHeaders
from reseal.web.transport import Transport
from tests.web.material import DAY, NOW, attributes_of, request, settings, tokens

COOKIE, HEADER = Transport.COOKIE, Transport.HEADER
SETTINGS = settings()
GENUINE = tokens(SETTINGS)
TOKENS = replace(GENUINE, access_token="acc", refresh_token="ref", anti_csrf="csrf", session_expires_at=NOW + 30 * DAY)
FRONT = front_token.of(GENUINE.claims)
ACCESS, REFRESH = SETTINGS.access_cookie_name, SETTINGS.refresh_cookie_name

CONFIGURATIONS = [
    settings(
        cookie_domain=domain,
        cookie_same_site=same_site,
        cookie_secure=secure,
        access_token_path=access,
        signout_api_path=f"{access.rstrip('/')}/signout",
        refresh_api_path=refresh,
        enable_anti_csrf=True,
    )
    for domain, same_site, secure, access, refresh in product(
        [None, "example.com", ".example.com"],
        ["lax", "strict", "none"],
        [True, False],
        ["/", "/api"],
        ["/auth/session/refresh", "/api/refresh"],
    )
    if secure or same_site != "none"
]


def attached(chosen=SETTINGS, via=COOKIE, **changes) -> SessionHeaders:
    headers = SessionHeaders()
    transport.attach(headers, chosen, via, replace(TOKENS, **changes), NOW)
    return headers


def cookies_of(headers: SessionHeaders) -> dict[str, str]:
    texts = [value for name, value in headers.items() if name == "set-cookie"]
    return {text.partition("=")[0]: text for text in texts}


@pytest.mark.parametrize("chosen", CONFIGURATIONS)
def test_each_cookie_lives_where_the_settings_say(chosen):
    cookies = cookies_of(attached(chosen))
    paths = {
        chosen.access_cookie_name: chosen.access_token_path,
        chosen.refresh_cookie_name: chosen.refresh_api_path,
    }
    assert cookies.keys() == paths.keys()
    for name, path in paths.items():
        place = attributes_of(cookies[name])
        assert place["Path"] == path
        assert place.get("Domain") == chosen.cookie_domain
        assert place["SameSite"].lower() == chosen.cookie_same_site
        assert "Partitioned" not in place
        assert ("Secure" in place) is chosen.secure_cookies
        assert "HttpOnly" in place


def test_partitioned_cookies_are_set_and_those_of_before_are_deleted():
    chosen = settings(cookie_same_site="none", cookie_partitioned=True, enable_anti_csrf=True)
    for headers in (attached(chosen), attached(chosen, refresh_token=None)):
        texts = [value for name, value in headers.items() if name == "set-cookie"]
        partitioned = {text.partition("=")[0] for text in texts if text.endswith("; Partitioned")}
        older = {text.partition("=")[0] for text in texts if not text.endswith("; Partitioned")}
        assert partitioned == older
        assert all("Max-Age=0" in text for text in texts if not text.endswith("; Partitioned"))
        assert not any("Max-Age=0" in text for text in texts if text.endswith("; Partitioned"))
    headers = SessionHeaders()
    transport.forget(headers, chosen, COOKIE)
    texts = [value for name, value in headers.items() if name == "set-cookie"]
    assert len(texts) == 4
    assert all("Max-Age=0" in text for text in texts)


@pytest.mark.parametrize("chosen", CONFIGURATIONS)
def test_clearing_differs_from_setting_only_in_value_and_end(chosen):
    headers = attached(chosen)
    written = cookies_of(attached(chosen))
    transport.clear(headers, chosen, COOKIE)
    cleared = cookies_of(headers)
    assert cleared.keys() == written.keys()
    for name, text in cleared.items():
        assert text.startswith(f"{name}=; ")
        past = {"Max-Age": "0", "Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
        assert attributes_of(text) == attributes_of(written[name]) | past


@pytest.mark.parametrize("chosen", CONFIGURATIONS)
def test_a_prefix_is_only_promised_with_what_it_demands(chosen):
    for name, text in cookies_of(attached(chosen)).items():
        place = attributes_of(text)
        if name.startswith("__"):
            assert "Secure" in place
        if name.startswith("__Host-"):
            assert place["Path"] == "/"
            assert "Domain" not in place


LONGEST_HOST = ".".join(["x" * 63] * 3 + ["y" * 61])


@pytest.mark.parametrize(
    "host", ["example.com", "my_host.example.com", "_a.b-c.example", "127.0.0.1", "localhost", LONGEST_HOST]
)
@pytest.mark.parametrize("path", ["/a", "/" + "x" * 1023, "/~a/$b!&'()*+,=:@-._"])
def test_every_place_that_the_settings_accept_can_be_written(host, path):
    places = {"access_token_path": path, "signout_api_path": path, "refresh_api_path": f"{path[:-1]}R"}
    chosen = settings(api_domain=f"https://{host}", cookie_domain=host, **places)
    headers = attached(chosen)
    transport.clear(headers, chosen, COOKIE)
    assert len(cookies_of(headers)) == 2


def test_both_cookies_end_with_the_session():
    for text in cookies_of(attached()).values():
        assert parsedate_to_datetime(attributes_of(text)["Expires"]).timestamp() * 1000 == NOW + 30 * DAY


def test_all_tokens_go_out_and_their_headers_can_be_read():
    sent = dict(attached().items())
    assert sent["front-token"] == FRONT
    assert sent["anti-csrf"] == "csrf"
    assert sent["access-control-expose-headers"] == "front-token, anti-csrf"
    assert sent["cache-control"] == "no-store"


def test_what_is_not_given_is_not_sent():
    headers = attached(refresh_token=None, anti_csrf=None)
    assert cookies_of(headers).keys() == {ACCESS}
    assert "anti-csrf" not in dict(headers.items())
    assert dict(headers.items())["access-control-expose-headers"] == "front-token"


def test_attaching_twice_sends_the_later_tokens_once():
    headers = attached()
    later = replace(TOKENS, access_token="acc2", refresh_token=None, anti_csrf=None, claims=tokens(SETTINGS).claims)
    transport.attach(headers, SETTINGS, COOKIE, later, NOW)
    cookies = cookies_of(headers)
    assert cookies[ACCESS].startswith(f"{ACCESS}=acc2; ")
    assert cookies[REFRESH].startswith(f"{REFRESH}=ref; ")
    assert [value for name, value in headers.items() if name == "front-token"] == [front_token.of(later.claims)]


def test_clearing_takes_back_what_the_response_had():
    headers = attached()
    transport.clear(headers, SETTINGS, COOKIE)
    sent = dict(headers.items())
    assert sent["front-token"] == "remove"
    assert sent["access-control-expose-headers"] == "front-token"
    assert "anti-csrf" not in sent
    assert sent["cache-control"] == "no-store"


def test_clearing_twice_is_clearing_once():
    once, twice = SessionHeaders(), SessionHeaders()
    transport.clear(once, SETTINGS, COOKIE)
    transport.clear(twice, SETTINGS, COOKIE)
    transport.clear(twice, SETTINGS, COOKIE)
    assert once.items() == twice.items()


def test_a_session_after_a_clear_wins():
    headers = SessionHeaders()
    transport.clear(headers, SETTINGS, COOKIE)
    transport.attach(headers, SETTINGS, COOKIE, replace(TOKENS, access_token="new", refresh_token="new"), NOW)
    assert {text.partition(";")[0] for text in cookies_of(headers).values()} == {f"{ACCESS}=new", f"{REFRESH}=new"}
    assert dict(headers.items())["front-token"] == FRONT


@pytest.mark.parametrize("bad", ["a;b", "a\r\nb", "a b", "é"])
@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_token_that_no_cookie_can_carry_is_refused(which, bad):
    with pytest.raises(InvalidInput):
        attached(**{which: bad})


def test_the_largest_access_token_fits_exactly():
    limit = transport.access_token_limit(SETTINGS)
    assert size(ACCESS, "x" * limit) == COOKIE_LIMIT


# -- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "via"),
    [(None, COOKIE), ("", COOKIE), ("cookie", COOKIE), ("header", HEADER), ("HEADER", HEADER), (" Header ", HEADER)]
    + [(odd, COOKIE) for odd in ("headers", "any", "header, header", "bearer")],
)
def test_a_request_asks_for_headers_or_gets_cookies(mode, via):
    facts = request(*([] if mode is None else [("St-Auth-Mode", mode)]))
    assert transport.for_new_session(facts, SETTINGS) is via
    assert transport.for_new_session(facts, settings(token_transfer_method="cookie")) is COOKIE
    assert transport.for_new_session(facts, settings(token_transfer_method="header")) is HEADER


def test_two_wishes_are_none():
    twice = request(("st-auth-mode", "header"), ("st-auth-mode", "cookie"))
    assert transport.for_new_session(twice, SETTINGS) is COOKIE


def test_in_header_mode_everything_travels_in_headers_that_can_be_read_and_nothing_in_cookies():
    sent = dict(attached(via=HEADER).items())
    assert (sent["st-access-token"], sent["st-refresh-token"], sent["front-token"]) == ("acc", "ref", FRONT)
    assert sent["access-control-expose-headers"] == "front-token, st-access-token, st-refresh-token"
    assert sent.keys().isdisjoint({"set-cookie", "anti-csrf"})
    assert sent["cache-control"] == "no-store"


def test_in_header_mode_a_new_access_token_alone_leaves_the_refresh_token():
    sent = dict(attached(via=HEADER, refresh_token=None).items())
    assert sent["access-control-expose-headers"] == "front-token, st-access-token"
    assert "st-refresh-token" not in sent


def test_clearing_headers_empties_them_and_sets_no_cookie():
    headers = attached(via=HEADER)
    transport.clear(headers, SETTINGS, HEADER)
    sent = dict(headers.items())
    assert (sent["st-access-token"], sent["st-refresh-token"], sent["front-token"]) == ("", "", "remove")
    exposed = set(sent["access-control-expose-headers"].split(", "))
    assert exposed == {"front-token", "st-access-token", "st-refresh-token"}
    assert "set-cookie" not in sent


def test_clearing_both_ways_clears_both():
    headers = SessionHeaders()
    transport.clear(headers, SETTINGS, COOKIE, HEADER)
    assert cookies_of(headers).keys() == {ACCESS, REFRESH}
    assert dict(headers.items())["st-refresh-token"] == ""


def test_forgetting_one_way_does_not_say_that_the_session_is_gone():
    headers = attached(via=HEADER)
    transport.forget(headers, SETTINGS, COOKIE)
    sent = dict(headers.items())
    assert (sent["front-token"], sent["st-access-token"]) == (FRONT, "acc")
    assert {text.partition(";")[0] for text in cookies_of(headers).values()} == {f"{ACCESS}=", f"{REFRESH}="}


def test_a_session_that_is_not_persistent_gets_cookies_that_end_with_the_browser():
    for text in cookies_of(attached(persistent=False)).values():
        assert {name.lower() for name in attributes_of(text)}.isdisjoint({"expires", "max-age"})
    for text in cookies_of(attached()).values():
        assert {name.lower() for name in attributes_of(text)} >= {"expires", "max-age"}
