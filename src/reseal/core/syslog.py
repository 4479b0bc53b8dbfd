"""Servers that get events as syslog messages (RFC 5424)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reseal.core.webhooks import SOURCES, USUAL_TYPES, Endpoint

FACILITIES: Final[Mapping[str, int]] = {
    "user": 1, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13, **{f"local{n}": 16 + n for n in range(8)},
}  # fmt: skip


class Framing(StrEnum):
    """How messages on one connection are told apart."""

    OCTETS = "octets"
    """By their lengths (RFC 5425, RFC 6587 3.4.1)."""
    LINES = "lines"
    """By a line feed behind each (RFC 6587 3.4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogEndpoint(Endpoint):
    """A syslog server. ``url``: ``udp://host``, ``tcp://host`` or ``tls://host``, with a port or not; ``unix:///path``."""

    SOURCES = SOURCES
    USUAL = USUAL_TYPES

    allow_private_addresses: bool = True
    facility: str = "authpriv"
    framing: Framing = Framing.OCTETS
    app_name: str = "reseal"
    structured_data_id: str = "reseal@32473"
    """The number behind the sign is that of an organisation; this one is for examples (RFC 5612)."""
    client_addresses: bool = False
    """Whether messages have addresses and user agents of clients."""
    authority_file: str = ""
    """With ``tls``: certificates of the authorities that are trusted, instead of the system's."""
    certificate_file: str = ""
    """With ``tls``: our own certificate, and its key, in PEM."""
