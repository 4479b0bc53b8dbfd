"""Browsers for tests: clients of httpx that keep cookies by the test's clock and behave as a page of the application.

A :class:`Browser` visits an ASGI or WSGI application in this process, or a server at a URL. It sends what browsers send
(``Origin``, Fetch Metadata), and when an answer asks for it, refreshes its session and repeats the request, as the
browser SDK does. :class:`AsyncBrowser` has the same calls with ``await``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Generator, Mapping
from http import cookiejar
from typing import Any, Final, Self
from urllib.parse import urlsplit

from reseal.clock import Clock
from reseal.settings import Settings
from reseal.testing.jar import CookieJar
from reseal.testing.needs import httpx
from reseal.testing.site import Call, Site, site_of
from reseal.testing.transports import Target, async_transport_to, transport_to

_ATTEMPT: Final = "idempotency-key"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Page:
    """What the pages of one browser share: its cookies and what the page's script keeps."""

    def __init__(self, site: Site, origin: str, jar: CookieJar) -> None:
        self.site = site
        self.origin = origin
        self.jar = jar
        self.anti_csrf: str | None = None
        self._attempt: tuple[str | None, str] = None, ""

    def copy(self) -> Page:
        """Return a page of another browser with the same cookies: what a thief would have."""
        other = Page(self.site, self.origin, self.jar.copy())
        other.anti_csrf = self.anti_csrf
        return other

    def dress(self, request: httpx.Request) -> None:
        """Add to a request what the browser and the page's script add."""
        cookies = self.jar.header(str(request.url))
        if cookies is not None:
            request.headers["cookie"] = cookies
        headers = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
        if request.method not in _SAFE:
            headers["origin"] = self.origin
            if self.anti_csrf is not None:
                headers["anti-csrf"] = self.anti_csrf
        for name, value in headers.items():
            request.headers.setdefault(name, value)

    def keep(self, response: httpx.Response) -> None:
        """Keep what a response sets."""
        self.jar.keep(str(response.request.url), response.headers.get_list("set-cookie"))
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)
        if response.headers.get("front-token") == "remove":
            self.anti_csrf = None

    def refresh_headers(self) -> dict[str, str]:
        """Return the attempt key of a refresh: the same one until there are new tokens."""
        begun_with = self.jar.header(self.origin + self.site.refresh[1])
        if self._attempt[0] != begun_with:
            self._attempt = begun_with, secrets.token_urlsafe(16)
        return {_ATTEMPT: self._attempt[1]}

    def asks_for_refresh(self, response: httpx.Response) -> bool:
        """Return whether a response with the right status, which has been read, asks for a refresh."""
        if self.site.expired_message is None:
            return True
        try:
            answer = response.json()
        except ValueError:
            return False
        return isinstance(answer, dict) and answer.get("message") == self.site.expired_message


class _Refreshing(httpx.Auth):
    """Refreshes the session when an answer asks for it, and repeats the request."""

    requires_request_body = True  # it may have to be sent twice

    def __init__(self, page: Page) -> None:
        self._page = page

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.read()
        response = yield request
        if not self._is_candidate(response):
            return
        response.read()
        if self._page.asks_for_refresh(response):
            refreshed = yield self._refresh()
            if refreshed.is_success:
                yield _again(request)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        await request.aread()
        response = yield request
        if not self._is_candidate(response):
            return
        await response.aread()
        if self._page.asks_for_refresh(response):
            refreshed = yield self._refresh()
            if refreshed.is_success:
                yield _again(request)

    def _is_candidate(self, response: httpx.Response) -> bool:
        """Return whether a response may ask for a refresh, by its status. The refresh itself never does."""
        site = self._page.site
        return response.status_code == site.expired_status and response.request.url.path != site.refresh[1]

    def _refresh(self) -> httpx.Request:
        method, path, options = parts(self._page.site.refresh)
        headers = {**options.pop("headers", {}), **self._page.refresh_headers(), "user-agent": _USER_AGENT}
        return httpx.Request(method, self._page.origin + path, headers=headers, **options)


class Browser(httpx.Client):
    """A browser with one page of an application. Use as ``with Browser(app, settings, clock=clock) as alice``.

    ``target`` is an ASGI or WSGI application, which is started and stopped with the block, or the URL of a server.
    ``site`` says where it has its endpoints; settings of Reseal say it as well. Cookies expire by ``clock``. Exceptions
    of an application reach the test, unless ``raise_errors`` is false: then they are answers with status 500. The other
    arguments are those of ``httpx.Client``.
    """

    def __init__(
        self,
        target: Target,
        site: Site | Settings | None = None,
        *,
        clock: Clock | None = None,
        raise_errors: bool = True,
        page: Page | None = None,
        **options: Any,
    ) -> None:
        self.target: Target = target
        self.page: Page = page or _page(target, site_of(site), clock)
        self._raise_errors = raise_errors
        super().__init__(transport=transport_to(target, raise_errors=raise_errors), **_options(self.page, options))
        self.event_hooks = {"request": [self.page.dress], "response": [self.page.keep]}

    @property
    def jar(self) -> CookieJar:
        """The cookies. Those of httpx, ``cookies``, stay empty: they would go by the machine's clock."""
        return self.page.jar

    @property
    def site(self) -> Site:
        return self.page.site

    def tab(self) -> Self:
        """Open another tab: the same cookies, requests of its own."""
        return type(self)(self.target, page=self.page, raise_errors=self._raise_errors)

    def thief(self) -> Self:
        """Return the browser of a thief, who copies the cookies now and goes his own way."""
        return type(self)(self.target, page=self.page.copy(), raise_errors=self._raise_errors)

    def sign_in(self, **options: Any) -> httpx.Response:
        """Send the site's sign-in call, with these options of httpx in addition. Raises ``HTTPStatusError``."""
        return self._call(self.site.sign_in, options).raise_for_status()

    def sign_out(self) -> httpx.Response:
        """Send the site's sign-out call. Raises ``HTTPStatusError``, and ``ValueError`` if the site has none."""
        return self._call(_sign_out(self.site), {}).raise_for_status()

    def refresh(self) -> httpx.Response:
        """Refresh the session now; returns the answer, whatever it is."""
        return self._call(self.site.refresh, {"headers": self.page.refresh_headers()})

    def _call(self, call: Call, more: Mapping[str, Any]) -> httpx.Response:
        method, path, options = parts(call)
        return self.request(method, path, **{**options, **more})


class AsyncBrowser(httpx.AsyncClient):
    """The same browser for async code. Use as ``async with AsyncBrowser(app, settings, clock=clock) as alice``."""

    def __init__(
        self,
        target: Target,
        site: Site | Settings | None = None,
        *,
        clock: Clock | None = None,
        raise_errors: bool = True,
        page: Page | None = None,
        **options: Any,
    ) -> None:
        self.target: Target = target
        self.page: Page = page or _page(target, site_of(site), clock)
        self._raise_errors = raise_errors
        transport = async_transport_to(target, raise_errors=raise_errors)
        super().__init__(transport=transport, **_options(self.page, options))
        self.event_hooks = {"request": [self._dress], "response": [self._keep]}

    @property
    def jar(self) -> CookieJar:
        """The cookies. Those of httpx, ``cookies``, stay empty: they would go by the machine's clock."""
        return self.page.jar

    @property
    def site(self) -> Site:
        return self.page.site

    def tab(self) -> Self:
        """Open another tab: the same cookies, requests of its own."""
        return type(self)(self.target, page=self.page, raise_errors=self._raise_errors)

    def thief(self) -> Self:
        """Return the browser of a thief, who copies the cookies now and goes his own way."""
        return type(self)(self.target, page=self.page.copy(), raise_errors=self._raise_errors)

    async def sign_in(self, **options: Any) -> httpx.Response:
        """Send the site's sign-in call, with these options of httpx in addition. Raises ``HTTPStatusError``."""
        return (await self._call(self.site.sign_in, options)).raise_for_status()

    async def sign_out(self) -> httpx.Response:
        """Send the site's sign-out call. Raises ``HTTPStatusError``, and ``ValueError`` if the site has none."""
        return (await self._call(_sign_out(self.site), {})).raise_for_status()

    async def refresh(self) -> httpx.Response:
        """Refresh the session now; returns the answer, whatever it is."""
        return await self._call(self.site.refresh, {"headers": self.page.refresh_headers()})

    async def _call(self, call: Call, more: Mapping[str, Any]) -> httpx.Response:
        method, path, options = parts(call)
        return await self.request(method, path, **{**options, **more})

    async def _dress(self, request: httpx.Request) -> None:
        self.page.dress(request)

    async def _keep(self, response: httpx.Response) -> None:
        self.page.keep(response)


def parts(call: Call) -> tuple[str, str, dict[str, Any]]:
    """Return method, path and further options of a call."""
    return call[0], call[1], dict(call[2]) if len(call) > 2 else {}  # noqa: PLR2004 - the third is optional


def _page(target: Target, site: Site, clock: Clock | None) -> Page:
    return Page(site, origin_of(target, site), CookieJar(clock))


def origin_of(target: Target, site: Site) -> str:
    """Return scheme and host of a target: those of its URL, or those that the site names."""
    if not isinstance(target, str):
        return site.origin
    url = urlsplit(target)
    if url.scheme not in {"http", "https"} or not url.netloc or url.path not in {"", "/"}:
        raise ValueError(f"the URL of a server is its scheme and host, https://example.com for instance, not {target}")
    return f"{url.scheme}://{url.netloc}"


def _options(page: Page, given: Mapping[str, Any]) -> dict[str, Any]:
    ours = {"base_url": page.origin, "auth": _Refreshing(page), "cookies": _no_cookies(), "follow_redirects": True}
    headers = {"user-agent": _USER_AGENT, **dict(given.get("headers", {}))}
    return {**ours, **given, "headers": headers, "trust_env": False}


def _no_cookies() -> cookiejar.CookieJar:
    """Return a jar that keeps nothing: the page's does."""
    return cookiejar.CookieJar(cookiejar.DefaultCookiePolicy(allowed_domains=[]))


def _sign_out(site: Site) -> Call:
    if site.sign_out is None:
        raise ValueError('the site describes no sign-out: Site(sign_out=("POST", "/signout"))')
    return site.sign_out


def _again(request: httpx.Request) -> httpx.Request:
    """Return a request without the cookies of its first time."""
    request.headers.pop("cookie", None)
    return request
