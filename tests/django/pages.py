"""Django's test clients as pages of the application."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from django.test import AsyncClient

from tests.django.project import API

V = TypeVar("V")
OWN_PAGE: Final = {"origin": API, "sec-fetch-site": "same-origin"}
OPENED: Final = {"sec-fetch-mode": "navigate", "sec-fetch-site": "none"}
"""The headers of a page that a user opens."""


class AsyncPage(AsyncClient):
    """Django's async client keeps no headers for all requests."""

    async def request(self, **request: Any) -> Any:
        request["headers"] = [*request["headers"], *((k.encode(), v.encode()) for k, v in OWN_PAGE.items())]
        return await super().request(**request)


def exempt(view: V) -> V:
    """Exempt a view from Django's CSRF check. Django's own decorator takes async views from version 5 on only."""
    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view
