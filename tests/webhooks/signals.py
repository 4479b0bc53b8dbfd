"""A receiver of Shared Signals on a loopback port, which verifies what it gets with a published library."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reseal.core.secret import Secret
from reseal.core.shared_signals import SharedSignalsEndpoint, documents
from reseal.core.webhooks import Endpoint
from tests.webhooks.site import PATIENCE, Server

ISSUER = "https://auth.example.com"
AUDIENCE = "https://receiver.example.net"
AUTHORIZATION = "Bearer canary-of-the-receiver"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"


@cache
def key(_number: int = 0, bits: int = 2048) -> str:
    """Return an RSA key in PEM; the same one for the same number."""
    private = rsa.generate_private_key(65537, bits)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def receiver_at(url: str, **changes: Any) -> SharedSignalsEndpoint:
    given: dict[str, Any] = {
        "name": "idp",
        "url": url,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "signing_keys": (Secret(key()),),
        "authorization": Secret(AUTHORIZATION),
        "allow_private_addresses": True,
        "timeout": 5,
    }
    return SharedSignalsEndpoint(**(given | changes))


class Token(NamedTuple):
    """A token that was accepted."""

    text: bytes
    claims: Mapping[str, Any]

    @property
    def jti(self) -> str:
        return str(self.claims["jti"])

    @property
    def session(self) -> str:
        return str(self.claims["sub_id"]["session"]["id"])

    @property
    def kind(self) -> str:
        [uri] = self.claims["events"]
        return str(uri).removeprefix(CAEP)

    @property
    def members(self) -> Mapping[str, Any]:
        [members] = self.claims["events"].values()
        found: Mapping[str, Any] = members
        return found


class Transmission(Exception):
    """The receiver refuses a token, with an error of RFC 8935."""


class Site:
    """Verifies each token by the published keys, and answers as RFC 8935 says; ``refusal`` replaces its answer."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, Any] = {}
        self.status = 202
        self.refusal: tuple[int, bytes] | None = None
        self.asked: list[bytes] = []
        self.accepted: list[Token] = []
        self.problems: list[str] = []
        self.changed = threading.Event()

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (len(self.asked), self.problems)
            self.changed.wait(0.05)

    def trust(self, *endpoints: Endpoint) -> None:
        """Read what the transmitter publishes."""
        found = documents(endpoints)
        metadata = found["/.well-known/ssf-configuration"]
        assert metadata["jwks_uri"].startswith(metadata["issuer"])
        self.keys = dict(found[metadata["jwks_uri"].removeprefix(ISSUER)])

    def answer(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append(body)
        if self.refusal is not None:
            return self.refusal
        try:
            self.accepted.append(self._verified(headers, body))
        except (jwt.PyJWTError, Transmission, LookupError) as error:
            self.problems.append(repr(error))
            return 400, json.dumps({"err": "invalid_request", "description": str(error)}).encode()
        return self.status, b""

    def once(self) -> list[Token]:
        """Return the tokens without repetitions, in the order of their first arrival."""
        return list({each.jti: each for each in reversed(self.accepted)}.values())[::-1]

    def _verified(self, headers: Mapping[str, str], body: bytes) -> Token:
        if (headers["content-type"], headers["accept"]) != ("application/secevent+jwt", "application/json"):
            raise Transmission("headers")
        if headers.get("authorization") != AUTHORIZATION:
            raise Transmission("authorization")
        head = jwt.get_unverified_header(body)
        if (head["typ"], head["alg"]) != ("secevent+jwt", "RS256"):
            raise Transmission("header of the token")
        claims = jwt.decode(
            body,
            jwt.PyJWKSet.from_dict(self.keys)[head["kid"]],
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["iss", "iat", "jti", "aud"], "verify_iat": False},
        )
        if {"sub", "exp"} & claims.keys() or len(claims["events"]) != 1 or not isinstance(claims["aud"], str):
            raise Transmission("claims")
        return Token(body, claims)


@contextmanager
def listening() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = site.answer({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/events"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
