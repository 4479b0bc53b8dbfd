from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.errors import InvalidInput
from reseal.web.cookies import (
    COOKIE_LIMIT,
    LIFETIME_LIMIT_MS,
    clear_cookie,
    set_cookie,
    size,
    values,
)
from tests.web.material import DAY, NOW, attributes_of, cookie_lines, request

PLACE = {"path": "/", "domain": None, "secure": True, "same_site": "lax"}

ODDITIES = {
    "one": (["a=1"], ("1",)),
    "among others": (["x=9; a=1; y=8"], ("1",)),
    "absent": (["x=9"], ()),
    "no cookie header": ([], ()),
    "empty header": ([""], ()),
    "only separators": ([";;; ;"], ()),
    "two values": (["a=1; a=2"], ("1", "2")),
    "two values, other order": (["a=2; a=1"], ("2", "1")),
    "equal values": (["a=1; a=1; a=1"], ("1",)),
    "equal once decoded": (['a=1; a="1"; a=%31'], ("1",)),
    "two headers": (["a=1", "a=2"], ("1", "2")),
    "name in the second header only": (["x=1", "a=2"], ("2",)),
    "no equals sign": (["a; a=1"], ("1",)),
    "only a name": (["a"], ()),
    "nameless pair": (["=a=1"], ()),
    "nameless value": (["=1; a=2"], ("2",)),
    "empty value": (["a="], ("",)),
    "equals sign in the value": (["a=b=c=="], ("b=c==",)),
    "quoted": (['a="1"'], ("1",)),
    "empty quotes": (['a=""'], ("",)),
    "one quote": (['a="'], ('"',)),
    "open quote": (['a="1'], ('"1',)),
    "quotes inside": (['a=1"2"3'], ('1"2"3',)),
    "semicolon in quotes": (['a="1;2"; b="'], ('"1',)),
    "no space after the semicolon": (["x=9;a=1;y=8"], ("1",)),
    "spaces and tabs": (["x=9;\t a \t=\t 1 \t; y=8"], ("1",)),
    "trailing semicolon": (["a=1;"], ("1",)),
    "comma is no separator": (["x=1,a=2; a=3"], ("3",)),
    "name is a suffix": (["ba=1"], ()),
    "name is a prefix": (["ab=1"], ()),
    "name in a value": (["x=a=1"], ()),
    "other case": (["A=1"], ()),
    "percent in the name": (["%61=1"], ()),
    "percent-encoded": (["a=%2B%2f%3D"], ("+/=",)),
    "percent-encoded UTF-8": (["a=%C3%A9"], ("é",)),
    "plus is a plus": (["a=1+2"], ("1+2",)),
    "bad percent": (["a=100%"], ("100%",)),
    "good and bad percent": (["a=%41%4"], ("%41%4",)),
    "percent that is no UTF-8": (["a=%E9"], ("%E9",)),
    "double encoding is undone once": (["a=%2541"], ("%41",)),
    "obs-text": ([b"a=caf\xe9"], ("caf\xe9",)),
    "obs-text elsewhere": ([b"x=\xff\xfe; a=1"], ("1",)),
    "obs-text and percent": ([b"a=\xe9%41"], ("\xe9A",)),
    "NUL": ([b"a=1\x00"], ("1\x00",)),
    "NUL in the name": ([b"a\x00=1"], ()),
    "no-break space before the name": ([b"\xa0a=1"], ()),
    "next line before the name": ([b"\x85a=1"], ()),
    "line feed before the name": ([b"\na=1"], ()),
    "the old dollar attributes": (["$Version=1; a=1; $Path=/"], ("1",)),
}


@pytest.mark.parametrize(("sent", "read"), ODDITIES.values(), ids=ODDITIES.keys())
def test_odd_cookies_have_one_reading(sent, read):
    assert values(cookie_lines(*sent), "a") == read


def test_only_the_cookie_header_is_read():
    assert values(request(("x-cookie", "a=1"), ("set-cookie", "a=2")).credentials[1], "a") == ()


@pytest.mark.parametrize("blank", [b"\xa0", b"\x85", b"\x0b", b"\x0c", b"\x1c", b"\n", b"\r"])
def test_a_disguised_prefix_is_another_name(blank):
    assert values(cookie_lines(blank + b"__Host-a=tossed; __Host-a=own"), "__Host-a") == ("own",)


@given(st.lists(st.binary()), st.sampled_from(["a", "", "=", ";", "\xe9"]))
def test_no_bytes_raise(lines, name):
    values(cookie_lines(*lines), name)


@given(st.lists(st.text(alphabet='a=;%"0F \t\xe9é'), max_size=3))
def test_values_never_repeat(lines):
    read = values(cookie_lines(*lines), "a")
    assert len(set(read)) == len(read)


@given(st.text(alphabet="ABCxyz0189._-~", min_size=1))
def test_a_url_safe_value_comes_back_as_set(value):
    text = set_cookie("a", value, **PLACE, expires_at_ms=NOW + DAY, now_ms=NOW)
    assert values(cookie_lines(text.partition(";")[0]), "a") == (value,)


def test_a_cookie_is_written_in_one_fixed_form():
    text = set_cookie(
        "sAccessToken",
        "v",
        path="/api",
        domain="example.com",
        secure=True,
        same_site="strict",
        expires_at_ms=NOW + 90_000,
        now_ms=NOW,
    )
    assert text == (
        "sAccessToken=v; Path=/api; Domain=example.com; Max-Age=90; "
        "Expires=Tue, 14 Nov 2023 22:14:50 GMT; "
        "Secure; HttpOnly; SameSite=Strict"
    )


@pytest.mark.parametrize("domain", [None, "example.com", ".example.com", "localhost"])
@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(("same_site", "said"), [("lax", "Lax"), ("strict", "Strict"), ("none", "None")])
@pytest.mark.parametrize("path", ["/", "/auth/session/refresh"])
@pytest.mark.parametrize("partitioned", [True, False])
def test_every_place_is_written_and_cleared_alike(path, domain, secure, same_site, said, partitioned):
    place = {"path": path, "domain": domain, "secure": secure, "same_site": same_site, "partitioned": partitioned}
    written = attributes_of(set_cookie("a", "1", **place, expires_at_ms=NOW + DAY, now_ms=NOW))
    cleared = clear_cookie("a", **place)
    assert written["Path"] == path
    assert written.get("Domain") == domain
    assert ("Secure" in written) is secure
    assert written["SameSite"] == said
    assert "HttpOnly" in written
    assert ("Partitioned" in written) is partitioned
    assert written["Max-Age"] == str(DAY // 1000)
    assert cleared.startswith("a=; ")
    assert attributes_of(cleared) == written | {"Max-Age": "0", "Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}


@given(st.integers(min_value=-DAY, max_value=3000 * DAY))
def test_a_cookie_ends_with_the_session_or_after_400_days(life):
    text = set_cookie("a", "1", **PLACE, expires_at_ms=NOW + life, now_ms=NOW)
    said = attributes_of(text)
    end_ms = parsedate_to_datetime(said["Expires"]).timestamp() * 1000
    assert end_ms == (NOW + min(life, LIFETIME_LIMIT_MS)) // 1000 * 1000
    assert int(said["Max-Age"]) == max(0, min(life, LIFETIME_LIMIT_MS)) // 1000


SPLITTERS = ["\r\nSet-Cookie: b=2", "\n", "\r", "\x00", ";", "; Domain=evil.example", "\u2028", "\x7f", "é"]


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("part", ["name", "value", "path", "domain"])
@pytest.mark.parametrize("where", ["{}x", "x{}", "x{}x"])
def test_no_part_can_begin_another(part, where, splitter):
    spoilt = where.format(splitter)
    parts = {"name": "a", "value": "1", "path": "/", "domain": "example.com"}
    parts[part] = f"/{spoilt}" if part == "path" else spoilt
    with pytest.raises(InvalidInput) as refused:
        set_cookie(**parts, secure=True, same_site="lax", expires_at_ms=NOW, now_ms=NOW)
    assert refused.value.field == f"cookie {part}"


@pytest.mark.parametrize(
    ("part", "bad"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "a=b"),
        ("value", "a b"),
        ("value", "a,b"),
        ("value", 'a"b'),
        ("value", "a\\b"),
        ("path", ""),
        ("path", "api"),
        ("path", "/a b"),
        ("path", "/" + "x" * 1024),
        ("domain", ""),
        ("domain", "."),
        ("domain", "a..b"),
        ("domain", "-a.b"),
        ("domain", "a-.b"),
        ("domain", "a b"),
        ("domain", "https://a.b"),
        ("domain", "a.b:80"),
        ("domain", "a.b\n"),
        ("same_site", ""),
        ("same_site", "Lax"),
        ("same_site", "lax\n"),
        ("domain", "x" * 64),
        ("domain", ".".join(["x" * 60] * 5)),
    ],
)
def test_a_part_outside_the_grammar_is_refused(part, bad):
    parts = {"name": "a", "value": "1"} | PLACE | {part: bad}
    with pytest.raises(InvalidInput) as refused:
        set_cookie(**parts, expires_at_ms=NOW, now_ms=NOW)
    assert refused.value.field == f"cookie {part}"


@given(name=st.text(), value=st.text(), path=st.text(), domain=st.none() | st.text())
def test_whatever_is_accepted_is_one_cookie(name, value, path, domain):
    try:
        text = set_cookie(
            name,
            value,
            path=path,
            domain=domain,
            secure=False,
            same_site="lax",
            expires_at_ms=NOW,
            now_ms=NOW,
        )
    except InvalidInput:
        return
    assert text.isascii()
    assert text.isprintable()
    expected = {"Path", "Expires", "HttpOnly", "SameSite"} | ({"Domain"} if domain is not None else set())
    assert set(attributes_of(text)) == expected
    assert text.partition(";")[0] == f"{name}={value}"


def test_a_refused_value_is_not_repeated_in_the_message():
    with pytest.raises(InvalidInput) as refused:
        set_cookie("a", "canary;", **PLACE, expires_at_ms=NOW, now_ms=NOW)
    assert "canary" not in str(refused.value)


def test_clearing_is_as_strict_as_setting():
    with pytest.raises(InvalidInput):
        clear_cookie("a\r\n", **PLACE)


def test_size_counts_bytes_of_name_and_value():
    assert size("abc", "12345") == 8
    assert size("a", "é") == 3
    assert COOKIE_LIMIT == 4096
