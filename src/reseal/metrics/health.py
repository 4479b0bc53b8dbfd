"""The health of the sessions of one process, counted from its events and its calls of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from reseal.core.deliveries import Attempt
from reseal.core.errors import Refusal, StoreUnavailable
from reseal.core.events import Event, EventName
from reseal.core.holding import HELD
from reseal.core.model import EndReason
from reseal.core.purging import MOST_COUNTED, Backlog
from reseal.core.rotation import ReplayCause, ReuseSubtype
from reseal.metrics.exposition import Family, Histogram, Samples, labels
from reseal.metrics.sign_outs import EVIDENCE, SignOuts

FAMILIES: Final = {
    "reseal_sessions_created_total": Family("counter", "Sessions created."),
    "reseal_sessions_ended_total": Family("counter", "Sessions ended, by reason; not those that expired."),
    "reseal_refreshes_total": Family("counter", "Refreshes by outcome; replays and thefts by subtype."),
    "reseal_refresh_refused_total": Family("counter", "Refused refreshes by reason, without suspicion of theft."),
    "reseal_refresh_duration_seconds": Family("histogram", "Time that a refresh took, by outcome."),
    "reseal_logouts_spurious_estimate_total": Family(
        "counter", "Estimate: sign-ins of a user within 10 minutes of a refusal on the same device, by evidence."
    ),
    "reseal_store_seconds": Family("histogram", "Time until the store answered, by operation."),
    "reseal_store_errors_total": Family("counter", "Calls that the store did not answer, by operation and kind."),
    # of the store, which all processes share
    "reseal_purge_backlog_sessions": Family(
        "gauge", f"Sessions due to be looked at and removed; {MOST_COUNTED} stands for more.", join=max
    ),
    "reseal_purge_overdue_seconds": Family("gauge", "For how long the first of them has been due.", join=max),
    "reseal_session_count": Family("gauge", "Live sessions of all apps, counted at most once a minute.", join=max),
    "reseal_signing_key_age_seconds": Family("gauge", "Age of the oldest key that signs access tokens.", join=max),
    "reseal_delivery_lag_seconds": Family("gauge", "Age of the oldest event that is not delivered.", join=max),
    "reseal_kill_list_age_seconds": Family("gauge", "Age of the kill list that is known here.", join=max),
    "reseal_kill_list_entries": Family("gauge", "Ended sessions on that list.", join=max),
    "reseal_kill_list_stale": Family("gauge", "1 if that list is too old, or has no room left.", join=max),
    "reseal_delivery_attempts_total": Family("counter", "Attempts to deliver an event, by channel and outcome."),
}
OK: Final = "ok"
OUTCOME: Final[ContextVar[str]] = ContextVar("reseal_outcome", default=OK)
"""The outcome of the present task's refresh, noted by its event and read where the refresh is timed."""
_OUTCOMES: Final = {
    EventName.SESSION_REFRESHED: OK,
    EventName.SESSION_REPLAYED: "replayed",
    EventName.TOKEN_THEFT: "theft",
    EventName.REFRESH_REFUSED: "refused",
    EventName.STORE_ROLLED_BACK: "refused",
}
_SUBTYPES: Final = {
    "ok": ("",),
    "replayed": tuple(each.value for each in ReplayCause),
    "theft": tuple(each.value for each in ReuseSubtype),
}
_COUNTED: Final = frozenset({*_OUTCOMES, EventName.SESSION_CREATED, EventName.SESSION_REVOKED})
"""Events whose reasons come from closed lists."""
_TIMEOUTS: Final = frozenset({"57014", "55P03"})
_CONFLICTS: Final = frozenset({"40001", "40P01", "SQLITE_BUSY", "SQLITE_LOCKED"})


class SessionHealth:
    """The counts of one process. It is for one thread at a time."""

    def __init__(self) -> None:
        self._events: Counter[tuple[EventName, str | None]] = Counter()
        self._spurious: Counter[str] = Counter()
        self._sign_outs = SignOuts()
        self._refreshes = Histogram("outcome")
        self._store = Histogram("operation")
        self._errors: Counter[tuple[str, str]] = Counter()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._backlog: Backlog | None = None

    def count_event(self, event: Event) -> None:
        """Count an event."""
        name = event.name
        if name not in _COUNTED:
            return
        self._events[name, event.reason] += 1
        if name is EventName.SESSION_CREATED:
            evidence = self._sign_outs.match(event)
            if evidence is not None:
                self._spurious[evidence] += 1
        elif name is EventName.SESSION_REFRESHED:
            OUTCOME.set(OK)
        elif name in _OUTCOMES:
            self._note_outcome(event)

    def _note_outcome(self, event: Event) -> None:
        """Take note of a refresh that did not rotate. After an adopted roll-back it did."""
        if event.reason == "adopted":
            return
        OUTCOME.set(_OUTCOMES[event.name])
        if event.name is not EventName.SESSION_REPLAYED:
            self._sign_outs.remember(event)

    def note_refresh(self, seconds: float, *, failed: bool) -> None:
        """Take note of how long the refresh of this task took. ``failed``: the store did not answer, or worse."""
        outcome = OUTCOME.get()
        if outcome is not OK:
            OUTCOME.set(OK)
        self._refreshes.add("error" if failed else outcome, seconds)

    def note_store(self, operation: str, seconds: float) -> None:
        """Take note of how long a call of the store took, named as in the port."""
        self._store.add(operation, seconds)

    def note_error(self, operation: str, error: StoreUnavailable) -> None:
        """Count a call that the store did not answer."""
        self._errors[operation, kind_of(error)] += 1

    def count_attempt(self, attempt: Attempt) -> None:
        """Count an attempt to deliver an event."""
        self._attempts[attempt.channel, attempt.outcome] += 1

    def note_backlog(self, backlog: Backlog) -> None:
        """Take note of how far purging is behind."""
        self._backlog = backlog

    def samples(self) -> Samples:
        """Return all values."""
        return {
            "reseal_sessions_created_total": {"": self._events[EventName.SESSION_CREATED, None]},
            "reseal_sessions_ended_total": self._by_reason(EndReason, EventName.SESSION_REVOKED),
            "reseal_refreshes_total": {
                labels({"outcome": _OUTCOMES[name], "subtype": subtype}): self._events[name, subtype or None]
                for name in (EventName.SESSION_REFRESHED, EventName.SESSION_REPLAYED, EventName.TOKEN_THEFT)
                for subtype in _SUBTYPES[_OUTCOMES[name]]
            },
            "reseal_refresh_refused_total": self._by_reason(
                Refusal, EventName.REFRESH_REFUSED, EventName.STORE_ROLLED_BACK
            )
            | {labels({"reason": HELD}): self._events[EventName.REFRESH_REFUSED, HELD]},
            "reseal_logouts_spurious_estimate_total": {labels({"evidence": e}): self._spurious[e] for e in EVIDENCE},
            **self._refreshes.samples("reseal_refresh_duration_seconds"),
            **self._store.samples("reseal_store_seconds"),
            "reseal_store_errors_total": {labels({"operation": o, "kind": k}): n for (o, k), n in self._errors.items()},
            "reseal_delivery_attempts_total": {
                labels({"channel": channel, "outcome": outcome}): n for (channel, outcome), n in self._attempts.items()
            },
            **self._purging(),
        }

    def _by_reason(self, reasons: type[Refusal | EndReason], *names: EventName) -> dict[str, float]:
        counted = {each.value: sum(self._events[name, each.value] for name in names) for each in reasons}
        return {labels({"reason": reason}): count for reason, count in counted.items()}

    def _purging(self) -> Samples:
        if self._backlog is None:
            return {}
        return {
            "reseal_purge_backlog_sessions": {"": self._backlog.sessions},
            "reseal_purge_overdue_seconds": {"": self._backlog.overdue_ms / 1000},
        }


def age_of_keys(signing_since: Iterable[int | None], now: int) -> Samples:
    """Return the age of the oldest of several keys, of which some are not in use."""
    begun = [each for each in signing_since if each is not None]
    return {"reseal_signing_key_age_seconds": {"": max(0, now - min(begun)) / 1000} if begun else {}}


def kind_of(error: StoreUnavailable) -> str:
    """Return ``timeout``, ``conflict`` or ``unavailable``, by what the driver reported."""
    cause = error.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    if isinstance(cause, TimeoutError) or code in _TIMEOUTS:
        return "timeout"
    return "conflict" if code in _CONFLICTS else "unavailable"
