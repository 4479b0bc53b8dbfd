"""Addresses of Redis and Valkey are read, or refused with advice and without the password."""

from __future__ import annotations

import pytest

from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.stores.redis.address import Acknowledge, Kind, read


@pytest.mark.parametrize(
    ("uri", "kind", "hosts", "service", "database"),
    [
        ("redis://h", Kind.SERVER, (("h", 6379),), "", 0),
        ("redis://h:1/2", Kind.SERVER, (("h", 1),), "", 2),
        ("rediss://[::1]:7/0", Kind.SERVER, (("::1", 7),), "", 0),
        ("redis+sentinel://a,b:2/main", Kind.SENTINEL, (("a", 26379), ("b", 2)), "main", 0),
        ("rediss+sentinel://a/main/3", Kind.SENTINEL, (("a", 26379),), "main", 3),
        ("redis+cluster://a:1,b:2", Kind.CLUSTER, (("a", 1), ("b", 2)), "", 0),
    ],
)
def test_an_address_names_hosts_and_what_is_there(uri, kind, hosts, service, database):
    found = read(Secret(uri))
    assert (found.kind, found.hosts, found.service, found.database) == (kind, hosts, service, database)
    assert found.login.get("ssl", False) is uri.startswith("rediss")
    assert found.acknowledge == Acknowledge()


def test_names_and_passwords_are_decoded_and_not_shown():
    found = read(Secret("redis://us%40er:p%3Ass%2Fword@h:1"))
    assert (found.login["username"], found.login["password"]) == ("us@er", "p:ss/word")
    assert found.place == "h:1"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("acknowledge=fsync", Acknowledge()),
        ("acknowledge=memory", Acknowledge(on_disk=False)),
        ("acknowledge=replicas:2&wait_ms=250", Acknowledge(on_disk=False, replicas=2, wait_ms=250)),
    ],
)
def test_an_address_says_when_a_write_counts(text, meant):
    assert read(Secret(f"redis://h?{text}")).acknowledge == meant


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("redis://user:canary@h:port", "cannot be read"),
        ("redis+other://h", "cannot be read"),
        ("redis://a,b", "redis\\+cluster"),
        ("redis://h/x", "number of a database"),
        ("redis+cluster://h/1", "number of a database"),
        ("redis+sentinel://h", "name of the service"),
        ("redis://h?timeout=5", "'timeout'"),
        ("redis://user:p@x/canary@h/0", "%2F"),
        ("redis://user:p@x/0?canary@h:6379/0", "%40"),
        ("redis://user:p#canary@h:6379/0", "cannot be read"),
        ("redis://user:p@x/0#canary@h:6379/0", "cannot be read"),
        ("redis://h?ssl_ca_certs=/ca.pem", "ssl_ca_certs is for connections with TLS: write rediss"),
        ("redis+cluster://h?ssl_keyfile=/k.pem&ssl_certfile=/c.pem", "ssl_certfile"),
        ("redis://h?prefix=a{b}", "prefix"),
        ("redis://h?acknowledge=replicas:0", "replicas:1"),
        ("redis://h?acknowledge=yes", "fsync"),
        ("redis://h?wait_ms=0", "wait_ms"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_advice(uri, advice):
    with pytest.raises(ConfigurationError, match=advice) as raised:
        read(Secret(uri))
    assert "canary" not in str(raised.value)
