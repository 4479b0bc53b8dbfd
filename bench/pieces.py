"""What a call of the service consists of: each piece by itself, their sum, and what the whole call takes.

python -m bench.pieces [--sqlite] [--algorithm ES256] [--rounds 5]

Each piece of Python is timed twice: *alone*, many times in a row, when its code and data are in the processor's caches;
and *in a call*, each time after all the others have run for another session and the system has sent and received as
much as a call does. The difference is what the caches cost. Sockets and store are measured under the load of 32
callers, by the processor time of a process that does nothing else. The whole call is measured by ``bench.service``, in
turns with the pieces. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, pairwise
from typing import Any, Final, Self
from unittest import mock

import msgspec

from bench import service
from bench.client import COMMON, CREATE, VERSION, Connection, ask_constant
from bench.measure import print_machine
from bench.processes import Cores, cpu, pinned, server, split_cores
from bench.service import ALONE, ANSWER, IN_A_TURN, Figures, Plan
from bench.service_inside import CONNECTIONS, Clients, post
from bench.service_pieces import Nowhere, drive
from reseal._async.ports import AsyncStore
from reseal.cdi import replies, signing
from reseal.cdi.body import Body
from reseal.cdi.model import TokenFacts
from reseal.cdi.verifier import REMEMBERED
from reseal.core import base64url
from reseal.core.keys import SigningKey
from reseal.log import log_event
from reseal.server import request_log
from reseal.server.config import ServiceSettings
from reseal.server.http.exchange import ARRIVED, Exchange
from reseal.server.http.messages import Reply
from reseal.server.operations import sessions
from reseal.server.process import Application
from reseal.server.routes import HANDLERS
from reseal.server.stores import make_store

CALLERS: Final = 32
TURNS: Final = 4
"""Turns of each whole call in one round."""
TRIES: Final = 5
"""Tries of each piece in one round."""
CALLS_OF_STORE: Final = 8
"""Calls of each caller in one try of the store."""
CASES: Final = 64
"""Sessions in one try."""
PATHS: Final = {"create": "/recipe/session", "refresh": "/recipe/session/refresh", "verify": "/recipe/session/verify"}
UNSEEN: Final = "verify, not seen before"
CALLS: Final = {name: name.replace(",", " ").split()[0] for name in service.CALLS}
"""The operation of each call."""

FRAME: Final = "route, permit, tenant, metrics, reply"
BODY: Final = "read the body"
ENGINE: Final = "operation and engine, over the store in memory"
CHECK: Final = "check the signature"
WRITE: Final = "write the access token"
SIGN: Final = "sign it"
ENCODE: Final = "encode the reply"
EVENT: Final = "line of the event"
LOG: Final = "line of the request"
SOCKETS: Final = "sockets: wait, read, write"
HTTP: Final = "HTTP: parse the request, write the reply"
SYSTEM: Final = "what receiving and sending take more after the other pieces"
STORE: Final = "store: batch and driver"

_HEADERS: Final = [
    (b"host", b"127.0.0.1:3567"),
    (b"cdi-version", VERSION.encode()),
    (b"content-type", b"application/json"),
    (b"content-length", b"500"),
]
_REQUEST: Final = post("/", COMMON | {"refreshToken": "x" * 400})
_ANSWER_HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
_REPLY: Final = Reply(200, ANSWER.encode())
_TOKEN: Final = TokenFacts("x" * 700, 0, 0)
_sign_token = signing.sign
_sign = SigningKey.sign
_verify = SigningKey.verify
_log_request = request_log.log_request


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of a PostgreSQL of its own")
    parser.add_argument("--algorithm", default="ES256", choices=["RS256", "ES256"], help="of access tokens")
    parser.add_argument("--rounds", type=int, default=5, help="of whole calls and pieces")
    options = parser.parse_args()
    print_machine()
    print(table(await measure(options.algorithm, options.rounds, postgres=not options.sqlite)))


async def measure(algorithm: str, rounds: int, *, postgres: bool) -> Figures:
    """Measure whole calls and their pieces in turns; of each figure the median is taken."""
    plan = Plan(postgres, rounds=TURNS, connections=(CALLERS,), algorithm=algorithm)
    taken = [await _measure_once(plan) for _ in range(rounds)]
    calls = {}
    for call in CALLS:
        turns = [each[call] for each in taken]
        pieces = {name: _medians([turn["pieces"][name] for turn in turns]) for name in turns[0]["pieces"]}
        sums = [round(sum(parts), 1) for parts in zip(*pieces.values(), strict=True)]
        whole = round(statistics.median(turn["whole"] for turn in turns), 1)
        calls[call] = {"pieces": pieces, "sum": sums, "whole": whole}
    return {"store": plan.store, "algorithm": algorithm, "calls": calls}


def _medians(pairs: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(parts) for parts in zip(*pairs, strict=True)]


async def _measure_once(plan: Plan) -> dict[str, Figures]:
    rows = (await service.measure(plan))["loads"][0]["rows"]
    cores = split_cores(1)
    with (
        pinned(cores.load),
        tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder,
        service.databases_of(folder, plan) as databases,
    ):
        sockets = await _sockets(plan.rounds, cores)
        with pinned(cores.service):
            store = make_store(ServiceSettings(database_uri=databases.alone))
            await store.open()
            try:
                python = await _python(plan.algorithm, store)
            finally:
                await store.close()
    calls = {}
    for call, timed in python.items():
        pieces = {name: [_micros(part) for part in both] for name, both in timed.items()}
        pieces[SOCKETS] = [sockets, sockets + pieces.pop(SYSTEM)[1]]
        if stored := rows.get(ALONE + call):
            pieces[STORE] = [stored["own"][1], *pieces[STORE]]
        calls[call] = {"pieces": pieces, "whole": rows[call]["own"][1]}
    return calls


def table(figures: Figures) -> str:
    """Write the pieces as a table: alone, and in a call."""
    calls = figures["calls"]
    lines = [
        f"| {figures['store']}, {figures['algorithm']}, µs: alone; in a call | {' | '.join(calls)} |",
        f"|{'---|' * (len(calls) + 1)}",
    ]
    for name in (SOCKETS, HTTP, FRAME, BODY, ENGINE, CHECK, WRITE, SIGN, ENCODE, STORE, EVENT, LOG):
        cells = [_both(call["pieces"].get(name)) for call in calls.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, show in (
        ("**sum of the pieces alone**", lambda call: call["sum"][0]),
        ("caches: what the pieces take more in a call", lambda call: call["sum"][1] - call["sum"][0]),
        ("**sum**", lambda call: call["sum"][1]),
        ("**the whole call, measured**", lambda call: call["whole"]),
    ):
        lines.append(f"| {name} | {' | '.join(f'{show(call):.0f}' for call in calls.values())} |")
    for name, part in (("whole ÷ sum", 1), ("whole ÷ sum of the pieces alone", 0)):
        ratios = [call["whole"] / call["sum"][part] for call in calls.values()]
        lines.append(f"| {name} | {' | '.join(f'{each:.2f} ×' for each in ratios)} |")
    return "\n".join(lines)


def _both(parts: Sequence[float] | None) -> str:
    if parts is None:
        return ""
    alone, inside = (f"{part:.1f}" for part in parts)
    return alone if parts[0] == parts[1] else f"{alone}; {inside}"


async def _sockets(rounds: int, cores: Cores) -> float:
    """Return what a server takes that answers whatever arrives: the sockets and the loop, without HTTP."""
    spent = []
    with server(["-m", "bench.service_ceiling", "0", ANSWER], {}, cores.service) as place:
        connections = [await Connection.to(place.port) for _ in range(CALLERS)]
        acts = [partial(ask_constant, connection) for connection in connections]
        for _ in range(rounds + 1):
            began = cpu(place.pid)
            await service.all_of(acts, IN_A_TURN // CALLERS)
            spent.append((cpu(place.pid) - began) / IN_A_TURN)
        for connection in connections:
            connection.close()
    return _micros(statistics.median(spent[1:]))


@dataclass
class Case:
    """A session, and its request on the way through the pieces."""

    access: str
    refresh: str
    body: bytes = b""
    call: Any = None
    parsed: Any = None
    outcome: Any = None
    claims: Any = None


Piece = Callable[[Case], object]
Timed = dict[str, list[float]]
"""Of each piece, the time alone and the time in a call."""


class Parts:
    """The service over a store in memory, taken apart: signatures and lines of the log are pieces of their own."""

    def __init__(self, algorithm: str) -> None:
        settings = ServiceSettings(database_uri="memory:", access_token_signing_algorithm=algorithm)
        self.application = Application(settings)
        self.service = self.application.service
        self.events = list[Any]()
        self.service._on_event = self.events.append
        self._case = Case("", "")
        self._handlers = dict(HANDLERS)

    async def open(self) -> list[Case]:
        """Create the sessions."""
        await self.service.open()
        app = await self.service.directory.find("public", "public")
        assert app is not None
        ring, clients, cases = await app.driver.ring(), Clients(self.service), list[Case]()
        self._key = ring.signing(self.service.clock.wall(), dynamic=True)
        self._messages = cycle([bytes([number]) * 500 for number in range(CASES)])
        self._signature = _sign(self._key, bytes(500))
        for _ in range(CASES // CONNECTIONS):
            await clients.create()
            cases += map(Case, clients.access, clients.to_refresh)
        return cases

    def of(self, call: str) -> dict[str, Piece]:
        """Return the pieces of a call, in the order in which they run."""
        operation = CALLS[call]
        found: dict[str, Piece] = {
            FRAME: partial(self._frame, PATHS[operation]),
            BODY: _read_body,
            ENGINE: partial(self._run, self._handlers[operation]),
        }
        if call == UNSEEN:
            key = self._key
            signed = cycle([(message, _sign(key, message)) for message in islice(self._messages, CASES)])
            found[CHECK] = lambda _case: _verify(key, *next(signed))
        if operation != "verify":
            found |= {WRITE: _write_token, SIGN: lambda _case: _sign(self._key, next(self._messages))}
        found[ENCODE] = lambda case: replies.encode(case.outcome)
        if operation != "verify":
            found[EVENT] = lambda _case: log_event(self.events[-1])
        found[LOG] = lambda case: _log_request(case.call.request, 200, 0.001)
        return found

    def prepare(self, call: str, case: Case) -> None:
        """Write the next request of a session."""
        value: dict[str, Any] = {"accessToken": case.access, "doAntiCsrfCheck": False}
        if call == UNSEEN:
            value["accessToken"] = (
                f"{case.access.rpartition('.')[0]}.{base64url.encode(os.urandom(len(self._signature)))}"
            )
        if call == "create":
            value = CREATE | {"useDynamicSigningKey": True}
        elif call == "refresh":
            value = {"refreshToken": case.refresh, "useDynamicSigningKey": True}
        else:
            value["checkDatabase"] = call == "verify against the store"
        case.body = msgspec.json.encode(COMMON | value)
        del self.events[:-1]

    @contextmanager
    def taken_apart(self) -> Iterator[None]:
        """Replace what is timed by itself by something that costs nothing."""
        stubs = dict.fromkeys(self._handlers, self._note_call)
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(HANDLERS, stubs))
            for owner, name, stub in (
                (sessions, "Body", lambda _raw: self._case.parsed),
                (signing, "sign", self._note_claims),
                (SigningKey, "sign", lambda _key, _message: self._signature),
                (SigningKey, "verify", lambda *_: True),
                (request_log, "log_request", lambda *_: None),
            ):
                stack.enter_context(mock.patch.object(owner, name, stub))
            yield

    def _frame(self, path: str, case: Case) -> None:
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": _HEADERS, "client": ("127.0.0.1", 50_000), "extensions": {ARRIVED: case.body},
        }  # fmt: skip
        self._case = case
        drive(self.application(scope, None, _nowhere))

    def _run(self, handler: Callable[[Any], Any], case: Case) -> None:
        self._case = case
        case.outcome = drive(handler(case.call))
        if token := case.outcome.get("refreshToken"):
            case.refresh = token["token"]

    async def _note_call(self, call: Any) -> Reply:
        self._case.call = call
        return _REPLY

    def _note_claims(self, *arguments: Any, static_key: bool) -> TokenFacts:
        self._case.claims = *arguments, static_key
        return _TOKEN


def _read_body(case: Case) -> None:
    case.parsed = Body(case.body)


def _write_token(case: Case) -> None:
    claims, ring, now, static_key = case.claims
    _sign_token(claims, ring, now, static_key=static_key)


async def _nowhere(_message: Any) -> None:
    """Take what the service sends."""


async def _python(algorithm: str, store: AsyncStore) -> dict[str, Timed]:
    """Time the pieces of each call that run in the process of the service, in seconds."""
    parts = Parts(algorithm)
    cases = await parts.open()
    request_log.set_up("INFO")
    logging.getLogger("reseal").handlers[0].setStream(Nowhere())  # type: ignore[attr-defined]
    http = Clients(_answer)
    with parts.taken_apart(), System() as system:
        surroundings = Surroundings(parts, cases, http, system)
        timed = {call: await surroundings.timed(call) for call in CALLS}
        for call, of_store in service.STORED.items():
            lines = [service.StoredLine(store, f"{call}-{number}") for number in range(CALLERS)]
            await asyncio.gather(*(line.create() for line in lines))
            acts = [partial(of_store, line) for line in lines]
            timed[call][STORE] = [await surroundings.stored(call, acts)]
    await parts.service.close()
    return timed


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer a constant, as the service does."""
    exchange: Exchange = send.__self__
    await exchange.reply(200, _ANSWER_HEADERS, ANSWER.encode())


class Surroundings:
    """Runs the pieces of a call in turn, so that each finds the caches as the others have left them."""

    def __init__(self, parts: Parts, cases: Sequence[Case], http: Clients, system: System) -> None:
        self._parts = parts
        self._cases = cases
        self._http = http
        self._system = system
        moments = [time.perf_counter() for _ in range(1000)]
        self._of_clock = statistics.median(b - a for a, b in pairwise(moments))

    async def timed(self, call: str) -> Timed:
        """Time each piece of a call: alone, and in a call."""
        pieces = self._parts.of(call)
        alone, inside = ({name: list[float]() for name in (*pieces, HTTP, SYSTEM)} for _ in range(2))
        if call == UNSEEN:  # as in a service that has run for a while, each takes the place of an old one
            for _ in range(REMEMBERED // CASES):
                self._prepare(call)
                for case in self._cases:
                    for piece in pieces.values():
                        piece(case)
        for number in range(2 * TRIES + 2):
            self._prepare(call)
            gc.collect()
            gc.disable()
            if number % 2:
                await self._alone(pieces, alone)
            else:
                await self._inside(pieces, inside)
            gc.enable()
            await asyncio.sleep(0)  # the log writes its lines
        timed = {name: [min(alone[name]), statistics.median(inside[name])] for name in alone}
        return timed | {SYSTEM: [0, timed[SYSTEM][1] - timed[SYSTEM][0]]}

    async def stored(self, call: str, acts: Sequence[Callable[[], Awaitable[None]]]) -> float:
        """Time the store for 32 callers, each of which runs the other pieces after every call of it."""
        pieces, spent = self._parts.of(call), []
        for _ in range(TRIES + 1):
            others = 0

            async def go(act: Callable[[], Awaitable[None]], case: Case) -> None:
                nonlocal others
                for _ in range(CALLS_OF_STORE):
                    await act()
                    began = time.thread_time_ns()
                    self._parts.prepare(call, case)
                    self._system()
                    for piece in pieces.values():
                        piece(case)
                    others += time.thread_time_ns() - began

            began = time.process_time_ns()
            await asyncio.gather(*map(go, acts, self._cases))
            spent.append((time.process_time_ns() - began - others) / 1e9 / CALLERS / CALLS_OF_STORE)
        return statistics.median(spent[1:])

    def _prepare(self, call: str) -> None:
        for case in self._cases:
            self._parts.prepare(call, case)

    async def _alone(self, pieces: Mapping[str, Piece], spent: Mapping[str, list[float]]) -> None:
        for name, piece in pieces.items():
            began = time.thread_time_ns()
            for case in self._cases:
                piece(case)
            spent[name].append((time.thread_time_ns() - began) / len(self._cases) / 1e9)
        spent[HTTP] += [await self._http.send([_REQUEST] * CONNECTIONS) / CONNECTIONS for _ in range(10)]
        spent[SYSTEM].append(statistics.median(self._system() for _ in self._cases))

    async def _inside(self, pieces: Mapping[str, Piece], spent: Mapping[str, list[float]]) -> None:
        clock = time.perf_counter
        for case in self._cases:
            spent[SYSTEM].append(self._system())
            spent[HTTP].append(await self._http.send_one(_REQUEST))
            for name, piece in pieces.items():
                began = clock()
                piece(case)
                spent[name].append(clock() - began - self._of_clock)


class System:
    """A connection over loopback, on which a request and its reply are sent."""

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._client = socket.create_connection(listener.getsockname())
            self._server, _address = listener.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.close()

    def __call__(self) -> float:
        """Return the seconds in which the server receives the request and sends the reply."""
        self._client.sendall(_REQUEST)
        began = time.perf_counter()
        self._server.recv(65536)
        self._server.send(_REPLY.body)
        took = time.perf_counter() - began
        self._client.recv(65536)
        return took


def _micros(seconds: float) -> float:
    return round(seconds * 1e6, 2)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
