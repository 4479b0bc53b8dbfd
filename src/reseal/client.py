"""A session of a program: what an httpx client sends with its requests to an API that has sessions in headers.

With a key the session is bound to it (DPoP, RFC 9449), so that copied tokens are of no use. Needs httpx
(``pip install "reseal[client]"``).
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

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
_NO_REFRESH: Final = frozenset({404, 405, 410})
"""Statuses of an address that refreshes nothing."""
_PROOF_REFUSED: Final = "_dpop_"
"""Stands in the two refusals after which another proof helps: ``use_dpop_nonce`` and ``invalid_dpop_proof``."""
_NONCE_KEPT: Final = 240
"""Seconds for which a nonce is sent. It is good for a minute more; without one, a right clock is enough."""
_EXACT: Final = 5
"""Seconds by which a clock may be wrong, for answers take their time and ``Date`` is rounded."""
_PAUSE: Final = 0.01
_DONE: Final = object()
T = TypeVar("T")
Flow = Generator[httpx.Request | None, httpx.Response, T]


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


class WrongRefreshPath(RuntimeError):
    """Nobody answers refreshes at the address to which ``refresh_path`` leads."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(
            f"refresh_path: POST {response.url} was answered with status {response.status_code}; give the path of the "
            'refresh as clients see it, with a prefix that a proxy strips, such as "/app/session/refresh"'
        )
        self.response = response


class BodyNotRepeatable(RuntimeError):
    """A request has to be sent again, and its body came from an iterator or a file, which is used up.

    The session is ready by now: make the request again, with a new body.
    """

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(
            f"{response.request.method} {response.url} was answered with status {response.status_code}, and its "
            "streamed body cannot be sent again: make the request again with a new body, or give the body as bytes"
        )
        self.response = response


class SessionAuth(httpx.Auth):
    """The session of an httpx client, sync or async: ``httpx.Client(base_url=…, auth=SessionAuth(…))``.

    It learns the tokens from the answer to a sign-in, sends them, refreshes them when the access token ends and repeats
    the request, and answers a demand for a nonce. Of requests in parallel, in threads or tasks, one refreshes. Requests
    to other origins than ``api_domain`` get nothing, and answers of others, to which a redirect led, change nothing.

    ``key``: the session is bound to it, where the server offers that. ``tokens``: those that were kept before.
    ``on_change`` is called with new tokens, to keep them; with empty ones once the session is over.
    ``refresh_path``: as clients see it, with a prefix that a proxy strips. ``now``: the time, in seconds since the
    epoch; a clock that is wrong is corrected by what the server says.

    A request raises ``WrongRefreshPath`` or ``BodyNotRepeatable``. Where a refresh fails and the session goes on, as
    with 503, its answer is that of the request.
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
        self._behind = 0.0
        self._nonce, self._nonce_end = "", 0.0
        self._attempt = "", ""
        self._refreshing = threading.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request as a part of the session. Called by httpx."""
        with closing(self._flow(request)) as flow:
            step = next(flow, _DONE)
            while step is not _DONE:
                if isinstance(step, httpx.Request):
                    step = _following(flow, (yield step))
                    continue
                with self._refreshing:  # another thread refreshes
                    pass
                step = next(flow, _DONE)

    auth_flow = sync_auth_flow
    """For an ``httpx.Auth`` on top of this one: that of the base class would send requests as they are."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send a request as a part of the session. Called by httpx."""
        with closing(self._flow(request)) as flow:
            step = next(flow, _DONE)
            while step is not _DONE:
                if isinstance(step, httpx.Request):
                    step = _following(flow, (yield step))
                    continue
                await asyncio.sleep(_PAUSE)  # another task refreshes; a lock of a loop would be that of one loop
                step = next(flow, _DONE)

    def _flow(self, request: httpx.Request) -> Flow[None]:
        """Yield what is to be sent, and ``None`` to wait while another request refreshes."""
        if not self._is_ours(request.url):
            yield request
            return
        if self.tokens.refresh and self._ends_within(_EARLY):
            is_ready = yield from self._refresh(request, self.tokens.access)
            if not is_ready and self._ends_within(0):
                return
        used = self.tokens.access
        response = yield from self._sent(request, lambda: self.tokens.access)
        if response.status_code != _UNAUTHORISED or not self.tokens.refresh or not self._is_ours(response.url):
            return
        if (yield from self._refresh(request, used)):
            _demand_repeatable(request, response)
            request.headers.pop("authorization", None)
            yield from self._sent(request, lambda: self.tokens.access)

    def _refresh(self, of: httpx.Request, used: str) -> Flow[bool]:
        """Refresh, unless another request has done it since ``used``. Returns whether the request can be sent now."""
        while not self._refreshing.acquire(blocking=False):
            yield None
        try:
            if self.tokens.access != used:
                return True
            if self._attempt[0] != self.tokens.refresh:
                self._attempt = self.tokens.refresh, str(uuid.uuid4())
            headers = {"user-agent": of.headers.get("user-agent", ""), "idempotency-key": self._attempt[1]}
            request = httpx.Request("POST", self._refresh_url, headers=headers, extensions=of.extensions)
            response = yield from self._sent(request, lambda: self.tokens.refresh)
        finally:
            self._refreshing.release()
        is_same = self.tokens.access == used
        if response.status_code in _NO_REFRESH or response.is_redirect or (response.is_success and is_same):
            raise WrongRefreshPath(response)
        return response.is_success or not self.tokens.refresh

    def _sent(self, request: httpx.Request, token: Callable[[], str]) -> Flow[httpx.Response]:
        """Send a request, and again with another proof if the server wants that, where a redirect may have led."""
        self._prepare(request, token())
        response = yield request
        self._learn(response)
        if self._is_ours(response.url) and _PROOF_REFUSED in response.headers.get("www-authenticate", ""):
            _demand_repeatable(response.request, response)
            self._prepare(response.request, token())
            response = yield response.request
            self._learn(response)
        return response

    def _is_ours(self, url: httpx.URL) -> bool:
        return _origin(url) == _origin(self._origin)

    def _ends_within(self, seconds: float) -> bool:
        return bool(_claims(self.tokens.access).get("exp", 0) <= self._now() + self._behind + seconds)

    def _prepare(self, request: httpx.Request, token: str) -> None:
        scheme = _claims(self.tokens.access).get("scheme", "Bearer")
        request.headers["st-auth-mode"] = "header"
        if token:
            request.headers["authorization"] = f"{scheme} {token}"
        if self._key is not None:
            request.headers["dpop"] = self._proof(self._key, request, token)

    def _proof(self, key: Key, request: httpx.Request, token: str) -> str:
        url = str(request.url.copy_with(query=None, fragment=None))
        claims = {"jti": str(uuid.uuid4()), "htm": request.method, "htu": url, "iat": int(self._now() + self._behind)}
        claims |= {"ath": digest(token)} if token else {}
        claims |= {"nonce": self._nonce} if self._now() < self._nonce_end else {}
        header = {"typ": PROOF, "alg": "ES256", "jwk": key.jwk}
        message = ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{message}.{base64url.encode(key.sign(message.encode()))}"

    def _learn(self, response: httpx.Response) -> None:
        if not self._is_ours(response.url):
            return
        headers = response.headers
        if "dpop-nonce" in headers:
            self._nonce, self._nonce_end = headers["dpop-nonce"], self._now() + _NONCE_KEPT
        access = headers.get("st-access-token", self.tokens.access)
        found = Tokens(access, headers.get("st-refresh-token", self.tokens.refresh))
        if found != self.tokens or _PROOF_REFUSED in headers.get("www-authenticate", ""):
            self._learn_time(headers.get("date", ""))  # that of other answers may be a cache's
        if found != self.tokens:
            self.tokens = found
            self._on_change(found)

    def _learn_time(self, date: str) -> None:
        with suppress(ValueError):
            behind = parsedate_to_datetime(date).timestamp() - self._now()
            self._behind = behind if abs(behind) > _EXACT else 0.0


def _write(private: ec.EllipticCurvePrivateKey, path: Path) -> None:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    text = private.private_bytes(serialization.Encoding.PEM, form, plain)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)


def _following(flow: Flow[None], answer: httpx.Response) -> object:
    try:
        return flow.send(answer)
    except StopIteration:
        return _DONE


def _demand_repeatable(request: httpx.Request, response: httpx.Response) -> None:
    """Raise ``BodyNotRepeatable`` unless httpx has the body as bytes, or as the fields of a form."""
    if not isinstance(request.stream, httpx.ByteStream) and not hasattr(request.stream, "fields"):
        raise BodyNotRepeatable(response)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _claims(token: str) -> dict[str, Any]:
    """Read what an access token says of itself, which the server alone can verify."""
    try:
        return dict(json.loads(base64url.decode(token.split(".")[1])))
    except (IndexError, ValueError):
        return {}
