# Generated from src/reseal/_async/visitors.py by tools/unasync.py; edit that file instead.
"""Visitors who are not signed in: what of their session a sign-in takes over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from reseal.core import ids
from reseal.core.access_token import Claims
from reseal.core.errors import InvalidInput, Refusal, StoreUnavailable, TryRefreshToken, Unauthorised
from reseal.core.events import Caller, EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.core.session_policy import Replaced
from reseal.core.visitors import taken_over

if TYPE_CHECKING:
    from reseal._sync.ports import Sessions, SessionStore
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Admission, Limits
    from reseal.event_emitter import EventEmitter

T = TypeVar("T")
ATTEMPTS: Final = 8
"""Retries after losing a race, before the store counts as too busy."""
_CONVERTED: Final = EventName.SESSION_CONVERTED
_SIGNED_IN: Final = "shows the session of a user, which would end: call get_any_session first, or sign_out"


class Converting:
    """A part of :class:`reseal._sync.beginning.Beginning`."""

    if TYPE_CHECKING:
        _scope: Scope
        _store: SessionStore
        _emitter: EventEmitter

        def _admit(
            self,
            new: NewSession,
            limits: Limits,
            reports: Reports,
            replaced: tuple[str, ...],
            visitor: SessionRecord | None = None,
        ) -> Admission: ...

    def _convert(
        self, new: NewSession, limits: Limits, reports: Reports, caller: Caller, replaced: Replaced
    ) -> SessionRecord | None:
        """Store a new session with the data of a visitor's, which ends with it; ``None`` if the handle is taken."""
        if replaced.visitor is None or new.user_id == ANONYMOUS:
            return (self._admit(new, limits, reports, replaced.handles)).record
        for _ in range(ATTEMPTS):
            found = self._store.get(self._scope, replaced.visitor)
            taking, over = taken_over(new, found, limits.rotation.race_window)
            is_visitor = over is not None and over.user_id == ANONYMOUS
            told = self._emitter.draft(_CONVERTED, caller, reason=replaced.visitor) if is_visitor else ()
            admission = self._admit(taking, limits, reports + told, replaced.handles, over)
            if admission.record is not None and over is not None:
                self._emitter.emit_ended((over.handle,), over.user_id, EndReason.REPLACED)
            if admission.record is not None and is_visitor:
                self._emitter.emit_for(_CONVERTED, admission.record, caller, reason=replaced.visitor)
            if not admission.is_stale:
                return admission.record
        raise StoreUnavailable


def user_or_none(find: Callable[[], T]) -> T | None:
    """Return the session of a user; ``None`` for that of a visitor, which ``find`` refuses."""
    try:
        return find()
    except Unauthorised as error:
        if error.reason is Refusal.NOT_SIGNED_IN:
            return None
        raise


def to_take_over(wanted: bool | str, held: Iterable[Claims], user_id: str, now: int) -> str | None:  # noqa: FBT001
    """Return the handle of the session whose data a sign-in of this user may take over: a visitor's, or the user's own.

    It is that of the newest access token, or the one that the application names. Raises ``TryRefreshToken`` if a
    visitor's token has expired: by itself it must not give data away.
    """
    if not isinstance(wanted, bool):
        return ids.handle(wanted, "keep_anonymous")
    newest = max(held if wanted else (), key=lambda each: each.iat, default=None)
    if newest is None or newest.sub not in {ANONYMOUS, user_id}:
        return None
    if newest.exp * 1000 > now:
        return newest.sid
    if newest.sub == ANONYMOUS:
        raise TryRefreshToken("the access token of the anonymous session has expired")
    return None


def demand_no_user(sessions: Sessions, held: Iterable[Claims]) -> None:
    """Raise ``InvalidInput`` if one of these access tokens is of the live session of a user."""
    handles = {claims.sid for claims in held if claims.sub != ANONYMOUS}
    if handles and len(sessions.why_ended(handles)) < len(handles):
        raise InvalidInput("request", _SIGNED_IN)
