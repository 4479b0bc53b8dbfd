"""Test clients of frameworks that behave as a page of the application: they name their origin, and refresh.

A client stays what it is; the steps of a page are put around each of its requests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from reseal.settings import Settings
from reseal.testing.jar import parsed
from reseal.testing.site import OUR_MESSAGE

C = TypeVar("C")

_DEFAULT_HOSTS: Final = frozenset({"testserver", "testserver.local"})
"""The default hosts of test clients. No cookie of an https site would come back to them."""
_HTTPX: Final = frozenset({"httpx", "httpx2"})
_KNOWN: Final = "of httpx or httpx2 (such as those of Starlette, FastAPI and Litestar), of Django, or of Flask"


def as_browser(client: C, settings: Settings) -> C:
    """Have a test client send requests as a page of the application does; returns it.

    ``client`` is the ``TestClient`` of Starlette, FastAPI or Litestar, any client of httpx or httpx2, ``Client`` or
    ``AsyncClient`` of Django, or the test client of Flask. Each request names its origin (``Origin``,
    ``Sec-Fetch-Site``). If the answer is "try refresh token", the client refreshes its session once and repeats the
    request, as the browser SDK does. A client for a default host, ``http://testserver``, is turned to
    ``settings.api_domain``, whose cookies it could not keep otherwise. Raises ``TypeError`` for another kind of client.
    """
    _kind_of(client).have_as_page(client, settings)
    return client


def give_cookies(client: object, settings: Settings, lines: Iterable[str]) -> None:
    """Put cookies into a client, as ``Set-Cookie`` lines of the application would."""
    _kind_of(client).keep(client, settings.api_domain, list(lines))


def cookies_of(client: object) -> dict[str, str]:
    """Return names and values of the cookies in a client."""
    found: dict[str, str] = _kind_of(client).cookies(client)
    return found


class _Httpx:
    """Clients of httpx and httpx2: an ``Auth`` runs the steps, for async and sync clients."""

    @staticmethod
    def have_as_page(client: Any, settings: Settings) -> None:
        package = _httpx_of(client)
        if client.base_url.host in _DEFAULT_HOSTS:
            client.base_url = settings.api_domain
        client.auth = type("Page", (_Page, package.Auth), {})(client, settings)

    @staticmethod
    def keep(client: Any, url: str, lines: list[str]) -> None:
        package = _httpx_of(client)
        headers = [("set-cookie", line) for line in lines]
        client.cookies.extract_cookies(package.Response(200, headers=headers, request=package.Request("POST", url)))

    @staticmethod
    def cookies(client: Any) -> dict[str, str]:
        return {cookie.name: cookie.value for cookie in client.cookies.jar}


class _Page:
    """The page's steps around each request; the ``Auth`` of a sync or async client runs them."""

    requires_response_body = True

    def __init__(self, client: Any, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        response = yield self._from_page(request)
        if not _asks_for_refresh(response.status_code, response.content, self._settings):
            return
        refreshed = yield self._from_page(self._client.build_request("POST", self._settings.refresh_api_path))
        if refreshed.is_success:
            request.headers.pop("cookie", None)
            self._client.cookies.set_cookie_header(request)
            yield request

    def _from_page(self, request: Any) -> Any:
        for name, value in _from_page(self._settings).items():
            request.headers.setdefault(name, value)
        return request


class _OurBrowser:
    """Browsers of the test kit."""

    @staticmethod
    def have_as_page(client: Any, settings: Settings) -> None:
        """Leave it as it is: it is a page already."""

    @staticmethod
    def keep(client: Any, url: str, lines: list[str]) -> None:
        client.jar.keep(url, lines)

    @staticmethod
    def cookies(client: Any) -> dict[str, str]:
        return {cookie.name: cookie.value for cookie in client.jar}


class _Django:
    """The clients of Django, which keep one cookie a name and never forget one."""

    @staticmethod
    def have_as_page(client: Any, settings: Settings) -> None:
        names = _from_page(settings)
        is_async = iscoroutinefunction(client.request)
        if not is_async and (host := _django_host(settings)):
            names["host"] = host
        client.defaults.update(names if is_async else _as_environ(names))
        client.request = (_async_steps if is_async else _steps)(client, client.request, settings)

    @staticmethod
    def keep(client: Any, url: str, lines: list[str]) -> None:
        for cookie in (parsed(line, url, 0) for line in lines):
            client.cookies[cookie.name] = cookie.value

    @staticmethod
    def cookies(client: Any) -> dict[str, str]:
        return {morsel.key: morsel.value for morsel in client.cookies.values()}


def _steps(client: Any, send: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    def request(**given: Any) -> Any:
        sent = _Sent(given, settings)
        response = _without_deleted_cookies(client, send(**sent.again()))
        if not _asks_for_refresh(response.status_code, getattr(response, "content", b""), settings):
            return response
        refreshed = client.post(settings.refresh_api_path)
        if refreshed.status_code >= _NOT_DONE:
            return response
        return _without_deleted_cookies(client, send(**sent.again()))

    return request


def _async_steps(client: Any, send: Callable[..., Awaitable[Any]], settings: Settings) -> Callable[..., Awaitable[Any]]:
    async def request(**given: Any) -> Any:
        sent = _Sent(given, settings)
        response = _without_deleted_cookies(client, await send(**sent.again()))
        if not _asks_for_refresh(response.status_code, getattr(response, "content", b""), settings):
            return response
        refreshed = await client.post(settings.refresh_api_path)
        if refreshed.status_code >= _NOT_DONE:
            return response
        return _without_deleted_cookies(client, await send(**sent.again()))

    return request


class _Sent:
    """A request of Django's clients that can be sent more than once, over https if the application is visited so."""

    def __init__(self, given: Mapping[str, Any], settings: Settings) -> None:
        scheme, host = urlsplit(settings.api_domain).scheme, _django_host(settings)
        port = "443" if scheme == "https" else "80"
        where = {"scheme": scheme} if "scheme" in given else {"wsgi.url_scheme": scheme, "SERVER_PORT": port}
        self._given = {**given, **where}
        if host and "headers" in given:
            others = [(name, value) for name, value in given["headers"] if name != b"host"]
            self._given["headers"] = [(b"host", host.encode()), *others]
        self._payload = next((key for key in ("wsgi.input", "_body_file") if key in given), None)
        self._body = given[self._payload].read() if self._payload else b""

    def again(self) -> dict[str, Any]:
        sent = dict(self._given)
        if self._payload is not None:
            sent[self._payload] = type(sent[self._payload])(self._body)
        if "headers" in sent:
            sent["headers"] = list(sent["headers"])  # the client adds its cookies to it
        return sent


def _django_host(settings: Settings) -> str | None:
    """Return the host of the application, by which Django compares origins, if ``ALLOWED_HOSTS`` has it."""
    host, port = urlsplit(settings.api_domain).hostname or "", urlsplit(settings.api_domain).port
    allowed = sys.modules["django.conf"].settings.ALLOWED_HOSTS
    if not sys.modules["django.http.request"].validate_host(host, allowed):
        return None
    return host if port is None else f"{host}:{port}"


def _without_deleted_cookies(client: Any, response: C) -> C:
    """Forget the cookies that a response has deleted; Django's clients go on to send them, without a value."""
    for key, morsel in list(client.cookies.items()):
        if not morsel.value and (morsel["max-age"] == 0 or "1970" in str(morsel["expires"])):
            del client.cookies[key]
    return response


class _Flask:
    """The test client of Flask."""

    @staticmethod
    def have_as_page(client: Any, settings: Settings) -> None:
        client.environ_base.update(_as_environ(_from_page(settings)))
        send = client.open

        def open_page(*args: Any, **options: Any) -> Any:
            if args and isinstance(args[0], str):
                options.setdefault("base_url", settings.api_domain)
            response = send(*args, **options)
            if not _asks_for_refresh(response.status_code, response.data, settings):
                return response
            refreshed = send(settings.refresh_api_path, method="POST", base_url=settings.api_domain)
            return send(*args, **options) if refreshed.status_code < _NOT_DONE else response

        client.open = open_page

    @staticmethod
    def keep(client: Any, url: str, lines: list[str]) -> None:
        for cookie in (parsed(line, url, 0) for line in lines):
            client.set_cookie(cookie.name, cookie.value, domain=cookie.host, path=cookie.path)

    @staticmethod
    def cookies(client: Any) -> dict[str, str]:
        kept: Mapping[Any, Any] = vars(client)["_cookies"] or {}
        return {cookie.key: cookie.value for cookie in kept.values()}


_KINDS: Final[tuple[tuple[str, Any], ...]] = (
    ("reseal.testing.browsers", _OurBrowser),
    ("django.test.client", _Django),
    ("werkzeug.test", _Flask),
    ("httpx", _Httpx),
    ("httpx2", _Httpx),
)
"""The kinds of clients, by the module or package that one of their classes is from; the first that fits."""
_NOT_DONE: Final = 300


def _kind_of(client: object) -> Any:
    modules = [kind.__module__ for kind in type(client).__mro__]
    for name, kind in _KINDS:
        if any(module == name or module.startswith(f"{name}.") for module in modules):
            return kind
    raise TypeError(f"as_browser takes a client {_KNOWN}, not {type(client).__name__}")


def _httpx_of(client: object) -> Any:
    """Return the package that a client is made of."""
    packages = (kind.__module__.partition(".")[0] for kind in type(client).__mro__)
    return next(sys.modules[package] for package in packages if package in _HTTPX)


def _from_page(settings: Settings) -> dict[str, str]:
    """Return what a page of the application adds to its requests."""
    return {"origin": settings.api_domain, "sec-fetch-site": "same-origin"}


def _as_environ(headers: Mapping[str, str]) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def _asks_for_refresh(status: int, body: bytes, settings: Settings) -> bool:
    if status != settings.session_expired_status_code:
        return False
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("message") == OUR_MESSAGE
