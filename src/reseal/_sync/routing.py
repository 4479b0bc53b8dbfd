# Generated from src/reseal/_async/routing.py by tools/unasync.py; edit that file instead.
"""Which ready-made endpoint answers a request: for adapters whose framework has no routes that could hold them."""

from __future__ import annotations

from typing import Final

from reseal._sync.device_endpoints import HANDLE
from reseal._sync.endpoints import Answer, Endpoint, Endpoints
from reseal.web import responses
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

_OPTIONS: Final = "OPTIONS"
"""Preflights are the application's, which may have rules of its own."""


class Routing:
    """The endpoints of one application by path and method."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._paths: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints.table():
            methods = self._paths.setdefault(endpoint.path, {})
            methods |= dict.fromkeys(endpoint.methods, endpoint)

    def find(self, method: str, path: str) -> Endpoint | None:
        """Find the endpoint for a path within the application, ``None`` where the application itself answers.

        For another method than those of a path there is one that answers with status 405 (RFC 9110, 15.5.6).
        """
        methods = self._paths.get(path) or self._paths.get(f"{path.rpartition('/')[0]}/{HANDLE}")
        if methods is None or method == _OPTIONS:
            return None
        return methods.get(method) or Endpoint("wrong_method", method, path, _refusing(", ".join(methods)))


def _refusing(allowed: str) -> Answer:
    def answer(_request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        return responses.of_json({"message": f"only {allowed}"}, 405, (("allow", allowed),))

    return answer
