"""An identity provider: its keys and tokens by a library of others, and what it publishes, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from reseal import IdentityProvider
from reseal.core.logout_tokens import EVENT
from reseal.testing import ManualClock

CLIENT = "shop"
ISSUER = "https://login.example/realms/shop"


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    del number
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "short":
            return rsa.generate_private_key(65537, 1024)
    return rsa.generate_private_key(65537, 2048)


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    writers: dict[type, Any] = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
    }
    [writer] = [each for kind, each in writers.items() if isinstance(key, kind)]
    return {**writer.to_jwk(key.public_key(), as_dict=True), **members}


class Provider:
    """One provider, with a key for each id that it publishes."""

    def __init__(self, clock: ManualClock, port: int) -> None:
        self.clock = clock
        self.jwks_uri = f"http://127.0.0.1:{port}/jwks"
        self.keys: dict[str, tuple[str, Any]] = {"first": ("RS256", private_key("RS256"))}
        self.published: dict[str, Any] | None = None
        """Instead of the keys."""
        self.asked = 0
        self.status = 200
        self._tokens = 0

    def configured(self, **changes: Any) -> IdentityProvider:
        values = {"issuer": ISSUER, "client_id": CLIENT, "jwks_uri": self.jwks_uri}
        return IdentityProvider(**(values | changes))

    def jwks(self) -> dict[str, Any]:
        members = {"use": "sig"}
        keys = [jwk(key, kid=kid, alg=algorithm, **members) for kid, (algorithm, key) in self.keys.items()]
        return {"keys": keys} if self.published is None else self.published

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Give the claims of a logout token; those that are ``None`` are absent."""
        self._tokens += 1
        now = self.clock.wall() // 1000
        usual = {
            "iss": ISSUER,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": f"token {self._tokens}",
            "events": {EVENT: {}},
            "sub": "alice at the provider",
            "sid": "s1",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(self, kid: str = "first", header: dict[str, Any] | None = None, **changes: Any) -> str:
        algorithm, key = self.keys[kid]
        headers = {"typ": "logout+jwt", "kid": kid} | (header or {})
        # the library writes no header that is None, but for typ an own one
        return jwt.encode(self.claims(**changes), key, algorithm, headers={n: v for n, v in headers.items() if v != ""})


@contextmanager
def running(clock: ManualClock) -> Iterator[Provider]:
    """Run a provider that publishes its keys on this machine."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            body = json.dumps(provider.jwks()).encode()
            self.send_response(provider.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    provider = Provider(clock, server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
