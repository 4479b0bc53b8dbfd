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
    certificate, key = authority.issue("localhost", "127.0.0.1")
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.file),
               "--tls-auth-clients", "no", "--user", "reseal", "on", f">{PASSWORD}", "~*", "&*", "+@all")  # fmt: skip
    with redis.server((*DURABLE, *options), has_tls=True) as server:
        yield server, authority.file


def address(server, authority, password, scheme="rediss", host="127.0.0.1"):
    return f"{scheme}://reseal:{quote(password, safe='')}@{host}:{server.tls_port}/0?ssl_ca_certs={authority}"


async def test_with_tls_and_the_password_of_a_user(guarded):
    assert await inserted(address(*guarded, PASSWORD)) is not None


@pytest.mark.parametrize("wrong", ["password", "authority", "scheme", "host"])
async def test_without_the_right_ones_it_is_unavailable_and_no_secret_is_told(guarded, tmp_path, wrong):
    server, authority = guarded
    uri = address(
        server,
        Authority(tmp_path, "other").file if wrong == "authority" else authority,
        "canary" if wrong == "password" else PASSWORD,
        "redis" if wrong == "scheme" else "rediss",
        "localhost.localdomain" if wrong == "host" else "127.0.0.1",
    )
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        await inserted(uri)
    assert not {"canary", PASSWORD} & set(str(raised.value).split())
    assert PASSWORD not in str(raised.value)
