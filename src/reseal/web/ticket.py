"""Tickets on their way: as the name of a sub-protocol (RFC 6455, 1.9).

Besides the address it is all that a page can say in a WebSocket's handshake, and other than the address it is not
written into logs. In the first message it would come too late: the connection would be open to everybody.

The page offers ``reseal`` as well, or a protocol of its own: the server has to choose one that was offered, and never
says the ticket back.
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
    """Name the first of our sub-protocols that the page offers as well, ``None`` if there is none."""
    offered = _offered(facts)
    return next((name for name in (*subprotocols, PROTOCOL) if name in offered), None)


def _offered(facts: RequestFacts) -> list[str]:
    return [name.strip(" \t") for name in (facts.header("sec-websocket-protocol") or "").split(",")]
