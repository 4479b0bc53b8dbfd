"""The ticket: a header-mode page's credential where it cannot send a header, such as opening a WebSocket.

Text: ``t1.<session handle>.<generation>.<end, ms>.<128 random bits>.<MAC>``, all characters allowed in the name of a
sub-protocol (RFC 9110, 5.6.2). The MAC (HMAC-SHA-256 under the app's refresh key) also covers app, tenant and purpose,
which are not in the text. The store guarantees single use: the ticket's random part is claimed there.
"""

from __future__ import annotations

import hmac
import re
from typing import Final, NamedTuple

from reseal.core.base64url import encode
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Scope

LIFE: Final = 30_000
"""Milliseconds from issue to end."""
NONCE_BYTES: Final = 16
_SHAPE: Final = re.compile(
    r"t1\.([A-Za-z0-9_-]{1,128})\.(0|[1-9][0-9]{0,9})\.([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})",
    re.ASCII,
)


class Ticket(NamedTuple):
    """One ticket, parsed or minted. Its ``repr`` shows the session and the end only."""

    handle: str
    generation: int
    """Generation of the access token for which it was issued."""
    until: int
    """Its expiry by the store's clock, in ms."""
    nonce: str
    text: str

    def __repr__(self) -> str:
        return f"Ticket(handle={self.handle!r}, until={self.until})"

    @property
    def claim(self) -> str:
        """The name under which a store records its use."""
        return f"ticket {self.nonce}"


def write(
    scope: Scope, mac_key: bytes, handle: str, generation: int, purpose: str, nonce: bytes, *, until: int
) -> Ticket:
    """Mint a ticket. ``nonce`` is 16 bytes from the system's random source."""
    body = f"t1.{handle}.{generation}.{until}.{encode(nonce)}"
    return Ticket(handle, generation, until, encode(nonce), f"{body}.{_mac(scope, mac_key, purpose, body)}")


def parse(scope: Scope, mac_key: bytes, purpose: str, text: str) -> Ticket:
    """Parse a ticket. Raises ``Unauthorised`` unless this app and tenant issued it for this purpose.

    Neither its expiry nor its previous use is checked.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise Unauthorised(Refusal.TICKET)
    handle, generation, until, nonce, mac = match.groups()
    expected = _mac(scope, mac_key, purpose, text[: match.start(5) - 1])
    if not hmac.compare_digest(mac.encode(), expected.encode()):
        raise Unauthorised(Refusal.TICKET)
    return Ticket(handle, int(generation), int(until), nonce, text)


def _mac(scope: Scope, mac_key: bytes, purpose: str, body: str) -> str:
    message = "\0".join(("ticket", *scope, purpose, body)).encode("utf-8", "surrogatepass")
    return encode(hmac.digest(mac_key, message, "sha256"))
