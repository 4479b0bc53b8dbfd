from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.errors import InvalidInput
from reseal.web.headers import SessionHeaders

EXPOSE = b"access-control-expose-headers"


def touched() -> SessionHeaders:
    outbox = SessionHeaders()
    outbox.touch()
    return outbox


def full() -> SessionHeaders:
    outbox = SessionHeaders()
    outbox.set_cookie("a", "a=1; Path=/")
    outbox.set_cookie("b", "b=2; Path=/")
    outbox.set("front-token", "xyz")
    outbox.expose("front-token")
    return outbox


def test_an_untouched_outbox_changes_nothing():
    existing = [(b"Vary", b"Accept"), (b"cache-control", b"max-age=60"), (b"vary", b"Origin")]
    assert SessionHeaders().merge_into(existing) == existing
    assert SessionHeaders().items() == []
    assert not SessionHeaders().touched


@pytest.mark.parametrize("outbox", [touched(), full()])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"CDN-Cache-Control", b"no-store"),
        (b"cloudflare-cdn-cache-control", b"no-store"),
        (b"Surrogate-Control", b"no-store"),
        (b"Edge-Control", b"no-store"),
        (b"X-Accel-Expires", b"0"),
    ],
)
def test_nor_does_a_cache_keep_it_that_is_addressed_by_a_header_of_its_own(outbox, name, value):
    merged = outbox.merge_into([(name, b"max-age=600"), (b"x-other", b"1")])
    assert [each for each in merged if each[0].lower() == name.lower()] == [(name.lower(), value)]
    assert (b"cache-control", b"no-store") in merged
    assert SessionHeaders().merge_into([(name, b"max-age=600")]) == [(name, b"max-age=600")]


def test_a_touch_keeps_the_response_out_of_every_cache():
    assert touched().items() == [("cache-control", "no-store"), ("vary", "Cookie, Authorization")]


@pytest.mark.parametrize(
    "write",
    [
        lambda outbox: outbox.set_cookie("a", "a=1"),
        lambda outbox: outbox.set("front-token", "x"),
        lambda outbox: outbox.expose("front-token"),
    ],
    ids=["set_cookie", "set", "expose"],
)
def test_every_write_is_a_touch(write):
    outbox = SessionHeaders()
    write(outbox)
    assert outbox.touched
    assert ("cache-control", "no-store") in outbox.items()


def test_the_whole_outbox_as_text():
    assert full().items() == [
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2; Path=/"),
        ("front-token", "xyz"),
        ("access-control-expose-headers", "front-token"),
        ("cache-control", "no-store"),
        ("vary", "Cookie, Authorization"),
    ]


def test_cookies_of_one_name_and_different_places_go_out_side_by_side():
    headers = SessionHeaders()
    texts = ["a=; Path=/; Expires=x", "a=1; Path=/; Domain=example.com", "a=2; Path=/b; Domain=example.com"]
    for text in [*texts, "a=9; Path=/", *texts[1:]]:
        headers.set_cookie("a", text)
    assert [value for name, value in headers.items() if name == "set-cookie"] == ["a=9; Path=/", *texts[1:]]


def test_what_is_published_is_set_and_can_be_read_until_it_is_discarded():
    headers = SessionHeaders()
    headers.publish("Front-Token", "x")
    assert ("front-token", "x") in headers.items()
    assert ("access-control-expose-headers", "front-token") in headers.items()
    headers.discard("front-token")
    assert dict(headers.items()).keys() == {"cache-control", "vary"}


def test_a_later_cookie_replaces_an_earlier_one():
    outbox = full()
    outbox.set_cookie("a", "a=; Path=/")
    cookies = [value for name, value in outbox.items() if name == "set-cookie"]
    assert sorted(cookies) == ["a=; Path=/", "b=2; Path=/"]


def test_a_discarded_header_is_neither_sent_nor_exposed():
    outbox = full()
    outbox.discard("Front-Token")
    outbox.discard("never-set")
    assert not {"front-token", "access-control-expose-headers"} & dict(outbox.items()).keys()


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        ([], b"Cookie, Authorization"),
        ([b""], b"Cookie, Authorization"),
        ([b"Accept-Encoding"], b"Accept-Encoding, Cookie, Authorization"),
        ([b"cookie"], b"cookie, Authorization"),
        ([b"Origin, COOKIE", b"authorization,Origin"], b"Origin, COOKIE, authorization"),
        ([b"*"], b"*"),
        ([b"Origin, *"], b"*"),
        ([b", ,Origin,"], b"Origin, Cookie, Authorization"),
        ([b"caf\xe9"], b"caf\xe9, Cookie, Authorization"),
    ],
)
def test_vary_is_united(existing, merged):
    result = touched().merge_into([(b"Vary", value) for value in existing])
    assert [value for name, value in result if name == b"vary"] == [merged]


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        ([], b"front-token"),
        ([b"X-Total"], b"X-Total, front-token"),
        ([b"Front-Token, X-Total"], b"Front-Token, X-Total"),
        ([b"X-A", b"x-a, X-B"], b"X-A, X-B, front-token"),
        ([b"*"], b"*, front-token"),
    ],
)
def test_exposed_headers_are_united(existing, merged):
    result = full().merge_into([(EXPOSE, value) for value in existing])
    assert [value for name, value in result if name == EXPOSE] == [merged]


def test_the_applications_exposed_headers_stay_when_we_expose_none():
    existing = [(b"Access-Control-Expose-Headers", b"X-A"), (b"Access-Control-Expose-Headers", b"X-B")]
    assert touched().merge_into(existing)[:2] == existing


def test_cache_control_is_replaced():
    existing = [(b"Cache-Control", b"public, max-age=600"), (b"cache-control", b"immutable")]
    result = touched().merge_into(existing)
    assert [value for name, value in result if name.lower() == b"cache-control"] == [b"no-store"]


def test_our_header_replaces_the_applications():
    result = full().merge_into([(b"Front-Token", b"stale")])
    assert [value for name, value in result if name.lower() == b"front-token"] == [b"xyz"]


def test_the_applications_cookies_stay_and_ours_come_last():
    existing = [(b"Set-Cookie", b"theme=dark"), (b"set-cookie", b"a=theirs")]
    cookies = [value for name, value in full().merge_into(existing) if name.lower() == b"set-cookie"]
    assert cookies == [b"theme=dark", b"a=theirs", b"a=1; Path=/", b"b=2; Path=/"]


def test_merging_does_not_write_to_the_given_list():
    existing = [(b"vary", b"Origin")]
    full().merge_into(existing)
    assert existing == [(b"vary", b"Origin")]


def test_the_existing_headers_may_be_read_only_once():
    assert full().merge_into(iter([(b"x", b"1")])) == full().merge_into([(b"x", b"1")])


@pytest.mark.parametrize("value", ["a\r\nb: c", "\n", "\x00", "é", "\u2028", "\ud800", "\t\x7f"])
def test_no_value_can_begin_another_header(value):
    outbox = SessionHeaders()
    with pytest.raises(InvalidInput):
        outbox.set("front-token", value)
    with pytest.raises(InvalidInput):
        outbox.set_cookie("a", f"a={value}")
    assert outbox.items() == []


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é"])
def test_no_name_can_begin_another_header(name):
    outbox = SessionHeaders()
    with pytest.raises(InvalidInput):
        outbox.set(name, "1")
    with pytest.raises(InvalidInput):
        outbox.expose(name)


def test_a_cookie_goes_under_its_own_name():
    with pytest.raises(InvalidInput):
        SessionHeaders().set_cookie("a", "ab=1")


NAMES = st.sampled_from(
    [
        b"Vary",
        b"vary",
        b"Cache-Control",
        b"Set-Cookie",
        b"Access-Control-Expose-Headers",
        b"Front-Token",
        b"X-Other",
    ]
)
VALUES = st.binary(max_size=12) | st.sampled_from(
    [
        b"Cookie",
        b"a=1; Path=/",
        b"front-token, X-A",
        b"*",
        b"x, X",
    ]
)
EXISTING = st.lists(st.tuples(NAMES, VALUES))


@given(EXISTING)
def test_list_headers_have_no_repeats(existing):
    merged = full().merge_into(existing)
    for name in (b"vary", EXPOSE):
        (value,) = [value for key, value in merged if key.lower() == name]
        members = [member.strip(b" ").lower() for member in value.split(b",")]
        assert len(set(members)) == len(members)


@given(EXISTING)
def test_everything_of_ours_is_there_exactly_once(existing):
    merged = Counter((name.lower(), value) for name, value in full().merge_into(existing))
    assert merged[b"set-cookie", b"a=1; Path=/"] == 1
    assert merged[b"set-cookie", b"b=2; Path=/"] == 1
    single = Counter(name for name, _ in merged.elements() if name in {b"front-token", b"cache-control", b"vary"})
    assert set(single.values()) == {1}


@given(EXISTING)
def test_nothing_foreign_is_lost(existing):
    merged = full().merge_into(existing)
    for name, value in existing:
        if name == b"X-Other" or (name == b"Set-Cookie" and not value.startswith(b"a=1")):
            assert (name, value) in merged


@given(EXISTING)
def test_merging_twice_adds_nothing(existing):
    once = full().merge_into(existing)
    assert sorted(full().merge_into(once)) == sorted(once)
