from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.web import transport
from reseal.web.presented import Presented
from reseal.web.transport import Transport
from tests.web.material import WEBSITE, cookie_request, request, settings, tokens

COOKIE, HEADER = Transport.COOKIE, Transport.HEADER
SETTINGS = settings()
GENUINE = tokens(SETTINGS)
ACCESS, REFRESH = SETTINGS.access_cookie_name, SETTINGS.refresh_cookie_name


def presented(facts, chosen=SETTINGS):
    return Presented(facts, chosen, *facts.credentials)


def test_every_candidate_is_read_and_empty_ones_are_not():
    facts = cookie_request(f"{ACCESS}=one; {ACCESS}=; {REFRESH}=r; {ACCESS}=two; {ACCESS}=one")
    assert presented(facts).access_tokens == (COOKIE, ("one", "two"))
    assert presented(facts).refresh_request[:2] == (COOKIE, ("r",))
    assert presented(request()).access_tokens == (COOKIE, ())


@pytest.mark.parametrize("others", [0, 3000, 9000])
def test_a_line_that_comes_again_is_read_as_the_first_time(others):
    facts = cookie_request(f"x={'x' * others}; {ACCESS}=one; sAccessToken=bare; {ACCESS}=two")
    bare = settings(cookie_secure=False)
    for _ in range(3):
        assert presented(facts).access_tokens == (COOKIE, ("one", "two"))
        assert presented(facts, bare).access_tokens == (COOKIE, ("bare",))


@given(st.lists(st.binary() | st.just(f"{ACCESS}=one".encode()), max_size=3))
def test_lines_are_read_one_by_one_in_order_whatever_they_are(lines):
    apart = [token for line in lines for token in presented(cookie_request(line)).access_tokens[1]]
    assert presented(cookie_request(*lines)).access_tokens == (COOKIE, tuple(dict.fromkeys(apart)))


def test_a_cleared_cookie_is_no_candidate():
    assert presented(cookie_request(f'{REFRESH}=""')).refresh_request[:2] == (COOKIE, ())


@pytest.mark.parametrize(("headers", "read"), [([], None), ([("anti-csrf", "")], None), ([("Anti-CSRF", "t")], "t")])
def test_the_anti_csrf_token_is_read_from_its_header(headers, read):
    assert presented(request(*headers)).anti_csrf == read


KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("sent", "read"), [([], None), ([KEY], KEY), ([KEY, KEY], None), ([KEY, "f" * 32], None), (["not a key"], None)]
)
def test_an_attempt_key_counts_only_if_it_came_once(sent, read):
    assert presented(request(*((transport.ATTEMPT, key) for key in sent))).attempt_key == read


# -- headers ----------------------------------------------------------------------------------------------------------

BEARER = ("authorization", f"Bearer {GENUINE.access_token}")
BEARER_REFRESH = ("authorization", f"Bearer {GENUINE.refresh_token}")
FOREIGN_BEARER = ("authorization", "Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln")
COOKIES = ("cookie", f"{ACCESS}=acc; {REFRESH}=ref")


def test_a_header_counts_before_cookies_and_a_foreign_one_not_at_all():
    assert presented(request(COOKIES, BEARER)).access_tokens == (HEADER, (GENUINE.access_token,))
    assert presented(request(COOKIES, FOREIGN_BEARER)).access_tokens == (COOKIE, ("acc",))
    assert presented(request(COOKIES, BEARER_REFRESH)).access_tokens == (COOKIE, ("acc",))
    assert presented(request(COOKIES, BEARER_REFRESH)).refresh_request[:2] == (HEADER, (GENUINE.refresh_token,))
    assert presented(request(COOKIES, BEARER)).refresh_request[:2] == (COOKIE, ("ref",))


HOSTILE = ("origin", "https://evil.example.net")


@pytest.mark.parametrize(
    ("lines", "kept", "others"),
    [
        ([], COOKIE, ()),
        ([], HEADER, ()),
        ([COOKIES], COOKIE, ()),
        ([COOKIES], HEADER, (COOKIE,)),
        ([("cookie", f"{REFRESH}=ref")], HEADER, (COOKIE,)),
        ([("cookie", "theme=dark")], HEADER, ()),
        ([COOKIES, ("origin", WEBSITE)], HEADER, (COOKIE,)),
        ([COOKIES, HOSTILE], HEADER, ()),
        ([COOKIES, ("sec-fetch-site", "cross-site")], HEADER, ()),
        ([BEARER], COOKIE, (HEADER,)),
        ([BEARER, HOSTILE], COOKIE, (HEADER,)),
        ([BEARER_REFRESH], COOKIE, (HEADER,)),
        ([FOREIGN_BEARER], COOKIE, ()),
        ([BEARER], HEADER, ()),
    ],
)
def test_only_tokens_that_came_along_are_left_over(lines, kept, others):
    assert presented(request(*lines)).leftovers(kept) == others
