"""The calls of every day, for the sessions of the project: the same as those of :func:`reseal.django.get_reseal`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Unpack

from django.http import HttpRequest

from reseal._sync.session import Session as SyncSession
from reseal.core.authentication import SignInOptions
from reseal.core.claims import ClaimCheck
from reseal.django.sessions import Session, configured
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

Payload = Mapping[str, object]


def create_new_session(
    request: HttpRequest,
    user: object,
    jwt_payload: Payload | None = None,
    session_data: Payload | None = None,
    **options: Unpack[SignInOptions],
) -> Session:
    """Sign a user in, whom the caller has authenticated: a user object of Django, or an id.

    See :meth:`reseal.Reseal.create_new_session`.
    """
    return configured().create_new_session(request, user, jwt_payload, session_data, **options)


async def acreate_new_session(
    request: HttpRequest,
    user: object,
    jwt_payload: Payload | None = None,
    session_data: Payload | None = None,
    **options: Unpack[SignInOptions],
) -> Session:
    """Do the same in async code."""
    return await configured().acreate_new_session(request, user, jwt_payload, session_data, **options)


def get_session(
    request: HttpRequest,
    enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
    *,
    check_database: bool = False,
    claims: Iterable[ClaimCheck] = (),
) -> Session:
    """Verify the session of a request. See :meth:`reseal.Reseal.get_session`."""
    return configured().get_session(request, enable_csrf_protection, check_database=check_database, claims=claims)


async def aget_session(
    request: HttpRequest,
    enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
    *,
    check_database: bool = False,
    claims: Iterable[ClaimCheck] = (),
) -> Session:
    """Do the same in async code: without a thread, unless the store has to be asked."""
    return await configured().aget_session(
        request, enable_csrf_protection, check_database=check_database, claims=claims
    )


def peek(request: HttpRequest, *, check_database: bool = False) -> SignedIn[SyncSession] | RefreshFirst | Anonymous:
    """Find out whose page is being rendered. See :meth:`reseal.Reseal.peek`."""
    return configured().peek(request, check_database=check_database)


async def apeek(
    request: HttpRequest, *, check_database: bool = False
) -> SignedIn[SyncSession] | RefreshFirst | Anonymous:
    """Do the same in async code."""
    return await configured().apeek(request, check_database=check_database)


def sign_out(request: HttpRequest) -> None:
    """End the session of a request, for a view of your own. See :meth:`reseal.Reseal.sign_out`."""
    configured().sign_out(request)


async def asign_out(request: HttpRequest) -> None:
    """Do the same in async code."""
    await configured().asign_out(request)
