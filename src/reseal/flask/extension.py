"""The extension: one object with the application's calls, for one application or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Unpack

from flask import Flask, Request, Response, current_app, has_app_context

from reseal import wsgi
from reseal._sync.impersonation import HALF_AN_HOUR
from reseal._sync.ports import Sessions
from reseal._sync.reseal import Reseal as CoreReseal
from reseal._sync.session import Session
from reseal.clock import Clock
from reseal.core.authentication import SignInOptions
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.core.events import EventListener
from reseal.flask.application import (
    EXTENSION,
    AppSessions,
    Demand,
    check_order,
    installed,
    note_answered,
    prepare_data,
    settings_of,
)
from reseal.flask.commands import reseal_commands
from reseal.flask.data import DataInterface
from reseal.flask.visitors import VisitorCalls, asked
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web.cors import OwnOrigins
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn


class Reseal(VisitorCalls):
    """The sessions of a Flask application: ``Reseal(app)``, or ``Reseal()`` and :meth:`init_app`.

    One object may serve several applications: each has its own settings and store, and a call concerns the current
    application. Without ``settings`` they are the ``RESEAL_…`` keys of ``app.config``. Raises ``ConfigurationError``.

    The calls concern the current request unless ``request`` names another.

    ``login_view``: the endpoint to which a page load without a session is sent, with the page in ``next``.
    ``flask_session``: keep Flask's ``session`` here, a user's data in the session data and another visitor's in a
    signed cookie. ``user_key``: the key in it that names the user, like Flask-Login's ``_user_id``: setting it signs
    in, removing it signs out. ``routes``: whether to add the ready-made routes, as the blueprint ``reseal``.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        settings: Settings | None = None,
        sessions: Sessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
        login_view: str | None = None,
        routes: bool = True,
        flask_session: bool = False,
        user_key: str | None = None,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._on_event = on_event
        self._login_view = login_view
        self._routes = routes
        self._flask_session = flask_session
        self._user_key = user_key
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put the sessions into an application: response headers, error answers, routes, commands.

        A handler of your own for one of the errors wins over the one installed here. Raises ``ConfigurationError``,
        ``RuntimeError`` the second time.
        """
        if not isinstance(app, Flask):
            raise TypeError(f"the application is a {type(app).__name__}: write Reseal(app, settings=Settings(...))")
        if EXTENSION in app.extensions:
            raise RuntimeError(
                f"Reseal is installed in the application {app.name!r} already: call Reseal(app) or reseal.init_app(app)"
                ", once for each application"
            )
        ours = AppSessions(
            app,
            self._settings or settings_of(app),
            sessions=self._sessions,
            clock=self._clock,
            on_event=self._on_event,
            login_view=self._login_view,
            has_routes=self._routes,
        )
        app.extensions[EXTENSION] = ours
        app.wsgi_app = wsgi.SessionMiddleware(app.wsgi_app, has_routes=self._routes)  # type: ignore[method-assign]  # Flask's way
        app.error_handler_spec[None][None].setdefault(ResealError, ours.answer)
        app.before_request(partial(check_order, app))
        app.cli.add_command(reseal_commands)
        if self._routes:
            app.register_blueprint(ours.blueprint(app))
        if self._flask_session:
            app.session_interface = DataInterface(ours, self._user_key)
            app.before_request(prepare_data)
            app.after_request(note_answered)

    def install_cors(
        self, app: Flask, *, allow_headers: Iterable[str] = (), expose_headers: Iterable[str] = ()
    ) -> None:
        """Let the pages of ``settings.origins``, and no others, call an application with their session.

        ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need. Call it after
        :meth:`init_app`, and use no other extension for CORS.
        """
        origins = OwnOrigins(installed(app).settings, allow_headers, expose_headers)
        app.wsgi_app = wsgi.with_origins(app.wsgi_app, origins)  # type: ignore[method-assign, assignment]  # as above

    @property
    def settings(self) -> Settings:
        """The settings of the current application."""
        return self._installed().settings

    @property
    def sessions(self) -> CoreReseal:
        """The calls that need no request: by handle and by user. Needs an application context, not a request."""
        ours = self._installed()
        ours.opening.ensure()
        return ours.sessions

    def close(self) -> None:
        """Close the store of the current application; the next call opens it again."""
        self._installed().opening.close()

    def now(self) -> int:
        """Return the time by which claims are checked (ms). See :meth:`reseal.Reseal.now`."""
        return self._installed().now()

    def create_new_session(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        request: Request | None = None,
        **options: Unpack[SignInOptions],
    ) -> Session:
        """Sign a user in, whom the caller has authenticated. See :meth:`reseal.Reseal.create_new_session`."""
        ours, of_now = asked(request)
        return ours.begin(of_now, user_id, session_data, jwt_payload=jwt_payload, **options)

    def get_session(
        self,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
        request: Request | None = None,
    ) -> Session:
        """Verify the session, which is ``current_session`` from then on. See :meth:`reseal.Reseal.get_session`."""
        ours, of_now = asked(request)
        demand = Demand(enable_csrf_protection, check_database, tuple(claims), optional=False)
        return ours.verify(of_now, demand)

    def refresh_session(self, *, request: Request | None = None) -> Session:
        """Exchange the refresh token, for a route of your own. See :meth:`reseal.Reseal.refresh_session`."""
        ours, of_now = asked(request)
        return ours.refresh(of_now)

    def answer_refresh(self, *, request: Request | None = None) -> dict[str, object]:
        """Do the same, and return the body of the answer. See :meth:`reseal.Reseal.answer_refresh`."""
        ours, of_now = asked(request)
        return ours.answer_refresh(of_now)

    def sign_out(self, *, request: Request | None = None) -> None:
        """End the session, in a route for ``POST``. See :meth:`reseal.Reseal.sign_out`."""
        ours, of_now = asked(request)
        ours.end(of_now, ours.sign_out)

    def impersonate(
        self,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        reason: str,
        at_most: int = HALF_AN_HOUR,
        request: Request | None = None,
    ) -> Session:
        """Let the user act as another one for a while. See :meth:`reseal.Reseal.impersonate`."""
        ours, of_now = asked(request)
        more = {"jwt_payload": jwt_payload, "session_data": session_data, "reason": reason, "at_most": at_most}
        return ours.act(of_now, user_id, **more)

    def stop_impersonating(self, *, request: Request | None = None) -> None:
        """Go back to the user's own session. See :meth:`reseal.Reseal.stop_impersonating`."""
        ours, of_now = asked(request)
        ours.end(of_now, ours.stop_impersonating)

    def peek(
        self, *, check_database: bool = False, request: Request | None = None
    ) -> SignedIn[Session] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. See :meth:`reseal.Reseal.peek`."""
        ours, of_now = asked(request)
        return ours.peek(of_now, check_database=check_database)

    def refresh_first(self, *, request: Request | None = None) -> Response:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes."""
        ours, of_now = asked(request)
        return ours.refresh_first(of_now)

    def require_own_origin(self, *, request: Request | None = None) -> None:
        """Refuse a foreign page where there is no session yet. See :meth:`reseal.Reseal.require_own_origin`."""
        ours, of_now = asked(request)
        ours.require_own_origin(of_now)

    def set_relevant_headers_for_options_api(self, *, request: Request | None = None) -> bool:
        """Answer a preflight of your own. See :meth:`reseal.Reseal.set_relevant_headers_for_options_api`."""
        ours, of_now = asked(request)
        return ours.set_relevant_headers_for_options_api(of_now)

    def _installed(self) -> AppSessions:
        if not has_app_context():
            raise RuntimeError(
                "this is used outside of an application: put it into a view, a command, or `with app.app_context():`"
            )
        return installed(current_app)
