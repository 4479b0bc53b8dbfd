"""The feed of the kill list as a request: who may read it, what it answers, and when it does not wait."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest

from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.kill_list import Kill, KillCursor, Subject
from reseal.core.model import EndReason, Scope
from reseal.rpc.calls import PREFIX
from reseal.rpc.kill_calls import Feed
from reseal.server import kill_feed
from reseal.server.app import Service
from reseal.server.audit import Housekeeping
from reseal.server.config import ServiceSettings
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.clock import ManualClock
from reseal.testing.material import new_session

KEY, OTHERS = "a-key-of-twenty-characters", "a-key-of-forty-characters-for-other-apps"
PUBLIC = Scope()
NAME = "kill_list"


@pytest.fixture
async def service(monkeypatch):
    monkeypatch.setattr(kill_feed, "LULL", 0)
    monkeypatch.setattr(kill_feed, "LULL_EACH", 0)
    clock = ManualClock()
    settings = ServiceSettings(
        database_uri="memory:",
        api_keys=(KEY, {"name": "others", "key": OTHERS, "may": "read", "apps": ["other"]}),
        base_path="/core",
        kill_list=True,
    )
    service = Service(settings, AsyncFaultyStore(AsyncMemoryStore(clock)), clock=clock)
    await service.open()
    yield service
    await service.close()


@pytest.fixture
async def client(service):
    base = f"http://service/core{PREFIX}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url=base) as client:
        client.headers["api-key"] = KEY
        yield client


async def end(service, *names):
    for name in names:
        await service.store.insert(PUBLIC, new_session(name))
    assert await service.store.end(PUBLIC, names, EndReason.REVOKED, (Kill(60_000),)) == names


async def read(client, **parameters):
    answer = await client.get(NAME, params=parameters)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Feed)


async def waiting(client, service, **parameters):
    """Begin to wait; returns once the service has the request."""
    task = asyncio.create_task(read(client, wait=25, **parameters))
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(service.kill_feed) == 1
    return task


async def test_a_snapshot_and_then_what_follows_it(client, service):
    await end(service, "a", "b")
    first = await read(client)
    assert [(each.subject, each.name, each.tenant_id) for each in first.entries] == [
        (Subject.SESSION, "a", "public"),
        (Subject.SESSION, "b", "public"),
    ]
    assert (first.after, first.more, first.now) == (0, False, service.clock.wall())
    assert first.page().cursor.text() == first.cursor
    nothing = await read(client, after=first.cursor)
    assert (nothing.entries, nothing.cursor, nothing.now) == ((), first.cursor, service.clock.wall())
    await end(service, "c")
    assert [each.name for each in (await read(client, after=first.cursor)).entries] == ["c"]


async def test_a_request_waits_for_the_next_end(client, service):
    start = await read(client)
    task = await waiting(client, service, after=start.cursor)
    await end(service, "a")
    assert [each.name for each in (await task).entries] == ["a"]


async def test_who_waits_is_answered_when_the_process_is_about_to_leave(client, service):
    start = await read(client)
    task = await waiting(client, service, after=start.cursor)
    service.health.draining = True
    service.kill_feed.end()
    assert (await task).entries == ()
    answer = await client.get(NAME, params={"after": start.cursor, "wait": 25})
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_a_snapshot_that_has_not_changed_is_not_sent_again(client, service):
    await end(service, "a")
    first = await client.get(NAME)
    again = await client.get(NAME, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await end(service, "b")
    assert (await client.get(NAME, headers={"if-none-match": first.headers["etag"]})).status_code == 200


async def test_the_cursor_of_another_store_is_gone(client):
    answer = await client.get(NAME, params={"after": KillCursor("other", 5).text(), "wait": 25})
    assert answer.status_code == 410


@pytest.mark.parametrize(
    "parameters",
    [{"after": "x"}, {"after": "e."}, {"after": "e.-1"}, {"after": f"e.{'9' * 5000}"},
     {"after": f"e.{'9' * 19}"}, {"wait": "-1"}, {"wait": "soon"},
     {"wait": "1" * 7}, {"after": "e.1", "wait": "1.5"}],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_read_is_refused(client, parameters):
    answer = await client.get(NAME, params=parameters)
    assert answer.status_code == 400
    assert "is invalid in GET request" in answer.text


@pytest.mark.parametrize("scope", [{"app_id": "nowhere"}, {"tenant_id": "nowhere"}])
async def test_a_tenant_that_does_not_exist_has_no_list(client, scope):
    assert (await client.get(NAME, params=scope)).status_code == 400


async def test_only_get_reads_and_only_with_a_key(client):
    answer = await client.post(NAME, json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert (await client.get(NAME, headers={"api-key": "x" * 20})).status_code == 401
    assert (await client.get(NAME, headers={"api-key": OTHERS})).status_code == 403


async def test_a_store_that_is_away_is_told(client, service):
    service.store.refuse("kill_page")
    answer = await client.get(NAME)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_its_requests_are_not_in_the_log_of_every_day(client, caplog):
    caplog.set_level("INFO", "reseal")
    await read(client)
    assert not caplog.records
    caplog.set_level("DEBUG", "reseal")
    await read(client)
    assert "rpc_kill_list" in caplog.text


async def test_entries_from_before_it_was_turned_off_are_removed_once_they_are_over(service):
    await end(service, "a", "b")
    housekeeping = Housekeeping(service.store, ServiceSettings(database_uri="memory:", allow_open_access=True))
    assert not await housekeeping.step()
    assert len((await service.store.kill_page(PUBLIC, None)).entries) == 2
    service.clock.advance(60_000)
    assert not await housekeeping.step()
    assert await service.store.purge_kills(10) == 0
