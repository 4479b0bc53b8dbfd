# Generated from src/reseal/_async/traces.py by tools/unasync.py; edit that file instead.
"""Spans and metrics of an embedded Reseal, or of ``Remote`` sessions, for OpenTelemetry's API.

A refusal, a replay and a theft are outcomes; only what failed is an error. No token, session handle, user id or address
gets into a span or a metric, unless the application gives pseudonyms.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from opentelemetry import metrics, propagate, trace
from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from reseal._sync.engine import Engine
from reseal._sync.metrics import Metrics, innermost, replace_calls
from reseal._sync.remote import Remote
from reseal._sync.reseal import Reseal
from reseal.core.deliveries import Attempt
from reseal.core.errors import ResealError, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import Event, EventName
from reseal.core.holding import HELD, SessionHeld
from reseal.core.secret import revealed
from reseal.core.tokens import TokenPair
from reseal.core.traceparent import TRACEPARENT
from reseal.metrics import instruments
from reseal.metrics.exposition import BUCKETS
from reseal.metrics.links import traceparent_of, write_attempt
from reseal.metrics.log_records import EventLog

T = TypeVar("T")
Attributes = dict[str, str]

SPANS: Final = {
    "create": "reseal.create",
    "refresh": "reseal.refresh",
    "revoke": "reseal.revoke",
    "revoke_user": "reseal.revoke",
    "end_before": "reseal.revoke",
    "elevate": "reseal.elevate",
}
_OF_USER: Final = frozenset({"create", "revoke_user"})
"""Calls whose first argument is a user id."""


class OpenTelemetry:
    """Have OpenTelemetry see the calls of a Reseal from now on. Make it once, before the first request.

    ``pseudonym`` turns a user id into what ``enduser.pseudo.id`` may say; without it, spans say nothing of the user.
    ``counts``: metrics that were made already. ``logs``: each event is a log record too, with user ids, addresses and
    user agents if ``personal``. The providers are those that the application has set, or these.
    """

    def __init__(
        self,
        reseal: Reseal,
        *,
        pseudonym: Callable[[str], str] | None = None,
        counts: Metrics | None = None,
        logs: bool = False,
        personal: bool = False,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.metrics: Metrics = counts or Metrics(reseal)
        self._pseudonym = pseudonym
        self._tracer = trace.get_tracer("reseal", tracer_provider=tracer_provider)
        self._outcome: ContextVar[Attributes | None] = ContextVar("reseal_trace", default=None)
        meter = metrics.get_meter("reseal", meter_provider=meter_provider)
        instruments.publish(meter, self.metrics.counted, self.metrics.sampled)
        self._duration = meter.create_histogram(
            "reseal.refresh.duration",
            "s",
            "Time that a refresh took.",
            explicit_bucket_boundaries_advisory=BUCKETS[:-1],
        )
        backend = innermost(reseal.backend)
        if logs:
            key = revealed(reseal.settings.secret_key)
            emit = EventLog(key, personal=personal, pseudonym=pseudonym, provider=logger_provider).emit
            reseal.observe(emit)
            if isinstance(backend, Engine):
                backend.observe(emit)
        if isinstance(backend, Engine):
            backend.observe(self._note)
        if isinstance(backend, Remote):
            backend.send_along(propagate.inject)
        replace_calls(backend, SPANS, self._traced)

    def note_attempt(self, attempt: Attempt) -> None:
        """Count an attempt to deliver an event, and write a span that links to the request which caused the event."""
        self.metrics.note_attempt(attempt)
        write_attempt(self._tracer, attempt)

    def _note(self, event: Event) -> None:
        outcome = self._outcome.get()
        if outcome is not None and event.name is EventName.SESSION_REPLAYED:
            outcome |= {"reseal.outcome": "replayed", "reseal.reason": str(event.reason)}

    def _traced(self, name: str, call: Callable[..., T]) -> Callable[..., T]:
        def traced(*args: Any, **named: Any) -> T:
            began, outcome = time.perf_counter(), {"reseal.outcome": "ok"}
            before = self._outcome.set(outcome)
            with self._tracer.start_as_current_span(
                SPANS[name], kind=SpanKind.INTERNAL, record_exception=False, set_status_on_exception=False
            ) as span:
                within = TRACEPARENT.set(traceparent_of())
                try:
                    answer = call(*args, **named)
                    self._name_user(span, name, args, answer)
                except Exception as error:
                    outcome |= outcome_of(error)
                    raise
                finally:
                    TRACEPARENT.reset(within)
                    self._outcome.reset(before)
                    self._finish(span, name, outcome, time.perf_counter() - began)
                return answer

        return traced

    def _name_user(self, span: Span, name: str, args: tuple[Any, ...], answer: object) -> None:
        if self._pseudonym is None:
            return
        user_id = answer.claims.sub if isinstance(answer, TokenPair) else args[0] if name in _OF_USER else None
        if user_id is not None:
            span.set_attribute("enduser.pseudo.id", self._pseudonym(user_id))

    def _finish(self, span: Span, name: str, outcome: Mapping[str, str], seconds: float) -> None:
        span.set_attributes(outcome)
        failed = "error.type" in outcome
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        if name == "refresh":
            kept = {key: value for key, value in outcome.items() if key != "reseal.reason"}
            self._duration.record(seconds, kept)


def outcome_of(error: Exception) -> Attributes:
    """Return the attributes of a call that raised. Only what failed has an ``error.type``."""
    if isinstance(error, TokenTheftDetected):
        return {"reseal.outcome": "theft", "reseal.reason": error.subtype}
    if isinstance(error, Unauthorised):
        return {"reseal.outcome": "refused", "reseal.reason": error.reason.value}
    if isinstance(error, SessionHeld):
        return {"reseal.outcome": "refused", "reseal.reason": HELD}
    if isinstance(error, ResealError) and not isinstance(error, StoreUnavailable):
        return {"reseal.outcome": "invalid"}
    return {"reseal.outcome": "error", "error.type": type(error).__qualname__}
