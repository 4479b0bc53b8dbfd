# Generated from src/reseal/_async/stores/server_limits.py by tools/unasync.py; edit that file instead.
"""Limited sign-ins on a database server: one transaction, of which each user has one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._sync.stores.server_kills import ServerKills
from reseal.core.model import EndReason
from reseal.core.rotation import begun
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Admission
from reseal.stores import rows
from reseal.stores.deadlines import within

if TYPE_CHECKING:
    from reseal._sync.stores.servers import Server, ServerLink
    from reseal.core.model import NewSession, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Ending, SessionLimit
    from reseal.stores.rows import Values

_ALL: Final = 2**31 - 1


class _Stale(Exception):
    """Rolls the transaction back."""


class ServerLimits(ServerKills):
    """A part of the store on a server."""

    if TYPE_CHECKING:
        _server: Server

        def _timed(self, values: Values) -> Values: ...
        def _written(self) -> None: ...

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        beginning = self._timed(rows.reported(rows.of_new(scope, new), reports))
        ending = rows.scoped(scope) | {"reason": EndReason.LIMIT.value, "note": None}
        ending = self._timed(rows.reported(ending, ended_reports))
        listing = self._timed(rows.of_user(scope, new.user_id, UserPlace(), _ALL))

        def admit(link: ServerLink) -> Admission:
            with link.transaction():
                link.settle()
                evicted = limit.evicted(self._of_user(link, listing) if limit.most else ())
                if evicted is None:
                    return Admission(None, (), is_full=True)
                begins = link.fetch(rows.query("insert", beginning), beginning)
                if begins and limit.ending and not self._replaced(link, scope, limit.ending):
                    raise _Stale
                if begins and evicted:
                    link.fetch(rows.query("end", ending), ending | {"handles": list(evicted)})
            return Admission(begun(new, begins[0][3]), evicted) if begins else Admission(None, ())

        with within(self._server.limit_s):
            try:
                admission = self._server.run(admit)
            except _Stale:
                return Admission(None, (), is_stale=True)
            self._written()
        return admission

    def _of_user(self, link: ServerLink, listing: Values) -> list[SessionRecord]:
        """Read the live sessions of a user, of whom nobody else begins one until the transaction ends."""
        link.fetch("lock_user", listing)
        return list(map(rows.to_record, link.fetch("list_user", listing)))

    def _replaced(self, link: ServerLink, scope: Scope, ending: Ending) -> bool:
        """Write the end of a visitor's session; ``False`` if its row has changed."""
        values = rows.reported(rows.of_record(scope, ending.record), ending.reports)
        return bool(link.fetch(rows.query("replace", values), self._timed(values) if ending.reports else values))
