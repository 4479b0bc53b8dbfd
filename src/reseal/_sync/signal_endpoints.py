# Generated from src/reseal/_async/signal_endpoints.py by tools/unasync.py; edit that file instead.
"""Where receivers of Shared Signals read the transmitter's metadata and keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from reseal.core.keys import JWKS_MAX_AGE
from reseal.core.shared_signals import documents
from reseal.settings import Settings
from reseal.web import responses
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

T = TypeVar("T")


def endpoints_of_signals(settings: Settings, endpoint: Callable[..., T]) -> list[T]:
    """Make the endpoints, if there are receivers; their paths are those on the host of the issuer."""
    found = documents(settings.webhooks).items()
    return [
        endpoint(f"shared_signals_{n}", "GET", path, _answering(document)) for n, (path, document) in enumerate(found)
    ]


def _answering(document: Mapping[str, Any]) -> Callable[[RequestFacts, SessionHeaders], WebResponse]:
    lasting = ("cache-control", f"max-age={JWKS_MAX_AGE}, must-revalidate")
    response = responses.of_json(document, headers=(lasting,))

    def answer(_request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        return response

    return answer
