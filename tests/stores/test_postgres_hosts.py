"""Of several PostgreSQL servers the primary is used, and none that it replaced, as far as their timelines tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from reseal import ConfigurationError, StoreUnavailable
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_hosts import AsyncHosts
from reseal.stores.postgres.hosts import Host, Standing, Term, hosts_of

A, B, C = Host("a", None, "5432"), Host("b", None, "5432"), Host("c", None, "5433")
STANDBY = Standing(obstacle="it is a standby")
AWAY = None


@dataclass(eq=False)
class Link:
    host: Host
    standing: Standing
    term: Term = field(default_factory=Term)
    is_closed: bool = False

    async def close(self) -> None:
        self.is_closed = True


class Servers:
    """What each server says, and which were asked."""

    def __init__(self, **said: Standing | None) -> None:
        self.said = said
        self.asked: list[str] = []
        self.links: list[Link] = []
        self.hosts = AsyncHosts((A, B, C)[: len(said)])

    async def connect(self) -> Link:
        self.asked.clear()
        self.links.clear()
        link = await self.hosts.connect(self._connect, {})
        assert [each for each in self.links if not each.is_closed] == [link]
        return link

    async def _connect(self, host: Host, parameters: object) -> Link:
        assert parameters == {"host": host.host, "port": host.port}
        self.asked.append(str(host.host))
        standing = self.said[str(host.host)]
        if standing is None:
            raise StoreUnavailable("Connection refused")
        self.links.append(Link(host, standing))
        return self.links[-1]


def on(timeline: int, system: str = "s") -> Standing:
    return Standing(system, timeline)


async def test_every_server_is_asked_once_and_then_only_the_primary():
    servers = Servers(a=STANDBY, b=on(1), c=STANDBY)
    assert (await servers.connect()).host == B
    assert servers.asked == ["a", "b", "c"]
    assert (await servers.connect()).host == B
    assert servers.asked == ["b"]


async def test_of_two_that_take_writes_the_one_that_was_promoted_later_is_used_at_the_start():
    servers = Servers(a=on(1), b=on(2))
    assert (await servers.connect()).host == B
    assert [link.is_closed for link in servers.links] == [True, False]


async def test_a_promoted_standby_is_used_at_once_after_a_failure_without_asking_the_one_that_failed():
    servers = Servers(a=on(1), b=STANDBY)
    before = await servers.connect()
    servers.said |= {"b": on(2)}
    servers.hosts.leave(before)
    after = await servers.connect()
    assert (after.host, servers.asked) == (B, ["b"])
    assert before.term.is_over
    assert not after.term.is_over


async def test_the_one_that_failed_is_used_again_if_no_other_was_promoted():
    servers = Servers(a=on(1), b=STANDBY)
    servers.hosts.leave(await servers.connect())
    assert (await servers.connect()).host == A
    assert servers.asked == ["b", "a"]


async def test_a_replaced_primary_that_came_back_is_refused_also_while_no_other_is_there(caplog):
    servers = Servers(a=on(1), b=STANDBY)
    servers.hosts.leave(await servers.connect())
    servers.said |= {"a": AWAY, "b": on(2)}
    servers.hosts.leave(await servers.connect())
    servers.said |= {"a": on(1), "b": AWAY}
    with pytest.raises(StoreUnavailable, match=r"it was the primary before a fail-over.*Connection refused"):
        await servers.connect()
    assert servers.links[-1].is_closed
    assert "a:5432 takes writes, but it was the primary before" in caplog.text


async def test_a_failure_of_an_old_connection_does_not_end_the_new_term():
    servers = Servers(a=on(1), b=STANDBY)
    first, second = await servers.connect(), await servers.connect()
    assert first.term is second.term
    servers.said |= {"a": AWAY, "b": on(2)}
    servers.hosts.leave(first)
    third = await servers.connect()
    servers.hosts.leave(second)
    assert not third.term.is_over
    assert (await servers.connect()).term is third.term


async def test_one_that_was_asked_before_another_was_promoted_is_not_used_afterwards():
    servers = Servers(a=on(1))
    other = Link(B, on(2))

    async def meanwhile(host: Host, _: object) -> Link:
        async def promoted(*_: object) -> Link:
            return other

        await servers.hosts.connect(promoted, {})
        return Link(host, on(1))

    with pytest.raises(StoreUnavailable):
        await servers.hosts.connect(meanwhile, {})


async def test_another_cluster_and_servers_without_timelines_are_used():
    servers = Servers(a=on(7))
    await servers.connect()
    servers.said |= {"a": on(1, "restored from a dump")}
    assert (await servers.connect()).standing.timeline == 1
    assert (await Servers(a=Standing(), b=Standing()).connect()).host == A


async def test_who_cannot_be_reached_and_why_is_told_once():
    with pytest.raises(StoreUnavailable) as error:
        await Servers(a=AWAY, b=AWAY, c=STANDBY).connect()
    text = "PostgreSQL at a:5432, b:5432, c:5433 cannot be reached (Connection refused; it is a standby)"
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["the default host:5432"]),
        ({"host": "/run/postgresql"}, ["/run/postgresql:5432"]),
        ({"host": "a,b"}, ["a:5432", "b:5432"]),
        ({"host": "a,b", "port": "1"}, ["a:1", "b:1"]),
        ({"host": "a,b", "port": "1,2"}, ["a:1", "b:2"]),
        ({"host": "a,b", "port": ",2"}, ["a:5432", "b:2"]),
        ({"hostaddr": "::1,::2", "port": "1,2"}, ["[::1]:1", "[::2]:2"]),
    ],
)
def test_hosts_are_those_of_the_uri_in_their_order(given, found):
    assert list(map(str, hosts_of(given))) == found


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("a:1,b:2/db?target_session_attrs=standby", "target_session_attrs=standby asks for a server without writes"),
        ("a,b,c/db?port=1,2", "more hosts than ports, or fewer"),
    ],
)
async def test_an_address_that_leads_to_no_primary_is_refused_by_name(rest, told):
    with pytest.raises(ConfigurationError, match=f"database_uri: .*{re.escape(told)}"):
        await AsyncPostgresStore(f"postgresql://reseal:canary@{rest}").open()
