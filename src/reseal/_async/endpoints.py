"""The ready-made endpoints, as values for an adapter of any framework: a method, a path, and what answers.

What a session has to say to the browser collects in the headers of the response that the adapter passes in. Errors are
raised; :meth:`AsyncEndpoints.of_error` answers them, here and wherever else the application lets one through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from reseal._async.binding_endpoints import endpoints_of_binding
from reseal._async.device_endpoints import HANDLE, endpoints_of_devices
from reseal._async.logout_endpoint import endpoints_of_providers
from reseal._async.page_loads import continue_refresh
from reseal._async.reseal import AsyncReseal
from reseal._async.signal_endpoints import endpoints_of_signals
from reseal.core.errors import RefreshElsewhere, ResealError, StoreUnavailable, TryRefreshToken
from reseal.core.keys import JWKS_MAX_AGE
from reseal.web import csrf, moves, places, rendering, responses
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

JWKS_PATH: Final = "/.well-known/jwks.json"
BROWSER_PATH: Final = "/reseal-browser.js"
Answer = Callable[[RequestFacts, SessionHeaders], Awaitable[WebResponse]]


class AsyncEndpoint(NamedTuple):
    """One endpoint. What answers ``GET`` answers ``HEAD`` as well (RFC 9110, 9.3.2)."""

    name: str
    method: str
    path: str
    answer: Answer
    reads_body: bool = False
    """Whether the request is read with its body, where :func:`reseal.web.bearer.may_have_body` says so."""

    @property
    def methods(self) -> list[str]:
        """The methods of its route."""
        return [self.method, "HEAD"] if self.method == "GET" else [self.method]

    def route(self, parameter: str) -> str:
        """Return the path of its route, with the framework's way to write that a handle stands there."""
        return self.path.replace(HANDLE, parameter)


class AsyncEndpoints:
    """The endpoints of one application."""

    def __init__(self, reseal: AsyncReseal) -> None:
        self._reseal = reseal

    def table(self) -> list[AsyncEndpoint]:
        """List the endpoints; their paths are those within the application."""
        found = []
        for path in moves.refresh_paths(self._reseal.settings):
            onward, repeat = path + rendering.CONTINUE, path + rendering.REPEAT
            found += [
                AsyncEndpoint("refresh", "POST", path, self.refresh, reads_body=True),
                AsyncEndpoint("continue_refresh", "POST", onward, self.continue_refresh),
                AsyncEndpoint("refresh_first", "GET", onward, self.refresh_first),
                AsyncEndpoint("repeat_form", "POST", repeat, self.repeat_form),
            ]
        return [
            *found,
            AsyncEndpoint("sign_out", "POST", self._reseal.settings.signout_api_path, self.sign_out),
            AsyncEndpoint("jwks", "GET", JWKS_PATH, self.jwks),
            AsyncEndpoint("browser_sdk", "GET", BROWSER_PATH, self.browser_sdk),
            *endpoints_of_signals(self._reseal.settings, AsyncEndpoint),
            *endpoints_of_binding(self._reseal, AsyncEndpoint),
            *(endpoints_of_devices(self._reseal, AsyncEndpoint) if self._reseal.settings.device_list else ()),
            *(endpoints_of_providers(self._reseal, AsyncEndpoint) if self._reseal.settings.identity_providers else ()),
        ]

    async def refresh(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Exchange the refresh token of a request."""
        return responses.of_json(await self._reseal.answer_refresh(request, response))

    async def sign_out(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """End the session of a request."""
        await self._reseal.sign_out(request, response)
        return responses.of_json({"status": "OK"})

    async def refresh_first(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Answer with the page that refreshes first, where a proxy sends the visitor of another server's page."""
        return self.page_before(request, response, _target(request))

    def page_before(self, request: RequestFacts, response: SessionHeaders, target: str) -> WebResponse:
        """Answer with the page that refreshes the session and then goes to ``target``, as browsers see that path."""
        response.touch()
        by_itself = csrf.comes_by_itself(request, self._reseal.settings)
        prefix = places.prefix(request, self._reseal.settings)
        return rendering.refresh_page(self._reseal.settings, target, by_itself=by_itself, path_prefix=prefix)

    def before_page_load(
        self, request: RequestFacts, response: SessionHeaders, error: ResealError, target: str
    ) -> WebResponse | None:
        """Answer a page load whose access token has ended: a page by :meth:`page_before`, a form by repeating it.

        Returns ``None`` for a script's call and for another error: :meth:`of_error` answers those. ``target`` is the
        path and query of the request, as browsers see them.
        """
        if not isinstance(error, TryRefreshToken) or not rendering.is_page_load(request):
            return None
        if request.method in {"GET", "HEAD"}:
            return self.page_before(request, response, target)
        return rendering.repetition(request, self._reseal.settings, target) if request.method == "POST" else None

    async def repeat_form(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Refresh for a form, and have the browser send it again. Its fields and files are not read.

        Raises ``Unauthorised`` for a foreign page, ``StoreUnavailable``.
        """
        target = _target(request)
        try:
            await continue_refresh(self._reseal.backend, self._reseal.context(request, response))
        except RefreshElsewhere as error:
            return responses.redirect(rendering.onward(error.location, rendering.REPEAT, target), 307)
        return responses.redirect(target, 307)

    async def continue_refresh(self, request: RequestFacts, response: SessionHeaders) -> WebResponse:
        """Refresh for the page that refreshes first, and send the browser where it wanted to go."""
        target = _target(request)
        try:
            await continue_refresh(self._reseal.backend, self._reseal.context(request, response))
        except StoreUnavailable as error:
            self._reseal.report(error, request)
            prefix = places.prefix(request, self._reseal.settings)
            return rendering.failure_page(self._reseal.settings, target, error.retry_after, path_prefix=prefix)
        except RefreshElsewhere as error:
            return responses.redirect(rendering.onward(error.location, rendering.CONTINUE, target), 307)
        return responses.redirect(target, 303)

    async def jwks(self, _request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        """Publish the public keys (RFC 7517)."""
        await self._reseal.backend.keep_fresh()
        lasting = ("cache-control", f"max-age={JWKS_MAX_AGE}, must-revalidate")
        return responses.of_json(self._reseal.backend.jwks(), headers=(lasting,))

    async def browser_sdk(self, _request: RequestFacts, _response: SessionHeaders) -> WebResponse:
        """Send the script of the browser SDK."""
        script = files("reseal").joinpath("browser", "reseal-browser.js").read_bytes()
        return WebResponse(
            200, (("content-type", "text/javascript; charset=utf-8"), ("cache-control", "max-age=3600")), script
        )

    def of_error(self, request: RequestFacts, error: ResealError) -> WebResponse:
        """Answer with an error; that the store was unavailable is reported."""
        if isinstance(error, StoreUnavailable):
            self._reseal.report(error, request)
        return responses.of_error(error, self._reseal.settings)


def _target(request: RequestFacts) -> str:
    return rendering.local_target(dict(parse_qsl(request.query, keep_blank_values=True)).get(rendering.TARGET, "/"))
