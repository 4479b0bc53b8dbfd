"""Connections to Redis: with TLS and a password, and refused without the right ones."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope
from reseal.testing.material import new_session
from tests.support import redis
from tests.support.certificates import Authority
from tests.support.redis import DURABLE, PASSWORD


async def inserted(uri):
    from reseal._async.stores.redis import AsyncRedisStore

    store = AsyncRedisStore(uri)
    await store.open()
    try:
        return await store.insert(Scope(), new_session())
    finally:
        await store.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with TLS and a password, and the file of its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    certificate, key = authority.issue("localhost")
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.file),
               "--tls-auth-clients", "no", "--user", "reseal", "on", f">{PASSWORD}", "~*", "&*", "+@all")  # fmt: skip
    with redis.server((*DURABLE, *options), has_tls=True) as server:
        yield server, authority.file


def address(server, authority, password, scheme="rediss", host="localhost"):
    return f"{scheme}://reseal:{quote(password, safe='')}@{host}:{server.tls_port}/0?ssl_ca_certs={authority}"


async def test_with_tls_and_the_password_of_a_user(guarded):
    assert await inserted(address(*guarded, PASSWORD)) is not None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("password", "wrong or missing user or password"),
        ("authority", "no TLS connection: see ssl_ca_certs"),
        ("host", "no TLS connection: see ssl_ca_certs"),
        ("scheme", "no server, or it closed the connection"),
    ],
)
async def test_without_the_right_ones_it_is_unavailable_and_no_secret_is_told(guarded, tmp_path, wrong, why):
    server, authority = guarded
    uri = address(
        server,
        Authority(tmp_path, "other").file if wrong == "authority" else authority,
        "canary" if wrong == "password" else PASSWORD,
        "redis" if wrong == "scheme" else "rediss",
        "127.0.0.1" if wrong == "host" else "localhost",
    )
    if wrong == "scheme":
        uri = uri.partition("?")[0]
    with pytest.raises(StoreUnavailable, match=rf"cannot be reached \({why}") as raised:
        await inserted(uri)
    assert not {"canary", PASSWORD} & set(str(raised.value).split())
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("redis://reseal:{password}@127.0.0.1:{port}/99", "there is no database of this number"),
        ("redis+sentinel://reseal:{password}@127.0.0.1:1/main", "no Sentinel answers that knows this service"),
        ("redis+sentinel://reseal:{password}@127.0.0.1:{port}/main", "it does not know a command"),
        ("redis://127.0.0.1:1/0", "no server"),
    ],
)
async def test_what_a_newcomer_mistakes_is_named(guarded, uri, why):
    server, _ = guarded
    uri = uri.format(password=quote(PASSWORD, safe=""), port=server.port)
    with pytest.raises(StoreUnavailable, match=rf"cannot be reached \({why}"):
        await inserted(uri)
