"""Clients of an application that is an identity provider itself: who has a session of ours, and is told of its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from reseal.core.errors import InvalidInput
from reseal.core.events import EventName
from reseal.core.providers import LONGEST
from reseal.core.secret import Secret
from reseal.core.webhooks import Endpoint

MOST: Final = 64
"""Clients that one session may have."""


class LogoutClient(msgspec.Struct, frozen=True, omit_defaults=True):
    """A client that got an ID token of a session, and what that token said."""

    client_id: str
    sub: str | None = None
    sid: str | None = None

    def checked(self) -> LogoutClient:
        """Return it. Raises ``InvalidInput`` for one that no logout token could name."""
        for name in ("client_id", "sub", "sid"):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and 0 < len(text) <= LONGEST and _is_unicode(text)):
                raise InvalidInput(name, f"must be text of 1 to {LONGEST} characters")
        if self.client_id is None or (self.sub is None and self.sid is None):
            raise InvalidInput("client", "needs client_id, and of the ID token sid, sub or both")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutEndpoint(Endpoint):
    """A client that is told when a session ends of which it has an ID token (Back-Channel Logout 1.0)."""

    SOURCES: ClassVar = {"logout": frozenset({EventName.SESSION_REVOKED, EventName.TOKEN_THEFT})}
    USUAL = ("logout",)

    client_id: str
    """Its id, the ``aud`` of every token."""
    issuer: str
    """The application, as in its ID tokens."""
    signing_keys: tuple[Secret, ...]
    """RSA keys in PEM, of which the first one signs: that of the ID tokens."""
    key_id: str = ""
    """The ``kid`` under which the key is published; empty: its thumbprint (RFC 7638)."""


def joined(clients: tuple[LogoutClient, ...], client: LogoutClient) -> tuple[LogoutClient, ...]:
    """Add a client, or what it was told last. Raises ``InvalidInput`` if there are too many."""
    others = tuple(each for each in clients if each.client_id != client.client_id)
    if len(others) >= MOST:
        raise InvalidInput("client", f"is one too many: a session has up to {MOST}")
    return (*others, client)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)
