"""Who may call: API keys and addresses (core interface, sections 2.1, 6.2, 6.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reseal.cdi.problem import INVALID_KEY, Problem
from reseal.core.acting import ACTING
from reseal.server.address import equivalent_forms
from reseal.server.api_keys import ApiKey, digest_of
from reseal.server.http.messages import Request
from reseal.server.live_keys import LiveKeys
from reseal.server.permits import CURRENT, EVERYTHING, NOTHING, Permit

_BEARER = re.compile(r"bearer\s+(.*)", re.IGNORECASE | re.DOTALL)


class Gate:
    """Checks a request before the rest of it is read."""

    def __init__(self, keys: LiveKeys, allow: str | None = None, deny: str | None = None) -> None:
        self._keys = keys
        self._allow = re.compile(allow) if allow else None
        self._deny = re.compile(deny) if deny else None
        self._is_open = not keys
        """Whether the service has no keys. It never changes: a file of keys that becomes empty is refused."""
        self.before_a_key: Permit = EVERYTHING if self._is_open else NOTHING
        """The permit before a key has been checked."""

    def check_address(self, request: Request) -> None:
        """Raise ``Problem`` 403 if the caller's address is denied, not allowed, or unknown."""
        if self._deny is None and self._allow is None:
            return
        forms = equivalent_forms(request.client_ip) if request.client_ip else ()
        if not forms or _matches(self._deny, forms) or not (self._allow is None or _matches(self._allow, forms)):
            raise Problem(403, "Forbidden")

    async def check_key(self, request: Request, own: Sequence[ApiKey] = ()) -> Permit:
        """Authenticate the caller and return its permit. ``own``: the app's keys, in addition to the service's.

        Raises ``Problem`` 401 if keys are configured and the request does not present exactly one of them.
        """
        permit = EVERYTHING
        if own or not self._is_open:
            key = await self._keys.find(_presented(request), own)
            if key is None:
                raise Problem(401, INVALID_KEY)
            permit = key.permit
        CURRENT.set(permit)
        ACTING.set(f"api_key:{permit.name}" if permit.name else None)
        request.trace.known, request.trace.caller = True, permit.name
        return permit

    async def check_key_of_any_app(self, request: Request, own: Mapping[bytes, ApiKey]) -> Permit:
        """Authenticate a call whose body names the app. If the service has no keys, none is required at this point."""
        key = own.get(digest_of(_presented(request)))  # timing may leak parts of a hash, which are useless
        return await self.check_key(request, () if key is None else (key,))


def _matches(pattern: re.Pattern[str] | None, forms: tuple[str, ...]) -> bool:
    return pattern is not None and any(pattern.fullmatch(form) for form in forms)


def _presented(request: Request) -> str:
    """Return the key presented; empty if there are two, because the caller would be ambiguous."""
    given, authorization = request.all_of(b"api-key"), request.all_of(b"authorization")
    if len(given) > 1 or len(authorization) > 1:
        return ""
    if given:
        return given[0]
    sent = authorization[0] if authorization else ""
    bearer = _BEARER.fullmatch(sent)
    return bearer[1].strip() if bearer else sent
