"""The sessions of one Flask application: what its requests ask for, and what answers its errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from blinker import NamedSignal, Namespace
from flask import Blueprint, Flask, Request, Response, current_app, redirect, request, url_for
from werkzeug.exceptions import HTTPException

from reseal import wsgi
from reseal._sync.adapter import RequestCalls
from reseal._sync.endpoints import Endpoint, Endpoints
from reseal._sync.ports import Sessions
from reseal._sync.reseal import Reseal as CoreReseal
from reseal._sync.session import Session
from reseal._sync.visitors import user_or_none
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import (
    ConfigurationError,
    Conflict,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import Event, EventListener
from reseal.settings import Settings
from reseal.settings.fields import EmbeddedFields, rows
from reseal.settings.sources import variable
from reseal.web import bearer, places, rendering
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.presented import Presented
from reseal.web.responses import WebResponse

EXTENSION: Final = "reseal"
"""The name of the extension, and of the blueprint with its routes."""
UNPROTECTED: Final = "__reseal_unprotected__"
"""Names the wrapper of a view that ``session_required`` has wrapped: the application must have that one."""
KEPT: Final = "reseal.flask.session"
"""Where a request has Flask's own ``session``, if it is kept here."""
COLLECTED: Final = "reseal.flask.headers"
"""Where a request has the headers of its response, if no server will send them."""
_CURRENT: Final = "reseal.session"
_KEY: Final = re.compile(r"'([a-z_]+)'")
_CHUNK: Final = 65536
_SENT_AGAIN: Final = 307
_BROKEN: Final = 500

session_event: NamedSignal = Namespace().signal("reseal-session-event")
"""Sent with each security event, as ``event``; the sender is the application. See :class:`reseal.Event`."""


class NoSession(Unauthorised, RuntimeError):
    """The visitor is not signed in, and ``current_session`` stands for nobody.

    A ``RuntimeError`` as well, by which the proxy is false in ``if current_session``.
    """

    def __init__(self) -> None:
        super().__init__(
            Refusal.NO_TOKEN, "current_session was used for a visitor without a session: ask `if current_session` first"
        )


@dataclass(frozen=True)
class Demand:
    """What a view demands of the session."""

    enable_csrf_protection: bool | None
    check_database: bool
    claims: tuple[ClaimCheck, ...]
    optional: bool


class KeptData(Protocol):
    """Flask's own ``session`` of a request, if it is kept here: it follows sign-ins and sign-outs."""

    is_answered: bool
    """Whether the response is made."""

    def carried_over(self, user_id: str) -> dict[str, Any]:
        """Return the data that a user takes into a new session."""

    def written(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write data as JSON."""

    def begin(self, owner: Session, data: dict[str, Any]) -> None:
        """Go on with the data of a new session."""

    def leave(self) -> None:
        """Go on as a visitor."""


def settings_of(app: Flask) -> Settings:
    """Read the ``RESEAL_…`` keys of an application. Raises ``ConfigurationError`` with every problem."""
    try:
        return Settings.from_config(app.config, source="app.config")
    except ConfigurationError as error:
        known = rows(EmbeddedFields)
        named = [_KEY.sub(lambda m: variable(m[1]) if m[1] in known else m[0], each) for each in error.problems]
        raise ConfigurationError(tuple(named)) from None


def installed(app: Flask) -> AppSessions:
    """Return the sessions of an application. Raises ``RuntimeError`` if it has none."""
    found = app.extensions.get(EXTENSION)
    if isinstance(found, AppSessions):
        return found
    raise RuntimeError(
        f"Reseal is not installed in the application {app.name!r}: call Reseal(app), or reseal.init_app(app) in the "
        "function that makes it"
    )


def here() -> tuple[AppSessions, Request]:
    """Return the sessions of the current application and the current request. Raises ``RuntimeError``."""
    try:
        of_now: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - its own
    except RuntimeError:
        raise RuntimeError(
            "this is used outside of a request: there is no browser whose session it could be. For the calls by handle "
            "and by user use reseal.sessions; in a test open app.test_request_context()"
        ) from None
    return installed(current_app._get_current_object()), of_now  # type: ignore[attr-defined]  # noqa: SLF001 - its own


class _Requests:
    """How a request of Flask is read. The first one opens the sessions."""

    def __init__(self, opening: wsgi.Opening) -> None:
        self._opening = opening

    def facts(self, request: Request) -> RequestFacts:
        self._opening.ensure()
        return wsgi.facts(request.environ)

    def facts_with_body(self, request: Request) -> RequestFacts:
        head = self.facts(request)  # the application may have read the body: Flask keeps it
        return msgspec.structs.replace(head, body=request.get_data()) if bearer.may_have_body(head) else head

    def outbox(self, request: Request) -> SessionHeaders:
        """Return the headers of the response. In a request context of a test, which has none, they only collect."""
        environ = request.environ
        try:
            return wsgi.outbox(environ)
        except RuntimeError:
            headers = environ[COLLECTED] = wsgi.attached(environ)
            return headers


class AppSessions(RequestCalls[Request]):
    """The sessions of one application."""

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        *,
        sessions: Sessions | None,
        clock: Clock | None,
        on_event: EventListener,
        login_view: str | None,
        has_routes: bool,
    ) -> None:
        def listener(event: Event) -> None:
            on_event(event)
            session_event.send(app, event=event)

        ours = CoreReseal(settings, sessions=sessions, clock=clock, on_event=listener)
        self.opening: wsgi.Opening = wsgi.Opening(ours)
        super().__init__(ours, _Requests(self.opening))
        self.settings = settings
        self._endpoints = Endpoints(ours)
        self.login_view: str | None = login_view
        self._has_routes = has_routes

    # -- the session of the current request -------------------------------------------------------------------------

    def demand(self, request: Request, demand: Demand) -> None:
        """Verify the session of a request as a view demands it; it is the current one from then on."""
        if demand.optional and not self._is_somebody(request):
            self.forget(request)
            return
        user_or_none(partial(self.verify, request, demand)) if demand.optional else self.verify(request, demand)

    def verify(self, request: Request, demand: Demand) -> Session:
        """Verify the session of a request; it is the current one from then on."""
        csrf, check_database = demand.enable_csrf_protection, demand.check_database
        try:
            session = self.get_session(request, csrf, check_database=check_database, claims=demand.claims)
        except Unauthorised:
            self.forget(request)  # a milder demand may have found one
            raise
        return self._go_on(request, session)

    def current(self, request: Request) -> Session | None:
        """Return the session of a request, verified at the first call; ``None`` for a visitor without tokens.

        Raises what :meth:`get_session` raises for tokens that cannot be used.
        """
        if _CURRENT not in request.environ:
            self.demand(request, Demand(None, check_database=False, claims=(), optional=True))
        found: Session | None = request.environ[_CURRENT]
        return found

    def begin(
        self, request: Request, user_id: str, session_data: Mapping[str, object] | None = None, **more: Any
    ) -> Session:
        """Sign a user in; the new session is the current one. See :meth:`CoreReseal.create_new_session`."""
        kept: KeptData | None = request.environ.get(KEPT)
        if kept is None:
            return self._go_on(request, self.create_new_session(request, user_id, session_data=session_data, **more))
        data = kept.carried_over(user_id) | dict(session_data or {})
        session = self.create_new_session(request, user_id, session_data=kept.written(data), **more)
        kept.begin(session, data)
        return self._go_on(request, session)

    def act(self, request: Request, user_id: str, **more: Any) -> Session:
        """Let the user act as another one; that session is the current one. See :meth:`CoreReseal.impersonate`."""
        session = self.impersonate(request, user_id, **more)
        kept: KeptData | None = request.environ.get(KEPT)
        if kept is not None:
            kept.begin(session, dict(more["session_data"] or {}))
        return self._go_on(request, session)

    def refresh(self, request: Request) -> Session:
        """Refresh the session of a request, which is the current one. See :meth:`CoreReseal.refresh_session`."""
        return self._go_on(request, self.refresh_session(request))

    def end(self, request: Request, call: Callable[[Request], None]) -> None:
        """End the session of a request by this call; there is no current one then."""
        call(request)
        self.forget(request)
        kept: KeptData | None = request.environ.get(KEPT)
        if kept is not None:
            kept.leave()

    def forget(self, request: Request) -> None:
        """Go on without a current session."""
        request.environ[_CURRENT] = None

    def _go_on(self, request: Request, session: Session) -> Session:
        request.environ[_CURRENT] = session
        return session

    def _is_somebody(self, request: Request) -> bool:
        facts, outbox = self._read(request)
        outbox.touch()  # what a visitor sees depends on the token as well
        return bool(Presented(facts, self.settings, *facts.credentials).has_access)

    # -- routes and errors ------------------------------------------------------------------------------------------

    def blueprint(self, app: Flask) -> Blueprint:
        """Make the blueprint of the ready-made routes."""
        routes = Blueprint(EXTENSION, __name__)
        host = self.settings.api_domain.partition("://")[2] if app.url_map.host_matching else None
        views: dict[str, Any] = {}
        for endpoint in self._endpoints.table():
            view = views.setdefault(endpoint.name, self._view(endpoint))
            path = endpoint.route("<handle>")
            routes.add_url_rule(path, endpoint.name, view, methods=endpoint.methods, host=host)
        return routes

    def _view(self, endpoint: Endpoint) -> Any:
        def view(**_: str) -> Response:
            of_now = here()[1]
            read = self._requests.facts_with_body(of_now) if endpoint.reads_body else self._requests.facts(of_now)
            answer = endpoint.answer(read, self._requests.outbox(of_now))
            if answer.status == _SENT_AGAIN:
                _read_to_the_end(of_now)
            return _response(answer)

        view.__name__ = endpoint.name
        return view

    def refresh_first(self, request: Request) -> Response:
        """Answer with the page that refreshes the session and comes back."""
        read, outbox = wsgi.facts(request.environ), self._requests.outbox(request)
        return _response(self._endpoints.page_before(read, outbox, self._target(request, read)))

    def answer(self, error: ResealError) -> Response:
        """Answer a request that an error ended: a script by its status, a page load by a page.

        Raises the error where the application itself is at fault: Flask logs it.
        """
        read, outbox = wsgi.facts(request.environ), self._requests.outbox(request)
        target = self._target(request, read)
        first = self._endpoints.before_page_load(read, outbox, error, target) if self._has_routes else None
        if first is not None:
            _read_to_the_end(request)
            return _response(first)
        if self._wants_login(error, read):
            arguments = {"next": target} if read.method == "GET" else {}
            return redirect(url_for(self.login_view, **arguments), 303)  # type: ignore[arg-type, return-value]
        answer = self._endpoints.of_error(read, error)
        if answer.status == _BROKEN:
            raise error  # for the log, or the debugger
        return _response(answer)

    def _wants_login(self, error: ResealError, read: RequestFacts) -> bool:
        has_ended = isinstance(error, TokenTheftDetected) or (
            isinstance(error, Unauthorised) and error.reason not in {Refusal.CROSS_SITE, Refusal.ANTI_CSRF}
        )
        is_elsewhere = self.login_view not in {None, request.endpoint}
        return has_ended and is_elsewhere and rendering.is_page_load(read)

    def _target(self, request: Request, read: RequestFacts) -> str:
        return places.public(wsgi.target(request.environ), read, self.settings)


def prepare_data() -> None:
    """Prepare a request for Flask's own ``session`` here: a page, also one that is an error, refreshes first."""
    ours, of_now = here()
    hooks = current_app.after_request_funcs[None]
    if hooks[-1] is not note_answered:  # the last one is called first, whatever was installed after us
        hooks.append(note_answered)
    if request.blueprint == EXTENSION:
        of_now.environ[KEPT].is_answered = True
    elif rendering.is_page_load(wsgi.facts(of_now.environ)):
        with suppress(Unauthorised):  # of a visitor, too, there are pages
            ours.current(of_now)


def note_answered(response: Response) -> Response:
    """Note that the response is made, before other hooks ask for data."""
    kept: KeptData | None = request.environ.get(KEPT)
    if kept is not None:
        kept.is_answered = True
    return response


def check_order(app: Flask) -> None:
    """Refuse a view that stands unprotected below ``session_required``. Raises ``RuntimeError``."""
    endpoint = request.endpoint or ""
    view = app.view_functions.get(endpoint)
    if view is not None and _is_bare(app, view):
        raise RuntimeError(_explain_order(endpoint))


def bare_views(app: Flask) -> Iterator[str]:
    """Explain each view that stands unprotected below ``session_required``."""
    for endpoint, view in app.view_functions.items():
        if _is_bare(app, view):
            yield _explain_order(endpoint)


def _is_bare(app: Flask, view: Any) -> bool:
    """Return whether the application has the view and nowhere its wrapper, as no application wants it."""
    wrapper = getattr(view, UNPROTECTED, None)
    return wrapper is not None and not any(wrapper in _chain(other) for other in app.view_functions.values())


def _chain(view: Any) -> Iterator[Any]:
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


def _explain_order(endpoint: str) -> str:
    return (
        f"the view of {endpoint!r} is not protected: @session_required stands above the route, which then has the bare "
        "view. Put it directly above the function, below @app.route"
    )


@contextmanager
def as_response(response: Response) -> Iterator[None]:
    """Have this response say that the store failed in the block, where no error handler is called any more."""
    try:
        yield
    except (Conflict, StoreUnavailable) as error:
        answer = installed(current_app).answer(error)
        response.status_code = answer.status_code
        response.set_data(answer.get_data())
        response.headers.update(answer.headers)


def _response(answer: WebResponse) -> Response:
    return current_app.response_class(answer.body, answer.status, list(answer.headers))


def _read_to_the_end(request: Request) -> None:
    """Read what is left of the body: a connection closed while the browser still sends has no answer for it."""
    with suppress(HTTPException):  # too large, or the browser has gone: the answer is the same
        while request.stream.read(_CHUNK):
            pass
