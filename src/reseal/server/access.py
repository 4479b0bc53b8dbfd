"""Who may call: API keys and addresses (core interface, sections 2.1, 6.2, 6.3)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from reseal.core.secret import Secret
from reseal.server.http import Request
from reseal.wire.problem import INVALID_KEY, Problem

_BEARER = re.compile(r"bearer\s+(.*)", re.IGNORECASE | re.DOTALL)


class Gate:
    """Checks a request before anything else is read of it."""

    def __init__(self, api_keys: Iterable[Secret], allow: str | None = None, deny: str | None = None) -> None:
        self._keys = tuple(hashlib.sha256(key.reveal()).digest() for key in api_keys)
        self._allow = re.compile(allow) if allow else None
        self._deny = re.compile(deny) if deny else None

    def check_address(self, request: Request) -> None:
        """Raise ``Problem`` 403 if the caller's address is denied, or not among the allowed ones."""
        address = request.client_ip or ""
        if self._deny is not None and self._deny.fullmatch(address):
            raise Problem(403, "Forbidden")
        if self._allow is not None and not self._allow.fullmatch(address):
            raise Problem(403, "Forbidden")

    def check_key(self, request: Request) -> None:
        """Raise ``Problem`` 401 unless one of the live keys was presented, once, where there are any."""
        if not self._keys:
            return
        presented = _digest(_presented(request))
        # every key is compared, so that the time says nothing about which one came close
        if sum(hmac.compare_digest(presented, key) for key in self._keys) == 0:
            raise Problem(401, INVALID_KEY)


def _presented(request: Request) -> str:
    """Read the key; with two of them it is not clear who is calling, so there is none."""
    given, authorization = request.all_of(b"api-key"), request.all_of(b"authorization")
    if len(given) > 1 or len(authorization) > 1:
        return ""
    if given:
        return given[0]
    sent = authorization[0] if authorization else ""
    bearer = _BEARER.fullmatch(sent)
    return bearer[1].strip() if bearer else sent


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
