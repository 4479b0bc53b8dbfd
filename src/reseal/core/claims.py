"""Claim checks: requirements of a resource beyond a live session.

A check is any object with an ``id`` and a ``failure``. It gets a copy of the JWT payload. If it raises, the request
fails through the framework's error path; it never passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reseal.core import authentication
from reseal.core.errors import ClaimFailure, InvalidClaims
from reseal.core.payload import equal


class ClaimCheck(Protocol):
    """One requirement on the JWT payload."""

    @property
    def id(self) -> str:
        """The name under which a failure is reported to the page."""

    def failure(self, payload: Mapping[str, object], now: int) -> object | None:
        """Return why the payload fails at ``now`` (ms), or ``None`` if it passes."""


@dataclass(frozen=True, slots=True)
class HasClaim:
    """The payload member ``name`` must equal ``value``, by type too: ``1`` is not ``True``."""

    name: str
    value: object = True

    @property
    def id(self) -> str:
        return self.name

    def failure(self, payload: Mapping[str, object], now: int) -> object | None:  # noqa: ARG002
        if self.name not in payload:
            return {"message": "value does not exist"}
        return None if equal(payload[self.name], self.value) else {"message": "wrong value"}


@dataclass(frozen=True, slots=True)
class FreshClaim:
    """The payload member ``name`` must be a time (ms) no older than ``max_age_ms``, such as a recent second factor."""

    name: str
    max_age_ms: int

    @property
    def id(self) -> str:
        return self.name

    def failure(self, payload: Mapping[str, object], now: int) -> object | None:
        at = payload.get(self.name)
        if type(at) not in {int, float}:
            return {"message": "value does not exist"}
        return None if 0 <= now - at <= self.max_age_ms else {"message": "value is too old"}  # type: ignore[operator]


def check_claims(
    checks: Iterable[ClaimCheck], payload: Mapping[str, object], now: int, *, challenge: bool = False
) -> None:
    """Run all checks. Raises ``InvalidClaims`` with every failure, not only the first."""
    reasons = ((check.id, check.failure(payload, now)) for check in checks)
    failures = tuple(ClaimFailure(name, reason) for name, reason in reasons if reason is not None)
    if failures:
        error = InvalidClaims(failures)
        error.challenge = authentication.challenge(failures) if challenge else None
        raise error
