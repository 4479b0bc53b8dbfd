"""A process that is killed in the middle of its work loses nothing that it had acknowledged."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time

import pytest

from reseal import Engine, Settings, SQLiteStore
from reseal.core.events import EventName
from reseal.testing import Recorder

API = "https://api.example.com"
SESSIONS = 8
ROUNDS = 8
CHILD = """
import asyncio, json, sys
from reseal import AsyncEngine, AsyncSQLiteStore, Settings

async def refresh_for_ever(engine, name, token):
    while True:
        token = (await engine.refresh(token)).refresh_token
        print(json.dumps([name, token]), flush=True)

async def main():
    path, tokens = sys.argv[1], json.loads(sys.stdin.readline())
    settings = Settings(api_domain="https://api.example.com")
    async with AsyncEngine(settings, AsyncSQLiteStore(path), on_event=lambda event: None) as engine:
        print("ready", flush=True)
        await asyncio.gather(*(refresh_for_ever(engine, name, token) for name, token in tokens.items()))

asyncio.run(main())
"""


def killed_while_refreshing(script, path, tokens, after):
    """Have a child refresh, kill it ``after`` seconds, and give the newest token that it acknowledged for each."""
    with subprocess.Popen(
        [sys.executable, script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            child.stdin.write(json.dumps(tokens) + "\n")
            child.stdin.flush()
            assert child.stdout.readline() == "ready\n"
            time.sleep(after)
        finally:
            child.kill()
        lines = child.stdout.read().split("\n")
    acknowledged = [json.loads(line) for line in lines[:-1]]  # what the kill cut off was not acknowledged
    return tokens | dict(acknowledged), len(acknowledged)


@pytest.mark.parametrize("seed", [1])
def test_every_acknowledged_token_works_after_a_kill(tmp_path, seed):
    moments, path, script = random.Random(seed), tmp_path / "sessions.db", tmp_path / "child.py"
    script.write_text(CHILD)
    events, settings = Recorder(), Settings(api_domain=API)
    with Engine(settings, SQLiteStore(path), on_event=events) as engine:
        tokens = {f"user {n}": engine.create(f"user {n}").refresh_token for n in range(SESSIONS)}
    total = 0
    for _ in range(ROUNDS):
        tokens, acknowledged = killed_while_refreshing(script, path, tokens, moments.uniform(0.05, 0.5))
        total += acknowledged
        with Engine(settings, SQLiteStore(path), on_event=events) as engine:
            for name, token in tokens.items():
                generation = int(token.split(".")[2])
                pair = engine.refresh(token)
                assert pair.claims.gen == generation + 1
                assert engine.get(pair.claims.sid).generation == generation + 1
                tokens[name] = pair.refresh_token
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    assert total >= 10 * ROUNDS, "the child had no time to do anything"
    assert events.named(EventName.TOKEN_THEFT) == []
    assert events.named(EventName.REFRESH_REFUSED) == []
    assert events.named(EventName.STORE_ROLLED_BACK) == []
    print(f"\n{total} acknowledged refreshes, {ROUNDS} kills, {len(events.named(EventName.SESSION_REPLAYED))} replays")  # noqa: T201
