"""A process that is stopped or cut off amid a transaction: the others have to wait for its locks, but not for long."""

from __future__ import annotations

import asyncio

import pytest

from reseal import Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores import make_store
from reseal.core.errors import StoreUnavailable

LOCK = {
    "postgres": b"SELECT FROM reseal_session FOR UPDATE",
    "mariadb": "SELECT handle FROM reseal_session FOR UPDATE",
}


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
async def test_the_locks_of_a_stranded_transaction_are_released(request, server):
    uri = request.getfixturevalue(f"{server}_uri")
    settings = Settings(api_domain="https://api.example.com", database_uri=uri)
    stranded = make_store(settings)
    await stranded.open()
    async with AsyncEngine(settings, make_store(settings)) as engine:
        token = (await engine.create("user")).refresh_token
        is_locked, is_over = asyncio.Event(), asyncio.Event()

        async def stop_amid(link):
            async with link.transaction():
                await (link.execute if server == "postgres" else link.wire.query)(LOCK[server])
                is_locked.set()
                await is_over.wait()

        stopped = asyncio.create_task(stranded._server.run(stop_amid))
        await is_locked.wait()
        await engine.refresh(token)
        is_over.set()
        with pytest.raises(StoreUnavailable):
            await stopped
    await stranded.close()
