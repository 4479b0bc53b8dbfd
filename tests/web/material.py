"""What several tests of the browser side need: settings, and requests written in one line."""

from __future__ import annotations

from typing import Any

from reseal import Engine, MemoryStore
from reseal.core.tokens import TokenPair
from reseal.settings import Settings
from reseal.testing import ManualClock
from reseal.web.facts import RequestFacts

API = "https://api.example.com"
WEBSITE = "https://www.example.com"
NOW = 1_700_000_000_000
DAY = 24 * 3600 * 1000


def settings(**changes: Any) -> Settings:
    return Settings(**({"api_domain": API, "website_domain": WEBSITE} | changes))


def tokens(chosen: Settings) -> TokenPair:
    """Genuine tokens of a new session."""
    clock = ManualClock()
    with Engine(chosen, MemoryStore(clock), clock=clock) as engine:
        return engine.create("alice")


def request(*headers: tuple[str | bytes, str | bytes], method: str = "POST") -> RequestFacts:
    return RequestFacts.of(method, "/", headers)


def cookie_request(*lines: str | bytes) -> RequestFacts:
    return request(*[("cookie", line) for line in lines])


def cookie_lines(*lines: str | bytes) -> list[bytes]:
    return cookie_request(*lines).credentials[1]


def attributes_of(text: str) -> dict[str, str]:
    """Split a Set-Cookie text as a browser does (RFC 6265bis, 5.6), in order; flags map to ''."""
    parts = [part.strip().partition("=") for part in text.split(";")]
    return {name: value for name, _, value in parts[1:]}
