"""The service keeps events as its own configuration says, whoever calls it."""

import httpx
import pytest

from reseal import AsyncRemote, Settings
from reseal._async.purger import ROWS
from reseal.core.events import NOBODY
from reseal.core.kill_list import Kill
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import RETENTION
from reseal.server.audit import Housekeeping
from reseal.server.process import _purge_some
from reseal.testing.material import new_session
from tests.server.material import DAY, core

PUBLIC = Scope()


async def kept(it):
    return [(each.name.value, each.user_id) for each in (await it.store.read_events("reader", 100)).events]


async def theft(it, cdi):
    """Have the first refresh token come back after two refreshes."""
    first = refreshed = await it.create(cdi=cdi)
    for _ in range(3):
        refreshed = await it.refresh(refreshed["refreshToken"]["token"], cdi=cdi)
    it.clock.advance(DAY)
    return (await it.refresh(first["refreshToken"]["token"], cdi=cdi))["status"]


@pytest.mark.parametrize("response", ["report", "revoke_session"])
@pytest.mark.parametrize("cdi", ["2.20", "5.4", "5.6"])
async def test_a_theft_that_a_backend_meets_is_in_the_outbox(cdi, response):
    async with core(event_outbox="security", theft_response=response) as it:
        assert await theft(it, cdi) == "TOKEN_THEFT_DETECTED"
        assert [name for name, _ in await kept(it)] == ["token_theft"]


async def test_off_is_the_default():
    async with core() as it:
        await theft(it, "5.4")
        assert await kept(it) == []


async def test_removed_sessions_are_in_the_outbox_with_their_user():
    async with core(event_outbox="all") as it:
        handle = (await it.create())["session"]["handle"]
        await it.post("/recipe/session/remove", {"sessionHandles": [handle]})
        user = (await it.store.read_events("reader", 1)).events[0].user_id
        assert await kept(it) == [("session_created", user), ("session_revoked", user)]


async def test_calls_of_remote_follow_the_service():
    """What the caller's own settings say does not count: the store is the service's."""
    async with core(event_outbox="security") as it:
        settings = Settings(api_domain="https://api.example.com", event_outbox="off")
        transport = httpx.ASGITransport(it.service)
        async with AsyncRemote(settings, "http://127.0.0.1:3567", clock=it.clock, transport=transport) as remote:
            pair = await remote.create("alice", caller=NOBODY)
            assert await remote.revoke([pair.claims.sid])
        assert await kept(it) == [("session_revoked", "alice")]


async def test_a_session_that_began_in_a_removed_tenant_is_reported_as_ended():
    async with core(event_outbox="all") as it:
        await it.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"})
        app = await it.service.directory.find("public", "t1")
        await it.store.remove_tenant(Scope("public", "t1"))
        with pytest.raises(Exception, match="t1"):
            await app.driver.create("t1", "alice", {}, {}, version=5, anti_csrf=False, static_key=False)
        assert [name for name, _ in await kept(it)] == ["session_created", "session_revoked"]


async def test_the_service_purges_the_outbox():
    async with core(event_outbox="all") as it:
        await it.create()
        it.clock.advance(RETENTION.ms)
        assert not await _purge_some(it.store, Housekeeping(it.store, it.service.settings))
        assert await kept(it) == []


@pytest.mark.parametrize("audit", [False, True])
async def test_the_service_purges_the_kill_list_until_nothing_is_over(audit):
    changes = {"event_outbox": "all", "audit": True} if audit else {}
    async with core(kill_list=True, **changes) as it:
        names = [f"s{number}" for number in range(ROWS + 1)]
        for name in names:
            await it.store.insert(PUBLIC, new_session(name))
        await it.store.end(PUBLIC, names, EndReason.REVOKED, (Kill(60_000),))
        it.clock.advance(60_000)
        housekeeping = Housekeeping(it.store, it.service.settings)
        assert await housekeeping.step()
        assert not await housekeeping.step()
        assert (await it.store.kill_page(PUBLIC, None)).entries == ()
