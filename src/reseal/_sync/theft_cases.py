# Generated from src/reseal/_async/theft_cases.py by tools/unasync.py; edit that file instead.
"""The calls of an application about theft cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reseal._sync.awaited import awaited, handle
from reseal._sync.forwarding import ForwardingSessions
from reseal.core import cases
from reseal.core.cases import Case, CaseFilter, CasePage
from reseal.core.dpop import Shown
from reseal.core.errors import ConfigurationError, StoreUnavailable, TokenTheftDetected
from reseal.core.events import NOBODY, Caller
from reseal.core.holding import SessionHeld
from reseal.log import LOGGER
from reseal.settings import Settings
from reseal.web import case_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reseal._sync.ports import Sessions
    from reseal.core.tokens import TokenPair

    CaseHandler = Callable[[Case], object | None]
    HandlerT = TypeVar("HandlerT", bound=CaseHandler)


class TheftCases:
    """A part of :class:`reseal.Reseal`. ``theft_cases`` has cases written; a case has the id of its session."""

    settings: Settings
    backend: Sessions

    @awaited
    def list_cases(
        self, user_id: str | None = None, *, open_only: bool = False, page: str | None = None, limit: int = 50
    ) -> CasePage:
        """Read up to ``limit`` (1 to 500) cases, newest first: of one user, or of all users of this tenant.

        ``page``: the ``next_page`` of the page before. Raises ``InvalidInput``, ``StoreUnavailable``.
        """
        after, limit = cases.place_of(page), cases.checked_limit(limit)
        found = self.backend.list_cases(CaseFilter(user_id, open_only), after, limit)
        return cases.page_of(found, limit)

    @awaited
    def read_case(self, case_id: str) -> Case | None:
        """Read a case; ``None`` if there is none. Raises ``InvalidInput``, ``StoreUnavailable``."""
        return self.backend.read_case(case_id)

    @awaited
    def case_page(self, case_id: str) -> str | None:
        """Write a page about a case, as HTML with a picture of the timeline; ``None`` if there is none.

        It has no script, and names users and addresses: serve it from a route for administrators alone. Raises
        ``InvalidInput``, ``StoreUnavailable``.
        """
        case = self.backend.read_case(case_id)
        return None if case is None else case_page.page(case)

    @awaited
    def close_case(self, case_id: str, *, note: str, by: str, release: bool = False) -> Case | None:
        """Close a case, and return it; ``None`` if there is none. One that is closed already stays as it is.

        ``note``: what was found out, and ``by``: who says so, in up to 256 printable characters each. ``release``: if
        its session is held, it may be refreshed again, by whoever holds its current token. Raises ``InvalidInput``,
        ``StoreUnavailable``.
        """
        return self.backend.close_case(case_id, note, by, release=release)

    @awaited
    def erase_cases(self, user_id: str) -> int:
        """Remove all cases of a user, for whoever erases the user; returns how many.

        Raises ``InvalidInput``, ``StoreUnavailable``.
        """
        return self.backend.erase_cases(user_id)

    def on_theft(self, handler: HandlerT) -> HandlerT:
        """Have a function called with the case whenever a refresh is refused as theft; usable as a decorator.

        It runs in the refresh, after the policy's response was carried out. What it raises is logged, and changes
        nothing for the client. It may be called several times for one case. Raises ``ConfigurationError`` while
        ``theft_cases`` is 0.
        """
        if not self.settings.theft_cases:
            raise ConfigurationError(("theft_cases: must be above 0 for on_theft; 90 keeps cases for 90 days",))
        self.backend = _AsyncReporting(self.backend, handler)
        return handler


class _AsyncReporting(ForwardingSessions):
    """Sessions that pass the case of each theft to a handler."""

    def __init__(self, inner: Sessions, handler: CaseHandler) -> None:
        super().__init__(inner)
        self._handler = handler

    def refresh(
        self,
        presented: str,
        *,
        anti_csrf: str | None = None,
        require_anti_csrf: bool = False,
        attempt_key: str | None = None,
        proof: str | Shown | None = None,
        caller: Caller = NOBODY,
    ) -> TokenPair:
        try:
            return super().refresh(
                presented,
                anti_csrf=anti_csrf,
                require_anti_csrf=require_anti_csrf,
                attempt_key=attempt_key,
                proof=proof,
                caller=caller,
            )
        except (TokenTheftDetected, SessionHeld) as error:
            if error.subtype:  # of a session that is held already, the case was reported
                self._report(error.session_handle)
            raise

    def _report(self, case_id: str) -> None:
        try:
            case = self.inner.read_case(case_id)
            if case is not None:
                handle(self._handler, case)
        except StoreUnavailable as error:
            LOGGER.warning("theft case %s could not be read: %s", case_id, error)
        except Exception:  # noqa: BLE001 - the client has to hear of the theft, whatever the application does about it
            LOGGER.exception("the handler of on_theft failed")
