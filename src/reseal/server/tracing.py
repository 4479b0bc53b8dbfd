"""The service under OpenTelemetry: it continues the trace of a caller, with a span for what changes sessions."""

from __future__ import annotations

import time
from typing import Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from reseal._async.ports import AsyncStore
from reseal.core.deliveries import Attempt
from reseal.core.events import Event, EventListener
from reseal.core.secret import revealed
from reseal.core.traceparent import TRACEPARENT
from reseal.log import log_event
from reseal.metrics.health import OUTCOME
from reseal.metrics.links import traceparent_of, write_attempt
from reseal.metrics.log_records import EventLog
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.server.http.messages import Reply, Request
from reseal.server.metrics import REFRESHES

SPANS: Final = {
    "create": "reseal.create",
    "refresh": "reseal.refresh",
    "remove": "reseal.revoke",
    "delete": "reseal.revoke",
    "rpc_create": "reseal.create",
    "rpc_refresh": "reseal.refresh",
    "rpc_revoke": "reseal.revoke",
    "rpc_revoke_user": "reseal.revoke",
    "rpc_end_before": "reseal.revoke",
    "rpc_elevate": "reseal.elevate",
}
"""The span of each operation. Verifying has none: it is too frequent."""
_INVALID: Final = 400
_FAILED: Final = 500


class TracedService(Service):
    """A service whose spans go to the tracer provider that the process has set, and events to the logger provider."""

    tracer_provider: trace.TracerProvider | None = None

    def __init__(
        self,
        settings: ServiceSettings,
        store: AsyncStore,
        *,
        on_event: EventListener = log_event,
        logger_provider: LoggerProvider | None = None,
        **others: Any,
    ) -> None:
        if settings.opentelemetry_logs:
            on_event = _both(EventLog(revealed(settings.secret_key), provider=logger_provider).emit, on_event)
        super().__init__(settings, store, on_event=on_event, **others)
        self.note_attempt = self._note_attempt

    async def answer(self, request: Request, receive: Any) -> Reply:
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        parent, began = propagate.extract(carrier), time.time_ns()
        token, within = context.attach(parent), TRACEPARENT.set(traceparent_of(parent))
        try:
            reply = await super().answer(request, receive)
        finally:
            TRACEPARENT.reset(within)
            context.detach(token)
        name = SPANS.get(request.trace.operation)
        if name is not None:
            self._write(name, request.trace.operation, reply.status, parent, began)
        return reply

    def _note_attempt(self, attempt: Attempt) -> None:
        self.metrics.count_attempt(attempt)
        write_attempt(self._tracer(), attempt)

    def _tracer(self) -> trace.Tracer:
        return trace.get_tracer("reseal", tracer_provider=self.tracer_provider)

    def _write(self, name: str, operation: str, status: int, parent: context.Context, began: int) -> None:
        span = self._tracer().start_span(name, parent, SpanKind.INTERNAL, start_time=began)
        outcome = OUTCOME.get() if operation in REFRESHES else "ok"
        if status >= _FAILED:
            outcome = "error"
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        span.set_attribute("reseal.outcome", "invalid" if outcome == "ok" and status >= _INVALID else outcome)
        span.end()


def _both(first: EventListener, second: EventListener) -> EventListener:
    def both(event: Event) -> None:
        first(event)
        second(event)

    return both
