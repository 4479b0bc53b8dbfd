"""A test client that behaves as a page of the application: it says where it comes from, and refreshes by itself."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any, Final, TypeVar

from reseal.settings import Settings

C = TypeVar("C")

_DEFAULT_HOST: Final = "testserver"
"""The default host of a test client. No cookie of an https site would come back to it."""
_CLIENTS: Final = frozenset({"httpx", "httpx2"})


def as_browser(client: C, settings: Settings) -> C:
    """Have a test client send requests as a page of the application does; returns it.

    ``client`` is the ``TestClient`` of Starlette or FastAPI, or any client of httpx or httpx2, sync or async. Each
    request names its origin (``Origin``, ``Sec-Fetch-Site``). If the answer is "try refresh token", the client
    refreshes its session once and repeats the request, as the browser SDK does. A client for ``http://testserver`` is
    turned to ``settings.api_domain``, whose cookies it could not keep otherwise. Raises ``TypeError`` for another kind
    of client.
    """
    page: Any = client
    base = _auth_of(client)
    if page.base_url.host == _DEFAULT_HOST:
        page.base_url = settings.api_domain
    page.auth = type("Page", (_Page, base), {})(page, settings)
    return client


def _auth_of(client: object) -> type[Any]:
    """Find the class of ``Auth`` in the package that the client is made of."""
    for kind in type(client).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _CLIENTS:
            return sys.modules[package].Auth  # type: ignore[no-any-return]  # either package calls it so
    raise TypeError(f"as_browser takes a client of httpx or httpx2, not {type(client).__name__}")


class _Page:
    """The page's steps around each request; the ``Auth`` of a sync or async client runs them."""

    requires_response_body = True

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        response = yield self._from_page(request)
        if not self._asks_for_refresh(response):
            return
        refreshed = yield self._from_page(self._client.build_request("POST", self._settings.refresh_api_path))
        if refreshed.is_success:
            request.headers.pop("cookie", None)
            self._client.cookies.set_cookie_header(request)
            yield request

    def _from_page(self, request: Any) -> Any:
        request.headers.setdefault("origin", self._settings.api_domain)
        request.headers.setdefault("sec-fetch-site", "same-origin")
        return request

    def _asks_for_refresh(self, response: Any) -> bool:
        if response.status_code != self._settings.session_expired_status_code:
            return False
        try:
            answer = response.json()
        except ValueError:
            return False
        return isinstance(answer, dict) and answer.get("message") == "try refresh token"
