"""Rate limit on failed calls per address.

Callers with a valid API key are never limited, because one address may be a whole application or a proxy. The limit is
not there to stop guessing of keys, which is hopeless anyway. It keeps one client from filling the log, and slows down
an application with an outdated key.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from reseal.cdi.problem import Problem
from reseal.clock import Clock
from reseal.log import LOGGER
from reseal.server.address import site

ADDRESSES: Final = 10_000
"""Sites counted separately; any further ones in the same minute share one count."""
_MINUTE: Final = 60_000
_THE_OTHERS: Final = "others"


class FailureLimit:
    """Counts failures per minute and site: an IPv4 address, or a /64 of IPv6."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._minute = 0
        self._failures: Counter[str] = Counter()

    def note(self, problem: Problem, address: str | None) -> Problem:
        """Count a failed call and return the problem to send: the call's own, or 429 above the limit."""
        if not self._per_minute:
            return problem
        minute, passed = divmod(self._clock.monotonic(), _MINUTE)
        if minute != self._minute:
            self._minute, self._failures = minute, Counter()
        named = site(address)
        if named not in self._failures and len(self._failures) >= ADDRESSES:
            named = _THE_OTHERS
        self._failures[named] += 1
        if self._failures[named] <= self._per_minute:
            return problem
        if self._failures[named] == self._per_minute + 1:
            LOGGER.warning("too many failing calls without API key from %s: they are answered 429", named or "nowhere")
        wait = -(-(_MINUTE - passed) // 1000)
        text = f"Too many failing calls without a valid API key, try again in {wait} seconds"
        return Problem(429, text, (b"retry-after", str(wait).encode()))
