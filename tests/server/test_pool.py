"""More callers than connections to PostgreSQL, and one of those stuck behind a lock (reliability: E11)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import psycopg

from tests.server.sharing import PATIENCE, generation

POOL = 5
SESSIONS = 100
CALLERS = 500
CONNECTIONS = "SELECT state FROM pg_stat_activity WHERE application_name = 'reseal'"


async def test_of_more_callers_than_connections_those_in_excess_wait_or_hear_503_and_all_are_served_afterwards(
    start_sharing, server
):
    [process] = await start_sharing(1, RESEAL_POSTGRESQL_CONNECTION_POOL_SIZE=str(POOL))
    process.client = httpx.AsyncClient(
        base_url=process.url, headers=process.client.headers, timeout=PATIENCE, limits=httpx.Limits(max_connections=200)
    )
    made = await asyncio.gather(*(process.create(f"user {n}") for n in range(SESSIONS)))
    tokens = [reply["refreshToken"]["token"] for _, reply in made]
    handle = made[0][1]["session"]["handle"]
    with psycopg.connect(process.uri) as holder, server.admin() as watcher:
        holder.execute("SELECT FROM reseal_session WHERE handle = %s FOR UPDATE", [handle])
        calls = [asyncio.create_task(process.refresh(tokens[n % SESSIONS])) for n in range(CALLERS)]
        most = 0
        while not all(call.done() for call in calls):
            most = max(most, len(watcher.execute(CONNECTIONS).fetchall()))
            status, reply = await process.verify(made[1][1]["accessToken"]["token"])
            assert (status, reply["status"]) == (200, "OK"), "this needs no connection"
        seen = Counter(status for status, _ in await asyncio.gather(*calls))
        assert seen.keys() <= {200, 503}
        assert seen[503] > 0, "nobody met the lock"
        assert (await process.refresh(tokens[0]))[0] == 503
        assert 0 < most <= POOL
    replies = await asyncio.gather(*(process.refresh(tokens[n % SESSIONS]) for n in range(CALLERS)))
    assert {(status, reply["status"]) for status, reply in replies} == {(200, "OK")}
    for n in range(SESSIONS):
        children = {reply["refreshToken"]["token"] for _, reply in replies[n::SESSIONS]}
        assert [generation(child) for child in children] == [1], "one step, whatever was answered 503"
    with server.admin() as watcher:
        assert {state for (state,) in watcher.execute(CONNECTIONS)} == {"idle"}
