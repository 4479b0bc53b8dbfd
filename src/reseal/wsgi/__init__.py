"""Sessions for any application of WSGI, and what the adapters of its frameworks have in common.

One object is made with the application, which is wrapped after everything else::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    app = reseal.wrap(app)

Its calls take the environ of a request, or any object that has it as ``environ``.
"""

from __future__ import annotations

from reseal._sync.session import Session
from reseal.settings import Settings
from reseal.wsgi.application import Request, Reseal
from reseal.wsgi.environ import (
    Environ,
    SessionMiddleware,
    StartResponse,
    Write,
    WSGIApp,
    attached,
    facts,
    facts_of,
    facts_with_body,
    headers,
    merged,
    outbox,
    target,
)
from reseal.wsgi.opening import Opening
from reseal.wsgi.wrapping import respond, with_origins

__all__ = [
    "Environ",
    "Opening",
    "Request",
    "Reseal",
    "Session",
    "SessionMiddleware",
    "Settings",
    "StartResponse",
    "WSGIApp",
    "Write",
    "attached",
    "facts",
    "facts_of",
    "facts_with_body",
    "headers",
    "merged",
    "outbox",
    "respond",
    "target",
    "with_origins",
]
