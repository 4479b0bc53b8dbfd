"""The service over Redis: two workers, and the same successor for all who present one token."""

from __future__ import annotations

import asyncio

from reseal import AsyncRemote, Settings
from tests.server.running import running

KEY = "a-key-of-twenty-characters"
SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:")


async def test_two_workers_share_sessions_in_redis(tmp_path, redis_uri):
    with running(tmp_path, RESEAL_API_KEYS=KEY, RESEAL_DATABASE_URI=redis_uri, RESEAL_WORKERS="2") as service:
        async with AsyncRemote(SETTINGS, service.url, api_key=KEY) as sessions:
            pair = await sessions.create("alice")
            pairs = await asyncio.gather(*(sessions.refresh(pair.refresh_token) for _ in range(64)))
            assert len({each.refresh_token for each in pairs}) == 1
            assert await sessions.revoke_user("alice") == (pair.claims.sid,)
            assert await sessions.list_user("alice") == ()
