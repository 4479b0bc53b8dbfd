"""Pages that a browser opens, as opposed to the calls of scripts."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse

from reseal.core.errors import ResealError, TryRefreshToken
from reseal.django import requests
from reseal.django.sessions import configured

_CHOICE: Final = "reseal_refresh_pages"


def is_navigation(request: HttpRequest) -> bool:
    """Return whether a browser opens a page with this request: by Fetch Metadata, or else by ``Accept``."""
    if request.method != "GET":
        return False
    mode = request.headers.get("sec-fetch-mode")
    return "text/html" in request.headers.get("accept", "") if mode is None else mode == "navigate"


def choose(request: HttpRequest, *, refresh: bool) -> None:
    """Choose for one request whether its page refreshes first, in place of the setting ``refresh_pages``."""
    setattr(requests.plain(request), _CHOICE, refresh)


def instead_of(request: HttpRequest, error: ResealError) -> HttpResponse | None:
    """Answer a page that was opened, or a form that was sent, with an expired access token: by refreshing first."""
    if not isinstance(error, TryRefreshToken):
        return None
    reseal = configured()
    return reseal.before_page_load(request, error) if getattr(request, _CHOICE, reseal.refresh_pages) else None
