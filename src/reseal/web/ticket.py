"""Reading tickets, which travel as the name of a sub-protocol (RFC 6455, 1.9).

Apart from the URL, it is all that a page can set in a WebSocket's handshake, and unlike the URL it is not
logged. In the first message it would come too late: the connection would already be open to any client.

The page also offers ``reseal``, or its own protocol: the server must choose one of those offered, and never
returns the ticket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseal.web.facts import RequestFacts

PROTOCOL: Final = "reseal"
PREFIX: Final = "reseal.ticket."


def read(facts: RequestFacts) -> str | None:
    """Read the ticket of a handshake, ``None`` if there is none."""
    tickets = (name.removeprefix(PREFIX) for name in _offered(facts) if name.startswith(PREFIX))
    return next(tickets, None)


def choose(facts: RequestFacts, subprotocols: Iterable[str]) -> str | None:
    """Return the first of our sub-protocols that the page also offers, ``None`` if there is none."""
    offered = _offered(facts)
    return next((name for name in (*subprotocols, PROTOCOL) if name in offered), None)


def _offered(facts: RequestFacts) -> list[str]:
    return [name.strip(" \t") for name in (facts.header("sec-websocket-protocol") or "").split(",")]
