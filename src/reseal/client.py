"""A session of a program: what an httpx client sends with its requests to an API that has sessions in headers.

With a key the session is bound to it (DPoP, RFC 9449), so that copied tokens are of no use. Needs httpx
(``pip install "reseal[client]"``).
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from reseal.core import base64url
from reseal.core.dpop import PROOF, digest

_UNAUTHORISED: Final = 401
_EARLY: Final = 5
"""Seconds before the end of an access token at which it is refreshed."""
Flow = Generator[httpx.Request, httpx.Response, httpx.Response]


class Tokens(NamedTuple):
    """The tokens of a session; empty texts if there is none. Its ``repr`` shows none of them."""

    access: str = ""
    refresh: str = ""

    def __repr__(self) -> str:
        return f"Tokens({'signed in' if self.refresh else 'signed out'})"


SIGNED_OUT: Final = Tokens()


class Key(Protocol):
    """A private key that signs by ES256: :class:`SoftwareKey`, or one of your own in a TPM or a security module."""

    @property
    def jwk(self) -> dict[str, str]:
        """Its public key (RFC 7517): ``kty``, ``crv``, ``x``, ``y``."""

    def sign(self, message: bytes) -> bytes:
        """Sign with ECDSA over SHA-256; the signature is r and s, 32 bytes each."""


class SoftwareKey:
    """A key in memory, or in a file that only its owner can read."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> SoftwareKey:
        """Make a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def in_file(cls, path: str | Path) -> SoftwareKey:
        """Read the key in a PEM file, which is made if there is none. Raises ``OSError``, ``ValueError``."""
        try:
            private = serialization.load_pem_private_key(Path(path).read_bytes(), None)
        except FileNotFoundError:
            private = ec.generate_private_key(ec.SECP256R1())
            _write(private, Path(path))
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise ValueError(f"{path}: is no P-256 key; remove the file, and a new key is made")
        return cls(private)

    @property
    def jwk(self) -> dict[str, str]:
        point = self._private.public_key().public_numbers()
        x, y = (base64url.encode(each.to_bytes(32, "big")) for each in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class SessionAuth(httpx.Auth):
    """The session of an httpx client, sync or async: ``httpx.Client(base_url=…, auth=SessionAuth(…))``.

    It learns the tokens from the answer to a sign-in, sends them, refreshes them when the access token ends and repeats
    the request, and answers a demand for a nonce. Requests to other origins than ``api_domain`` get nothing.

    ``key``: the session is bound to it, where the server offers that. ``tokens``: those that were kept before.
    ``on_change`` is called with new tokens, to keep them; with empty ones once the session is over.
    ``refresh_path``: as clients see it, with a prefix that a proxy strips.
    """

    def __init__(
        self,
        api_domain: str,
        *,
        key: Key | None = None,
        tokens: Tokens = SIGNED_OUT,
        on_change: Callable[[Tokens], object] = lambda _: None,
        refresh_path: str = "/session/refresh",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.tokens = tokens
        self._origin = httpx.URL(api_domain)
        self._refresh_url = self._origin.join(refresh_path)
        self._key = key
        self._on_change = on_change
        self._now = now
        self._nonce: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request as a part of the session. Called by httpx."""
        if _origin(request.url) != _origin(self._origin):
            yield request
            return
        used = self.tokens.access
        if self.tokens.refresh and _claims(used).get("exp", 0) < self._now() + _EARLY:
            yield from self._refresh(request)
            used = self.tokens.access
        response = yield from self._sent(request, self._access)
        if response.status_code != _UNAUTHORISED or not self.tokens.refresh:
            return
        if self.tokens.access == used:  # otherwise another request has refreshed meanwhile
            yield from self._refresh(request)
        yield from self._sent(request, self._access)

    def _refresh(self, of: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request = httpx.Request("POST", self._refresh_url, extensions=of.extensions)
        yield from self._sent(request, lambda: self.tokens.refresh)

    def _access(self) -> str:
        return self.tokens.access

    def _sent(self, request: httpx.Request, token: Callable[[], str]) -> Flow:
        """Send a request, and again with another proof if the server wants that."""
        self._prepare(request, token())
        response = yield request
        self._learn(response)
        if "_dpop_" in response.headers.get("www-authenticate", ""):
            self._prepare(request, token())
            response = yield request
            self._learn(response)
        return response

    def _prepare(self, request: httpx.Request, token: str) -> None:
        scheme = _claims(self.tokens.access).get("scheme", "Bearer")
        request.headers["st-auth-mode"] = "header"
        if token:
            request.headers["authorization"] = f"{scheme} {token}"
        if self._key is not None:
            request.headers["dpop"] = self._proof(self._key, request, token)

    def _proof(self, key: Key, request: httpx.Request, token: str) -> str:
        url = str(request.url.copy_with(query=None, fragment=None))
        claims = {"jti": str(uuid.uuid4()), "htm": request.method, "htu": url, "iat": int(self._now())}
        claims |= {"ath": digest(token)} if token else {}
        claims |= {"nonce": self._nonce} if self._nonce else {}
        header = {"typ": PROOF, "alg": "ES256", "jwk": key.jwk}
        message = ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{message}.{base64url.encode(key.sign(message.encode()))}"

    def _learn(self, response: httpx.Response) -> None:
        headers = response.headers
        self._nonce = headers.get("dpop-nonce", self._nonce)
        access = headers.get("st-access-token", self.tokens.access)
        found = Tokens(access, headers.get("st-refresh-token", self.tokens.refresh))
        if found != self.tokens:
            self.tokens = found
            self._on_change(found)


def _write(private: ec.EllipticCurvePrivateKey, path: Path) -> None:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    text = private.private_bytes(serialization.Encoding.PEM, form, plain)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _claims(token: str) -> dict[str, Any]:
    """Read what an access token says of itself, which the server alone can verify."""
    try:
        return dict(json.loads(base64url.decode(token.split(".")[1])))
    except (IndexError, ValueError):
        return {}
