"""What callers saw of one session, and whether a session that keeps its promises can look like that (reliability: C2).

A call without an answer, or with 503, is unknown: it may have worked at any moment after it began, or never. Of the other
calls each worked at some moment between its beginning and its end. The ancestry of the tokens is what the callers were
given; nothing of it is read from the service.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

OK = "OK"
GONE = "UNAUTHORISED"
THEFT = "TOKEN_THEFT_DETECTED"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it began and ended, in seconds, and what came of it."""

    name: str
    """``refresh``, ``verify``, ``read``, ``update`` or ``remove``."""
    began: float
    ended: float
    outcome: str
    sent: Any = None
    """The refresh token that was presented, or the number that was written."""
    got: Any = None
    """The refresh token that was handed out, the number that was read, or whether this call ended the session."""

    @property
    def is_fine(self) -> bool:
        return self.outcome == OK


class History:
    """The calls for a session that was begun with number 0 in its data, in any order."""

    def __init__(self, handle: str) -> None:
        self.handle = handle
        self.calls: list[Call] = []

    def note(self, call: Call) -> None:
        self.calls.append(call)

    def violations(self) -> list[str]:
        """Say what cannot be, each time with the property that it violates."""
        rules = self._accused(), self._branched(), self._came_back(), self._went_back(), self._forgot()
        return [f"{self.handle}: {text}" for rule in rules for text in rule]

    def _of(self, *names: str) -> list[Call]:
        return [call for call in self.calls if call.name in names]

    def _accused(self) -> Iterator[str]:
        left = min((call.began for call in self._of("remove")), default=inf)
        for call in self.calls:
            if call.outcome == THEFT:
                yield f"P2: {call.name}: an honest caller was taken for a thief"
            elif call.outcome == GONE and call.ended < left:
                yield f"P2, P10: {call.name} was refused before anybody had signed out"
            elif call.outcome not in {OK, GONE, UNKNOWN}:
                yield f"P10: {call.name} was answered {call.outcome!r}"

    def _branched(self) -> Iterator[str]:
        tokens: dict[int, set[str]] = {}
        for call in self._of("refresh"):
            if call.is_fine:
                parent, child = generation(call.sent), generation(call.got)
                if child != parent + 1:
                    yield f"P3: generation {parent} was followed by {child}"
                tokens.setdefault(child, set()).add(call.got)
        for number, different in tokens.items():
            if len(different) > 1:
                yield f"P3, P7: there are {len(different)} tokens of generation {number}"

    def _came_back(self) -> Iterator[str]:
        removed = [call for call in self._of("remove") if call.is_fine]
        over = min((call.ended for call in self.calls if call in removed or call.outcome == GONE), default=inf)
        for call in self._of("refresh", "verify", "read", "update"):
            if call.is_fine and call.began > over:
                yield f"P5, P8: {call.name} worked after the session was over"
        if sum(call.got for call in removed) > 1:
            yield "P6: several calls ended the session"

    def _went_back(self) -> Iterator[str]:
        refreshed = [call for call in self._of("refresh") if call.is_fine]
        for call in refreshed:
            before = (generation(other.got) for other in refreshed if other.ended < call.began)
            if (newest := max(before, default=0)) > generation(call.got):
                yield f"P6: generation {generation(call.got)} was handed out after {newest}"

    def _forgot(self) -> Iterator[str]:
        written = [Call("update", -inf, -inf, OK, sent=0), *self._of("update")]
        for read in self._of("read"):
            if read.is_fine and not any(_may_be_read(write, read, written) for write in written):
                yield f"P6, P12: {read.got} was read, which was never written or had been replaced"


def _may_be_read(write: Call, read: Call, written: list[Call]) -> bool:
    """Say whether a read can see what was written: nothing else was certainly written between the two."""
    if write.sent != read.got or write.began > read.ended or write.outcome == GONE:
        return False
    ended = write.ended if write.is_fine else inf
    return not any(other.is_fine and ended < other.began and other.ended < read.began for other in written)


def generation(refresh_token: str) -> int:
    """Read the number of a token in its line; the service alone finds out whether it is genuine."""
    return int(b64decode(refresh_token.split(".", maxsplit=1)[0]).split(b".")[2])
