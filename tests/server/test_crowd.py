"""Connections of strangers keep nobody else out (security: idle connections)."""

import resource
import socket
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest

from reseal.server.address import Proxies
from reseal.server.crowd import GRACE, Crowd, room_for_connections
from tests.server.running import LOOPS, running, until
from tests.support.certificates import Authority

KEY = "canary-key-0123456789-abcdef"
FEW = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))\n"
"""Descriptors as on a usual machine: few at first, 1024 if one asks."""
ROOM = room_for_connections(1024, 10)
STRANGER, OTHER = "127.0.0.2", "127.0.0.3"


class Connection:
    def __init__(self):
        self.is_idle = True
        self.is_open = True

    def drop(self):
        self.is_open = False


class World:
    """A crowd whose time stands still."""

    def __init__(self, per_address, room, *proxies):
        self.seconds, self.closed = 0.0, Counter()
        count = lambda reason: self.closed.update([reason])  # noqa: E731
        self.crowd = Crowd(per_address, room, Proxies(proxies), count, lambda: self.seconds)

    def enter(self, address, times=1):
        entered = [Connection() for _ in range(times)]
        for connection in entered:
            self.crowd.enter(connection, address)
        return entered

    def pass_time(self, seconds):
        self.seconds += seconds
        self.crowd.close_too_many()


async def test_the_oldest_idle_connections_that_one_address_has_too_many_of_are_closed_once_they_had_their_time(caplog):
    world = World(3, 100)
    held, other = world.enter(STRANGER, 8), world.enter(OTHER, 3)
    held[0].is_idle = False  # it is being answered
    world.crowd.vouch(held[1])
    world.pass_time(GRACE / 2)
    assert all(each.is_open for each in held)
    world.pass_time(GRACE / 2)
    assert [each.is_open for each in held] == [True, True, False, False, False, False, True, True]
    assert all(each.is_open for each in other)
    assert world.closed == {"address": 4}
    for _ in range(10):
        world.enter(STRANGER, 5)
        world.pass_time(GRACE)
    assert len([record for record in caplog.records if STRANGER in record.getMessage()]) == 1


async def test_where_descriptors_run_short_those_go_first_who_have_most():
    world = World(0, 10)
    few, many = world.enter(OTHER, 3), world.enter(STRANGER, 20)
    assert len(world.crowd) == 10
    assert all(each.is_open for each in few)
    assert [each.is_open for each in many] == [False] * 13 + [True] * 7
    assert world.closed == {"short": 13}


async def test_nobody_is_closed_who_has_shown_a_key_or_is_being_answered():
    world = World(1, 4)
    known, busy = world.enter(STRANGER, 2), world.enter(STRANGER, 2)
    for each in known:
        world.crowd.vouch(each)
    for each in busy:
        each.is_idle = False
    [idle] = world.enter(OTHER, 1)
    world.pass_time(10 * GRACE)
    assert all(each.is_open for each in [*known, *busy])
    assert not idle.is_open


async def test_a_proxy_stands_for_many_and_has_no_limit_of_its_own():
    world = World(2, 100, "10.0.0.0/8")
    behind, near = world.enter("10.1.2.3", 20), world.enter("2001:db8::1", 2) + world.enter("2001:db8::2", 2)
    world.pass_time(GRACE)
    assert all(each.is_open for each in behind)
    assert [each.is_open for each in near] == [False, False, True, True]  # one site of IPv6


@pytest.fixture
def many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connected(stack, service, address):
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30, source_address=(address, 0))
    stack.callback(connection.close)
    return connection


def caller(address):
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(transport=transport, headers={"api-key": KEY}, timeout=5)


def number(service, name):
    found = [line for line in service.metrics().splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


@pytest.mark.own_http
def test_1500_idle_connections_of_one_address_keep_nobody_else_out(tmp_path, many_files):
    with running(tmp_path, before=FEW, API_KEYS=KEY) as service, ExitStack() as stack:
        same, other = stack.enter_context(caller(STRANGER)), stack.enter_context(caller(OTHER))
        url = f"{service.url}/apiversion"
        assert same.get(url).status_code == other.get(url).status_code == 200
        for count in range(1500):
            connected(stack, service, STRANGER)
            if count % 250 == 0:
                assert httpx.get(f"{service.url}/hello").status_code == 200
        for client in (same, other):
            assert client.get(url).status_code == 200  # on the connection that it had
        for address in (STRANGER, OTHER):
            with caller(address) as late:
                assert late.get(url).status_code == 200
        until(lambda: number(service, "reseal_connections ") <= 110)
        assert number(service, "reseal_connections_closed_total") >= 1500 - 110
        told = [line["message"] for line in service.lines(event="log", level="WARNING")]
        assert sorted(line.partition(":")[0] for line in told) == [
            "127.0.0.2 holds more than 100 connections without an API key",
            f"more than {ROOM} connections are open, descriptors run short",
        ]
        assert same.get(url).status_code == other.get(url).status_code == 200


@pytest.mark.own_http
@pytest.mark.parametrize("loop", LOOPS)
def test_those_who_never_begin_tls_keep_nobody_out_either(loop, tmp_path, many_files):
    authority = Authority(tmp_path)
    certificate, key = authority.issue()
    files = {"RESEAL_TLS_CERTIFICATE_FILE": str(certificate), "RESEAL_TLS_KEY_FILE": str(key)}
    few = FEW.replace("1024", "256")
    with running(tmp_path, before=few + LOOPS[loop], API_KEYS=KEY, **files) as service, ExitStack() as stack:
        url = f"https://localhost:{service.port}/apiversion"
        trust = authority.context()
        for _ in range(300):
            connected(stack, service, STRANGER)
        for _ in range(20):
            assert httpx.get(url, headers={"api-key": KEY}, verify=trust, timeout=5).status_code == 200
        assert number(service, "reseal_connections_closed_total") >= 300 - room_for_connections(256, 10)
