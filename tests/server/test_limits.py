"""Who calls, and how often strangers may fail (security: S77, S78)."""

import logging

import pytest

from reseal.server import limits
from reseal.server.address import Proxies, site
from tests.server.material import KEY, MINUTE, SECOND, core, keyed

PROXY = ("10.0.0.1", 5000)
STRANGER = ("203.0.113.9", 5000)


def forwarded(*lines):
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


@pytest.mark.parametrize(
    ("peer", "lines", "caller"),
    [
        ("198.51.100.7", ["1.2.3.4"], "198.51.100.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4", "10.9.9.9, 10.8.8.8"], "1.2.3.4"),
        ("10.0.0.1", ["10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", ["1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:DB8::1]:5678"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:DB8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8:0:0::1"], "2001:db8::1"),
        ("10.0.0.1", ["::FFFF:1.2.3.4"], "1.2.3.4"),
        ("::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("fd00::1%eth0", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4, unknown"], None),
        ("10.0.0.1", ["1.2.3.4,"], None),
        ("10.0.0.1", ["1.2.3.4, " + "9" * 30_000], None),
        ("10.0.0.1", ["\xff"], None),
        (None, ["1.2.3.4"], None),
        ("a socket", [], None),
    ],
)
def test_the_caller_is_the_nearest_address_that_is_no_trusted_proxys(peer, lines, caller):
    assert Proxies(["10.0.0.0/8", "fd00::/8"]).caller(peer, lines) == caller


def test_without_trusted_proxies_nobody_is_believed():
    assert Proxies([]).caller("10.0.0.1", ["1.2.3.4"]) == "10.0.0.1"


async def test_addresses_in_filters_and_events_are_those_before_the_proxy():
    body = {"userId": "u", "enableAntiCsrf": False, "userDataInJWT": {}, "userDataInDatabase": {}}
    async with core(trusted_proxies="10.0.0.0/8", ip_deny_regex=r"203\.0\.113\..*") as it:
        denied = await it.call("GET", "/hello", client=PROXY, headers=forwarded("203.0.113.9"))
        assert denied.status == 403
        assert (await it.call("GET", "/hello", client=PROXY, headers=forwarded("203.0.113.9, 1.2.3.4"))).status == 200
        await it.call("POST", "/recipe/session", body, client=PROXY, headers=forwarded("::ffff:1.2.3.4"))
        assert it.events[-1].device.ip == "1.2.3.4"


@pytest.mark.parametrize("filters", [{"ip_deny_regex": "203.*"}, {"ip_allow_regex": ".*"}])
async def test_whose_address_is_in_doubt_passes_no_filter(filters):
    async with core(trusted_proxies="10.0.0.0/8", **filters) as it:
        assert (await it.call("GET", "/hello", client=PROXY, headers=forwarded("unknown"))).status == 403
        assert (await it.call("GET", "/hello", client=None)).status == 403


@pytest.mark.parametrize("written", ["2001:db8::a", "2001:DB8:0:0:0:0:0:A", "2001:0db8::000a"])
@pytest.mark.parametrize("pattern", ["2001:db8::a", "2001:db8:0:0:0:0:0:a"])
async def test_a_pattern_meets_an_address_however_either_is_spelt(written, pattern):
    async with core(ip_deny_regex=pattern) as it:
        assert (await it.call("GET", "/hello", client=(written, 1))).status == 403
        assert (await it.call("GET", "/hello", client=("2001:db8::b", 1))).status == 200


def test_a_site_is_an_ipv4_address_or_the_first_half_of_an_ipv6_one():
    assert site("203.0.113.9") == "203.0.113.9"
    assert site("2001:db8:1:2:3:4:5:6") == site("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert site("2001:db8:1:3::") != site("2001:db8:1:2::")


async def fail(it, times, client=STRANGER, **how):
    return [(await it.call("GET", "/apiversion", client=client, **how)).status for _ in range(times)]


async def test_a_stranger_who_fails_too_often_is_told_when_to_come_back():
    async with core(api_keys=KEY, failures_per_minute=5) as it:
        it.clock.advance(MINUTE - it.clock.monotonic() % MINUTE + 20 * SECOND + 1)
        assert await fail(it, 7, headers=keyed("wrong")) == [401] * 5 + [429] * 2
        answer = await it.call("GET", "/nowhere", client=STRANGER)
        assert answer.problem == (429, "Too many failing calls without a valid API key, try again in 40 seconds")
        assert answer.headers["retry-after"] == "40"
        it.clock.advance(39 * SECOND)
        assert await fail(it, 1) == [429]
        it.clock.advance(1 * SECOND)
        assert await fail(it, 1) == [401]


async def test_other_addresses_and_good_keys_are_never_held_up_by_it():
    async with core(api_keys=KEY, failures_per_minute=5) as it:
        await fail(it, 50)
        assert await fail(it, 1) == [429]
        assert await fail(it, 1, client=("203.0.113.10", 1)) == [401]
        for _ in range(200):
            assert (await it.call("GET", "/apiversion", client=STRANGER, headers=keyed())).status == 200
            assert (await it.call("POST", "/recipe/session", b"{", client=STRANGER, headers=keyed())).status == 400
        assert (await it.call("GET", "/hello", client=STRANGER)).status == 200


async def test_neighbours_in_ipv6_share_one_count():
    async with core(api_keys=KEY, failures_per_minute=5) as it:
        statuses = [(await fail(it, 1, client=(f"2001:db8:1:2::{n}", 1)))[0] for n in range(6)]
        assert statuses == [401] * 5 + [429]
        assert await fail(it, 1, client=("2001:db8:1:3::1", 1)) == [401]


async def test_the_limit_can_be_switched_off():
    async with core(api_keys=KEY, failures_per_minute=0) as it:
        assert set(await fail(it, 500)) == {401}


async def test_an_open_service_limits_nobody():
    async with core(failures_per_minute=1) as it:
        for _ in range(10):
            assert (await it.call("POST", "/recipe/session", b"{")).status == 400


async def test_what_is_remembered_is_bounded_whoever_calls(monkeypatch):
    monkeypatch.setattr(limits, "ADDRESSES", 20)
    async with core(api_keys=KEY, failures_per_minute=5) as it:
        statuses = [(await fail(it, 1, client=(f"203.0.113.{n}", 1)))[0] for n in range(200)]
        assert statuses == [401] * 25 + [429] * 175  # the first 20 have a count of their own, the others one
        assert len(it.service._failures._failures) == 21
        assert await fail(it, 1, client=("203.0.113.0", 1)) == [401]


async def test_a_flood_of_bad_keys_is_told_once_in_a_minute(caplog):
    async with core(api_keys=KEY, failures_per_minute=5) as it:
        with caplog.at_level(logging.INFO, "reseal"):
            await fail(it, 500, headers=keyed("canary"))
    assert len([record for record in caplog.records if "too many failing calls" in record.getMessage()]) == 1
    assert len(caplog.records) == 5 + 1
    assert "203.0.113.9" in caplog.text
    assert "canary" not in caplog.text
