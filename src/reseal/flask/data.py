"""Flask's ``session`` on Reseal: a user's data are those of the session, another visitor's are in a signed cookie.

A cookie of a visitor is worth nothing to whoever planted it: a sign-in begins a new session, and takes the data along
unless they were another user's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin, session_json_serializer

from reseal._sync.session import Session
from reseal.core.errors import Refusal, ResealError, Unauthorised
from reseal.flask.application import COLLECTED, KEPT, AppSessions, as_response

_FOREIGN: Final = frozenset({Refusal.CROSS_SITE, Refusal.ANTI_CSRF, Refusal.BINDING})
"""Refusals of a request, not of its session."""


def to_json(data: dict[str, Any]) -> dict[str, Any]:
    """Write data as JSON, with Flask's tags for tuples, dates and the like."""
    written: dict[str, Any] = json.loads(session_json_serializer.dumps(data))
    return written


def from_json(data: dict[str, Any]) -> dict[str, Any]:
    """Read what :func:`to_json` wrote."""
    read: dict[str, Any] = session_json_serializer.loads(json.dumps(data))
    return read


def _frozen(data: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in data.items()}


def _text(value: Any) -> str:
    return session_json_serializer.dumps(value)


class UserData(SessionMixin):
    """What ``flask.session`` stands for. It is read at the first use, which may raise any error of a session.

    A change of a nested value is saved as well, without ``modified``; two requests that change different keys at the
    same time both succeed.
    """

    def __init__(self, visitors: DataInterface, app: Flask, request: Request, ours: AppSessions) -> None:
        self._visitors = visitors
        self._app = app
        self._request = request
        self._ours = ours
        self._data: dict[str, Any] = {}
        self._stored: dict[str, str] = {}
        self._is_read = False
        self._has_cookie = visitors.get_cookie_name(app) in request.cookies
        self.owner: Session | None = None
        """The session with the data of a user; ``None`` for another visitor."""
        self.is_answered: bool = False
        """Whether the response is made. Data that cannot be read are empty from then on, and not saved."""
        self.modified: bool = False
        self.accessed: bool = False

    @property
    def new(self) -> bool:  # type: ignore[override]  # an attribute there, and read-only for whoever asks
        """Whether there were no data before this request."""
        self._read()
        return not self._stored

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._visitors.user_key and value is not None:
            self._sign_in(str(value))
        data = self._read(is_change=True)
        if self.owner is None and not self._app.secret_key:
            raise RuntimeError(
                "flask.session of a visitor who is not signed in is kept in a signed cookie: set SECRET_KEY, or use it "
                "after the sign-in only"
            )
        data[key] = value
        self.modified = True

    def __delitem__(self, key: str) -> None:
        del self._read(is_change=True)[key]
        self.modified = True
        if key == self._visitors.user_key and self.owner is not None:
            self.owner.revoke_session()
            self._ours.forget(self._request)
            self.leave()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.owner or 'a visitor'}>"

    def copy(self) -> dict[str, Any]:
        """Copy the data, not what is nested in them."""
        return dict(self._read())

    # -- sign-ins and sign-outs -------------------------------------------------------------------------------------

    def _sign_in(self, user_id: str) -> None:
        """Begin a session unless the user has it. A link of a foreign page may lead here, a form of it may not."""
        with suppress(ResealError):  # what the browser held cannot be read any more: a sign-in begins without it
            self._read()
        if self.owner is None or self.owner.get_user_id() != user_id:
            followed = self._request.method in {"GET", "HEAD"}
            self._ours.begin(self._request, user_id, allow_cross_site=followed)

    def carried_over(self, user_id: str) -> dict[str, Any]:
        """Return the data that a user takes into a new session: a visitor's, or those of the same user.

        Of another user's, only what was set in this request.
        """
        data: dict[str, Any] = {}
        with suppress(ResealError):  # as above
            data = self._read()
        return dict(data) if self.owner is None or self.owner.get_user_id() == user_id else self._changed()

    def written(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write data as JSON."""
        return to_json(data)

    def begin(self, owner: Session, data: dict[str, Any]) -> None:
        """Go on with the data of a new session, which has them already."""
        self._data, self._stored = data, _frozen(data)
        self.owner, self._is_read, self.accessed = owner, True, True

    def leave(self) -> None:
        """Go on as a visitor, with what was set in this request alone."""
        self._data, self._stored, self.owner = self._changed(), {}, None
        self._is_read = self.accessed = self.modified = True

    def _changed(self) -> dict[str, Any]:
        return {name: value for name, value in self._data.items() if self._stored.get(name) != _text(value)}

    # -- reading and writing ----------------------------------------------------------------------------------------

    def _read(self, *, is_change: bool = False) -> dict[str, Any]:
        self.accessed = True
        if self._is_read:
            return self._data
        is_too_late = self.is_answered or (sys.exception() is not None and not is_change)
        try:
            self.owner, self._data = self._of_user() or (None, self._of_visitor())
        except ResealError:
            if is_too_late:
                return {}  # an error page, or a hook after the response: nobody answers an error there
            raise
        self._stored, self._is_read = _frozen(self._data), True
        return self._data

    def _of_user(self) -> tuple[Session, dict[str, Any]] | None:
        try:
            session = self._ours.current(self._request)
            return None if session is None else (session, from_json(session.get_session_data()))
        except Unauthorised as error:
            if error.reason in _FOREIGN:
                raise
            self._ours.forget(self._request)
            return None

    def _of_visitor(self) -> dict[str, Any]:
        return dict(self._visitors.of_visitor(self._app, self._request) or {})

    def save(self) -> SecureCookieSession | None:
        """Write the changes of a user; return a visitor's data, if they are to be written or deleted."""
        if not self._is_read:
            return None
        if self.owner is not None:
            self._write(self.owner)
        if self.owner is not None:
            return self._cookie({}) if self._has_cookie else None
        return self._cookie(self._data) if self._data or self._has_cookie else None

    def send(self, response: Response) -> None:
        """Put the headers of the session into a response that no server sends: that of a test's session_transaction."""
        headers = self._request.environ.get(COLLECTED)
        if headers is not None:
            response.headers.extend(headers.items())

    def _write(self, owner: Session) -> None:
        now = _frozen(self._data)
        removed = self._stored.keys() - now.keys()
        changed = {name: json.loads(text) for name, text in now.items() if self._stored.get(name) != text}
        if not removed and not changed:
            return
        try:
            owner.change_session_data(lambda data: {k: v for k, v in data.items() if k not in removed} | changed)
        except Unauthorised:
            self._ours.forget(self._request)
            self.leave()

    def _cookie(self, data: dict[str, Any]) -> SecureCookieSession:
        cookie = SecureCookieSession(data)
        cookie.modified = self.modified or self.owner is not None or _frozen(data) != self._stored
        cookie.accessed = True
        return cookie


class DataInterface(SecureCookieSessionInterface):
    """Opens and saves Flask's ``session``. See :class:`Reseal`, ``flask_session``."""

    def __init__(self, ours: AppSessions, user_key: str | None) -> None:
        self.user_key: str | None = user_key
        self.salt: str = f"reseal-visitor-{user_key}"  # so that no other cookie, which may name a user, is read here
        self._ours = ours

    def open_session(self, app: Flask, request: Request) -> UserData:  # type: ignore[override]  # either is a SessionMixin
        data = request.environ[KEPT] = UserData(self, app, request, self._ours)
        return data

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether a visitor's cookie is for https alone: as the configuration says, or the session's cookies."""
        return super().get_cookie_secure(app) or self._ours.settings.secure_cookies

    def get_cookie_samesite(self, app: Flask) -> str | None:
        """Return where a visitor's cookie is sent to: as the configuration says, or lax."""
        return super().get_cookie_samesite(app) or "Lax"

    def of_visitor(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie of a visitor."""
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, UserData)  # it was opened here
        with as_response(response):
            cookie = session.save()
            if cookie is not None:
                super().save_session(app, cookie, response)
        session.send(response)
