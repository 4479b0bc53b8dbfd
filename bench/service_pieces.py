"""What the pieces of a create, verify and refresh cost: processor time of each by itself, the best of many tries.

python -m bench.service_pieces [--tries 30]

By itself a piece finds its code and data in the caches; in a service that does everything in turn it takes more. Read
the figures against each other.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import time
import timeit
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from bench.measure import print_machine
from reseal.cdi import access_tokens, refresh_tokens
from reseal.cdi.access_tokens import CdiClaims
from reseal.cdi.body import Body
from reseal.cdi.keys import cdi_keys
from reseal.cdi.verifier import CdiVerifier
from reseal.clock import SystemClock
from reseal.core import keys, payload, refresh_token
from reseal.core.events import Event, EventName
from reseal.core.key_ring import KeyRing
from reseal.core.model import Device, Scope, StoredKey
from reseal.log import log_event
from reseal.server import request_log
from reseal.server.access import Gate
from reseal.server.config import ServiceSettings
from reseal.server.http.messages import Request
from reseal.server.live_keys import LiveKeys

CALLS = 200
SCOPE = Scope()
KEYS = ("orders-key-0123456789abcdef", "users-key-0123456789abcdef", "admin-key-0123456789abcdef")
HANDLE = "0a0ff0d8-4c1a-4b6e-b9b0-1234567890ab"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=30)
    options = parser.parse_args()
    print_machine()
    print(table(measure(options.tries)))


def measure(tries: int) -> dict[str, float]:
    """Return the microseconds of each piece."""
    pieces = _signatures() | _tokens() | _requests()
    taken = {
        name: min(timeit.repeat(piece, number=CALLS, repeat=tries, timer=time.process_time)) / CALLS
        for name, piece in pieces.items()
    }
    return {name: round(seconds * 1e6, 1) for name, seconds in taken.items()}


def table(taken: Mapping[str, float]) -> str:
    return "\n".join(
        ["| piece | processor time |", "|---|---|", *(f"| {name} | {each} µs |" for name, each in taken.items())]
    )


def _signatures() -> dict[str, Callable[[], object]]:
    message, pieces = bytes(500), {}
    for algorithm in ("ES256", "RS256"):
        key = _key(algorithm)
        signature = key.sign(message)
        pieces[f"sign, {algorithm}"] = lambda key=key: key.sign(message)
        pieces[f"check a signature, {algorithm}"] = lambda key=key, signature=signature: key.verify(message, signature)
    return pieces


def _tokens() -> dict[str, Callable[[], object]]:
    key, mac_key = _key("ES256"), os.urandom(32)
    ring = KeyRing(cdi_keys("ES256", interval_ms=10**9, token_ms=10**6), (key, _key("RS256")))
    presented = refresh_token.mint(SCOPE, mac_key, HANDLE, 5, os.urandom(32))
    wire = refresh_tokens.write(presented.text)
    claims = CdiClaims(
        version=5, handle=HANDLE, user_id="user-1", recipe_user_id="user-1", tenant_id="public",
        refresh_hash=presented.hash.hex(), parent_hash=None, anti_csrf=None, payload=b'{"role":"reader"}',
        issued_ms=0, expires_ms=10**13,
    )  # fmt: skip
    access, verifier = access_tokens.mint(claims, key), CdiVerifier()
    return {
        "write an access token, with its signature": lambda: access_tokens.mint(claims, key),
        "verify an access token": lambda: access_tokens.verify(access, ring, 1),
        "the same, seen before": lambda: verifier.verify(access, ring, 1),
        "read a refresh token": lambda: refresh_token.parse(SCOPE, mac_key, refresh_tokens.read(wire).native),
        "make its successor": lambda: refresh_token.successor_of(SCOPE, mac_key, presented, b"", os.urandom(32)),
    }


def _requests() -> dict[str, Callable[[], object]]:
    sent = {"userId": "user-1", "userDataInJWT": {"role": "reader"}, "userDataInDatabase": {}, "enableAntiCsrf": False}
    body = json.dumps(sent).encode()
    request = Request("POST", "/recipe/session", b"", [(b"cdi-version", b"5.4")], {b"cdi-version": b"5.4"}, "127.0.0.1")
    event = Event(
        name=EventName.SESSION_REFRESHED, at=10**12, scope=SCOPE, session_handle=HANDLE, user_id="user-1",
        device=Device("127.0.0.1", None), correlation_id=request_log.correlate(request),
    )  # fmt: skip
    _log_to_nowhere()
    shown = {b"api-key": KEYS[1].encode()}
    with_key = Request("POST", "/recipe/session", b"", list(shown.items()), shown, "127.0.0.1")
    gate = Gate(
        LiveKeys(ServiceSettings(database_uri="memory:", api_keys=", ".join(KEYS)).api_keys, None, SystemClock())
    )
    return {
        "check one of three API keys": lambda: drive(gate.check_key(with_key)),
        "read the body of a create": lambda: Body(body),
        "check a payload that is to be stored": lambda: payload.encode("userDataInJWT", {"role": "reader"}),
        "log an event": lambda: log_event(event),
        "log a request": lambda: request_log.log_request(request, 200, 0.001),
    }


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a piece waits, which it must not without sockets and a store")


def _key(algorithm: str) -> keys.SigningKey:
    stored = StoredKey(f"d-0-{algorithm.lower()}", algorithm, b"", 0, 0)
    return keys.load(stored, keys.generate(algorithm, 2048))


class Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def _log_to_nowhere() -> None:
    request_log.set_up("INFO")
    logging.getLogger("reseal").handlers[0].setStream(Nowhere())


if __name__ == "__main__":
    main()
