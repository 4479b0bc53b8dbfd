"""One request, located and allowed, and all that an operation may ask of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from reseal.cdi.body import Query
from reseal.cdi.replies import CookieFacts
from reseal.cdi.versions import Version
from reseal.core.events import Caller
from reseal.server.cdi.sessions import CdiSessions
from reseal.server.end_user import device_of
from reseal.server.http import messages as http
from reseal.server.http.messages import Request
from reseal.server.tenants.directory import Directory

Reply = dict[str, Any]
"""The members of a JSON object that is answered with status 200."""


class ServiceFacts(msgspec.Struct, frozen=True):
    """What the operations share: the same for every request."""

    versions: list[str]
    """Interface versions that the service answers."""
    config_path: str
    pid: int
    """Of the process, or of its supervisor if there are several."""
    cookies: CookieFacts
    now: Callable[[], int]
    random: Callable[[int], bytes]
    directory: Directory


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request, located and allowed."""

    version: Version
    tenant_id: str
    request: Request
    body: bytes
    query: Query
    driver: CdiSessions
    tenants: Collection[str]
    """All tenants of the app."""
    service: ServiceFacts

    @property
    def app_id(self) -> str:
        return self.driver.app.app_id

    @property
    def caller(self) -> Caller:
        """Where the request comes from, for events."""
        return Caller(device_of(self.request), self.request.trace.correlation_id)


Handler = Callable[[Call], Awaitable[Reply | http.Reply]]
