"""One request, located and allowed, and all that an operation may ask of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from reseal.cdi.body import Query
from reseal.cdi.replies import CookieFacts
from reseal.cdi.versions import Version
from reseal.core.events import Caller
from reseal.server.cdi.sessions import CdiSessions
from reseal.server.http import messages as http
from reseal.server.tenants.directory import Directory

Reply = dict[str, Any]
"""The members of a JSON object that is answered with status 200."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """Facts about the running service that its operations show."""

    versions: list[str]
    """Interface versions that it answers."""
    config_path: str
    pid: int
    """Of the process, or of its supervisor if there are several."""


class Call(msgspec.Struct, frozen=True):
    """One request, located and allowed."""

    version: Version
    app_id: str
    tenant_id: str
    body: bytes
    query: Query
    driver: CdiSessions
    tenants: Collection[str]
    """All tenants of the app."""
    cookies: CookieFacts
    now: Callable[[], int]
    random: Callable[[int], bytes]
    caller: Caller
    directory: Directory
    service: ServiceFacts


Handler = Callable[[Call], Awaitable[Reply | http.Reply]]
