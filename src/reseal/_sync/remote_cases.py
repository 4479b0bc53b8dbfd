# Generated from src/reseal/_async/remote_cases.py by tools/unasync.py; edit that file instead.
"""The calls of sessions about theft cases, over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reseal.core import cases, ids
from reseal.core.cases import Case, CaseFilter, CasePlace
from reseal.core.model import printable

if TYPE_CHECKING:
    from reseal._sync.remote_calls import Calls


class RemoteCases:
    """A part of :class:`reseal.Remote`."""

    if TYPE_CHECKING:
        _calls: Calls

    def list_cases(self, which: CaseFilter, after: CasePlace, limit: int) -> tuple[Case, ...]:
        """Read up to ``limit`` cases, newest first. Raises ``InvalidInput``, ``StoreUnavailable``."""
        which = cases.checked_filter(which)
        if which.user_id is not None and not _is_sendable(which.user_id):
            return ()
        return self._calls.call(
            "list_cases", tuple[Case, ...], repeatable=True, which=which, after=after, limit=limit
        )

    def read_case(self, case_id: str) -> Case | None:
        """Read a case; ``None`` if there is none. Raises ``InvalidInput``, ``StoreUnavailable``."""
        case_id = ids.handle(case_id, "case_id")
        if not _is_sendable(case_id):
            return None
        return self._calls.call("read_case", Case | None, repeatable=True, case_id=case_id)  # type: ignore[arg-type]

    def close_case(self, case_id: str, note: str, by: str, *, release: bool = False) -> Case | None:
        """Close a case; ``None`` if there is none. Raises ``InvalidInput``, ``StoreUnavailable``."""
        case_id, note, by = ids.handle(case_id, "case_id"), cases.checked("note", note), cases.checked("by", by)
        if not _is_sendable(case_id):
            return None
        of_it: dict[str, Any] = {"case_id": case_id, "note": note, "by": by} | ({"release": True} if release else {})
        return self._calls.call("close_case", Case | None, repeatable=True, **of_it)  # type: ignore[arg-type]

    def erase_cases(self, user_id: str) -> int:
        """Remove all cases of a user; returns how many. Raises ``InvalidInput``, ``StoreUnavailable``."""
        user_id = ids.user_id(user_id)
        if not _is_sendable(user_id):
            return 0
        return self._calls.call("erase_cases", int, repeatable=False, user_id=user_id)


def _is_sendable(text: str) -> bool:
    """Return whether a stored id can be this text."""
    return printable(text) == text
