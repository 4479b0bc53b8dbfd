"""Sessions for any application of ASGI, and what the adapters of its frameworks have in common.

One object is made with the application, which is wrapped after everything else::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    app = reseal.wrap(app)

Its calls take the scope of a request, or any object that has it as ``scope``.
"""

from __future__ import annotations

from reseal._async.session import AsyncSession as Session
from reseal.asgi.application import Request, Reseal, Socket, WrappedSessions
from reseal.asgi.connection import (
    ASGIApp,
    Connection,
    Message,
    Receive,
    Scope,
    Send,
    SessionMiddleware,
    facts,
    outbox,
    target,
)
from reseal.asgi.opening import Lifespan, Opening
from reseal.asgi.sessions import ApplicationSessions
from reseal.asgi.wrapping import respond
from reseal.settings import Settings

__all__ = [
    "ASGIApp",
    "ApplicationSessions",
    "Connection",
    "Lifespan",
    "Message",
    "Opening",
    "Receive",
    "Request",
    "Reseal",
    "Scope",
    "Send",
    "Session",
    "SessionMiddleware",
    "Settings",
    "Socket",
    "WrappedSessions",
    "facts",
    "outbox",
    "respond",
    "target",
]
