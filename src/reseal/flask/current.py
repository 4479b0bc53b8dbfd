"""The session of the current request, for views."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from inspect import iscoroutinefunction
from types import FunctionType
from typing import ParamSpec, TypeVar, overload

from flask import current_app, request
from werkzeug.local import LocalProxy

from reseal._sync.session import Session
from reseal.core.claims import ClaimCheck
from reseal.flask.application import UNPROTECTED, Demand, NoSession, here
from reseal.web import rendering

P = ParamSpec("P")
T = TypeVar("T")


def _find() -> Session:
    sessions, of_now = here()
    session = sessions.current(of_now)
    if session is None:
        raise NoSession
    return session


current_session: Session = LocalProxy(_find)  # type: ignore[assignment]
"""The session of the current request, verified when it is first used.

False for a visitor who is not signed in; anything else is then answered as :class:`NoSession`, with 401. A token that
has to be refreshed raises ``TryRefreshToken``, which is answered by a refresh. Raises ``RuntimeError`` outside of a
request.
"""


@overload
def session_required(view: Callable[P, T], /) -> Callable[P, T]: ...
@overload
def session_required(
    *,
    claims: Iterable[ClaimCheck] = (),
    check_database: bool = False,
    enable_csrf_protection: bool | None = None,
    optional: bool = False,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def session_required(
    view: Callable[..., object] | None = None,
    /,
    *,
    claims: Iterable[ClaimCheck] = (),
    check_database: bool = False,
    enable_csrf_protection: bool | None = None,
    optional: bool = False,
) -> Callable[..., object]:
    """Let a view run only with a session, which is then :data:`current_session`. It stands below ``@app.route``.

    For sync and async views. ``claims``: what else is demanded. ``check_database``: also notice at once that the
    session was revoked. ``enable_csrf_protection``: ``None`` checks the methods that change something.
    ``optional``: visitors without tokens pass, and ``current_session`` is false; an expired token is still refreshed.

    A script is refused by a status (see docs/reference/http.md). A browser that opens a page, or sends a form, is made
    to refresh first, and comes back; without a session it is sent to the ``login_view`` of :class:`Reseal`, if any.
    """
    if view is not None and not callable(view):
        raise TypeError("session_required takes its arguments by name: @session_required(claims=[HasClaim(…)])")
    demand = Demand(enable_csrf_protection, check_database, tuple(claims), optional)

    def decorate(view: Callable[..., object]) -> Callable[..., object]:
        is_async = iscoroutinefunction(view)

        @functools.wraps(view)
        def protected(*args: object, **named: object) -> object:
            sessions, of_now = here()
            sessions.demand(of_now, demand)
            return current_app.ensure_sync(view)(*args, **named) if is_async else view(*args, **named)

        if isinstance(view, FunctionType):
            vars(protected).pop(UNPROTECTED, None)  # copied with the rest
            vars(view)[UNPROTECTED] = protected
        return protected

    return decorate if view is None else decorate(view)


def next_page(default: str = "/") -> str:
    """Return the path in the query parameter ``next``, for the redirect after a sign-in: never one of another host."""
    target = request.args.get("next")
    if target is None or rendering.local_target(target) != target:
        return default
    return target
