"""What a call costs in things that can be counted: they are the same on every machine, busy or not.

python -m bench.counts            print the counts, beside the recorded ones
python -m bench.counts --check    fail if a call has become heavier or lighter by more than 3 % than recorded
python -m bench.counts --record   record the counts of now, in ``bench/counts.json``
python -m bench.counts --json     print the counts in the form of that file

For each call: functions of Python and of C that are called, instructions of bytecode, objects that are left to the
cyclic collector, calls of the store, statements of the driver, and bytes written: the reply and the log, and on SQLite
the pages of the database. The service runs without sockets and
with a store in memory, as in ``service_inside``, and what its clients do is counted with it. The embedded product runs
as a backend calls it, and in an application of FastAPI, whose own share is taken off. Functions and instructions are
counted for one minor version of Python alone, the one of ``bench/counts.json``: each interpreter has its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvloop
from fastapi import Depends, FastAPI, Request

from bench.bound_refresh import SESSIONS, Kind
from bench.service_inside import CONNECTIONS, Clients
from bench.service_pieces import Nowhere
from bench.statements import count_statements
from reseal import AsyncEngine, AsyncReseal, RequestFacts, SessionHeaders, Settings
from reseal._async.forwarding import AsyncForwardingStore, P, T
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.fastapi import Reseal
from reseal.server import request_log
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.testing import ManualClock

RECORDED: Final = Path(__file__).with_name("counts.json")
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
MOST: Final = 0.03
"""By how much a call may differ from what is recorded."""
OF_ONE_PYTHON: Final = frozenset({"python", "c", "bytecode"})
"""Counts that only the recorded version of Python has."""
WARM: Final = 4
"""Rounds before the one that is counted."""

Counts = dict[str, float]
"""A count, of one call, by its name."""
Act = Callable[[], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counted = uvloop.run(count_all())
    recorded = read_recorded()
    text = json.dumps({"python": PYTHON, "calls": counted}, indent=2)
    if options.json:
        print(text)
        return
    if options.record:
        RECORDED.write_text(f"{text}\n")
    elif options.check:
        problems = differences(counted, recorded)
        sys.exit("\n".join(problems) or None)
    print_table(counted, recorded["calls"])


def read_recorded() -> dict[str, Any]:
    """Return the recorded counts: ``python``, the version that they are of, and ``calls``."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())
    return recorded


def differences(counted: Mapping[str, Counts], recorded: Mapping[str, Any]) -> list[str]:
    """Say what is heavier or lighter than recorded, in a sentence each."""
    problems = []
    for call in {**counted, **recorded["calls"]}:
        there, known = counted.get(call, {}), recorded["calls"].get(call, {})
        for name in {**there, **known}:
            now, before = there.get(name, 0), known.get(name, 0)
            if name in OF_ONE_PYTHON and recorded["python"] != PYTHON:
                continue
            if (name in there) != (name in known) or abs(now - before) > before * MOST:
                change = f"{now - before:+.1f} ({(now / before - 1) * 100:+.1f} %)" if before else f"{now:.1f}, new"
                problems.append(f"{call}: {name} {change}; if that is meant, run python -m bench.counts --record")
    return problems


async def count_all() -> dict[str, Counts]:
    """Count each call of the service and of the embedded product."""
    embedded = await _count_embedded() | await _count_bound() | await _count_fastapi()
    return await _count_service() | embedded | await count_statements()


class CountedStore(AsyncForwardingStore):
    """Counts the calls that reach a store."""

    calls = 0

    async def _call(
        self, method: str, scope: Any, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.calls += 1
        return await super()._call(method, scope, call, *args, **kwargs)


class CountedLog(Nowhere):
    """Counts the bytes of the log."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


async def _count_service() -> dict[str, Counts]:
    logger, log = logging.getLogger("reseal"), CountedLog()
    before = logger.handlers, logger.propagate, logger.level
    request_log.set_up("INFO")
    logger.handlers[0].setStream(log)  # type: ignore[attr-defined]
    clock = ManualClock()
    store = CountedStore(AsyncMemoryStore(clock))
    settings = ServiceSettings(database_uri="memory:", access_token_signing_algorithm="ES256")
    service = Service(settings, store, clock=clock)
    await service.open()
    try:
        return await _count_requests(Clients(service), store, log)
    finally:
        await service.close()
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


async def _count_requests(clients: Clients, store: CountedStore, log: CountedLog) -> dict[str, Counts]:
    calls: dict[str, Act] = {
        "hello": clients.hello,
        "create": clients.create,
        "refresh": clients.refresh,
        "verify, seen before": clients.verify,
        "verify against the store": clients.verify_with_store,
    }
    counted = {}
    for name, call in calls.items():
        for _ in range(WARM):
            await call()
        stored, logged = store.calls, log.written
        await call()
        more = {
            "store": (store.calls - stored) / CONNECTIONS,
            "bytes": round((log.written - logged + clients.replied) / CONNECTIONS, 1),
        }
        counts = await _count(call, CONNECTIONS) | more
        counted[f"service: {name}"] = counts
    counted["service: verify, not seen before"] = await _count_verify(clients, store, refreshed=False)
    counted["service: verify, the first after a refresh"] = await _count_verify(clients, store, refreshed=True)
    return counted


async def _count_verify(clients: Clients, store: CountedStore, *, refreshed: bool) -> Counts:
    """Count a verify that is done once with each token: functions, instructions, and calls of the store."""
    fresh = []
    for _ in range(3):
        await clients.create()
        if refreshed:
            await clients.refresh()
        fresh.append(clients.replied_access)

    async def verify() -> None:
        clients.access = fresh.pop()
        await clients.verify()

    counts, stored = await _count(verify, CONNECTIONS), store.calls
    await verify()
    return counts | {"store": (store.calls - stored) / CONNECTIONS}


async def _count_embedded() -> dict[str, Counts]:
    clock = ManualClock()
    settings = Settings(api_domain="https://api.example.com", database_uri="memory:")
    async with AsyncReseal(settings, clock=clock, on_event=lambda _: None) as reseal:
        latest = [await reseal.backend.create(f"user-{n}") for n in range(WARM + 3)]
        requests = [RequestFacts("GET", "/feed", _headers(settings, tokens.access_token)) for tokens in latest]

        async def refresh() -> None:
            latest.append(await reseal.backend.refresh(latest.pop().refresh_token or ""))

        async def get_session() -> None:
            await reseal.get_session(requests[0], SessionHeaders())

        async def get_session_first_time() -> None:
            await reseal.get_session(requests.pop(), SessionHeaders())

        calls: dict[str, Act] = {
            "create": lambda: reseal.backend.create("user"),
            "refresh": refresh,
            "get_session, seen before": get_session,
            "get_session, first time": get_session_first_time,
        }
        return {f"embedded: {name}": await _count_warm(call) for name, call in calls.items()}


async def _count_bound() -> dict[str, Counts]:
    """Count refreshes of sessions that are bound to a device, which has signed its proofs before."""
    settings = Settings(api_domain="https://api.example.com", database_uri="memory:", device_binding="offer")
    counted = {}
    for name in ("dbsc", "dpop"):
        store = CountedStore(AsyncMemoryStore())
        async with AsyncEngine(settings, store) as engine:
            kinds = [Kind(engine, name) for _ in range(4)]
            for kind in kinds:
                await kind.begin()
            ready = [(kind, kind.prepare()) for kind in kinds]

            async def refresh(ready: list[tuple[Kind, Any]] = ready) -> None:
                kind, sent = ready.pop()
                await kind.refresh(sent)

            await refresh()
            stored = store.calls
            await refresh()
            calls = (store.calls - stored) / SESSIONS
            counted[f"embedded: refresh, {name}"] = await _count(refresh, SESSIONS) | {"store": calls}
    return counted


async def _count_fastapi() -> dict[str, Counts]:
    """Count what a session costs a route of FastAPI, beyond what any dependency on the request costs it."""
    settings = Settings(api_domain="https://api.example.com", database_uri="memory:")
    reseal, bare, app = Reseal(settings, clock=ManualClock()), FastAPI(), FastAPI()
    reseal.install(app)
    bare.get("/feed", dependencies=[Depends(_take)])(_feed)
    app.get("/feed", dependencies=[Depends(reseal.session())])(_feed)
    async with reseal.sessions:
        headers = _headers(settings, (await reseal.sessions.backend.create("user")).access_token)
        ours, theirs = [await _count_warm(lambda each=each: _request(each, headers)) for each in (app, bare)]
    return {"FastAPI: Depends(session), seen before": {name: count - theirs[name] for name, count in ours.items()}}


async def _take(request: Request) -> Request:
    return request


async def _feed() -> str:
    return "Welcome"


async def _request(app: FastAPI, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/feed",
        "query_string": b"",
        "headers": list(headers),
    }
    await app(scope, _receive, _send)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Mapping[str, Any]) -> None:
    if message.get("status", 200) != 200:
        raise RuntimeError(f"the application answered {message['status']}")


def _headers(settings: Settings, access_token: str) -> tuple[tuple[bytes, bytes], ...]:
    cookie = f"theme=dark; {settings.access_cookie_name}={access_token}".encode()
    return ((b"host", b"api.example.com"), (b"accept", b"application/json"), (b"cookie", cookie))


async def _count_warm(call: Act) -> Counts:
    for _ in range(WARM):
        await call()
    return await _count(call, 1)


async def _count(call: Act, times: int) -> Counts:
    """Count the functions of one call, which does what it does ``times`` times."""
    seen: Counter[str] = Counter()

    def note(_frame: FrameType, event: str, _arg: object) -> None:
        seen[event] += 1

    gc.collect()
    gc.disable()
    sys.setprofile(note)
    try:
        await call()
    finally:
        sys.setprofile(None)
        left = gc.collect()
        gc.enable()
    counted = {"python": seen["call"], "c": seen["c_call"], "bytecode": await _instructions(call), "cycles": left}
    return {name: round(count / times, 1) for name, count in counted.items()}


async def _instructions(call: Act) -> int:
    """Count the instructions of one more call: a loop without a call is none to the profiler."""
    executed = 0

    def note(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal executed
        if event == "opcode":
            executed += 1
        else:
            frame.f_trace_opcodes = True
        return note

    sys.settrace(note)
    try:
        await call()
    finally:
        sys.settrace(None)
    return executed


def print_table(counted: Mapping[str, Counts], recorded: Mapping[str, Counts]) -> None:
    """Print the counts, and in brackets those that are recorded where they differ."""
    names = {
        "python": "functions of Python", "c": "of C", "bytecode": "bytecode", "cycles": "objects in cycles",
        "store": "calls of the store", "statements": "statements", "bytes": "bytes written",
    }  # fmt: skip
    print(f"| call | {' | '.join(names.values())} |")
    print(f"|{'---|' * (len(names) + 1)}")
    for call, counts in counted.items():
        known = recorded.get(call, {})
        cells = [_cell(counts.get(name), known.get(name)) for name in names]
        print(f"| {call} | {' | '.join(cells)} |")


def _cell(now: float | None, before: float | None) -> str:
    if now is None:
        return "–"
    return f"{now:g}" if before in {None, now} else f"{now:g} ({before:g})"


if __name__ == "__main__":
    main()
