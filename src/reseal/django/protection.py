"""Views that demand a session: a decorator for functions and methods, and a mixin for classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, NamedTuple, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import urlencode

from reseal.core.claims import ClaimCheck
from reseal.core.errors import Unauthorised
from reseal.django import pages
from reseal.django.sessions import Session, configured

_NEXT: Final = "next"
"""The parameter in which Django's own sign-in pages find the way back."""
View = TypeVar("View", bound=Callable[..., Any])


class SessionRequest(HttpRequest):
    """For annotations: the request of a view that demands a session."""

    reseal_session: Session


class _Demand(NamedTuple):
    """What a view demands of its requests, and where it sends visitors without a session."""

    claims: tuple[ClaimCheck, ...]
    check_database: bool
    enable_csrf_protection: bool | None
    login_url: str | None
    refresh_pages: bool | None

    def begin(self, request: HttpRequest) -> None:
        if self.refresh_pages is not None:
            pages.choose(request, refresh=self.refresh_pages)

    def check(self, request: Any) -> HttpResponse | None:
        """Note the session in the request, or return what to answer instead. Raises what a refusal raises."""
        self.begin(request)
        try:
            request.reseal_session = configured().get_session(
                request, self.enable_csrf_protection, check_database=self.check_database, claims=self.claims
            )
        except Unauthorised:
            return self._elsewhere(request)
        return None

    async def acheck(self, request: Any) -> HttpResponse | None:
        self.begin(request)
        try:
            request.reseal_session = await configured().aget_session(
                request, self.enable_csrf_protection, check_database=self.check_database, claims=self.claims
            )
        except Unauthorised:
            return self._elsewhere(request)
        return None

    def _elsewhere(self, request: HttpRequest) -> HttpResponse:
        """Send a page's visitor to the sign-in page. Raises the error that is being handled for any other request."""
        if self.login_url is None or not pages.is_navigation(request):
            raise  # noqa: PLE0704 - called where it is handled
        place = resolve_url(self.login_url)
        following = urlencode({_NEXT: request.get_full_path()})
        return HttpResponseRedirect(f"{place}{'&' if '?' in place else '?'}{following}")


@overload
def session_required(view: View, /) -> View: ...
@overload
def session_required(
    *,
    claims: Iterable[ClaimCheck] = (),
    check_database: bool = False,
    enable_csrf_protection: bool | None = None,
    login_url: str | None = None,
    refresh_pages: bool | None = None,
) -> Callable[[View], View]: ...
def session_required(
    view: View | None = None,
    /,
    *,
    claims: Iterable[ClaimCheck] = (),
    check_database: bool = False,
    enable_csrf_protection: bool | None = None,
    login_url: str | None = None,
    refresh_pages: bool | None = None,
) -> View | Callable[[View], View]:
    """Demand a session of the requests to a view, sync or async; it is ``request.reseal_session``.

    ``claims`` and ``check_database`` are those of :meth:`reseal.Reseal.get_session`. ``login_url``: where the visitor
    of a page is sent who has no session, with ``?next=`` the page; without it, and any other request, gets the refusal.
    ``refresh_pages``: whether this page refreshes first, in place of the setting. Use as ``@session_required``, with
    arguments, or by ``method_decorator``.
    """
    demand = _Demand(tuple(claims), check_database, enable_csrf_protection, login_url, refresh_pages)

    def decorate(inner: View) -> View:
        return cast("View", demanding(inner, demand))

    return decorate if view is None else decorate(view)


def demanding(view: Any, demand: _Demand) -> Any:
    """Wrap a view."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def answer_async(request: HttpRequest, *args: Any, **named: Any) -> Any:
            return await demand.acheck(request) or await view(request, *args, **named)

        return answer_async

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **named: Any) -> Any:
        return demand.check(request) or view(request, *args, **named)

    return answer


class SessionRequiredMixin:
    """Demands a session of the requests to a class-based view, sync or async. It stands before the view's class."""

    session_claims: Iterable[ClaimCheck] = ()
    session_check_database: bool = False
    session_login_url: str | None = None
    """See :func:`session_required`."""
    session_refresh_pages: bool | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **named: Any) -> Any:
        demand = _Demand(
            tuple(self.session_claims),
            self.session_check_database,
            None,
            self.session_login_url,
            self.session_refresh_pages,
        )
        inner: Any = super().dispatch  # type: ignore[misc]  # that of the view's class
        if self.view_is_async:  # type: ignore[attr-defined]  # as above

            async def awaited(*given: Any, **more: Any) -> Any:
                return await inner(*given, **more)

            return demanding(awaited, demand)(request, *args, **named)
        return demanding(inner, demand)(request, *args, **named)
