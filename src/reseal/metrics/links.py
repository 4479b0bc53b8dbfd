"""Spans of deliveries. They link to the request that caused the event, which has ended long before."""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reseal.core.deliveries import Attempt

_FORMAT: Final = TraceContextTextMapPropagator()
_NAME: Final = "traceparent"


def traceparent_of(context: Context | None = None) -> str | None:
    """Return the trace of a context, by default the present one, as text; ``None`` if there is none."""
    carrier: dict[str, str] = {}
    _FORMAT.inject(carrier, context)
    return carrier.get(_NAME)


def write_attempt(tracer: Tracer, attempt: Attempt) -> None:
    """Write the span of an attempt. One that will be repeated is no error."""
    request = _FORMAT.extract({_NAME: attempt.traceparent or ""}, Context())
    link = get_current_span(request).get_span_context()
    span = tracer.start_span(
        "reseal.deliver",
        Context(),
        SpanKind.CLIENT,
        {"reseal.channel": attempt.channel, "reseal.outcome": attempt.outcome},
        [Link(link)] if link.is_valid else [],
        attempt.began_ns,
    )
    if attempt.status is not None:
        span.set_attribute("http.response.status_code", attempt.status)
    if attempt.outcome == "given_up":
        span.set_attribute("error.type", str(attempt.status or "unreachable"))
        span.set_status(Status(StatusCode.ERROR))
    span.end(attempt.ended_ns)
