"""The cookies of a browser, by the clock of the test."""

import pytest

from reseal.testing import CookieJar, ManualClock

URL = "https://shop.example.com/basket/items"
DAY = 86_400_000


def jar_with(*lines, url=URL):
    jar = CookieJar(ManualClock(start=1_700_000_000_000))
    jar.keep(url, lines)
    return jar


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        ("a=1", "https://shop.example.com/basket/x", True),
        ("a=1", "https://shop.example.com/other", False),
        ("a=1; Path=/", "https://shop.example.com/other", True),
        ("a=1; Path=/basket", "https://shop.example.com/basket", True),
        ("a=1; Path=/basket", "https://shop.example.com/baskets", False),
        ("a=1; Path=/; Secure", "http://shop.example.com/", False),
        ("a=1; Path=/", "https://api.shop.example.com/", False),
        ("a=1; Path=/; Domain=example.com", "https://api.example.com/", True),
        ("a=1; Path=/; Domain=.example.com", "https://example.com/", True),
        ("a=1; Path=/; Domain=example.com", "https://badexample.com/", False),
        ("a=1; Path=no-path", "https://shop.example.com/basket/y", True),
    ],
)
def test_a_cookie_is_sent_where_it_belongs(line, url, sent):
    assert jar_with(line).header(url) == ("a=1" if sent else None)


@pytest.mark.parametrize(
    ("line", "url", "why"),
    [
        ("a=1; Domain=example.net", URL, "a: shop.example.com must not set cookies of example.net"),
        ("a=1; Secure", "http://shop.example.com/", "a: Secure cookies are kept from https only"),
        ("__Host-a=1; Path=/", URL, "__Host-a: its prefix demands Secure"),
        ("__Host-a=1; Path=/a; Secure", URL, "__Host-a: its prefix demands Path=/ and no Domain"),
        ("__Host-a=1; Path=/; Secure; Domain=example.com", URL, "__Host-a: its prefix demands Path=/ and no Domain"),
        (f"a={'x' * 4096}", URL, "a: 4097 bytes of name and value are more than the 4096 that browsers keep"),
    ],
)
def test_what_a_browser_does_not_keep_is_dropped_with_the_reason(line, url, why):
    jar = jar_with(line, url=url)
    assert (list(jar), jar.dropped) == ([], [why])


@pytest.mark.parametrize("age", ["Max-Age=86400", "Expires=Wed, 15 Nov 2023 22:13:20 GMT", "Max-Age=86400; Expires=x"])
def test_a_cookie_ends_by_the_clock_of_the_test(age):
    clock = ManualClock(start=1_700_000_000_000)
    jar = CookieJar(clock)
    jar.keep(URL, [f"a=1; Path=/; {age}"])
    clock.advance(DAY - 1)
    assert jar.value("a") == "1"
    clock.advance(1)
    assert (jar.value("a"), jar.header(URL), len(jar)) == (None, None, 0)


@pytest.mark.parametrize("over", ["Max-Age=0", "Max-Age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_is_deleted_by_one_of_the_same_place_only(over):
    jar = jar_with("a=1; Path=/", "a=2; Path=/basket")
    jar.keep(URL, [f"a=; Path=/; {over}"])
    assert jar.header(URL) == "a=2"


def test_the_more_specific_path_comes_first_and_a_copy_goes_its_own_way():
    jar = jar_with("a=1; Path=/", "a=2; Path=/basket")
    assert jar.header(URL) == "a=2; a=1"
    copy = jar.copy()
    copy.remove("a")
    assert (len(copy), len(jar)) == (0, 2)
    assert "secret" not in repr(jar_with("a=secret"))
