"""What is fuzzed: each target has seeds, and a check that raises if an input breaks a promise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import h11
from uvicorn.config import Config
from uvicorn.server import ServerState

from reseal.cdi import access_tokens, refresh_tokens
from reseal.cdi.body import Body
from reseal.cdi.problem import Problem
from reseal.core import refresh_token, ticket
from reseal.core.errors import ConfigurationError, TryRefreshToken, Unauthorised
from reseal.core.model import Scope
from reseal.server.config import ServiceSettings
from reseal.settings import Settings
from reseal.settings.sources import parse_yaml
from reseal.web import bearer, cookies
from reseal.web.facts import RequestFacts
from reseal.web.presented import Presented
from reseal.web.transport import Transport
from tests.cdi.test_verifier import ring_of, signing_key
from tests.cdi.test_verifier import token as wire_token_of
from tests.security.material import App
from tests.server.test_connections import Watched
from tests.server.test_framing import HIDDEN, INSIDE, REFUSED, TAKEN

SCOPE, MAC_KEY = Scope(), bytes(32)
NOW = 1_800_000_000


@dataclass(frozen=True)
class Target:
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def text_of(data: bytes) -> str:
    return (
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
        if _is_text(data)
        else data.decode("latin-1")
    )


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# -- the HTTP connection --------------------------------------------------------------------------------------------


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5000) if name == "peername" else default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Heard(NamedTuple):
    """A request as an application hears it."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def heard(pieces: list[bytes]) -> tuple[list[Heard], bytes, bool]:
    """What the application hears when these pieces arrive, what is answered, and whether the connection was closed."""
    requests: list[Heard] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        requests.append(Heard(scope["method"], target.decode("latin-1"), tuple(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def arrive() -> tuple[bytes, bool]:
        config = Config(application, loop="none", log_config=None, lifespan="off", interface="asgi3")
        connection, wire = Watched(config, ServerState(), {}), Wire()
        connection.connection_made(wire)  # type: ignore[arg-type]
        for piece in pieces:
            if not wire.closed:
                connection.data_received(piece)
            for _ in range(4):
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return wire.written, wire.closed

    answered, closed = loop().run_until_complete(arrive())
    return requests, answered, closed


@lru_cache(maxsize=1)
def loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def heard_by_h11(data: bytes) -> tuple[list[Heard], bool]:
    """What an application behind h11 hears of the same bytes, and whether h11 refuses what follows."""
    connection, found = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), []
    connection.receive_data(data)
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                begun = Heard(event.method.decode(), event.target.decode("latin-1"), tuple(event.headers), b"")
            elif isinstance(event, h11.Data):
                begun = begun._replace(body=begun.body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                found.append(begun)
                if not next_request(connection):
                    return found, False
            else:
                return found, False
    except h11.RemoteProtocolError:
        return found, True


def next_request(connection: h11.Connection) -> bool:
    """Answer the request; False if it was the last of its connection."""
    connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))  # which accepts no upgrade
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


def check_connection(data: bytes) -> None:
    """Pieces change nothing, and nothing but HTTP is answered."""
    cut, data = (data[0] % 61 + 1 if data else 1), data[1:]
    whole = heard([data])
    assert whole[1] == b"" or whole[1].startswith(b"HTTP/1."), whole[1]
    in_pieces = heard([data[at : at + cut] for at in range(0, len(data), cut)])
    assert in_pieces[0] == whole[0], (whole, in_pieces)


def check_against_h11(data: bytes) -> None:
    """Two parsers hear the same requests, one after the other, until one of the two refuses."""
    ours, answered, closed = heard([data])
    theirs, refused = heard_by_h11(data)
    for our, their in zip(ours, theirs, strict=False):
        assert normal(our) == normal(their), (our, their)
    assert refused or len(ours) <= len(theirs), ("h11 hears less", ours[len(theirs) :])
    assert closed or len(ours) >= len(theirs), ("h11 hears more", theirs[len(ours) :], answered)


def normal(request: Heard) -> Heard:
    """Without the differences that mean nothing: white space around a value, the case of a coding."""
    headers = sorted(
        (name, value.strip(b" \t").lower() if name == b"transfer-encoding" else value.strip(b" \t"))
        for name, value in request.headers
    )
    path, _, query = request.target.partition("?")
    target = f"{path}?{query}" if query else path
    return request._replace(target=target if target.startswith("/") else "", headers=tuple(headers))


def seeds_of_requests() -> list[bytes]:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + HIDDEN
    return [*REFUSED.values(), *TAKEN.values(), INSIDE, HIDDEN * 3, upgrade, last]


# -- the body -------------------------------------------------------------------------------------------------------


def check_body(data: bytes) -> None:
    """A body is refused, or an object in which no name is repeated; then another reader finds the same in it."""
    try:
        body = Body(data)
    except Problem:
        return

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "a name is repeated"
        return dict(pairs)

    assert body._fields == json.loads(data, object_pairs_hook=unique, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def seeds_of_body() -> list[bytes]:
    return [
        b"{}",
        b'{"userId":"u","enableAntiCsrf":false,"userDataInJWT":{"a":[1,2.5e3,null]},"userDataInDatabase":{}}',
        b'{"a":1,"a":2}',
        rb'{"a":1,"\u0061":2}',
        b'{"a":"\\":\\","b":":"}',
        b'{"a":{"b":{"c":[{"d":-0.0}]}}}',
        b"[1]",
        b'{"a":NaN}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\\ud800"}',
    ]


# -- tokens and tickets ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def app() -> App:
    return App()


@lru_cache(maxsize=1)
def signed() -> tuple[str, ...]:
    return app().pair.access_token, app().sign()


def check_access_token(data: bytes) -> None:
    """Nothing but the very text that was signed is believed."""
    text = text_of(data)
    try:
        app().engine.verify(text, expired_too=True)
    except TryRefreshToken:
        return
    assert text in signed(), "a text was believed that was not signed"


RING_KEYS = (signing_key("d-0"), signing_key("s-0"))
SIGNED = tuple(wire_token_of(key, version=version) for key in RING_KEYS[:1] for version in (2, 3, 4, 5))


def check_wire_token(data: bytes) -> None:
    text = text_of(data)
    try:
        access_tokens.verify(text, ring_of(*RING_KEYS), 0, expired_too=True)
    except TryRefreshToken:
        return
    assert text in SIGNED, "a text was believed that was not signed"


MINTED = refresh_token.mint(SCOPE, MAC_KEY, "3b0d4b8a-5f5d-4d2c-9d5a-2a9f6d3b1c11", 7, bytes(range(32)))
WRAPPED = tuple(refresh_tokens.write(MINTED.text, anti_csrf=anti_csrf) for anti_csrf in (True, False))


def check_refresh_token(data: bytes) -> None:
    text = text_of(data)
    readers: tuple[Callable[[], str], ...] = (
        lambda: refresh_token.parse(SCOPE, MAC_KEY, text).text,
        lambda: refresh_tokens.read(text).native,
    )
    for read in readers:
        try:
            found = read()
        except Unauthorised:
            continue
        assert text in {MINTED.text, *WRAPPED} or text == refresh_tokens.write(found) or text in wrapped_again(found)
    refresh_token.newest_by_shape([text])
    refresh_token.newest_of_each_family(SCOPE, MAC_KEY, [text, MINTED.text])


def wrapped_again(native: str) -> set[str]:
    """A wrapping has no secret: anybody may make one, and it has one form only."""
    return {refresh_tokens.write(native, anti_csrf=anti_csrf) for anti_csrf in (True, False)}


TICKET = ticket.write(SCOPE, MAC_KEY, "handle", 3, "/live", bytes(16), until=NOW * 1000)


def check_ticket(data: bytes) -> None:
    text = text_of(data)
    try:
        ticket.parse(SCOPE, MAC_KEY, "/live", text)
    except Unauthorised:
        return
    assert text == TICKET.text, "a ticket was believed that was not written"


# -- what a browser sends -------------------------------------------------------------------------------------------

SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:")


def check_cookies(data: bytes) -> None:
    """Reading raises nothing, and a value has neither a separator nor another length than its line allows."""
    lines = data.split(b"\n")
    for value in cookies.values(lines, SETTINGS.access_cookie_name):
        assert len(value) <= max(map(len, lines))
        assert ";" not in value or b"%3b" in data.lower()
    facts = RequestFacts("POST", "/session/refresh", tuple((b"cookie", line) for line in lines), None)
    presented = Presented(facts, SETTINGS, *facts.credentials)
    _ = presented.access_tokens, presented.refresh_request
    presented.leftovers(Transport.COOKIE)


def check_bearer(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    headers = ((b"authorization", head), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    facts = RequestFacts("POST", "/session/refresh", headers, None, body)
    for found in (bearer.read_access([head]), bearer.read_refresh([head]), bearer.read_body(facts)):
        assert found is None or found.encode("latin-1") in data
    bearer.may_have_body(facts)
    _ = Presented(facts, SETTINGS, *facts.credentials).refresh_request


# -- the configuration ----------------------------------------------------------------------------------------------


def check_configuration(data: bytes) -> None:
    """Text of any kind is a configuration, or is refused with a list of problems."""
    text = data.decode("utf-8", "replace")
    for read in (Settings, ServiceSettings):
        try:
            content = parse_yaml(text, "config.yaml")
            read.from_mapping(content if isinstance(content, dict) else {}, source="config.yaml")
        except ConfigurationError as error:
            problems = error.problems
        else:
            continue
        assert problems
        assert all(problem.strip() for problem in problems)


def seeds_of_configuration() -> list[bytes]:
    return [
        b"api_domain: https://api.example.com\n",
        b"api_domain: http://localhost:8000\ncookie_secure: no\naccess_token_validity: 3600\n",
        b"port: 3567\nhost: 127.0.0.1\napi_keys: abcdefghijklmnopqrstuvwxyz\nbase_path: /a\n",
        b"database_uri: postgresql://u:p@localhost/db?sslmode=require\n",
        b"trusted_origins: [https://a.example, 'http://[::1]:80']\nsecret_key: '0123456789abcdef0123456789abcdef'\n",
        b"a: &a [*a]\n",
        b"? [1, 2]\n: x\n",
        b"access_token_validity: '1e99'\nrefresh_token_validity: .inf\n",
    ]


TARGETS = {
    "connection": Target(check_connection, lambda: [b"\x07" + each for each in seeds_of_requests()]),
    "against-h11": Target(check_against_h11, seeds_of_requests),
    "body": Target(check_body, seeds_of_body),
    "access-token": Target(check_access_token, lambda: [each.encode() for each in (*signed(), "a.b.c")]),
    "wire-token": Target(check_wire_token, lambda: [token.encode() for token in SIGNED]),
    "refresh-token": Target(check_refresh_token, lambda: [each.encode() for each in (MINTED.text, *WRAPPED)]),
    "ticket": Target(check_ticket, lambda: [TICKET.text.encode()]),
    "cookies": Target(
        check_cookies,
        lambda: [
            f"{SETTINGS.access_cookie_name}={app().pair.access_token}; {SETTINGS.refresh_cookie_name}={MINTED.text}".encode(),
            f'a="b;c"; {SETTINGS.access_cookie_name}="%41%zz"\n{SETTINGS.refresh_cookie_name}=x'.encode(),
        ],
    ),
    "bearer": Target(
        check_bearer,
        lambda: [
            f"Bearer {MINTED.text}\n".encode(),
            f'bearer  {app().pair.access_token}\n{{"refresh_token":"{MINTED.text}"}}'.encode(),
        ],
    ),
    "configuration": Target(check_configuration, seeds_of_configuration),
}
