"""The middleware: session headers on every response, and answers to the errors of sessions."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from reseal.core.errors import ConfigurationError, ResealError
from reseal.django import dropin, pages, requests, sessions

_ERROR: Final = "reseal_error"
_SERVER_ERROR: Final = 500


class SessionMiddleware(DjangosMiddleware):
    """Adds the session's headers to the response, and answers the errors of sessions.

    With ``SESSION_ENGINE = "reseal.django.engine"`` it gives requests the ``session`` of Django as well, in the place
    of Django's own middleware, from which the system checks of the admin want it to be derived.

    It belongs before everything that asks for a session, and before everything that answers in a view's place:
    an error page must carry the cookies of a refresh as well.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not apps.is_installed("reseal.django"):
            raise ImproperlyConfigured(
                'Reseal\'s middleware is in MIDDLEWARE, but "reseal.django" is not in INSTALLED_APPS: add it'
            )
        sessions.configured()  # a server with a wrong configuration does not start
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self._serve: Callable[[HttpRequest], Any] = dropin.around(get_response) if dropin.is_on() else get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self._answer: Callable[[HttpRequest], Any] = self._answer_async
        else:
            self._answer = self._answer_sync

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return cast("HttpResponseBase | Awaitable[HttpResponseBase]", self._answer(request))

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an error of sessions that a view, or its template, has raised."""
        return answer_of(request, error)

    def _answer_sync(self, request: HttpRequest) -> HttpResponseBase:
        headers = requests.begin(request)
        response = self._serve(request)
        response = _instead(request) or response
        requests.deliver(headers, request, response)
        return cast("HttpResponseBase", response)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        headers = requests.begin(request)
        response = await self._serve(request)
        response = _instead(request) or response
        requests.deliver(headers, request, response)
        return cast("HttpResponseBase", response)


def answer_of(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Answer an error of sessions. ``None``: it is none, or it is a fault of the application, which Django reports."""
    if not isinstance(error, ResealError) or isinstance(error, ConfigurationError):
        return None
    page = pages.instead_of(request, error)
    if page is not None:
        return page
    answer = sessions.configured().answer_error(requests.facts(request), error)
    return None if answer.status == _SERVER_ERROR else requests.response_of(answer)


def note(request: HttpRequest | None = None, **_: object) -> None:
    """Keep an error that a middleware further in raised: Django has made a page of it before we see it."""
    error = sys.exc_info()[1]
    if request is not None and isinstance(error, ResealError):
        setattr(request, _ERROR, error)


def _instead(request: HttpRequest) -> HttpResponse | None:
    error = getattr(request, _ERROR, None)
    return None if error is None else answer_of(request, error)


got_request_exception.connect(note, dispatch_uid="reseal.django")
