"""Sessions that reseal themselves on every refresh.

``AsyncReseal`` and ``Reseal`` are the same calls in either colour, for any framework; ``reseal.starlette`` and
``reseal.fastapi`` put them where a web application expects them.
"""

from __future__ import annotations

from reseal._async.engine import AsyncEngine
from reseal._async.sessions import AsyncReseal, AsyncSession
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal._sync.engine import Engine
from reseal._sync.sessions import Reseal, Session
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.claims import ClaimCheck, FreshClaim, HasClaim
from reseal.core.errors import (
    GENERAL_ERROR,
    INVALID_CLAIMS,
    TOKEN_THEFT_DETECTED,
    TRY_REFRESH_TOKEN,
    UNAUTHORISED,
    AccessTokenTooLarge,
    ConfigurationError,
    GeneralError,
    InvalidClaims,
    InvalidInput,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
    is_error_from_auth,
)
from reseal.core.events import Event, EventListener, EventName
from reseal.core.model import TheftResponse
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

__all__ = [
    "GENERAL_ERROR",
    "INVALID_CLAIMS",
    "TOKEN_THEFT_DETECTED",
    "TRY_REFRESH_TOKEN",
    "UNAUTHORISED",
    "AccessTokenTooLarge",
    "AsyncEngine",
    "AsyncMemoryStore",
    "AsyncReseal",
    "AsyncSQLiteStore",
    "AsyncSession",
    "ClaimCheck",
    "ConfigurationError",
    "Engine",
    "Event",
    "EventListener",
    "EventName",
    "FreshClaim",
    "GeneralError",
    "HasClaim",
    "InvalidClaims",
    "InvalidInput",
    "MemoryStore",
    "Refusal",
    "RequestFacts",
    "Reseal",
    "ResealError",
    "SQLiteStore",
    "Session",
    "SessionHeaders",
    "Settings",
    "StoreUnavailable",
    "TheftResponse",
    "TokenTheftDetected",
    "TryRefreshToken",
    "Unauthorised",
    "WrongMethod",
    "is_error_from_auth",
    "log_event",
]
