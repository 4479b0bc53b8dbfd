"""What a server keeps is asked at the start and by ``reseal check``; what does not fit is named, with the remedy."""

from __future__ import annotations

from functools import partial

import pytest

from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.model import Scope
from reseal.core.secret import Secret
from reseal.server.config import ServiceSettings
from reseal.stores.redis.changes import SCRIPT, SHA
from reseal.testing.material import new_session, step
from tests.support import redis
from tests.support.redis import DURABLE


async def opened(uri):
    from reseal._async.stores.redis import AsyncRedisStore

    store = AsyncRedisStore(uri)
    await store.open()
    return store


async def findings(uri):
    from reseal.server.inspection.redis import look

    return await look(Secret(uri))


@pytest.mark.parametrize(
    ("options", "more", "named"),
    [
        (("--appendonly", "no"), "", "appendonly yes"),
        (("--appendonly", "yes"), "", "appendfsync always"),
        ((*DURABLE, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"), "", "maxmemory-policy noeviction"),
        ((*DURABLE, "--cluster-enabled", "yes"), "", "redis\\+cluster"),
        ((*DURABLE, "--replicaof", "127.0.0.1 1"), "", "is a replica"),
        (("--appendonly", "no"), "&acknowledge=replicas:1", "appendonly yes"),
    ],
    ids=["nothing on disk", "now and then", "eviction", "cluster", "replica", "nothing on the replicas' disks"],
)
async def test_a_server_that_would_lose_sessions_is_refused_by_name(options, more, named):
    with redis.server(options) as server:
        uri = server.uri(more)
        with pytest.raises(ConfigurationError, match=named):
            await opened(uri)
        found = await findings(uri)
        assert not next(each for each in found if each.subject == "durability").fine


async def test_a_cluster_is_not_taken_for_granted(redis_uri):
    with pytest.raises(ConfigurationError, match="cluster-enabled"):
        await opened(redis_uri.replace("redis://", "redis+cluster://"))


async def test_what_a_server_keeps_is_told(redis_uri):
    [found] = await findings(redis_uri)
    assert found.fine
    assert "appendonly yes, appendfsync always" in found.text
    _, warning = await findings(redis_uri + "&acknowledge=memory")
    assert warning.warning
    [missing] = await findings(redis_uri + "&acknowledge=replicas:1")
    assert not missing.fine  # as at the start of the service, whose first write would fail
    assert "fewer replicas" in missing.text


async def test_what_is_told_under_sentinel_is_told_of_the_master(watched_redis):
    main, _ = watched_redis.nodes
    told, warning = await findings(watched_redis.uri())
    assert told.text.startswith(f"{main.place}: appendonly yes")
    assert warning.text.startswith(f"{main.place} has replicas for which acknowledge=fsync does not wait")


async def test_what_is_not_durable_can_be_accepted():
    with redis.server(("--appendonly", "no")) as server:
        store = await opened(server.uri("&acknowledge=memory"))
        await store.close()


async def test_a_full_server_signs_nobody_out_and_drops_nobody():
    with redis.server() as server:
        store = await opened(server.uri())
        await store.insert(Scope(), new_session())
        server.ask("CONFIG", "SET", "maxmemory", "1mb")
        for call in (partial(store.insert, Scope(), new_session("other")), partial(store.rotate, Scope(), step())):
            with pytest.raises(StoreUnavailable, match="maxmemory is reached"):
                await call()
        assert (await store.get(Scope(), "h")).record is not None
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert await store.rotate(Scope(), step()) is not None
        await store.close()


async def test_where_nothing_answers_the_check_leaves_it_to_the_store():
    assert await findings("redis://127.0.0.1:1") == []


def test_the_script_has_the_name_that_servers_give_it(redis_server):
    assert redis_server.ask("SCRIPT", "LOAD", SCRIPT.decode()).split()[1].decode() == SHA


@pytest.mark.parametrize("uri", ["redis://u:canary@h/0", "rediss+sentinel://h/service", "redis+cluster://a,b"])
def test_the_service_takes_the_address_and_shows_no_password(uri):
    settings = ServiceSettings(database_uri=uri, workers=2)
    assert settings.server_uri == Secret(uri)
    assert "canary" not in repr(settings)
