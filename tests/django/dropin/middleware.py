"""Middleware that reads and writes the session on every request, as trackers of activity do."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class Tracker:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.session["seen"] = request.session.get("seen", 0) + 1
        request.session["name"] = request.user.get_username()
        return self._get_response(request)


class Afterwards(Tracker):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        request.session["last"] = request.path
        return response
