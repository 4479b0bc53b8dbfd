"""Browsers for tests: clients of httpx that keep cookies by the test's clock and behave as a page of the application.

A :class:`Browser` visits an ASGI or WSGI application in this process, or a server at a URL. It sends what browsers send
(``Origin``, Fetch Metadata), and when an answer asks for it, refreshes its session and repeats the request, as the
browser SDK does. :class:`AsyncBrowser` has the same calls with ``await``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from http import cookiejar
from types import MappingProxyType
from typing import Any, Final, Self

from reseal.clock import Clock
from reseal.settings import Settings
from reseal.testing.jar import CookieJar
from reseal.testing.needs import httpx
from reseal.testing.pages import NAVIGATION, USER_AGENT, Page, origin_of, parts, with_headers
from reseal.testing.site import Call, Site, site_of
from reseal.testing.transports import Target, async_borrowed, async_transport_to, borrowed, transport_to

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


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
        method, path, options = parts(self._page.refresh_call())
        return httpx.Request(method, self._page.origin + path, **with_headers(options, self._page.attempt()))


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
        transport = options.pop("transport", None) or transport_to(target, raise_errors=raise_errors)
        super().__init__(transport=transport, **_options(self.page, options))
        self.event_hooks = {"request": [self.page.dress], "response": [self._keep]}

    @property
    def jar(self) -> CookieJar:
        """The cookies. Those of httpx, ``cookies``, stay empty: they would go by the machine's clock."""
        return self.page.jar

    @property
    def site(self) -> Site:
        return self.page.site

    def tab(self) -> Self:
        """Open another tab: the same cookies, requests of its own. It is closed with this browser."""
        return type(self)(self.target, page=self.page, transport=borrowed(self._transport))

    def thief(self) -> Self:
        """Return the browser of a thief with a copy of the cookies of now. It is closed with this browser."""
        return type(self)(self.target, page=self.page.copy(), transport=borrowed(self._transport))

    def open(self, path: str, **options: Any) -> httpx.Response:
        """Open a page, as by a bookmark; a page that refreshes the session first is followed to its end."""
        headers = {**NAVIGATION, "sec-fetch-site": "none"}
        page = self.request("GET", path, **with_headers(options, headers))
        form = self.page.form_of(page)
        return page if form is None else self.submit(form)

    def submit(self, path: str, **options: Any) -> httpx.Response:
        """Send a form of a page of the application; ``data`` are its fields."""
        return self.request("POST", path, **with_headers(options, NAVIGATION))

    def sign_in(self, **options: Any) -> httpx.Response:
        """Send the site's sign-in call, with these options of httpx in addition. Raises ``HTTPStatusError``."""
        return self._call(self.site.sign_in, options).raise_for_status()

    def sign_out(self) -> httpx.Response:
        """Send the site's sign-out call. Raises ``HTTPStatusError``, and ``ValueError`` if the site has none."""
        return self._call(_sign_out(self.site), {}).raise_for_status()

    def refresh(self) -> httpx.Response:
        """Refresh the session now; returns the answer, whatever it is."""
        return self._call(self.page.refresh_call(), {}, self.page.attempt())

    def _call(self, call: Call, more: Mapping[str, Any], headers: Mapping[str, str] = _NO_HEADERS) -> httpx.Response:
        method, path, options = parts(call)
        return self.request(method, path, **with_headers({**options, **more}, headers))

    def _keep(self, response: httpx.Response) -> None:
        if self.page.keeps_body(response):
            response.read()
        self.page.keep(response)


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
        transport = options.pop("transport", None) or async_transport_to(target, raise_errors=raise_errors)
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
        """Open another tab: the same cookies, requests of its own. It is closed with this browser."""
        return type(self)(self.target, page=self.page, transport=async_borrowed(self._transport))

    def thief(self) -> Self:
        """Return the browser of a thief with a copy of the cookies of now. It is closed with this browser."""
        return type(self)(self.target, page=self.page.copy(), transport=async_borrowed(self._transport))

    async def open(self, path: str, **options: Any) -> httpx.Response:
        """Open a page, as by a bookmark; a page that refreshes the session first is followed to its end."""
        headers = {**NAVIGATION, "sec-fetch-site": "none"}
        page = await self.request("GET", path, **with_headers(options, headers))
        form = self.page.form_of(page)
        return page if form is None else await self.submit(form)

    async def submit(self, path: str, **options: Any) -> httpx.Response:
        """Send a form of a page of the application; ``data`` are its fields."""
        return await self.request("POST", path, **with_headers(options, NAVIGATION))

    async def sign_in(self, **options: Any) -> httpx.Response:
        """Send the site's sign-in call, with these options of httpx in addition. Raises ``HTTPStatusError``."""
        return (await self._call(self.site.sign_in, options)).raise_for_status()

    async def sign_out(self) -> httpx.Response:
        """Send the site's sign-out call. Raises ``HTTPStatusError``, and ``ValueError`` if the site has none."""
        return (await self._call(_sign_out(self.site), {})).raise_for_status()

    async def refresh(self) -> httpx.Response:
        """Refresh the session now; returns the answer, whatever it is."""
        return await self._call(self.page.refresh_call(), {}, self.page.attempt())

    async def _call(
        self, call: Call, more: Mapping[str, Any], headers: Mapping[str, str] = _NO_HEADERS
    ) -> httpx.Response:
        method, path, options = parts(call)
        return await self.request(method, path, **with_headers({**options, **more}, headers))

    async def _dress(self, request: httpx.Request) -> None:
        self.page.dress(request)

    async def _keep(self, response: httpx.Response) -> None:
        if self.page.keeps_body(response):
            await response.aread()
        self.page.keep(response)


def _page(target: Target, site: Site, clock: Clock | None) -> Page:
    return Page(site, origin_of(target, site), CookieJar(clock))


def _options(page: Page, given: Mapping[str, Any]) -> dict[str, Any]:
    ours = {"base_url": page.origin, "auth": _Refreshing(page), "cookies": _no_cookies(), "follow_redirects": True}
    headers = {"user-agent": USER_AGENT, **dict(given.get("headers", {}))}
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
