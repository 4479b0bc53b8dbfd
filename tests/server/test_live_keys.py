"""API keys that come and go while the service runs, without their text in memory (security: S75)."""

import asyncio
import gc
import hashlib
import logging
from types import FunctionType, ModuleType

import httpx
import pytest

from reseal.server import live_keys
from reseal.server.api_keys import api_keys
from reseal.server.live_keys import LOOK_EVERY
from tests.server.material import core, keyed
from tests.server.running import running, until

OLD = "canary-old-0123456789-abcdef"
NEW = "canary-new-0123456789-abcdef"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "api_keys"
    path.write_text(f"{OLD}\n")
    return path


async def takes(it, key):
    return (await it.call("GET", "/apiversion", headers=keyed(key))).status == 200


async def test_a_new_key_is_good_at_once_and_a_withdrawn_one_for_a_second_at_most(file):
    async with core(api_keys_file=file) as it:
        assert await takes(it, OLD)
        assert not await takes(it, NEW)
        file.write_text(f"{OLD}\n{NEW}\n")
        assert await takes(it, NEW)
        assert await takes(it, OLD)
        it.clock.advance(LOOK_EVERY)
        file.write_text(f"{NEW}\n")
        assert not await takes(it, OLD)
        assert await takes(it, NEW)


async def test_a_withdrawn_key_is_refused_although_nobody_tried_another_one(file):
    async with core(api_keys_file=file) as it:
        file.write_text(NEW)
        it.clock.advance(LOOK_EVERY)
        assert not await takes(it, OLD)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff", b"spaces are not good in a key", None])
async def test_of_a_file_that_cannot_be_used_the_keys_read_before_stay_good_and_nobody_else_gets_in(
    file, content, caplog
):
    async with core(api_keys_file=file) as it:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        for _ in range(3):
            it.clock.advance(LOOK_EVERY)
            assert await takes(it, OLD)
            assert not await takes(it, "")
            assert not await takes(it, "short")
        [problem] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "read before stay valid" in problem.getMessage()
        file.write_text(NEW)
        assert await takes(it, NEW)
        assert not await takes(it, OLD)
    assert "canary" not in caplog.text


async def test_wrong_keys_do_not_read_a_file_that_has_not_changed(file, monkeypatch):
    read = []
    monkeypatch.setattr(live_keys, "read_keys", lambda path: read.append(path) or api_keys(path.read_text()))
    async with core(api_keys_file=file) as it:
        read.clear()
        replies = await asyncio.gather(*(takes(it, f"wrong-key-number-{n:010}") for n in range(200)))
        assert not any(replies)
        assert len(read) == 1  # nobody had looked since the start
        it.clock.advance(LOOK_EVERY)
        assert await takes(it, OLD)
        assert len(read) == 2
        file.write_text(f"{OLD},{NEW}")
        assert await takes(it, NEW)
        assert len(read) == 3


async def test_a_key_may_be_given_as_its_hash(file):
    file.write_text(f"sha256:{hashlib.sha256(NEW.encode()).hexdigest()}")
    async with core(api_keys_file=file) as it:
        assert await takes(it, NEW)
        assert not await takes(it, file.read_text())


async def test_the_text_of_a_key_is_not_kept(file):
    file.write_text("canary-of-the-file-0123456789")
    async with core(api_keys_file=file) as from_file, core(api_keys="canary-of-the-value-0123456789") as from_value:
        for it in (from_file, from_value):
            held = reachable(it.service.settings, it.service._gate)
            assert [each for each in held if isinstance(each, bytes) and len(each) == 32]
            assert [each for each in held if isinstance(each, str | bytes) and "canary" in str(each)] == []


def reachable(*roots):
    """Give every object that these hold, but code."""
    seen, left = {}, list(roots)
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType | FunctionType):
            seen[id(each)] = each
            left += gc.get_referents(each)
    return list(seen.values())


async def test_keys_are_exchanged_under_load_in_every_worker_and_no_call_fails(file, postgres_uri, tmp_path):
    variables = {
        "RESEAL_WORKERS": "2",
        "RESEAL_DATABASE_URI": postgres_uri,
        "RESEAL_API_KEYS_FILE": str(file),
        "RESEAL_LOG_LEVEL": "WARN",
    }
    with running(tmp_path, **variables) as service:
        holder, seen, done = {"key": OLD}, [[] for _ in range(4)], asyncio.Event()

        async def once():
            async with httpx.AsyncClient(base_url=service.url, verify=False) as client:  # each time another worker
                return (await client.get("/apiversion", headers={"api-key": holder["key"]})).status_code

        async def call(replies):
            while not done.is_set():
                replies.append(await once())

        async def more():
            """Wait until every caller has made ten more calls; what it sent before is answered then."""
            wanted = [len(replies) + 10 for replies in seen]
            await asyncio.to_thread(
                until, lambda: all(len(replies) >= n for replies, n in zip(seen, wanted, strict=True))
            )

        def told(times):
            return len([line for line in service.lines(event="log") if "has changed" in line["message"]]) >= times

        async with asyncio.TaskGroup() as group:
            for replies in seen:
                group.create_task(call(replies))
            await more()
            file.write_text(f"{OLD},{NEW}")
            holder["key"] = NEW  # no need to wait
            await more()
            await asyncio.to_thread(until, lambda: told(2))
            file.write_text(NEW)
            await asyncio.to_thread(until, lambda: told(4))  # each worker has seen both
            await more()
            done.set()
        assert {status for replies in seen for status in replies} == {200}
        holder["key"] = OLD
        assert set(await asyncio.gather(*(once() for _ in range(20)))) == {401}
        assert "canary" not in service.log()
