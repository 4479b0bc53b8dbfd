"""The ready-made endpoints, to be included at the root: ``path("", include("reseal.django.urls"))``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from reseal._sync.device_endpoints import HANDLE
from reseal.core.errors import ConfigurationError
from reseal.django.sessions import configured, exchanged

app_name: Final = "reseal"


def _patterns() -> list[URLPattern]:
    """Make a route for each path. Without a configuration there is none: the system checks say why."""
    with suppress(ConfigurationError):
        names = {endpoint.path: endpoint.name for endpoint in configured().endpoints()}
        return [path(_route(place), _view(place), name=name) for place, name in names.items()]
    return []


def _route(place: str) -> str:
    return place.removeprefix("/").replace(HANDLE, "<handle>")


def _view(place: str) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt  # the endpoints check for themselves where a request comes from
    def endpoint(request: HttpRequest, **_: str) -> HttpResponse:
        return configured().answer(request, place)

    endpoint.login_required = False  # type: ignore[attr-defined]  # what LoginRequiredMiddleware of Django 5.1 asks
    return endpoint


def _follow(**_: object) -> None:
    """Follow the paths in the settings, which tests change."""
    urlpatterns[:] = _patterns()


urlpatterns: list[URLPattern] = _patterns()
exchanged.connect(_follow, dispatch_uid="reseal.django.urls")
