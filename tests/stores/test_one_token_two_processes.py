"""Two processes present one token at the same time, on each server: one successor, and no error."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reseal import Reseal, Settings

API = "https://api.example.com"
CHILD = """
import asyncio, sys
from reseal import AsyncReseal, Settings

async def main():
    sessions = AsyncReseal(Settings(api_domain=sys.argv[1], database_uri=sys.argv[2])).backend
    await sessions.open()
    print("ready", flush=True)
    for token in map(str.strip, sys.stdin):
        pairs = await asyncio.gather(*(sessions.refresh(token) for _ in range(32)))
        print(" ".join({pair.refresh_token for pair in pairs}), flush=True)
    await sessions.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("server", ["mariadb_uri", "postgres_uri", "redis_uri"])
@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.whole)])
def test_64_refreshes_of_one_token_in_two_processes_give_one_successor(request, server, rounds):
    uri = request.getfixturevalue(server)
    sessions = Reseal(Settings(api_domain=API, database_uri=uri)).backend
    sessions.open()
    token = (sessions.create("user")).refresh_token
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, API, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
        for _ in range(2)
    ]  # fmt: skip
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        for _ in range(rounds):
            for child in children:
                child.stdin.write(f"{token}\n")
                child.stdin.flush()
            [token] = {successor for child in children for successor in child.stdout.readline().split()}
    finally:
        for child in children:
            child.communicate(timeout=60)
    assert [child.returncode for child in children] == [0, 0]
    assert (sessions.refresh(token)).refresh_token != token
    sessions.close()
