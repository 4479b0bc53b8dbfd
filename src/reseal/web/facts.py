"""What a request says, in one form for every framework.

Only what was sent belongs here, decoded and otherwise untouched: judging it is the work of the modules beside
this one. The value is built on each request, so nothing is looked up before somebody asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reseal.core.model import Device

if TYPE_CHECKING:
    from collections.abc import Iterable

USER_AGENT_MAX: Final = 512
"""Longest user agent that is kept, in characters."""
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What could break a log line or cannot be stored as UTF-8."""
_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """One request. Build it with :meth:`of`, which brings the parts into this form."""

    method: str
    """In upper case."""
    path: str
    headers: tuple[tuple[str, str], ...]
    """In the order received; names in lower case, values read as Latin-1, byte for byte."""
    client_ip: str | None = None

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        client_ip: str | None = None,
    ) -> RequestFacts:
        """Take a request as ASGI (bytes) or WSGI (Latin-1 text) gives it. No header content raises."""
        # Spelt out in one pass: a call for each name and value would double the time of the commonest step.
        read = [
            (
                name.decode("latin-1").lower() if isinstance(name, bytes) else name.lower(),
                value.decode("latin-1") if isinstance(value, bytes) else value,
            )
            for name, value in headers
        ]
        return cls(method.upper(), path, tuple(read), client_ip)

    def all(self, name: str) -> tuple[str, ...]:
        """List every value of a header in order. ``name`` is in lower case."""
        return tuple([value for key, value in self.headers if key == name])

    def header(self, name: str) -> str | None:
        """Read a header, ``None`` if absent. Several lines are joined with a comma (RFC 9110, 5.3)."""
        found = [value for key, value in self.headers if key == name]
        return ", ".join(found) if found else None

    @property
    def device(self) -> Device:
        """Say where the request came from, safe to store and to print."""
        user_agent = _UNPRINTABLE.sub("", self.header("user-agent") or "")
        return Device(self.client_ip, user_agent[:USER_AGENT_MAX] or None)

    @property
    def correlation_id(self) -> str | None:
        """Read ``x-request-id``; anything that is not a plain identifier counts as absent."""
        given = self.header("x-request-id")
        return given if given is not None and _CORRELATION_ID.fullmatch(given) else None
