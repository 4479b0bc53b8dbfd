"""The calls of an application about the sessions of a user: to list them, to name them and to end them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from reseal._async.awaited import awaited
from reseal._async.ports import AsyncSessions
from reseal.core import ids
from reseal.core.errors import InvalidInput
from reseal.core.model import EndReason
from reseal.devices import DeviceKind, SessionInfo, info
from reseal.devices.selection import Only
from reseal.stores.postgres.lag import may_lag

_NO_MOMENT: Final = "must be a datetime with a time zone: datetime.now(UTC), for example"


class AsyncUserSessions:
    """A part of :class:`reseal.AsyncReseal`. An id that is not text raises ``InvalidInput``.

    ``note`` is a reason in your own words, of up to 256 printable characters: the user is told, and so are the events
    and the list of devices.
    """

    backend: AsyncSessions

    @awaited
    async def list_sessions(
        self, user_id: str, *, current: str | None = None, ended_within: int = 0
    ) -> tuple[SessionInfo, ...]:
        """List the live sessions of a user, the one that was seen last first, as the user may see them.

        ``current``: the handle of the session that asks. ``ended_within``: list behind them those that ended within the
        last ms, the latest first; a session is removed a day after it would have expired. Raises ``StoreUnavailable``.
        """
        return await listed(self.backend, user_id, current, ended_within)

    @awaited
    async def rename_session(self, session_handle: str, name: str) -> None:
        """Name the device of a session, in up to 64 printable characters; an empty name takes it away.

        Raises ``InvalidInput``, ``Unauthorised`` if there is no such live session, ``StoreUnavailable``.
        """
        await self.backend.rename(session_handle, name)

    @awaited
    async def revoke_session_using_session_handle(self, session_handle: str, *, note: str | None = None) -> bool:
        """End one session. Returns whether this call ended it."""
        return bool(await self.backend.revoke((ids.handle(session_handle),), note=note))

    @awaited
    async def revoke_multiple_sessions(
        self, session_handles: Iterable[str], *, note: str | None = None
    ) -> tuple[str, ...]:
        """End exactly these sessions; returns those that this call ended."""
        return await self.backend.revoke(session_handles, note=note)

    @awaited
    async def revoke_all_sessions_for_user(
        self, user_id: str, *, keep: str | None = None, note: str | None = None
    ) -> tuple[str, ...]:
        """End all sessions of a user, except for the handle ``keep``; returns those that this call ended."""
        return await end_user(self.backend, user_id, keep, note)

    @awaited
    async def end_sessions(
        self,
        user_id: str,
        *,
        keep: str | None = None,
        kind: DeviceKind | None = None,
        begun_before: datetime | None = None,
        last_seen_before: datetime | None = None,
        claim: tuple[str, Any] | None = None,
        note: str | None = None,
    ) -> tuple[str, ...]:
        """End those sessions of a user of which all of this is true; returns those that this call ended.

        ``keep``: a handle that stays. ``claim``: a member of the JWT payload and its value, as the session has them
        now. Raises ``InvalidInput``, ``StoreUnavailable`` (some may have ended then; call again).
        """
        only = Only(
            kind=kind,
            begun_before=_ms("begun_before", begun_before),
            last_seen_before=_ms("last_seen_before", last_seen_before),
            claim=claim,
        )
        kept = ids.handle_or_none(keep, "keep")
        records = await self.backend.list_user(user_id)
        handles = [record.handle for record in records if record.handle != kept and only.fits(record)]
        return await self.backend.revoke(handles, EndReason.REVOKED, note)

    @awaited
    async def end_sessions_before(
        self,
        moment: datetime,
        *,
        user_id: str | None = None,
        all_tenants: bool = False,
        kind: DeviceKind | None = None,
        claim: tuple[str, Any] | None = None,
        note: str | None = None,
    ) -> int:
        """End the sessions that were begun or refreshed before a moment for the last time; returns how many.

        For the hour after a backup was restored, in which sessions that were revoked since live again, and for ends of
        a whole tenant or app. Of one user, or of all; of this tenant, or of all tenants of the app; with ``kind`` and
        ``claim``, those of which that is true. Raises ``InvalidInput`` for a moment without time zone or one that is
        still to come, ``StoreUnavailable`` (then call again).
        """
        at = _ms("moment", moment)
        if at is None:
            raise InvalidInput("moment", _NO_MOMENT)
        only = Only(kind=kind, claim=claim, note=note)
        return await self.backend.end_before(
            at, user_id=user_id, all_tenants=all_tenants, only=None if only == Only() else only
        )

    @awaited
    async def get_all_session_handles_for_user(self, user_id: str) -> tuple[str, ...]:
        """Name the live sessions of a user, oldest first."""
        return tuple(record.handle for record in await self.backend.list_user(user_id))


async def end_user(sessions: AsyncSessions, user_id: str, keep: str | None, note: str | None) -> tuple[str, ...]:
    """End all sessions of a user but ``keep``; without a note in one statement."""
    if note is None:
        return await sessions.revoke_user(user_id, keep=keep)
    records, kept = await sessions.list_user(user_id), ids.handle_or_none(keep, "keep")
    handles = [record.handle for record in records if record.handle != kept]
    return await sessions.revoke(handles, EndReason.USER_REVOKED, note)


async def listed(
    sessions: AsyncSessions, user_id: str, current: str | None, ended_within: int
) -> tuple[SessionInfo, ...]:
    """Read the list of a user: live sessions, the one that was seen last first, and behind them the ended ones."""
    with may_lag():
        records = sorted(await sessions.list_user(user_id), key=lambda record: -record.last_seen_at)
        over = await sessions.list_ended(user_id, ended_within) if ended_within else ()
    places = sessions.settings.place_database
    return (*(info.live(each, current, places) for each in records), *(info.ended(each, places) for each in over))


def _ms(argument: str, moment: datetime | None) -> int | None:
    """Return a moment in ms. Raises ``InvalidInput``."""
    if moment is None:
        return None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput(argument, _NO_MOMENT)
    return int(moment.timestamp() * 1000)
