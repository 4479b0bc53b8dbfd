"""How often an address may fail.

A caller with a good API key is never held up, whatever comes from its address beside it: one address may be a whole
application, or a proxy. So the limit stops nobody from finding a key, which nobody can; it stops one stranger from
filling the log, and tells an application with an outdated key to slow down.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from reseal.cdi.problem import Problem
from reseal.clock import Clock
from reseal.log import LOGGER
from reseal.server.address import site

ADDRESSES: Final = 10_000
"""How many sites are counted one by one; those that come later in the same minute share one count."""
_MINUTE: Final = 60_000
_THE_OTHERS: Final = "others"


class FailureLimit:
    """Counts the failures of a minute by site: an IPv4 address, or 64 bits of an IPv6 address."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._minute = 0
        self._failures: Counter[str] = Counter()

    def note(self, problem: Problem, address: str | None) -> Problem:
        """Count a call that failed; give what to answer, which is 429 from the first one too many on."""
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
