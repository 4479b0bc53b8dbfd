"""OpenTelemetry (extra ``otel``): ``OpenTelemetry(reseal)``, ``AsyncOpenTelemetry(reseal)``.

Only the API package is needed. SDK and exporters are the application's; without them the API does nothing.
"""

from reseal._async.traces import AsyncOpenTelemetry
from reseal._sync.traces import OpenTelemetry

__all__ = ["AsyncOpenTelemetry", "OpenTelemetry"]
