"""A client that is no browser: it keeps its tokens itself, and proves the key that they are bound to (RFC 9449)."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any
from urllib.parse import urlsplit

from reseal import RequestFacts, SessionHeaders
from reseal.core.base64url import encode
from reseal.core.errors import ResealError
from reseal.testing import ManualClock
from reseal.web.responses import WebResponse
from tests.support.device import Device

_NUMBERS = itertools.count()


def proof(device: Device, method: str, url: str, at: float, token: str | None = None, **claims: Any) -> str:
    """Sign a proof; ``claims`` override its members, and ``None`` leaves one out."""
    members: dict[str, Any] = {"jti": f"proof-{next(_NUMBERS)}", "htm": method, "htu": url, "iat": at}
    if token is not None:
        members["ath"] = encode(hashlib.sha256(token.encode()).digest())
    members |= claims
    header = {"typ": "dpop+jwt", "alg": device.algorithm, "jwk": device.jwk}
    return device.jws(header, {name: value for name, value in members.items() if value is not None})


class Program:
    """One client in front of an async or a sync ``Reseal`` and its endpoints."""

    def __init__(self, sessions: Any, endpoints: Any, clock: ManualClock, device: Device | None = None) -> None:
        self.sessions = sessions
        self.endpoints = endpoints
        self.clock = clock
        self.device = device or Device()
        self.access = ""
        self.refresh_token = ""
        self.nonce: str | None = None
        self.said: dict[str, str] = {}
        self.skew = 0

    def stolen(self, device: Device | None = None) -> Program:
        """Copy the tokens and the nonce, but not the key."""
        thief = Program(self.sessions, self.endpoints, self.clock, device)
        thief.access, thief.refresh_token, thief.nonce = self.access, self.refresh_token, self.nonce
        return thief

    def proof(self, method: str, path: str, token: str | None = None, **claims: Any) -> str:
        url = self.sessions.settings.api_domain + path
        at = self.clock.wall() // 1000 + self.skew
        return proof(self.device, method, url, at, token, **({"nonce": self.nonce} | claims))

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        token: str | None = None,
        scheme: str = "DPoP",
        proofs: tuple[str, ...] | None = None,
        root_path: str = "",
        **claims: Any,
    ) -> RequestFacts:
        """Write a request with the access token, and a proof unless others are given."""
        credential = self.access if token is None else token
        beside = credential if credential == self.access else None
        shown = (self.proof(method, path, beside, **claims),) if proofs is None else proofs
        lines = [("st-auth-mode", "header"), *(("DPoP", each) for each in shown)]
        if credential:
            lines.append(("Authorization", f"{scheme} {credential}"))
        return RequestFacts.of(method, urlsplit(path).path, lines, "192.0.2.1", root_path=root_path)

    async def call(self, name: str, *args: Any, method: str = "POST", **options: Any) -> Any:
        """Make a call for a request; ``options`` of the request are those that :meth:`request` knows."""
        known = ("path", "token", "scheme", "proofs", "root_path", "htm", "htu", "iat", "jti", "ath", "nonce")
        about = {each: options.pop(each) for each in known if each in options}
        response = SessionHeaders()
        try:
            result = getattr(self.sessions, name)(self.request(method, **about), response, *args, **options)
            return await result if hasattr(result, "__await__") else result
        finally:
            self.receive(response)

    async def sign_in(self, user_id: str = "alice", **options: Any) -> Any:
        return await self.call("create_new_session", user_id, path="/sign-in", **options)

    async def send_refresh(self, **options: Any) -> WebResponse:
        """Send a refresh to the ready-made endpoint."""
        path = "/session/refresh"
        options.setdefault("proofs", (self.proof("POST", path),))
        return await self.send(self.request("POST", path, token=self.refresh_token, **options))

    async def send(self, request: RequestFacts) -> WebResponse:
        response = SessionHeaders()
        (endpoint,) = [each for each in self.endpoints.table() if (each.method, each.path) == ("POST", request.path)]
        try:
            result = endpoint.answer(request, response)
            answer: WebResponse = await result if hasattr(result, "__await__") else result
        except ResealError as error:
            answer = self.endpoints.of_error(request, error)
        self.receive(response)
        return answer

    def receive(self, response: SessionHeaders) -> None:
        self.said = dict(response.items())
        self.access = self.said.get("st-access-token", self.access)
        self.refresh_token = self.said.get("st-refresh-token", self.refresh_token)
        self.nonce = self.said.get("dpop-nonce", self.nonce)

    @property
    def told(self) -> str | None:
        """The error that the last response named."""
        found = re.fullmatch(r'DPoP error="([a-z_]+)", algs="ES256 EdDSA RS256"', self.said.get("www-authenticate", ""))
        return found and found[1]
