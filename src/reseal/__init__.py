"""Sessions that reseal themselves on every refresh.

``AsyncReseal`` and ``Reseal`` are the same calls, async and sync, for any framework; ``reseal.starlette`` and
``reseal.fastapi`` put them where a web application expects them.

A name is imported when it is first used: code that needs only the sync calls, or an error, does not import the rest.

PYTEST_DONT_REWRITE: a program may import this before it starts pytest, which would warn about it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from reseal._async.engine import AsyncEngine
    from reseal._async.remote import AsyncRemote
    from reseal._async.reseal import AsyncReseal
    from reseal._async.session import AsyncSession
    from reseal._async.session_policies import SignIn
    from reseal._async.stores.memory import AsyncMemoryStore
    from reseal._async.stores.sqlite import AsyncSQLiteStore
    from reseal._sync.engine import Engine
    from reseal._sync.remote import Remote
    from reseal._sync.reseal import Reseal
    from reseal._sync.session import Session
    from reseal._sync.stores.memory import MemoryStore
    from reseal._sync.stores.sqlite import SQLiteStore
    from reseal.core.actor import NotImpersonated
    from reseal.core.authentication import AuthenticatedBy
    from reseal.core.cases import Case, CasePage
    from reseal.core.claims import ClaimCheck, FreshClaim, HasClaim
    from reseal.core.client_details import ClientDetails
    from reseal.core.errors import (
        GENERAL_ERROR,
        INVALID_CLAIMS,
        TOKEN_THEFT_DETECTED,
        TRY_REFRESH_TOKEN,
        UNAUTHORISED,
        AccessTokenTooLarge,
        ConfigurationError,
        Conflict,
        GeneralError,
        InvalidClaims,
        InvalidInput,
        RefreshElsewhere,
        Refusal,
        ResealError,
        StoreUnavailable,
        TokenTheftDetected,
        TryRefreshToken,
        Unauthorised,
        WrongMethod,
        is_error_from_auth,
    )
    from reseal.core.events import Event, EventListener, EventName, EventOutbox
    from reseal.core.holding import SessionHeld
    from reseal.core.model import TheftResponse
    from reseal.core.outbox import Delivered
    from reseal.core.providers import IdentityProvider, ProviderSession
    from reseal.core.session_policy import SessionPolicy, TooManySessions
    from reseal.correlation import correlated
    from reseal.devices import DeviceKind, SessionInfo
    from reseal.log import log_event
    from reseal.settings import Settings
    from reseal.web.cors import get_cors_exposed_headers, get_cors_headers
    from reseal.web.facts import RequestFacts
    from reseal.web.headers import SessionHeaders
    from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

__all__ = [
    "GENERAL_ERROR",
    "INVALID_CLAIMS",
    "TOKEN_THEFT_DETECTED",
    "TRY_REFRESH_TOKEN",
    "UNAUTHORISED",
    "AccessTokenTooLarge",
    "Anonymous",
    "AsyncEngine",
    "AsyncMemoryStore",
    "AsyncRemote",
    "AsyncReseal",
    "AsyncSQLiteStore",
    "AsyncSession",
    "AuthenticatedBy",
    "Case",
    "CasePage",
    "ClaimCheck",
    "ClientDetails",
    "ConfigurationError",
    "Conflict",
    "Delivered",
    "DeviceKind",
    "Engine",
    "Event",
    "EventListener",
    "EventName",
    "EventOutbox",
    "FreshClaim",
    "GeneralError",
    "HasClaim",
    "IdentityProvider",
    "InvalidClaims",
    "InvalidInput",
    "MemoryStore",
    "NotImpersonated",
    "ProviderSession",
    "RefreshElsewhere",
    "RefreshFirst",
    "Refusal",
    "Remote",
    "RequestFacts",
    "Reseal",
    "ResealError",
    "SQLiteStore",
    "Session",
    "SessionHeaders",
    "SessionHeld",
    "SessionInfo",
    "SessionPolicy",
    "Settings",
    "SignIn",
    "SignedIn",
    "StoreUnavailable",
    "TheftResponse",
    "TokenTheftDetected",
    "TooManySessions",
    "TryRefreshToken",
    "Unauthorised",
    "WrongMethod",
    "correlated",
    "get_cors_exposed_headers",
    "get_cors_headers",
    "is_error_from_auth",
    "log_event",
]

_HOMES: Final = {
    "AsyncEngine": "reseal._async.engine",
    "AsyncRemote": "reseal._async.remote",
    "AsyncReseal": "reseal._async.reseal",
    "AsyncSession": "reseal._async.session",
    "AsyncMemoryStore": "reseal._async.stores.memory",
    "AsyncSQLiteStore": "reseal._async.stores.sqlite",
    "Engine": "reseal._sync.engine",
    "Remote": "reseal._sync.remote",
    "Reseal": "reseal._sync.reseal",
    "Session": "reseal._sync.session",
    "MemoryStore": "reseal._sync.stores.memory",
    "SQLiteStore": "reseal._sync.stores.sqlite",
    "Case": "reseal.core.cases",
    "CasePage": "reseal.core.cases",
    "ClaimCheck": "reseal.core.claims",
    "ClientDetails": "reseal.core.client_details",
    "FreshClaim": "reseal.core.claims",
    "HasClaim": "reseal.core.claims",
    "AuthenticatedBy": "reseal.core.authentication",
    "NotImpersonated": "reseal.core.actor",
    "GENERAL_ERROR": "reseal.core.errors",
    "INVALID_CLAIMS": "reseal.core.errors",
    "TOKEN_THEFT_DETECTED": "reseal.core.errors",
    "TRY_REFRESH_TOKEN": "reseal.core.errors",
    "UNAUTHORISED": "reseal.core.errors",
    "AccessTokenTooLarge": "reseal.core.errors",
    "ConfigurationError": "reseal.core.errors",
    "Conflict": "reseal.core.errors",
    "GeneralError": "reseal.core.errors",
    "InvalidClaims": "reseal.core.errors",
    "InvalidInput": "reseal.core.errors",
    "RefreshElsewhere": "reseal.core.errors",
    "Refusal": "reseal.core.errors",
    "ResealError": "reseal.core.errors",
    "StoreUnavailable": "reseal.core.errors",
    "TokenTheftDetected": "reseal.core.errors",
    "TryRefreshToken": "reseal.core.errors",
    "Unauthorised": "reseal.core.errors",
    "WrongMethod": "reseal.core.errors",
    "is_error_from_auth": "reseal.core.errors",
    "Event": "reseal.core.events",
    "EventListener": "reseal.core.events",
    "EventName": "reseal.core.events",
    "EventOutbox": "reseal.core.events",
    "TheftResponse": "reseal.core.model",
    "IdentityProvider": "reseal.core.providers",
    "ProviderSession": "reseal.core.providers",
    "Delivered": "reseal.core.outbox",
    "SignIn": "reseal._async.session_policies",
    "TooManySessions": "reseal.core.session_policy",
    "SessionHeld": "reseal.core.holding",
    "SessionPolicy": "reseal.core.session_policy",
    "DeviceKind": "reseal.devices",
    "correlated": "reseal.correlation",
    "log_event": "reseal.log",
    "Settings": "reseal.settings",
    "get_cors_exposed_headers": "reseal.web.cors",
    "get_cors_headers": "reseal.web.cors",
    "RequestFacts": "reseal.web.facts",
    "SessionHeaders": "reseal.web.headers",
    "SessionInfo": "reseal.devices",
    "Anonymous": "reseal.web.rendering",
    "RefreshFirst": "reseal.web.rendering",
    "SignedIn": "reseal.web.rendering",
}
"""Where each name is found when somebody asks for it."""

if not TYPE_CHECKING:  # a type checker that saw it would believe in every name

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(home), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
