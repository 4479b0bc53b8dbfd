"""Metrics of session health for an application that embeds Reseal: ``Metrics(reseal)``, ``AsyncMetrics(reseal)``.

``text()`` is a value for any route. The object is also an application of its own, WSGI or ASGI, that can be mounted;
it answers everybody, so mount it where only Prometheus comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from reseal._async.metrics import AsyncMetrics as _AsyncMetrics
from reseal._sync.metrics import Metrics as _Metrics
from reseal.metrics.exposition import CONTENT_TYPE, Samples

__all__ = ["CONTENT_TYPE", "AsyncMetrics", "Metrics", "Samples"]

_HEADERS: Final = (("content-type", CONTENT_TYPE), ("cache-control", "no-store"))


class Metrics(_Metrics):
    """The session health of one process: of a ``reseal.Reseal``, or the ``sessions`` of a sync adapter."""

    def __call__(self, _environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        start_response("200 OK", list(_HEADERS))
        return [self.text().encode()]


class AsyncMetrics(_AsyncMetrics):
    """The session health of one process: of a ``reseal.AsyncReseal``, or the ``sessions`` of an async adapter."""

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        if scope["type"] != "http":
            return
        headers = [(name.encode(), value.encode()) for name, value in _HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": (await self.text()).encode()})
